/*
 * inside: all objects of a heap, in the order of their addresses, and how many references to each come from inside.
 *
 *     count - inside == how many the program holds
 *
 * What inside is: other objects, and the heap itself, for arguments of callbacks that it owns. A weak reference is
 * none. Objects are numbered upwards; what is known of each stands in arrays beside them, so a snapshot child may use
 * this, and nothing is written into the heap. Not among them: an object that is in the midst of its death.
 */
#ifndef EXVI_INSIDE_H
#define EXVI_INSIDE_H

#include "object.h"
#include "walk.h"

/* Of an object whose death was put off: nobody can have it any more. Other bits are the user's. */
enum { EXVI_INSIDE_PUT_OFF = 128 };

typedef struct exvi_inside {
    exv_heap *heap;
    exvi_walk members;       /* a bit for each object */
    exvi_walk blocks;        /* and for each plain block that was handed out with an object */
    size_t count;
    uint64_t references;     /* to members, of members */
    uint32_t *seen;          /* by number: references from inside; UINT32_MAX: so many or more */
    uint8_t *flags;          /* by number */
} exvi_inside;

/* Zeroed before, dropped in any case. `stop` is asked now and then. False: no memory, or told to stop. */
bool exvi_inside_find(exvi_inside *inside, exv_heap *heap, bool (*stop)(void *arg), void *arg);
void exvi_inside_drop(exvi_inside *inside);

/* UINT32_MAX: it is none of them. */
static inline uint32_t exvi_inside_number(const exvi_inside *inside, const void *object)
{
    return exvi_walk_number(&inside->members, object);
}

/* Call `each` for every object, in order, until it returns false. */
typedef bool exvi_inside_fn(void *arg, uint32_t number, void *object);
bool exvi_inside_each(const exvi_inside *inside, exvi_inside_fn *each, void *arg);

/* References from outside; EXV_IMMORTAL of an immortal object. */
uint32_t exvi_inside_held(const exvi_inside *inside, uint32_t number, const void *object);

/* Call `each` (or NULL) for every word of an object's payload and of the plain blocks that it leads to by their
 * addresses, if the object can own any: a block goes to the first object that leads to it. Their bytes. */
typedef void exvi_word_fn(void *arg, uintptr_t word, size_t offset); /* offset in the payload; SIZE_MAX: in a block */
size_t exvi_inside_words(exvi_inside *inside, void *object, exvi_word_fn *each, void *arg);

#endif

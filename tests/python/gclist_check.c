/*
 * gclist_check: the list header's rules one by one, on headers made for it.
 *
 * What a dying object, a free list or CPython's trashcan leaves in a header can hardly be brought about from Python
 * code, so each state is written down here. Built with python/ext/gclist.c by test_gclist.py; nothing of the
 * interpreter runs.
 */
#include "gclist.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define CHECK(condition)                                                     \
    do {                                                                     \
        if (!(condition)) {                                                  \
            fprintf(stderr, "line %d: %s\n", __LINE__, #condition);          \
            exit(1);                                                         \
        }                                                                    \
    } while (0)

enum { MOST = 7 };

typedef struct node {
    exvi_gc_head head;
    PyObject object;
} node;

static exvi_gc_head list;
static node nodes[MOST];
static node *const middle = &nodes[1];

/* A list of so many live objects. */
static void make(int count)
{
    list.next = list.prev = (uintptr_t)&list;
    memset(nodes, 0, sizeof nodes);
    for (int i = 0; i < count; i++) {
        exvi_gc_head *head = &nodes[i].head, *last = exvi_gc_prev(&list);
        nodes[i].object.ob_refcnt = 1;
        last->next = list.prev = (uintptr_t)head;
        head->prev = (uintptr_t)last | (i % 2 ? EXVI_GC_FINALIZED : 0);
        head->next = (uintptr_t)&list;
    }
}

static void check_is_listed(void)
{
    make(3);
    for (int i = 0; i < 3; i++)
        CHECK(exvi_gc_is_listed(&nodes[i].head));
    middle->head.next = 0; /* not tracked, in a free list for example */
    CHECK(!exvi_gc_is_listed(&middle->head));
    make(3);
    for (uintptr_t bit = 1; bit <= 2; bit++) { /* inside a collection, even if what is there looks like a neighbour */
        _Alignas(16) char memory[sizeof(exvi_gc_head) + 2];
        exvi_gc_head neighbour = {0, (uintptr_t)&middle->head};
        memcpy(memory + bit, &neighbour, sizeof neighbour);
        middle->head.next = (uintptr_t)(memory + bit);
        CHECK(!exvi_gc_is_listed(&middle->head));
    }
    make(3);
    middle->head.prev |= EXVI_GC_COLLECTING; /* the rest is a count then */
    CHECK(!exvi_gc_is_listed(&middle->head));
    make(3);
    middle->head.prev = EXVI_GC_FINALIZED;
    CHECK(!exvi_gc_is_listed(&middle->head));
    make(3);
    nodes[0].head.next = (uintptr_t)&nodes[2].head; /* the neighbours know nothing of it, */
    CHECK(!exvi_gc_is_listed(&middle->head));
    make(3);
    nodes[2].head.prev = (uintptr_t)&nodes[0].head; /* either of them */
    CHECK(!exvi_gc_is_listed(&middle->head));
}

/* A dying object's links may lead anywhere: they must not be followed. */
static void check_dying(void)
{
    make(3);
    middle->object.ob_refcnt = 0;
    CHECK(!exvi_gc_is_listed(&middle->head));
    middle->head.next = middle->head.prev = 4096;
    CHECK(!exvi_gc_is_listed(&middle->head));
}

static void check_lists(void)
{
    for (int count = 0; count <= MOST; count++) {
        make(count);
        CHECK(exvi_gc_list_check(&list, MOST) == count);
        CHECK(count == 0 || exvi_gc_list_check(&list, count - 1) == -1);
    }
    make(3);
    nodes[2].head.prev = (uintptr_t)&nodes[0].head;
    CHECK(exvi_gc_list_check(&list, MOST) == -1);
    make(3);
    nodes[2].head.next = 0;
    CHECK(exvi_gc_list_check(&list, MOST) == -1);
    make(3);
    nodes[2].head.next = (uintptr_t)&nodes[0].head; /* round, but not through the head */
    CHECK(exvi_gc_list_check(&list, MOST) == -1);
}

static void check_move(void)
{
    exvi_gc_head other = {(uintptr_t)&other, (uintptr_t)&other};
    make(3);
    exvi_gc_move(&nodes[1].head, &other);
    exvi_gc_move(&nodes[0].head, &other);
    CHECK(exvi_gc_list_check(&list, MOST) == 1 && exvi_gc_list_check(&other, MOST) == 2);
    CHECK(exvi_gc_next(&other) == &nodes[1].head && exvi_gc_prev(&other) == &nodes[0].head);
    CHECK(nodes[1].head.prev & EXVI_GC_FINALIZED);
    CHECK(!(nodes[0].head.prev & EXVI_GC_FINALIZED));
    make(3);
    other = (exvi_gc_head){(uintptr_t)&other, (uintptr_t)&other};
    exvi_gc_move(&nodes[0].head, &other);
    CHECK(nodes[1].head.prev & EXVI_GC_FINALIZED);
    exvi_gc_move(&nodes[1].head, &other);
    exvi_gc_move(&nodes[0].head, &other); /* within its own list */
    CHECK(exvi_gc_list_check(&other, MOST) == 2 && exvi_gc_prev(&other) == &nodes[0].head);
}

/* Each object once, whatever the length and however many are asked for at a time. */
static void check_walk(void)
{
    for (int count = 0; count <= MOST; count++) {
        for (size_t room = 2; room <= MOST + 1; room++) {
            make(count);
            exvi_gc_walk walk = {.list = &list};
            int seen[MOST] = {0};
            void *objects[MOST + 1];
            size_t got;
            while ((got = exvi_gc_walk_next(&walk, objects, room)) > 0) {
                CHECK(got <= room);
                for (size_t i = 0; i < got; i++)
                    seen[(node *)exvi_gc_head_of(objects[i]) - nodes]++;
            }
            for (int i = 0; i < MOST; i++)
                CHECK(seen[i] == (i < count));
        }
    }
}

int main(void)
{
    check_is_listed();
    check_dying();
    check_lists();
    check_move();
    check_walk();
    return 0;
}

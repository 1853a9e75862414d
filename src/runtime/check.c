/*
 * check: the validator of a whole heap.
 *
 * Looks at everything that the parts promise of each other: pages and bitmaps, headers, generations, weak references,
 * and that no object has fewer references than other objects hold on it. Changes nothing; takes about as long as a
 * full collection.
 */
#include "object.h"
#include "platform.h"
#include "references.h"

enum { BATCH = 256 };

typedef struct checking {
    exv_heap *heap;
    exvi_block_cursor cursor;
    const char *wrong;
    size_t tracked, frozen, weak, unreachable;
} checking;

static bool is_young(const exvi_header *header)
{
    const exvi_page *page = exvi_page_of(header);
    uint32_t index = exvi_block_index(page, header);
    return (page->young[0][index / 64] | page->young[1][index / 64]) >> (index % 64) & 1;
}

static void check_header(checking *c, const exvi_header *header)
{
    uint32_t flags = header->flags;
    if (!header->type || !header->type->name)
        c->wrong = "an object has no type";
    else if (header->refcount == 0)
        c->wrong = "a live object has no reference";
    else if (flags & EXVI_TRACKED && !exvi_type_refers(header->type))
        c->wrong = "an object without references is tracked";
    else if (flags & EXVI_FROZEN && !(flags & EXVI_TRACKED))
        c->wrong = "an untracked object is frozen";
    else if (flags & EXVI_TRACKED && is_young(header) && !exvi_page_of(header)->young_listed)
        c->wrong = "a page with young objects is not listed";
    c->tracked += (flags & EXVI_TRACKED) != 0;
    c->frozen += (flags & EXVI_FROZEN) != 0;
    c->weak += (flags & EXVI_WEAK) != 0;
    c->unreachable += (flags & EXVI_UNREACHABLE) != 0;
}

/* Hands out every object but those whose header holds a link instead of a count. */
static size_t next_object(void *host, void **objects, size_t room)
{
    checking *c = host;
    size_t count = 0;
    size_t blocks;
    while (count == 0 && (blocks = exvi_blocks_next(&c->heap->blocks, EXVI_OBJECT, &c->cursor, objects, room)) > 0) {
        for (size_t i = 0; i < blocks; i++) {
            const exvi_header *header = objects[i];
            if (header->flags & EXVI_DYING) {
                c->weak += (header->flags & EXVI_WEAK) != 0;
                continue;
            }
            check_header(c, header);
            if (c->wrong)
                return 0;
            objects[count++] = exvi_object_of(objects[i]);
        }
    }
    return count;
}

static uint64_t refcount_of(void *host, void *object)
{
    (void)host;
    uint32_t count = exvi_header_of(object)->refcount;
    return count >= EXVI_IMMORTAL_COUNT ? EXVI_HELD : exvi_references_to(object, count);
}

static void visit_object(void *host, void *object, exvi_phase phase, exvi_visit_fn *visit, void *arg)
{
    (void)host, (void)phase;
    exvi_object_visit(object, visit, arg);
}

static void note_excess(void *host, void *object, uint64_t refcount, uint64_t inside)
{
    (void)object, (void)refcount, (void)inside;
    ((checking *)host)->wrong = "objects hold more references on an object than it counts";
}

static const char *check_objects(exv_heap *heap)
{
    checking c = {.heap = heap};
    exvi_cycle cycle = {0};
    exvi_graph graph = {
        .host = &c,
        .next = next_object,
        .refcount = refcount_of,
        .visit = visit_object,
        .excess = note_excess,
    };
    bool memory = exvi_cycle_find(&cycle, &graph) != EXVI_CYCLE_MEMORY;
    exvi_cycle_drop(&cycle);
    if (c.wrong)
        return c.wrong;
    if (!memory)
        return "no memory to check the references";
    if (c.tracked != exvi_generations_tracked(&heap->generations) || c.frozen != heap->generations.frozen)
        return "the number of tracked or frozen objects is wrong";
    if (c.weak != heap->weakrefs.targets)
        return "an object with weak references is not in their table";
    return c.unreachable == heap->collector.unreachable ? NULL : "an object is unreachable outside of a collection";
}

const char *exv_heap_check(exv_heap *heap)
{
    exvi_heap_enter(heap, __func__);
    const char *wrong = exvi_blocks_check(&heap->blocks);
    if (!wrong)
        wrong = exvi_weakrefs_check(heap); /* first: visiting an object goes along its weak references */
    if (!wrong)
        wrong = check_objects(heap);
    exvi_heap_leave(heap);
    return wrong;
}

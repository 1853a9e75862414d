/*
 * step: random operations on a world, and what its finalizers do.
 *
 * What an operation uses while it allocates or drops references it has in hand, so that a collection, a finalizer or
 * (wild worlds) another operation in the middle of it cannot take it away.
 */
#include "world.h"

#include "object.h"

#include <string.h>

bool world_is_freeing(const world *w)
{
    return w->heap->flight.doomed.count > 0;
}

static bool one_in(world *w, uint32_t n)
{
    return world_random(w, n) == 0;
}

static uint32_t some_root(world *w)
{
    return world_random(w, WORLD_ROOTS);
}

uint32_t world_pick(world *w)
{
    uint32_t id = WORLD_NONE;
    for (unsigned tries = 0; tries < 4 && id == WORLD_NONE; tries++)
        id = w->roots[some_root(w)];
    while (id != WORLD_NONE && w->node[id].field_count > 0 && !one_in(w, 3)) {
        uint32_t child = w->node[id].fields[world_random(w, w->node[id].field_count)];
        if (child == WORLD_NONE)
            break;
        id = child;
    }
    return id;
}

/* ---- making objects ---- */

static world_shape some_shape(world *w)
{
    return (world_shape)world_random(w, WORLD_SHAPES);
}

static uint32_t some_size(world *w)
{
    if (one_in(w, 300))
        return 200 + world_random(w, 10000);
    return world_random(w, 7);
}

static void make_object(world *w)
{
    uint32_t id = world_new(w, some_shape(w), some_size(w));
    if (id != WORLD_NONE)
        world_put_root(w, some_root(w), id);
}

static void link_by(world *w, uint32_t from, uint32_t index, uint32_t to)
{
    if (!world_may_refer(w, from, to))
        return;
    world_hold(w, to);
    world_put_field(w, from, index, to);
}

static void link_to(world *w, uint32_t from, uint32_t to)
{
    if (w->node[from].field_count > 0)
        link_by(w, from, world_random(w, w->node[from].field_count), to);
}

static void link_objects(world *w)
{
    uint32_t from = world_pick(w), to = world_pick(w);
    if (from != WORLD_NONE && to != WORLD_NONE)
        link_to(w, from, to);
}

static void unlink_object(world *w)
{
    uint32_t id = world_pick(w);
    if (id != WORLD_NONE && w->node[id].field_count > 0)
        world_put_field(w, id, world_random(w, w->node[id].field_count), WORLD_NONE);
}

static void copy_to_root(world *w)
{
    uint32_t id = world_pick(w);
    if (id == WORLD_NONE)
        return;
    world_hold(w, id);
    world_put_root(w, some_root(w), id);
}

static void drop_root(world *w)
{
    world_put_root(w, some_root(w), WORLD_NONE);
}

/* More references to one object than a byte counts. */
static void point_often(world *w)
{
    uint32_t target = world_new(w, WORLD_PAIR, 0);
    uint32_t many = target == WORLD_NONE ? WORLD_NONE : world_new(w, WORLD_VARIABLE, 240 + world_random(w, 600));
    if (many == WORLD_NONE) {
        if (target != WORLD_NONE)
            world_drop(w, target);
        return;
    }
    for (uint32_t i = 0; i < w->node[many].field_count; i++) {
        world_hold(w, target);
        world_put_field(w, many, i, target);
    }
    world_hold(w, many);
    world_put_field(w, target, 0, many);
    world_drop(w, target);
    world_put_root(w, some_root(w), many);
}

/* Objects with fields, each in hand, linked by their first field, mostly; `ids` receives them. */
static uint32_t make_row(world *w, uint32_t *ids, uint32_t length)
{
    uint32_t made = 0;
    while (made < length) {
        world_shape shape = WORLD_PAIR + world_random(w, WORLD_SHAPES - WORLD_PAIR);
        uint32_t id = world_new(w, shape, 1 + world_random(w, 4));
        if (id == WORLD_NONE)
            break;
        ids[made++] = id;
    }
    for (uint32_t i = 0; i + 1 < made; i++)
        link_by(w, ids[i], 0, ids[i + 1]);
    return made;
}

/* Shortcuts in the row, references from and to the rest, weak references between its members. */
static void decorate_row(world *w, const uint32_t *ids, uint32_t length)
{
    for (uint32_t i = 0; i < length; i++) {
        uint32_t other = one_in(w, 3) ? world_pick(w) : ids[world_random(w, length)];
        if (one_in(w, 4) && w->node[ids[i]].field_count > 1 && other != WORLD_NONE)
            link_by(w, ids[i], 1, other);
        if (!one_in(w, 8))
            continue;
        uint32_t weak = world_new_weak(w, ids[world_random(w, length)], one_in(w, 2));
        if (weak == WORLD_NONE)
            continue;
        if (one_in(w, 2) && w->node[ids[i]].field_count > 1 && world_may_refer(w, ids[i], weak))
            world_put_field(w, ids[i], 1, weak);
        else
            world_put_root(w, some_root(w), weak);
    }
}

static void make_ring(world *w)
{
    uint32_t ids[24];
    uint32_t length = make_row(w, ids, 1 + world_random(w, 24));
    if (length == 0)
        return;
    decorate_row(w, ids, length);
    link_by(w, ids[length - 1], 0, ids[0]);
    if (one_in(w, 4)) {
        world_hold(w, ids[length / 2]);
        world_put_root(w, some_root(w), ids[length / 2]);
    }
    for (uint32_t i = 0; i < length; i++)
        world_drop(w, ids[i]);
}

/* Dies at once when its head is dropped, by bounded stack. */
static void make_chain(world *w)
{
    uint32_t ids[1200];
    uint32_t length = make_row(w, ids, one_in(w, 20) ? 1200 : 1 + world_random(w, 150));
    for (uint32_t i = 1; i < length; i++)
        world_drop(w, ids[i]);
    if (length > 0 && one_in(w, 3))
        world_put_root(w, some_root(w), ids[0]);
    else if (length > 0)
        world_drop(w, ids[0]);
}

/* ---- weak references ---- */

static void make_weak(world *w)
{
    uint32_t target = world_pick(w);
    if (target == WORLD_NONE)
        return;
    uint32_t weak = world_new_weak(w, target, !one_in(w, 3));
    if (weak == WORLD_NONE)
        return;
    uint32_t holder = world_pick(w);
    if (holder != WORLD_NONE && one_in(w, 2) && w->node[holder].field_count > 0 && world_may_refer(w, holder, weak))
        world_put_field(w, holder, world_random(w, w->node[holder].field_count), weak);
    else
        world_put_root(w, some_root(w), weak);
}

static void follow_weak(world *w)
{
    uint32_t id = WORLD_NONE;
    for (unsigned tries = 0; tries < 12 && id == WORLD_NONE; tries++) {
        uint32_t any = w->used ? world_random(w, w->used) : 0;
        if (w->node[any].object && w->node[any].shape == WORLD_WEAK)
            id = any;
    }
    if (id == WORLD_NONE)
        return;
    uint32_t target = world_follow(w, id);
    if (target == WORLD_NONE)
        return;
    if (one_in(w, 2))
        world_put_root(w, some_root(w), target);
    else
        world_drop(w, target);
}

/* ---- the collector's switches ---- */

static void untrack_object(world *w)
{
    uint32_t id = world_pick(w);
    world_catch_up(w);
    if (id != WORLD_NONE && w->node[id].shape != WORLD_WEAK)
        world_track(w, id, false);
}

static void track_all(world *w)
{
    world_catch_up(w);
    for (uint32_t id = 0; w->depth == 0 && id < w->used; id++)
        if (w->node[id].object && !w->node[id].doomed && !w->node[id].cleared)
            world_track(w, id, true);
}

static void freeze(world *w)
{
    if (w->depth == 0)
        world_freeze(w, one_in(w, 3));
}

static void make_immortal(world *w)
{
    uint32_t id = world_pick(w);
    if (id != WORLD_NONE && w->node[id].shape != WORLD_WEAK && one_in(w, 1000))
        world_make_immortal(w, id);
}

static void collect(world *w)
{
    world_collect(w, (int)world_random(w, EXV_GENERATIONS));
}

static void set_threshold(world *w)
{
    uint32_t threshold[EXV_GENERATIONS] = {1 + world_random(w, 1500), world_random(w, 12), world_random(w, 12)};
    exv_gc_set_threshold(w->heap, threshold);
}

static void settle(world *w)
{
    if (one_in(w, 3))
        exv_heap_trim(w->heap);
    else
        exv_poll(w->heap);
}

static void fly(world *w)
{
    if (!w->flies)
        return;
    switch (world_random(w, 8)) {
    case 0: (void)exv_collect_start(w->heap); break;
    case 1: exv_collect_wait(w->heap, world_random(w, 2) ? UINT64_MAX : 100000, NULL); break;
    case 2: exv_idle(w->heap); break;
    default: exv_collect_poll(w->heap, NULL); break;
    }
}

/* A freed object's memory may be found again here, where it looks like a tracked object that is being collected. */
static void change_block(world *w)
{
    static const unsigned char fill = EXVI_TRACKED | EXVI_UNREACHABLE;
    uint32_t i = world_random(w, WORLD_BLOCKS);
    if (w->block[i].start) {
        for (size_t at = 0; at < w->block[i].size; at++)
            WORLD_CHECK(w, w->block[i].start[at] == fill);
        exv_free(w->heap, w->block[i].start);
    }
    w->block[i].size = 1 + world_random(w, one_in(w, 50) ? 100000 : 200);
    w->block[i].start = exv_alloc(w->heap, w->block[i].size);
    if (w->block[i].start)
        memset(w->block[i].start, fill, w->block[i].size);
}

typedef void operation(world *w);
static const struct {
    operation *run;
    unsigned weight;
} operations[] = {
    {make_object, 40}, {link_objects, 40}, {unlink_object, 10}, {copy_to_root, 10}, {drop_root, 8}, {point_often, 1},
    {make_ring, 8}, {make_chain, 2}, {make_weak, 8}, {follow_weak, 8}, {untrack_object, 1}, {track_all, 1},
    {freeze, 1}, {make_immortal, 1}, {collect, 1}, {set_threshold, 1}, {settle, 2}, {change_block, 10},
    {world_empty_garbage, 1}, {fly, 8},
};

void world_step(world *w)
{
    static const unsigned total = 161;
    unsigned at = world_random(w, total);
    size_t i = 0;
    for (; at >= operations[i].weight; i++)
        at -= operations[i].weight;
    operations[i].run(w);
    if (w->depth == 0 && !world_is_freeing(w))
        WORLD_CHECK(w, w->unreferenced == 0);
}

/* ---- finalizers and callbacks ---- */

/* Take another reference on it, in a root that is empty. */
static void keep(world *w, uint32_t id)
{
    uint32_t root = some_root(w);
    if (w->roots[root] != WORLD_NONE)
        return;
    world_hold(w, id);
    world_put_root(w, root, id);
}

/* The same, in an empty field of the other. */
static void keep_in(world *w, uint32_t id, uint32_t other)
{
    if (other == WORLD_NONE || w->node[other].field_count == 0 || !world_may_refer(w, other, id))
        return;
    uint32_t index = world_random(w, w->node[other].field_count);
    if (w->node[other].fields[index] != WORLD_NONE)
        return;
    world_hold(w, id);
    world_put_field(w, other, index, id);
}

static uint32_t some_child(world *w, uint32_t id)
{
    uint32_t count = w->node[id].field_count;
    return count > 0 ? w->node[id].fields[world_random(w, count)] : WORLD_NONE;
}

void world_act_in_finalizer(world *w, uint32_t id)
{
    uint32_t child = some_child(w, id);
    switch (world_random(w, 12)) {
    case 0: keep(w, id); break;
    case 1: keep(w, child == WORLD_NONE ? id : child); break;
    case 2: keep_in(w, id, world_pick(w)); break;
    case 3: keep_in(w, id, child); break;
    case 4: {
        uint32_t leaf = world_new(w, WORLD_LEAF_BLOCK, 0);
        if (leaf != WORLD_NONE)
            world_drop(w, leaf);
        break;
    }
    case 5: world_track(w, id, false); break;
    case 6: world_track(w, id, false); world_track(w, id, true); break;
    default: break;
    }
    if (w->mode == WORLD_WILD)
        world_act_wildly(w);
}

void world_act_wildly(world *w)
{
    if (w->depth >= 3 || !one_in(w, 6))
        return;
    w->depth++;
    world_step(w);
    w->depth--;
}

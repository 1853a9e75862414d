/*
 * mirror: the operations of a world, each made in the heap and in the arrays. See world.h.
 *
 * Invariant between two operations: node.references is the number of roots, hands, fields and entries of the garbage
 * list that name the node; `unreferenced`, the number of mortal objects with none, is 0. In an operation the mirror is
 * changed
 * first, the heap then, so that whatever the library reports meanwhile finds the mirror in its new state.
 */
#include "world.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static void *get_zeroed(size_t count, size_t size)
{
    void *memory = calloc(count, size);
    if (!memory)
        abort();
    return memory;
}

/* ---- references, in the mirror alone ---- */

void world_gain(world *w, uint32_t id)
{
    world_node *node = &w->node[id];
    w->unreferenced -= node->references++ == 0 && !node->immortal;
}

static void unlink_weak(world *w, uint32_t weak)
{
    world_node *node = &w->node[weak];
    if (node->target == WORLD_NONE)
        return;
    uint32_t *link = &w->node[node->target].weak_first;
    while (*link != weak)
        link = &w->node[*link].weak_next;
    *link = node->weak_next;
    node->target = WORLD_NONE;
}

/* The object is gone: its slot is free. */
void world_mark_dead(world *w, uint32_t id)
{
    world_node *node = &w->node[id];
    if (node->shape == WORLD_WEAK)
        unlink_weak(w, id);
    while (node->weak_first != WORLD_NONE) {
        world_node *weak = &w->node[node->weak_first];
        weak->expected_calls = weak->has_callback && !weak->doomed;
        unlink_weak(w, node->weak_first);
    }
    w->unreferenced -= node->references == 0 && !node->immortal;
    w->alive--;
    w->destroyed++;
    free(node->fields);
    *node = (world_node){.w = w, .serial = node->serial};
    w->spare[w->spare_count++] = id;
}

void world_lose(world *w, uint32_t id)
{
    world_node *node = &w->node[id];
    WORLD_CHECK(w, node->references > 0);
    if (--node->references > 0 || node->immortal)
        return;
    w->unreferenced++;
    if (node->shape == WORLD_WEAK) {
        world_mark_dead(w, id);
        return;
    }
    bool final = !world_has_finalizer(node->shape) || (node->finalized && !node->finalizing);
    if (!world_is_stubborn(node->shape) || !final)
        return;
    for (uint32_t i = 0; i < node->field_count; i++) {
        uint32_t child = node->fields[i];
        node->fields[i] = WORLD_NONE;
        if (child != WORLD_NONE)
            world_lose(w, child);
    }
}

/* ---- objects ---- */

static uint32_t take_slot(world *w)
{
    if (w->spare_count > 0)
        return w->spare[--w->spare_count];
    return w->used < WORLD_ROOM ? w->used++ : WORLD_NONE;
}

static uint32_t enter(world *w, void *object, world_shape shape, uint32_t fields)
{
    uint32_t id = object ? take_slot(w) : WORLD_NONE;
    if (id == WORLD_NONE) {
        exv_decref(object);
        return WORLD_NONE;
    }
    world_node *node = &w->node[id];
    *node = (world_node){
        .w = w, .object = object, .serial = ++w->serials, .shape = shape, .tracked = world_has_visit(shape),
        .references = 1, .hands = 1, .field_count = fields, .weak_first = WORLD_NONE, .target = WORLD_NONE,
        .weak_next = WORLD_NONE,
    };
    if (fields > 0) {
        node->fields = get_zeroed(fields, sizeof *node->fields);
        memset(node->fields, 0xff, fields * sizeof *node->fields);
    }
    w->alive++;
    w->made++;
    return id;
}

static uint32_t own_fields(world_shape shape, uint32_t wanted)
{
    if (shape == WORLD_VARIABLE)
        return wanted;
    if (shape == WORLD_WIDE)
        return 8;
    return shape > WORLD_EMPTY ? 2 : 0;
}

uint32_t world_new(world *w, world_shape shape, uint32_t fields)
{
    if (w->alive + 64 >= WORLD_ROOM)
        return WORLD_NONE;
    fields = own_fields(shape, fields);
    const exv_type *type = world_type(shape);
    void *object = type->item_size ? exv_new_var(w->heap, type, fields) : exv_new(w->heap, type);
    uint32_t id = enter(w, object, shape, fields);
    if (id != WORLD_NONE)
        world_set_up_payload(w, id);
    return id;
}

uint32_t world_new_weak(world *w, uint32_t target, bool callback)
{
    if (w->alive + 64 >= WORLD_ROOM)
        return WORLD_NONE;
    world_hold(w, target); /* the new object may begin with a collection */
    uint32_t id = take_slot(w); /* before the weak reference: its callback's argument is the slot */
    exv_weakref_fn *function = callback ? world_weak_died : NULL;
    exv_weakref *ref = id == WORLD_NONE ? NULL : exv_weakref_new(w->node[target].object, function, &w->node[id]);
    if (id != WORLD_NONE)
        w->spare[w->spare_count++] = id;
    if (ref) {
        uint32_t entered = enter(w, ref, WORLD_WEAK, 0);
        WORLD_CHECK(w, entered == id);
        w->node[id].has_callback = callback;
        w->node[id].target = target;
        w->node[id].weak_next = w->node[target].weak_first;
        w->node[target].weak_first = id;
    }
    world_drop(w, target);
    return ref ? id : WORLD_NONE;
}

void world_hold(world *w, uint32_t id)
{
    world_gain(w, id);
    w->node[id].hands++;
    world_incref(w->node[id].object);
}

void world_drop(world *w, uint32_t id)
{
    void *object = w->node[id].object;
    w->node[id].hands--;
    world_lose(w, id);
    world_decref(object);
}

void world_put_field(world *w, uint32_t id, uint32_t index, uint32_t child)
{
    world_payload *payload = w->node[id].object;
    uint32_t old = w->node[id].fields[index];
    void *old_object = payload->fields[index];
    WORLD_CHECK(w, old_object == (old == WORLD_NONE ? NULL : w->node[old].object));
    w->node[id].fields[index] = child;
    payload->fields[index] = child == WORLD_NONE ? NULL : w->node[child].object;
    if (child != WORLD_NONE)
        w->node[child].hands--;
    if (old != WORLD_NONE)
        world_lose(w, old);
    world_decref(old_object);
}

void world_put_root(world *w, uint32_t root, uint32_t child)
{
    uint32_t old = w->roots[root];
    void *old_object = old == WORLD_NONE ? NULL : w->node[old].object;
    w->roots[root] = child;
    if (child != WORLD_NONE)
        w->node[child].hands--;
    if (old != WORLD_NONE)
        world_lose(w, old);
    world_decref(old_object);
}

uint32_t world_follow(world *w, uint32_t weak)
{
    uint32_t target = w->node[weak].target;
    void *object = exv_weakref_incref(w->node[weak].object);
    if (!object) {
        world_mark_reachable(w, false);
        WORLD_CHECK(w, target == WORLD_NONE || w->node[target].maybe_cut || !world_is_marked(w, target));
        return WORLD_NONE;
    }
    WORLD_CHECK(w, target != WORLD_NONE && w->node[target].object == object && !w->node[target].cleared);
    world_incref(object); /* of the foreign kind, if it is a proxy */
    exv_decref(object);
    world_gain(w, target);
    w->node[target].hands++;
    world_excuse(w, target, false);
    return target;
}

/* ---- what the collector sees ---- */

void world_track(world *w, uint32_t id, bool tracked)
{
    world_node *node = &w->node[id];
    if (!world_has_visit(node->shape) || node->tracked == tracked)
        return;
    node->tracked = tracked;
    node->frozen = false;
    node->generation = 0;
    if (tracked)
        exv_track(node->object);
    else
        exv_untrack(node->object);
    world_excuse(w, id, false);
}

void world_freeze(world *w, bool frozen)
{
    world_catch_up(w);
    for (uint32_t id = 0; id < w->used; id++) {
        world_node *node = &w->node[id];
        node->excused = node->object != NULL;
        if (!node->object || !node->tracked || !exv_gc_is_tracked(node->object))
            continue; /* the last: a step doomed it, and left the clearing to the next; it may be rescued yet */
        node->generation = frozen || node->frozen ? EXV_GENERATIONS - 1 : node->generation;
        node->frozen = frozen;
    }
    if (frozen)
        exv_gc_freeze(w->heap);
    else
        exv_gc_unfreeze(w->heap);
}

void world_make_immortal(world *w, uint32_t id)
{
    world_incref(w->node[id].object); /* a foreign object is not immortal by that */
    exv_make_immortal(w->node[id].object);
    w->node[id].immortal = true;
    world_excuse(w, id, false);
}

size_t world_collect(world *w, int generation)
{
    size_t found = exv_collect(w->heap, generation);
    if (w->mode == WORLD_EXACT && w->depth == 0)
        WORLD_CHECK(w, found == w->found);
    return found;
}

void world_settle(world *w)
{
    uint64_t before;
    do {
        before = w->finalized + w->destroyed;
        exv_collect_wait(w->heap, UINT64_MAX, NULL);
        world_collect(w, 2);
    } while (w->finalized + w->destroyed > before);
}

static void drop_garbage(world *w)
{
    world_catch_up(w);
    uint32_t count = w->garbage_count;
    w->garbage_count = 0;
    for (uint32_t i = 0; i < count; i++)
        world_lose(w, w->garbage[i]);
    exv_list_clear(exv_gc_get_garbage(w->heap));
}

/* Break what is in the garbage list by hand, as its owner must. */
void world_empty_garbage(world *w)
{
    world_catch_up(w);
    for (uint32_t i = 0; i < w->garbage_count; i++) {
        uint32_t id = w->garbage[i];
        for (uint32_t k = 0; k < w->node[id].field_count; k++)
            world_put_field(w, id, k, WORLD_NONE);
    }
    drop_garbage(w);
}

/* ---- begin and end ---- */

bool world_begin(world *w, const exv_config *config, world_mode mode, uint64_t seed)
{
    exv_config standard = exv_config_default();
    standard.policy.mode = EXV_MODE_INLINE;
    memset(w, 0, sizeof *w);
    w->heap = exv_heap_new(config ? config : &standard);
    if (!w->heap)
        return false;
    if (exv_gc_add_callback(w->heap, world_on_collection, w) != EXV_OK) {
        exv_heap_free(w->heap);
        return false;
    }
    w->mode = mode;
    w->seed = seed;
    w->random = seed;
    w->node = get_zeroed(WORLD_ROOM, sizeof *w->node);
    w->spare = get_zeroed(WORLD_ROOM, sizeof *w->spare);
    w->stack = get_zeroed(WORLD_ROOM, sizeof *w->stack);
    w->garbage = get_zeroed(WORLD_ROOM, sizeof *w->garbage);
    memset(w->roots, 0xff, sizeof w->roots);
    exv_heap_stats stats;
    exv_get_heap_stats(w->heap, &stats);
    w->base_objects = stats.live_objects;
    w->base_tracked = stats.tracked_objects;
    return true;
}

static void drop_memory(world *w)
{
    for (uint32_t id = 0; id < w->used; id++)
        free(w->node[id].fields);
    free(w->node);
    free(w->spare);
    free(w->stack);
    free(w->garbage);
}

static uint32_t count_mortals(const world *w)
{
    uint32_t mortals = 0;
    for (uint32_t id = 0; id < w->used; id++)
        mortals += w->node[id].object && !w->node[id].immortal;
    return mortals;
}

/* Let go of everything by which the program, or a rule of the collector, keeps an object. */
static void give_up_everything(world *w)
{
    for (uint32_t root = 0; root < WORLD_ROOTS; root++)
        world_put_root(w, root, WORLD_NONE);
    for (uint32_t id = 0; id < w->used; id++)
        if (w->node[id].object)
            world_track(w, id, true);
    world_freeze(w, false);
    for (uint32_t id = 0; id < w->used; id++)
        for (uint32_t k = 0; w->node[id].immortal && k < w->node[id].field_count; k++)
            world_put_field(w, id, k, WORLD_NONE);
    world_empty_garbage(w);
}

void world_end(world *w)
{
    for (unsigned round = 0; round < 100 && count_mortals(w) > 0; round++) { /* finalizers bring things back, once */
        exv_collect_wait(w->heap, UINT64_MAX, NULL);
        give_up_everything(w);
        world_collect(w, 2);
    }
    WORLD_CHECK(w, count_mortals(w) == 0);
    world_check(w);
    world_abandon(w);
}

void world_abandon(world *w)
{
    for (uint32_t i = 0; i < WORLD_BLOCKS; i++) {
        exv_free(w->heap, w->block[i].start);
        w->block[i].start = NULL;
    }
    world_freeze(w, false); /* the last collection looks at everything, garbage too */
    uint32_t mortals, before;
    do {
        before = count_mortals(w);
        drop_garbage(w); /* what stays uncollectable comes back into it */
        world_settle(w);
        mortals = count_mortals(w);
    } while (mortals != before); /* finalizers make some, too */
    drop_garbage(w);
    mortals = count_mortals(w);
    w->ending = true;
    size_t left = exv_heap_free(w->heap);
    WORLD_CHECK(w, left == mortals);
    for (uint32_t id = 0; id < w->used; id++)
        WORLD_CHECK(w, !w->node[id].object || w->node[id].shape == WORLD_WEAK);
    drop_memory(w);
}

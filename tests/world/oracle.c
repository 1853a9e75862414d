/*
 * oracle: what must be alive and what a collection must do, found naively over the mirror. See world.h.
 *
 * The prediction for a collection of generation g takes as members the tracked objects of the generations up to g. What
 * the program or any other object refers to is kept, with all it leads to; the other members are unreachable. After the
 * finalizers the same is asked of the unreachable ones alone: those kept now were resurrected.
 */
#include "world.h"

#include <stdio.h>
#include <stdlib.h>
#include <time.h>

#include "object.h"

_Noreturn void world_fail(const world *w, const char *file, int line, const char *condition)
{
    fprintf(stderr, "%s:%d: %s does not hold; seed %llu, %llu objects made\n", file, line, condition,
            (unsigned long long)w->seed, (unsigned long long)w->made);
    abort();
}

/* splitmix64 (Steele, Lea and Flood 2014) */
uint32_t world_random(world *w, uint32_t below)
{
    uint64_t z = w->random += UINT64_C(0x9e3779b97f4a7c15);
    z = (z ^ (z >> 30)) * UINT64_C(0xbf58476d1ce4e5b9);
    z = (z ^ (z >> 27)) * UINT64_C(0x94d049bb133111eb);
    return (uint32_t)(((z ^ (z >> 31)) >> 32) * below >> 32);
}

uint64_t world_seed(const char *test)
{
    const char *wished = getenv("EXUVIA_TEST_SEED");
    struct timespec now;
    timespec_get(&now, TIME_UTC);
    uint64_t seed = wished ? strtoull(wished, NULL, 0) : (uint64_t)now.tv_sec * 1000003 + (uint64_t)now.tv_nsec;
    printf("# %s: EXUVIA_TEST_SEED=%llu\n", test, (unsigned long long)seed);
    fflush(stdout);
    return seed;
}

size_t world_scale(size_t full)
{
    const char *wished = getenv("EXUVIA_TEST_SCALE");
    double scale = wished ? strtod(wished, NULL) : 1;
#ifdef EXVI_STRESS
    scale /= 6;
#endif
#ifdef EXVI_CHECKED
    scale /= 3;
#endif
#if defined(__SANITIZE_ADDRESS__) || defined(__SANITIZE_THREAD__)
    scale /= 5;
#elif defined(__has_feature)
#if __has_feature(address_sanitizer) || __has_feature(thread_sanitizer)
    scale /= 5;
#endif
#endif
    if (getenv("EXUVIA_VALGRIND"))
        scale /= 40;
    size_t scaled = (size_t)((double)full * scale);
    return scaled > 0 ? scaled : 1;
}

/* ---- marking ---- */

bool world_is_marked(const world *w, uint32_t id)
{
    return w->node[id].mark == w->epoch;
}

typedef struct marking {
    world *w;
    uint32_t depth;
} marking;

static void reach(marking *m, uint32_t id)
{
    if (id == WORLD_NONE || !m->w->node[id].member || world_is_marked(m->w, id))
        return;
    m->w->node[id].mark = m->w->epoch;
    m->w->stack[m->depth++] = id;
}

static void reach_fields(marking *m, uint32_t id)
{
    for (uint32_t i = 0; i < m->w->node[id].field_count; i++)
        reach(m, m->w->node[id].fields[i]);
}

static void drain(marking *m)
{
    while (m->depth > 0)
        reach_fields(m, m->w->stack[--m->depth]);
}

static void reach_held(marking *m)
{
    m->w->epoch++;
    for (uint32_t root = 0; root < WORLD_ROOTS; root++)
        reach(m, m->w->roots[root]);
    for (uint32_t id = 0; id < m->w->used; id++)
        if (m->w->node[id].object && m->w->node[id].hands > 0)
            reach(m, id);
}

static bool is_kept(const world_node *node)
{
    return node->immortal || node->frozen || (world_has_visit(node->shape) && !node->tracked);
}

void world_mark_reachable(world *w, bool kept_too)
{
    marking m = {.w = w};
    world_catch_up(w);
    for (uint32_t id = 0; id < w->used; id++)
        w->node[id].member = w->node[id].object != NULL;
    reach_held(&m);
    for (uint32_t i = 0; kept_too && i < w->garbage_count; i++)
        reach(&m, w->garbage[i]);
    for (uint32_t id = 0; kept_too && id < w->used; id++)
        if (w->node[id].object && is_kept(&w->node[id]))
            reach(&m, id);
    drain(&m);
}

/* Mark the members that something which is no member holds. */
static void mark_held_members(world *w)
{
    marking m = {.w = w};
    reach_held(&m);
    for (uint32_t i = 0; i < w->garbage_count; i++)
        reach(&m, w->garbage[i]);
    for (uint32_t id = 0; id < w->used; id++) {
        if (!w->node[id].object)
            continue;
        if (w->node[id].immortal)
            reach(&m, id);
        if (!w->node[id].member)
            reach_fields(&m, id);
    }
    drain(&m);
}

void world_excuse(world *w, uint32_t id, bool maybe_cut)
{
    uint32_t depth = 0;
    if (w->mode == WORLD_EXACT)
        return;
    w->epoch++;
    w->node[id].mark = w->epoch;
    w->stack[depth++] = id;
    while (depth > 0) {
        world_node *node = &w->node[w->stack[--depth]];
        node->excused = true;
        node->maybe_cut = node->maybe_cut || maybe_cut;
        for (uint32_t i = 0; i < node->field_count; i++) {
            uint32_t child = node->fields[i];
            /* What an excused object reaches is excused already. */
            if (child == WORLD_NONE || world_is_marked(w, child) || (w->node[child].excused && !maybe_cut))
                continue;
            w->node[child].mark = w->epoch;
            w->stack[depth++] = child;
        }
    }
}

/* ---- one collection ---- */

/* Its weak references are cut; those that are not unreachable themselves are called. */
static void predict_cut(world *w, uint32_t id)
{
    uint32_t weak = w->node[id].weak_first;
    w->node[id].weak_first = WORLD_NONE;
    while (weak != WORLD_NONE) {
        world_node *node = &w->node[weak];
        weak = node->weak_next;
        node->target = node->weak_next = WORLD_NONE;
        node->expected_calls = node->has_callback && !node->doomed;
        w->cuts++;
    }
}

static void predict(world *w, int generation)
{
    for (uint32_t id = 0; id < w->used; id++) {
        world_node *node = &w->node[id];
        node->member = node->object && node->tracked && !node->frozen && node->generation <= generation;
    }
    mark_held_members(w);
    w->doomed = 0;
    for (uint32_t id = 0; id < w->used; id++) {
        world_node *node = &w->node[id];
        node->doomed = node->object && node->member && !world_is_marked(w, id);
        w->doomed += node->doomed;
        if (node->object && node->member)
            node->generation = (uint8_t)(generation < 2 ? generation + 1 : 2);
    }
    for (uint32_t id = 0; id < w->used; id++)
        if (w->node[id].object && w->node[id].doomed)
            predict_cut(w, id);
}

void world_search_again(world *w)
{
    if (w->searched_again || !w->collecting)
        return;
    w->searched_again = true;
    if (w->doomed == 0)
        return;
    for (uint32_t id = 0; id < w->used; id++)
        w->node[id].member = w->node[id].object && w->node[id].doomed;
    mark_held_members(w);
    for (uint32_t id = 0; id < w->used; id++) {
        world_node *node = &w->node[id];
        if (!node->object || !node->doomed || !world_is_marked(w, id))
            continue;
        node->doomed = false;
        w->doomed--;
        w->resurrected++;
    }
}

static void note_garbage(world *w)
{
    exv_list *list = exv_gc_get_garbage(w->heap);
    for (size_t i = w->garbage_count; i < exv_list_size(list); i++) {
        void *item;
        WORLD_CHECK(w, exv_list_get(list, (ptrdiff_t)i, &item) == EXV_OK);
        const exv_type *type = exv_get_type(item);
        WORLD_CHECK(w, type == world_type(WORLD_STUBBORN) || type == world_type(WORLD_STUBBORN_FINAL));
        uint32_t id = ((const world_payload *)item)->id;
        WORLD_CHECK(w, w->node[id].object == item);
        world_gain(w, id);
        w->node[id].tracked = true; /* again, unless the program did so while it was doomed; then it may be frozen */
        w->node[id].frozen = exvi_header_of(item)->flags & EXVI_FROZEN;
        w->garbage[w->garbage_count++] = id;
    }
}

/* What was doomed and lives is back under the collector's eyes, in the first generation. Returns how many cannot be
 * broken. */
static size_t note_survivors(world *w)
{
    size_t uncollectable = 0;
    for (uint32_t id = 0; id < w->used; id++) {
        world_node *node = &w->node[id];
        if (!node->object)
            continue;
        if (w->mode != WORLD_EXACT && world_is_stubborn(node->shape) && !node->tracked &&
            exv_gc_is_tracked(node->object))
            node->doomed = true; /* it is back, but there was no memory to put it into the garbage list */
        if (!node->doomed || (w->mode != WORLD_EXACT && !exv_gc_is_tracked(node->object)))
            continue; /* or a flight is not done with it */
        node->doomed = false;
        node->tracked = true;
        node->frozen = exvi_header_of(node->object)->flags & EXVI_FROZEN; /* tracked and frozen while it was doomed */
        node->generation = 0;
        uncollectable += world_is_stubborn(node->shape);
        WORLD_CHECK(w, node->cleared || world_is_stubborn(node->shape));
    }
    return uncollectable;
}

void world_catch_up(world *w)
{
    if (w->mode == WORLD_EXACT)
        return;
    note_garbage(w);
    note_survivors(w);
}

void world_on_collection(exv_heap *heap, exv_gc_phase phase, const exv_gc_info *info, void *arg)
{
    world *w = arg;
    if (w->ending)
        return;
    WORLD_CHECK(w, heap == w->heap && info->generation >= 0 && info->generation < EXV_GENERATIONS);
    w->collections += phase == EXV_GC_START;
    if (phase == EXV_GC_START && w->mode == WORLD_EXACT) {
        WORLD_CHECK(w, !w->collecting);
        w->collecting = true;
        w->searched_again = false;
        predict(w, info->generation);
    }
    if (phase == EXV_GC_START)
        return;
    if (w->mode == WORLD_EXACT) {
        world_search_again(w);
        w->found = w->doomed;
        WORLD_CHECK(w, info->collected + info->uncollectable == w->found);
    }
    uint32_t before = w->garbage_count;
    note_garbage(w);
    size_t uncollectable = note_survivors(w);
    if (w->mode == WORLD_EXACT)
        WORLD_CHECK(w, w->garbage_count - before == info->uncollectable && uncollectable == info->uncollectable);
    w->collecting = false;
}

/* ---- the whole heap ---- */

/* Brought back by a finalizer once, or uncollectable. */
static bool may_be_cut(const world *w, uint32_t id)
{
    return w->node[id].maybe_cut || !world_is_marked(w, id);
}

static void check_weak(world *w, uint32_t id)
{
    const world_node *node = &w->node[id];
    void *object = exv_weakref_incref(node->object);
    if (object)
        WORLD_CHECK(w, node->target != WORLD_NONE && object == w->node[node->target].object);
    else
        WORLD_CHECK(w, node->target == WORLD_NONE || (w->mode != WORLD_EXACT && may_be_cut(w, node->target)));
    if (w->mode == WORLD_EXACT)
        WORLD_CHECK(w, node->calls == node->expected_calls);
    exv_decref(object);
}

static void check_node(world *w, uint32_t id)
{
    const world_node *node = &w->node[id];
    if (node->immortal)
        WORLD_CHECK(w, exv_refcount(node->object) == EXV_IMMORTAL);
    else
        WORLD_CHECK(w, world_refcount(node->object) == node->references);
    WORLD_CHECK(w, exv_gc_is_tracked(node->object) == node->tracked);
    WORLD_CHECK(w, exv_gc_is_finalized(node->object) == node->finalized);
    WORLD_CHECK(w, !node->doomed);
    if (node->shape == WORLD_WEAK)
        check_weak(w, id);
    else
        WORLD_CHECK(w, world_is_payload_intact(w, id));
    WORLD_CHECK(w, !world_is_marked(w, id) || !node->cleared);
}

void world_check(world *w)
{
    const char *wrong = exv_heap_check(w->heap);
    if (wrong)
        world_fail(w, __FILE__, __LINE__, wrong);
    WORLD_CHECK(w, w->unreferenced == 0);
    size_t alive = 0, tracked = 0, frozen = 0;
    world_mark_reachable(w, false);
    for (uint32_t id = 0; id < w->used; id++) {
        if (!w->node[id].object)
            continue;
        check_node(w, id);
        alive++;
        tracked += w->node[id].tracked;
        frozen += w->node[id].frozen;
    }
    exv_heap_stats stats;
    exv_get_heap_stats(w->heap, &stats);
    WORLD_CHECK(w, alive == w->alive && stats.live_objects == w->base_objects + alive);
    WORLD_CHECK(w, stats.tracked_objects == w->base_tracked + tracked);
    WORLD_CHECK(w, exv_gc_get_freeze_count(w->heap) == frozen);
    WORLD_CHECK(w, exv_list_size(exv_gc_get_garbage(w->heap)) == w->garbage_count);
}

void world_check_generations(world *w)
{
    for (int generation = 0; generation < EXV_GENERATIONS; generation++) {
        exv_list *list = exv_gc_get_objects(w->heap, generation); /* may begin with a collection */
        if (!list)
            return;
        size_t expected = 0;
        for (uint32_t id = 0; id < w->used; id++)
            expected += w->node[id].object && w->node[id].tracked && !w->node[id].frozen &&
                        w->node[id].generation == generation;
        WORLD_CHECK(w, exv_list_size(list) == expected);
        exv_decref(list);
    }
}

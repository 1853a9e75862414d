/*
 * Random object graphs against the oracle of tests/world: every object that dies, every finalizer, every weak reference
 * and every collection is compared with what a naive search over plain arrays says.
 *
 * Between two operations nothing unreferenced is alive. After a collection exactly the predicted objects are gone, it
 * returned their number, and objects are in the predicted generations.
 */
#include "world.h"

#include "object.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

static void run(world *w, size_t steps)
{
    for (size_t step = 0; step < steps; step++) {
        world_step(w);
        if (world_random(w, 1000) == 0)
            world_check(w);
        if (w->mode == WORLD_EXACT && world_random(w, 500) == 0)
            world_check_generations(w);
    }
}

/* In the end exactly what is reachable is left. */
static void check_full_collection(world *w)
{
    world_freeze(w, false);
    world_settle(w);
    world_mark_reachable(w, true);
    for (uint32_t id = 0; id < w->used; id++)
        WORLD_CHECK(w, !w->node[id].object || world_is_marked(w, id));
    world_check(w);
}

static void run_worlds(const char *name, world_mode mode, size_t steps_each, size_t total)
{
    uint64_t seed = world_seed(name), made = 0, finalized = 0, resurrected = 0, cuts = 0, collections = 0;
    for (size_t done = 0, number = 0; done < total; done += steps_each, number++) {
        world w;
        assert_true(world_begin(&w, NULL, mode, seed + number));
        run(&w, steps_each);
        check_full_collection(&w);
        run(&w, steps_each / 4);
        made += w.made;
        finalized += w.finalized;
        resurrected += w.resurrected;
        cuts += w.cuts;
        collections += w.collections;
        if (world_random(&w, 2))
            world_end(&w);
        else
            world_abandon(&w);
    }
    printf("# %llu objects, %llu finalized, %llu resurrected, %llu weak references cut, %llu collections\n",
           (unsigned long long)made, (unsigned long long)finalized, (unsigned long long)resurrected,
           (unsigned long long)cuts, (unsigned long long)collections);
}

static void test_predicted(void **state)
{
    (void)state;
    run_worlds("predicted", WORLD_EXACT, world_scale(20000), world_scale(300000));
}

/* Many short lives: the beginnings and ends of heaps. */
static void test_short_worlds(void **state)
{
    (void)state;
    run_worlds("short", WORLD_EXACT, 300, world_scale(60000));
}

static void test_wild(void **state)
{
    (void)state;
    run_worlds("wild", WORLD_WILD, world_scale(20000), world_scale(300000));
}

/* ---- memory that is used again while its collection is under way ---- */

enum { LARGE = 100000, BLOCKS = 6, PATTERN = EXVI_TRACKED | EXVI_UNREACHABLE };

typedef struct reuse {
    void *self; /* a cycle of one */
    unsigned char **block; /* filled by destroy */
    char rest[LARGE];
} reuse;

static int reuse_visit(void *self, exv_visit_fn *visit, void *arg)
{
    return visit(((reuse *)self)->self, arg);
}

static void reuse_clear(void *self)
{
    EXV_CLEAR(((reuse *)self)->self);
}

/* Plain memory of the same size, which looks like an object that is being collected. */
static void reuse_destroy(void *self)
{
    reuse *r = self;
    *r->block = exv_alloc(exv_get_heap(self), sizeof *r + sizeof(exvi_header));
    assert_non_null(*r->block);
    memset(*r->block, PATTERN, sizeof *r);
}

static const exv_type reuse_type = {.name = "reuse", .size = sizeof(reuse), .visit = reuse_visit, .clear = reuse_clear,
                                    .destroy = reuse_destroy};
static const exv_type stubborn_type = {.name = "stubborn", .size = sizeof(void *), .visit = reuse_visit};

static void test_memory_of_the_doomed_is_used_again(void **state)
{
    (void)state;
    unsigned char *blocks[BLOCKS] = {NULL};
    exv_heap *heap = exv_heap_new(NULL);
    exv_gc_disable(heap);
    void **stubborn = exv_new(heap, &stubborn_type); /* makes the collection look for survivors */
    *stubborn = stubborn;
    for (int i = 0; i < BLOCKS; i++) {
        reuse *r = exv_new(heap, &reuse_type);
        assert_non_null(r);
        r->block = &blocks[i];
        r->self = r;
    }
    assert_int_equal(exv_collect(heap, 2), BLOCKS + 1);
    assert_int_equal(exv_list_size(exv_gc_get_garbage(heap)), 1);
    for (int i = 0; i < BLOCKS; i++) {
        for (size_t at = 0; at < sizeof(reuse); at++)
            assert_int_equal(blocks[i][at], PATTERN);
        exv_free(heap, blocks[i]);
    }
    assert_null(exv_heap_check(heap));
    assert_int_equal(exv_heap_free(heap), 1);
}

/* ---- the end of a heap ---- */

static unsigned destroyed;

static void count_destroyed(void *self)
{
    (void)self;
    destroyed++;
}

/* What nobody destroys before the heap's end goes in any order: here an object in a region of its own, which the system
 * takes back at once, and weak references to it on both sides. */
static void test_immortal_with_weak_references(void **state)
{
    static const exv_type large_type = {.name = "large", .size = (size_t)20 << 20, .destroy = count_destroyed};
    (void)state;
    exv_heap *heap = exv_heap_new(NULL);
    exv_weakref *refs[6] = {NULL};
    destroyed = 0;
    for (int i = 0; i < 3; i++) {
        void *large = exv_new(heap, &large_type);
        assert_non_null(large);
        exv_make_immortal(large);
        refs[2 * i] = exv_weakref_new(large, NULL, NULL);
        refs[2 * i + 1] = exv_weakref_new(large, NULL, NULL);
    }
    for (int i = 0; i < 6; i++)
        assert_non_null(refs[i]);
    assert_int_equal(exv_heap_free(heap), 6); /* the weak references are left, too */
    assert_int_equal(destroyed, 3);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_predicted),
        cmocka_unit_test(test_short_worlds),
        cmocka_unit_test(test_wild),
        cmocka_unit_test(test_memory_of_the_doomed_is_used_again),
        cmocka_unit_test(test_immortal_with_weak_references),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}

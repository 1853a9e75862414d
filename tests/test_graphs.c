/*
 * Random object graphs against the oracle of tests/world: every object that dies, every finalizer, every weak reference and
 * every collection is compared with what a naive search over plain arrays says.
 *
 * Between two operations nothing unreferenced is alive. After a collection exactly the predicted objects are gone, it
 * returned their number, and objects are in the predicted generations.
 */
#include "world.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>

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

static void tell(const world *w)
{
    printf("# %llu objects, %llu finalized, %llu resurrected, %llu weak references cut, %llu callbacks, %llu collections\n",
           (unsigned long long)w->made, (unsigned long long)w->finalized, (unsigned long long)w->resurrected,
           (unsigned long long)w->cuts, (unsigned long long)w->calls, (unsigned long long)w->collections);
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
    uint64_t seed = world_seed(name);
    for (size_t done = 0, number = 0; done < total; done += steps_each, number++) {
        world w;
        assert_true(world_begin(&w, NULL, mode, seed + number));
        run(&w, steps_each);
        check_full_collection(&w);
        run(&w, steps_each / 4);
        if (number == 0)
            tell(&w);
        if (world_random(&w, 2))
            world_end(&w);
        else
            world_abandon(&w);
    }
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

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_predicted),
        cmocka_unit_test(test_short_worlds),
        cmocka_unit_test(test_wild),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}

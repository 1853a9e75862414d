/* pace: the rule, an early start, waits and portions in numbers; then made-up programs against a clock of their own. */
#include "pace.h"
#include "fewer.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>

#include <cmocka.h>

static const uint64_t BUDGET = 5000000;

static exvi_due due_of(int64_t waiting, int64_t total)
{
    return (exvi_due){.enabled = true, .count = 11, .threshold = 10, .waiting = waiting, .total = total};
}

static exvi_pace new_pace(void)
{
    exvi_pace pace;
    exvi_pace_init(&pace, BUDGET, 2);
    pace.search_ns = 150;
    return pace;
}

/* Rounds of a millisecond in which a thousand objects become old. */
static void learn_steps(exvi_pace *pace)
{
    for (int i = 0; i < 40; i++)
        exvi_pace_step(pace, 11000, 11, 11000000, true);
}

static void test_the_rule_is_cpythons(void **state)
{
    (void)state;
    exvi_due due = due_of(250, 1000);
    assert_true(exvi_is_due(&due));
    due.waiting = 249;
    assert_false(exvi_is_due(&due));
    due = due_of(250, 1000);
    due.count = 10;
    assert_false(exvi_is_due(&due));
    due.count = 11;
    due.enabled = false;
    assert_false(exvi_is_due(&due));
}

static void test_small_heaps(void **state)
{
    (void)state;
    exvi_pace pace = new_pace();
    for (int i = 0; i < 20; i++)
        exvi_pace_scanned(&pace, 200000000, 1000000); /* 200 ns each */
    assert_true(exvi_pace_is_small(&pace, 24000, 0));
    assert_false(exvi_pace_is_small(&pace, 26000, 0));
    assert_true(exvi_pace_is_small(&pace, 26000, 6000000)); /* a clone takes longer */
}

/* 4 million objects at 150 ns are 600 ms, in which 600,000 of the million of a lap are born. */
static void test_begins_as_early_as_the_search_takes(void **state)
{
    (void)state;
    exvi_pace pace = new_pace();
    learn_steps(&pace);
    exvi_due due = due_of(0, 4000000);
    due.waiting = 390000;
    assert_false(exvi_pace_begins(&pace, &due, 4000000));
    due.waiting = 510000; /* not before half a lap */
    assert_true(exvi_pace_begins(&pace, &due, 4000000));
    due.waiting = 490000;
    assert_false(exvi_pace_begins(&pace, &due, 4000000));
    assert_false(exvi_pace_begins(&pace, &due, 1000000)); /* 150 ms: from 850,000 on */
    due.waiting = 860000;
    assert_true(exvi_pace_begins(&pace, &due, 1000000));
    due.count = 10; /* the program's threshold comes first */
    assert_false(exvi_pace_begins(&pace, &due, 1000000));
    due.waiting = 1000000;
    due.count = 11;
    due.enabled = false;
    assert_false(exvi_pace_begins(&pace, &due, 1000000));
}

/* 3 of 4 million were dead, so a lap is shorter by 0.8 * 0.75. */
static void test_begins_earlier_where_much_was_garbage(void **state)
{
    (void)state;
    exvi_pace pace = new_pace();
    learn_steps(&pace);
    exvi_due due = due_of(0, 1000000);
    due.waiting = 110000;
    assert_false(exvi_pace_begins(&pace, &due, 10000));
    exvi_pace_searched(&pace, 40000000, 4000000, 3000000, 40000000);
    assert_true(exvi_pace_begins(&pace, &due, 10000));
    due.waiting = 90000;
    assert_false(exvi_pace_begins(&pace, &due, 10000));
    due.waiting = 110000;
    due.count = 5;
    assert_true(exvi_pace_begins(&pace, &due, 10000));
    due.count = 3; /* of 10 */
    assert_false(exvi_pace_begins(&pace, &due, 10000));
    due.threshold = 1000000000;
    due.count = 1000000;
    assert_false(exvi_pace_begins(&pace, &due, 10000));
    due = due_of(0, 1000000);
    due.waiting = 200000;
    for (int i = 0; i < 20; i++) /* which is forgotten where little is found */
        exvi_pace_searched(&pace, 40000000, 4000000, 0, 40000000);
    assert_false(exvi_pace_begins(&pace, &due, 10000));
}

/* Generation 1 that comes early does not count for the oldest generation, so a lap by count has more of them. */
static void test_a_lap_by_count(void **state)
{
    (void)state;
    exvi_pace pace = new_pace();
    for (int i = 0; i < 400; i++)
        exvi_pace_step(&pace, 1000, 1, 1000000, i % 11 == 10);
    exvi_due due = due_of(0, 100); /* 11 counts of 11,000 births */
    for (int i = 0; i < 40; i++)
        exvi_pace_freed(&pace, 1000, 300000);
    size_t portion = exvi_pace_portion(&pace, &due, 100, 121000);
    assert_in_range(portion, 900, 1100); /* one lap's worth in a lap */
}

static void test_nobody_waits_for_a_search_that_is_on_time(void **state)
{
    (void)state;
    exvi_pace pace = new_pace();
    learn_steps(&pace);
    exvi_due due = due_of(500000, 4000000);
    exvi_pace_began(&pace, &due, 4000000, 0);
    for (uint64_t ns = 1000000; ns < 600000000; ns += 1000000)
        assert_int_equal(exvi_pace_wait_ns(&pace, ns, ns), 0);
}

static void test_one_that_is_behind_is_waited_for_in_slices(void **state)
{
    (void)state;
    exvi_pace pace = new_pace();
    learn_steps(&pace);
    exvi_due due = due_of(500000, 4000000);
    exvi_pace_began(&pace, &due, 4000000, 0);
    uint64_t child_ns = 0, now = 0, longest = 0, waits = 0;
    int round = 0;
    for (; child_ns < 600000000 && round < 100000; round++) { /* it gets nothing but in our waits */
        now += 1000000;
        uint64_t wait_ns = exvi_pace_wait_ns(&pace, child_ns, now);
        now += wait_ns;
        child_ns += wait_ns;
        exvi_pace_waited(&pace, wait_ns);
        longest = wait_ns > longest ? wait_ns : longest;
        waits += wait_ns > 0;
        if (round % 11 == 10)
            exvi_pace_step(&pace, 11000, 11, 11000000, true);
    }
    assert_true(round <= 800); /* the runway is 750,000 births */
    assert_true(longest <= BUDGET / 4);
    assert_true(longest < 1100000); /* even: 600 ms over some 750 rounds */
    assert_true(waits > 600);
}

static void test_stuck(void **state)
{
    (void)state;
    exvi_pace pace = new_pace();
    learn_steps(&pace);
    exvi_due due = due_of(30000, 100000);
    exvi_pace_began(&pace, &due, 100000, 0);
    exvi_pace_step(&pace, 150000, 11, 11000000, true);
    due.waiting = 150000;
    assert_false(exvi_pace_is_stuck(&pace, &due, 14000000)); /* too few to tell */
    exvi_pace_step(&pace, 100000, 11, 11000000, true);
    due.waiting = 250000;
    assert_false(exvi_pace_is_stuck(&pace, &due, 14000000)); /* it has got on */
    exvi_pace_step(&pace, 250000, 11, 11000000, true);
    due.waiting = 500000;
    assert_true(exvi_pace_is_stuck(&pace, &due, 14000001));
    exvi_pace_waited(&pace, 1000000000);
    exvi_pace_step(&pace, 250000, 11, 11000000, true);
    due.waiting = 750000;
    assert_true(exvi_pace_is_stuck(&pace, &due, 24000000)); /* 10 ms in the second that was waited for it */
}

#ifndef EXVI_STRESS
static void test_portions(void **state)
{
    (void)state;
    exvi_pace pace = new_pace();
    learn_steps(&pace);
    exvi_due due = due_of(0, 4000000);
    assert_int_equal(exvi_pace_portion(&pace, &due, 1000000, 3), 3);
    size_t first = exvi_pace_portion(&pace, &due, 1000000, 1000000);
    assert_true(first >= 1 && first <= 512); /* a small one, whatever the last ones cost */
    for (int i = 0; i < 40; i++)
        exvi_pace_freed(&pace, 1000, 300000); /* 300 ns each */
    size_t grown = exvi_pace_portion(&pace, &due, 1000000, 1000000);
    assert_in_range(grown, 1000000 / 900, BUDGET / 5 / 300 + 1);
    exvi_pace_freed(&pace, 1000, 3000000); /* one that was dear counts at once */
    assert_in_range(exvi_pace_portion(&pace, &due, 1000000, 1000000), 1, BUDGET / 5 / 3000 + 256);
    exvi_pace_searched(&pace, 1, 1, 0, 1);
    assert_true(exvi_pace_largest_portion(&pace) <= 512);
}
#endif

static void test_backoff(void **state)
{
    (void)state;
    exvi_backoff backoff = {0};
    assert_false(exvi_backoff_passes(&backoff));
    const int passed[] = {2, 4, 8, 8};
    for (int i = 0; i < 4; i++) {
        assert_int_equal(exvi_backoff_is_tired(&backoff), i >= 3);
        exvi_backoff_failed(&backoff);
        for (int n = 0; n < passed[i]; n++)
            assert_true(exvi_backoff_passes(&backoff));
        assert_false(exvi_backoff_passes(&backoff));
    }
}

/* ------------------------------------------------- programs that are made up */

typedef struct program {
    double live;              /* objects; what is made replaces what was there */
    double round_ns;          /* of its own work from one young collection to the next */
    double births;            /* objects that become old in each */
    double dies;              /* part of those that make room for new ones by dying */
    double search_ns, free_ns;/* what they cost, an object */
    double share;             /* of a processor, that the child gets while nobody waits */
    bool grows;
} program;

typedef struct result {
    double most_dead, longest_ns, pass_ns;
    int searches;
} result;

static double between(double least, double most)
{
    return least + (most - least) * ((double)rand() / RAND_MAX);
}

static double power(double least, double most)
{
    double x = least;
    for (double step = between(0, 1); x < most && step > 0.01; step -= 0.01)
        x *= 1 + (most / least > 1000 ? 0.10 : 0.05);
    return x < most ? x : most;
}

static program draw(void)
{
    return (program){
        .live = power(3e5, 3e7), .round_ns = power(2e5, 2e7), .births = power(20, 2000), .dies = between(0, 1),
        .search_ns = power(20, 300), .free_ns = power(100, 900),
        .share = rand() % 4 ? between(0.3, 1) : between(0, 0.1), .grows = rand() % 5 == 0,
    };
}

/* Three times as many births as the heap has objects. */
static result run(const program *p)
{
    exvi_pace pace;
    exvi_pace_init(&pace, BUDGET, p->share < 0.1 ? 1 : 2);
    result r = {0};
    double now = 0, live = p->live, total = p->live, waiting = 0, dead = 0, snapshot_dead = 0, left = 0, child = -1;
    double stepped = 0, own = 0, births = 0, step_births = 0;
    int count = 0;
    for (long round = 1; births < 3 * p->live + 1e5; round++) {
        now += p->round_ns;
        child += child >= 0 ? p->round_ns * p->share : 0;
        births += p->births;
        step_births += p->births;
        live += p->grows ? p->births : 0;
        dead += p->grows ? 0 : p->births * p->dies;
        exvi_due due = {true, count, 10, (int64_t)waiting, (int64_t)total};
        double stop = 0;
        if (left > 0) {
            size_t portion = exvi_pace_portion(&pace, &due, (uint64_t)live, (size_t)left + 1);
            double ns = (double)portion * p->free_ns;
            exvi_pace_freed(&pace, portion, (uint64_t)ns);
            dead -= (double)portion < left ? (double)portion : left;
            left -= (double)portion;
            stop += ns;
        }
        if (round % 11 == 0) {
            count++;
            waiting += step_births;
            exvi_pace_step(&pace, (uint64_t)step_births, 11, (uint64_t)(now - stepped - own), true);
            step_births = own = 0;
            stepped = now;
            due = (exvi_due){true, count, 10, (int64_t)waiting, (int64_t)total};
            if (child < 0 && left <= 0 && exvi_pace_begins(&pace, &due, (uint64_t)live)) {
                exvi_pace_began(&pace, &due, (uint64_t)live, (uint64_t)now);
                child = 0;
                snapshot_dead = dead;
                waiting = count = 0;
                r.searches++;
            }
        }
        if (child >= 0) {
            double wait = (double)exvi_pace_wait_ns(&pace, (uint64_t)child, (uint64_t)now);
            assert_true(wait <= BUDGET);
            exvi_pace_waited(&pace, (uint64_t)wait);
            child += wait;
            stop += wait;
        }
        if (child >= live * p->search_ns) {
            exvi_pace_searched(&pace, (uint64_t)child, (uint64_t)(live + snapshot_dead), (uint64_t)snapshot_dead,
                               (uint64_t)now);
            left = snapshot_dead;
            total = live;
            child = -1;
        }
        now += stop;
        own += stop;
        r.longest_ns = stop > r.longest_ns ? stop : r.longest_ns;
        r.pass_ns = now;
        r.most_dead = dead > r.most_dead ? dead : r.most_dead;
    }
    return r;
}

static void describe(int seed, const program *p, const result *r)
{
    printf("# seed %d: live %.0f round %.0f ns births %.0f dies %.2f search %.0f free %.0f share %.2f grows %d\n", seed,
           p->live, p->round_ns, p->births, p->dies, p->search_ns, p->free_ns, p->share, p->grows);
    printf("# dead %.0f, longest %.0f ns, %d searches\n", r->most_dead, r->longest_ns, r->searches);
}

/* What stock lets die before it collects, and half of that again; where a fifth of the budget in each young
 * collection is enough to search a heap in a lap at all. And stops within the budget. */
static void test_bounds_for_programs_that_are_made_up(void **state)
{
    (void)state;
    int checked = 0;
    for (int seed = 1; seed <= fewer(300, 50); seed++) {
        srand((unsigned)seed);
        program p = draw();
        result r = run(&p);
        double lap = p.live / 4 > 121 * p.births ? p.live / 4 : 121 * p.births;
        double paid = (p.round_ns * p.share + (double)BUDGET / 5) * (lap / 2 / p.births);
        bool can_be_had = p.live * p.search_ns < paid && p.births * p.free_ns * p.dies < (double)BUDGET / 8;
        bool bounded = !can_be_had || p.grows || r.most_dead <= 1.5 * lap * p.dies + 1e5;
        bool good = bounded && r.longest_ns <= 1.5 * (double)BUDGET + 1.5 * p.births * p.free_ns;
        if (!good)
            describe(seed, &p, &r);
        assert_true(good);
        checked += can_be_had && r.searches > 1;
    }
    assert_true(checked > fewer(60, 8));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_the_rule_is_cpythons),
        cmocka_unit_test(test_small_heaps),
        cmocka_unit_test(test_begins_as_early_as_the_search_takes),
        cmocka_unit_test(test_begins_earlier_where_much_was_garbage),
        cmocka_unit_test(test_a_lap_by_count),
        cmocka_unit_test(test_nobody_waits_for_a_search_that_is_on_time),
        cmocka_unit_test(test_one_that_is_behind_is_waited_for_in_slices),
        cmocka_unit_test(test_stuck),
#ifndef EXVI_STRESS
        cmocka_unit_test(test_portions),
#endif
        cmocka_unit_test(test_backoff),
        cmocka_unit_test(test_bounds_for_programs_that_are_made_up),
    };
    return cmocka_run_group_tests_name("pace", tests, NULL, NULL);
}

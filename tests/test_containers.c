/*
 * Random programs on containers and instances, against a walk over what can be reached: after a full collection exactly
 * those instances live that the walk finds, and every destructor ran once. In place and in the background. The seed is
 * printed when a run fails; EXUVIA_SEED repeats it.
 */
#include "value_makers.h"

enum { SLOTS = 40, STEPS = 20000, SEEN = 1 << 15 };

typedef struct program {
    exv_heap *heap;
    exv_class *cls;
    void *slot[SLOTS]; /* owned, or NULL */
    uint64_t random;
    size_t born, died;
    bool background;
} program;

static size_t pick(program *p, size_t below)
{
    p->random ^= p->random << 13;
    p->random ^= p->random >> 7;
    p->random ^= p->random << 17;
    return (size_t)(p->random >> 20) % below;
}

static void count_death(exv_instance *self, void *arg)
{
    void *number = NULL;
    assert_ok(exv_attr_get(self, "number", &number)); /* it is whole when it dies */
    ((program *)arg)->died++;
}

/* ------------------------------------------------------- the program */

static void *new_instance(program *p)
{
    exv_instance *instance = exv_instance_new(p->cls);
    exv_int *number = integer(p->heap, (int64_t)p->born++);
    assert_ok(exv_attr_set(instance, "number", number));
    exv_decref(number);
    return instance;
}

static void *new_value(program *p)
{
    void *items[3];
    size_t count = 0;
    switch (pick(p, 6)) {
    case 0:
        return exv_list_new(p->heap);
    case 1:
        return exv_dict_new(p->heap);
    case 2:
        return exv_set_new(p->heap);
    case 3:
        for (size_t i = 0; i < 3; i++)
            if ((items[count] = p->slot[pick(p, SLOTS)]))
                count++;
        return exv_tuple_new(p->heap, items, count);
    default:
        return new_instance(p);
    }
}

static void replace(program *p, size_t place, void *value)
{
    void *old = p->slot[place];
    p->slot[place] = value;
    exv_decref(old);
}

static void link_to(program *p, void *from, void *to)
{
    static const char *const names[] = {"a", "b", "c"};
    const exv_type *type = exv_get_type(from);
    if (type == &exv_list_type) {
        assert_ok(exv_list_insert(from, (ptrdiff_t)pick(p, 5), to));
    } else if (type == &exv_dict_type) {
        assert_ok(exv_dict_set(from, integer(p->heap, (int64_t)pick(p, 10)), to));
    } else if (type == &exv_set_type) {
        exv_status status = exv_set_add(from, to);
        assert_true(status == EXV_OK || status == EXV_TYPE_ERROR || status == EXV_RECURSION_ERROR);
    } else if (type == &exv_instance_type) {
        assert_ok(exv_attr_set(from, names[pick(p, 3)], to));
    }
}

static void unlink_some(program *p, void *from)
{
    const exv_type *type = exv_get_type(from);
    if (type == &exv_list_type && pick(p, 4) == 0)
        exv_list_clear(from);
    else if (type == &exv_list_type)
        (void)exv_list_delete(from, (ptrdiff_t)pick(p, 3) - 1);
    else if (type == &exv_dict_type && pick(p, 4) == 0)
        exv_dict_clear(from);
    else if (type == &exv_dict_type)
        (void)exv_dict_delete(from, integer(p->heap, (int64_t)pick(p, 10)));
    else if (type == &exv_instance_type)
        (void)exv_attr_delete(from, "a");
}

/* Something inside a container becomes known by itself. */
static void *take_from(program *p, void *from)
{
    void *item = NULL;
    size_t position = 0;
    const exv_type *type = exv_get_type(from);
    if (type == &exv_list_type)
        (void)exv_list_get(from, (ptrdiff_t)pick(p, 3), &item);
    else if (type == &exv_dict_type)
        (void)exv_dict_next(from, &position, NULL, &item);
    else if (type == &exv_set_type)
        (void)exv_set_next(from, &position, &item);
    else if (type == &exv_tuple_type)
        (void)exv_tuple_get(from, (ptrdiff_t)pick(p, 3), &item);
    else if (type == &exv_instance_type)
        (void)exv_attr_get(from, "b", &item);
    return exv_incref(item);
}

static void step(program *p)
{
    size_t a = pick(p, SLOTS), b = pick(p, SLOTS);
    size_t what = pick(p, 100);
    if (what < 25)
        replace(p, a, new_value(p));
    else if (what < 45)
        replace(p, a, NULL);
    else if (what < 75 && p->slot[a] && p->slot[b])
        link_to(p, p->slot[a], p->slot[b]);
    else if (what < 85 && p->slot[a])
        unlink_some(p, p->slot[a]);
    else if (what < 95 && p->slot[a])
        replace(p, b, take_from(p, p->slot[a]));
    else if (p->background && what == 99)
        (void)exv_collect_start(p->heap);
    else if (p->background)
        (void)exv_collect_poll(p->heap, NULL);
}

/* ------------------------------------------------------- what is reached */

typedef struct walk {
    void *seen[SEEN]; /* hashed by address */
    void *todo[SEEN];
    size_t waiting;
    size_t instances;
} walk;

static void reach(walk *w, void *object)
{
    if (!object || !exv_get_type(object)->visit)
        return;
    size_t at = (uintptr_t)object / 16 * 2654435761u % SEEN;
    while (w->seen[at] && w->seen[at] != object)
        at = (at + 1) % SEEN;
    if (w->seen[at])
        return;
    w->seen[at] = object;
    assert_true(w->waiting < SEEN / 2);
    w->todo[w->waiting++] = object;
}

static void reach_parts(walk *w, void *object)
{
    static const char *const names[] = {"a", "b", "c"};
    const exv_type *type = exv_get_type(object);
    size_t position = 0;
    void *item = NULL;
    if (type == &exv_list_type)
        for (size_t i = 0; i < exv_list_size(object); i++) {
            assert_ok(exv_list_get(object, (ptrdiff_t)i, &item));
            reach(w, item);
        }
    if (type == &exv_tuple_type)
        for (size_t i = 0; i < exv_tuple_size(object); i++) {
            assert_ok(exv_tuple_get(object, (ptrdiff_t)i, &item));
            reach(w, item);
        }
    if (type == &exv_dict_type)
        while (exv_dict_next(object, &position, NULL, &item))
            reach(w, item);
    if (type == &exv_set_type)
        while (exv_set_next(object, &position, &item))
            reach(w, item);
    if (type == &exv_instance_type)
        for (size_t i = 0; i < 3; i++)
            if (exv_attr_get(object, names[i], &item) == EXV_OK)
                reach(w, item);
}

static size_t count_reachable_instances(const program *p)
{
    static walk w;
    memset(&w, 0, sizeof w);
    for (size_t i = 0; i < SLOTS; i++)
        reach(&w, p->slot[i]);
    while (w.waiting > 0) {
        void *object = w.todo[--w.waiting];
        w.instances += exv_get_type(object) == &exv_instance_type;
        reach_parts(&w, object);
    }
    return w.instances;
}

static void compare(program *p)
{
    exv_collect_wait(p->heap, UINT64_MAX, NULL);
    exv_collect(p->heap, 2);
    assert_null(exv_heap_check(p->heap));
    assert_int_equal(p->born - p->died, count_reachable_instances(p));
}

static void run(exv_heap *heap, bool background)
{
    const char *wish = getenv("EXUVIA_SEED");
    program p = {.heap = heap, .background = background};
    p.random = wish ? strtoull(wish, NULL, 10) : exvi_clock_ns() | 1;
    print_message("# EXUVIA_SEED=%llu\n", (unsigned long long)p.random);
    assert_ok(exv_class_new(heap, "Thing", count_death, &p, &p.cls));
    for (int i = 1; i <= STEPS; i++) {
        step(&p);
        if (i % 1000 == 0)
            compare(&p);
    }
    for (size_t i = 0; i < SLOTS; i++)
        replace(&p, i, NULL);
    compare(&p);
    assert_int_equal(p.born, p.died);
    assert_true(p.born > STEPS / 20);
    exv_decref(p.cls);
}

static void in_place(void **state)
{
    run(*state, false);
}

static void in_background(void **state)
{
    exv_heap *heap = *state;
    exv_policy policy;
    exv_get_policy(heap, &policy);
    policy.mode = EXV_MODE_BACKGROUND;
    exv_set_policy(heap, &policy);
    run(heap, true);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        value_test(in_place),
        value_test(in_background),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}

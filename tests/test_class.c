/*
 * Classes and their instances: attributes, destructors, cycles, resurrection.
 */
#include "value_makers.h"

static int seen_late;

static exv_class *new_class(exv_heap *heap, exv_destructor_fn *destructor, void *arg)
{
    exv_class *cls = NULL;
    assert_ok(exv_class_new(heap, "Node", destructor, arg, &cls));
    return cls;
}

static void classes(void **state)
{
    exv_heap *heap = *state;
    char name[] = "Temporary";
    exv_class *cls = NULL;
    assert_ok(exv_class_new(heap, name, NULL, NULL, &cls));
    name[0] = 'X';
    assert_string_equal(exv_class_name(cls), "Temporary");
    assert_repr(cls, "<class 'Temporary'>");
    exv_decref(cls);
    cls = NULL;
    assert_int_equal(exv_class_new(heap, "\xff", NULL, NULL, &cls), EXV_UNICODE_ERROR);
    assert_null(cls);
}

static void attributes(void **state)
{
    exv_heap *heap = *state;
    exv_class *cls = new_class(heap, NULL, NULL);
    exv_instance *node = exv_instance_new(cls);
    assert_ptr_equal(exv_instance_get_class(node), cls);
    assert_int_equal(exv_refcount(cls), 2);
    char expected[64];
    snprintf(expected, sizeof expected, "<Node object at %p>", (void *)node);
    assert_repr(node, expected);

    void *value = node;
    assert_int_equal(exv_attr_get(node, "left", &value), EXV_ATTRIBUTE_ERROR);
    assert_message(heap, "AttributeError: 'Node' object has no attribute 'left'");
    assert_ptr_equal(value, node);
    assert_int_equal(exv_attr_delete(node, "left"), EXV_ATTRIBUTE_ERROR);
    exv_str *text = text_of(heap, "x");
    assert_ok(exv_attr_set(node, "left", text));
    assert_ok(exv_attr_get(node, "left", &value));
    assert_ptr_equal(value, text);
    assert_int_equal(exv_refcount(text), 2);
    assert_ok(exv_attr_set(node, "left", exv_get_none(heap)));
    assert_int_equal(exv_refcount(text), 1);
    assert_ok(exv_attr_delete(node, "left"));
    assert_int_equal(exv_attr_get(node, "left", &value), EXV_ATTRIBUTE_ERROR);
    assert_int_equal(exv_attr_set(node, "\xff", text), EXV_UNICODE_ERROR);
    exv_decref(text);
    exv_decref(node);
    assert_int_equal(exv_refcount(cls), 1);
    exv_decref(cls);
}

static void many_attributes(void **state)
{
    exv_heap *heap = *state;
    exv_class *cls = new_class(heap, NULL, NULL);
    exv_instance *node = exv_instance_new(cls);
    char name[16];
    for (int i = 0; i < 300; i++) {
        snprintf(name, sizeof name, "a%d", i);
        assert_ok(exv_attr_set(node, name, integer(heap, i % 200)));
    }
    for (int i = 0; i < 300; i++) {
        void *value = NULL;
        snprintf(name, sizeof name, "a%d", i);
        assert_ok(exv_attr_get(node, name, &value));
        assert_int_equal(exv_int_value(value), i % 200);
    }
    exv_decref(node);
    exv_decref(cls);
}

/* ------------------------------------------------ against a plain array */

#define NAMES 1100 /* more than a class keeps */

static char *name_of(int i, char name[16])
{
    snprintf(name, 16, "a%d", i);
    return name;
}

/* Values are the numbers 0 to 255, of which a heap has one each; -1: the attribute is not there. */
static void check_attributes(exv_instance *node, const int *model, int count)
{
    char name[16];
    for (int i = 0; i < count; i++) {
        void *value = NULL;
        exv_status status = exv_attr_get(node, name_of(i, name), &value);
        assert_int_equal(status, model[i] < 0 ? EXV_ATTRIBUTE_ERROR : EXV_OK);
        if (status == EXV_OK)
            assert_int_equal(exv_int_value(value), model[i]);
    }
}

static void set_number(exv_instance *node, int *model, int i, int number)
{
    char name[16];
    assert_ok(exv_attr_set(node, name_of(i, name), integer(exv_get_heap(node), number)));
    model[i] = number;
}

static void every_number_of_attributes(void **state)
{
    exv_heap *heap = *state;
    static int model[2][NAMES];
    memset(model, -1, sizeof model);
    exv_class *cls = new_class(heap, NULL, NULL);
    exv_instance *node = exv_instance_new(cls), *backward = exv_instance_new(cls);
    for (int i = 0; i < NAMES; i++) {
        set_number(node, model[0], i, i % 256);
        if (i < 40 || i % 100 == 99) /* at each step while it is small: after it the attributes behind are not there */
            check_attributes(node, model[0], i + 40 < NAMES ? i + 40 : NAMES);
    }
    for (int i = NAMES - 1; i >= 0; i--)
        set_number(backward, model[1], i, i % 200);
    check_attributes(node, model[0], NAMES);
    check_attributes(backward, model[1], NAMES);
    exv_decref(node);
    exv_decref(backward);
    exv_decref(cls);
}

/* Instances of one class with all, few, and changing attributes, near each other and far apart. */
static void random_changes_as_in_an_array(void **state)
{
    exv_heap *heap = *state;
    enum { NODES = 12 };
    static int model[NODES][NAMES];
    exv_instance *nodes[NODES];
    char name[16];
    memset(model, -1, sizeof model);
    exv_class *cls = new_class(heap, NULL, NULL);
    for (int i = 0; i < NODES; i++)
        nodes[i] = exv_instance_new(cls);
    uint64_t seed = 7;
    for (int step = 0; step < 20000; step++) {
        seed = seed * UINT64_C(6364136223846793005) + 1442695040888963407;
        int n = (int)(seed >> 60) % NODES, range = n < 4 ? 10 : n < 8 ? 60 : NAMES;
        int i = (int)(seed >> 40 & 0xffff) % range;
        if (seed >> 34 & 3) {
            set_number(nodes[n], model[n], i, (int)(seed >> 20 & 255));
        } else {
            exv_status status = exv_attr_delete(nodes[n], name_of(i, name));
            assert_int_equal(status, model[n][i] < 0 ? EXV_ATTRIBUTE_ERROR : EXV_OK);
            model[n][i] = -1;
        }
        if (step % 1000 == 0)
            check_attributes(nodes[n], model[n], range);
    }
    for (int n = 0; n < NODES; n++) {
        check_attributes(nodes[n], model[n], NAMES);
        exv_decref(nodes[n]);
    }
    exv_decref(cls);
}

static size_t used_bytes(exv_heap *heap)
{
    exv_heap_stats stats;
    exv_get_heap_stats(heap, &stats);
    return stats.used_bytes;
}

static exv_instance *with_attributes(exv_class *cls, int first, int count)
{
    char name[16];
    exv_instance *node = exv_instance_new(cls);
    for (int i = first; i < first + count; i++)
        assert_ok(exv_attr_set(node, name_of(i, name), exv_get_none(exv_get_heap(cls))));
    return node;
}

static void instances_are_small(void **state)
{
    exv_heap *heap = *state;
    exv_gc_disable(heap);
    for (int count = 0; count <= 8; count++) {
        exv_class *cls = new_class(heap, NULL, NULL);
        exv_decref(with_attributes(cls, 0, count)); /* the class knows the names now */
        size_t before = used_bytes(heap);
        exv_instance *node = with_attributes(cls, 0, count);
        assert_int_equal(used_bytes(heap) - before, 32 + ((size_t)count * 8 + 15) / 16 * 16);
        exv_decref(node);
        exv_decref(cls);
    }
#ifndef EXVI_STRESS /* there a class keeps few names */
    exv_class *cls = new_class(heap, NULL, NULL);
    exv_decref(with_attributes(cls, 0, 1000));
    size_t before = used_bytes(heap);
    exv_instance *node = with_attributes(cls, 999, 1); /* far out: object, table, two entries, no name */
    assert_true(used_bytes(heap) - before <= 32 + 32 + 64);
    exv_decref(node);
    before = used_bytes(heap);
    node = with_attributes(cls, 0, 100); /* near each other */
    assert_true(used_bytes(heap) - before <= 32 + 150 * 8);
    exv_decref(node);
    exv_decref(cls);
#endif
}

/* What is replaced or deleted may have a destructor that changes the instance; also while it changes to a table. */
static exv_instance *changed;

static void change_it(void *arg)
{
    char name[16];
    (void)arg;
    for (int i = 0; i < 60; i++)
        assert_ok(exv_attr_set(changed, name_of(i, name), exv_get_none(exv_get_heap(changed))));
    for (int i = 1; i < 60; i++)
        assert_ok(exv_attr_delete(changed, name_of(i, name)));
}

static void destructors_may_change_the_instance(void **state)
{
    exv_heap *heap = *state;
    exv_class *cls = new_class(heap, NULL, NULL);
    for (int turn = 0; turn < 4; turn++) {
        int deaths = 0;
        changed = with_attributes(cls, 0, turn & 2 ? NAMES : 1);
        void *witness = new_mortal(heap, &deaths, change_it, NULL);
        assert_ok(exv_attr_set(changed, "a0", witness));
        exv_decref(witness);
        if (turn & 1)
            assert_ok(exv_attr_set(changed, "a0", cls));
        else
            assert_ok(exv_attr_delete(changed, "a0"));
        assert_int_equal(deaths, 1);
        void *value = NULL;
        assert_ok(exv_attr_get(changed, "a0", &value)); /* set by the destructor, after the change */
        assert_ptr_equal(value, exv_get_none(heap));
        assert_int_equal(exv_attr_get(changed, "a1", &value), EXV_ATTRIBUTE_ERROR);
        exv_decref(changed);
    }
    exv_decref(cls);
}

/* An instance that is cleared has no class; one may still set attributes, until it dies. */
static void set_on_cleared(void *arg)
{
    void *value = NULL;
    if (exv_instance_get_class(arg))
        return;
    assert_int_equal(exv_attr_get(arg, "late", &value), EXV_ATTRIBUTE_ERROR);
    assert_int_equal(exv_attr_delete(arg, "late"), EXV_ATTRIBUTE_ERROR);
    assert_ok(exv_attr_set(arg, "late", exv_get_none(exv_get_heap(arg))));
    assert_ok(exv_attr_get(arg, "late", &value));
    seen_late++;
}

static void attributes_of_a_cleared_instance(void **state)
{
    exv_heap *heap = *state;
    exv_gc_disable(heap);
    exv_class *cls = new_class(heap, NULL, NULL);
    exv_instance *a = exv_instance_new(cls), *b = exv_instance_new(cls);
    void *witness[2] = {new_mortal(heap, NULL, set_on_cleared, b), new_mortal(heap, NULL, set_on_cleared, a)};
    assert_ok(exv_attr_set(a, "witness", witness[0]));
    assert_ok(exv_attr_set(b, "witness", witness[1]));
    assert_ok(exv_attr_set(a, "other", b));
    assert_ok(exv_attr_set(b, "other", a));
    for (int i = 0; i < 2; i++)
        exv_decref(witness[i]);
    exv_decref(a);
    exv_decref(b);
    exv_decref(cls);
    seen_late = 0;
    assert_int_equal(exv_collect(heap, 2), 2);
    assert_int_equal(seen_late, 1);
}

static void identity(void **state)
{
    exv_heap *heap = *state;
    exv_class *cls = new_class(heap, NULL, NULL);
    exv_instance *a = exv_instance_new(cls), *b = exv_instance_new(cls);
    assert_true(equal(a, a));
    assert_false(equal(a, b));
    exv_dict *dict = exv_dict_new(heap);
    assert_ok(exv_dict_set(dict, a, b));
    bool there;
    assert_ok(exv_dict_contains(dict, b, &there));
    assert_false(there);
    exv_decref(dict);
    exv_decref(a);
    exv_decref(b);
    exv_decref(cls);
}

/* ---------------------------------------------------------- destructors */

typedef struct diary {
    int deaths;
    int64_t last;
    exv_list *rescue; /* where the destructor stores its object, if anywhere */
} diary;

static void note(exv_instance *self, void *arg)
{
    diary *d = arg;
    void *number = NULL;
    d->deaths++;
    assert_ok(exv_attr_get(self, "number", &number)); /* nothing is cleared yet */
    d->last = exv_int_value(number);
    if (d->rescue)
        assert_ok(exv_list_append(d->rescue, self));
}

static exv_instance *numbered(exv_class *cls, int64_t number)
{
    exv_instance *node = exv_instance_new(cls);
    assert_non_null(node);
    assert_ok(exv_attr_set(node, "number", integer(exv_get_heap(cls), number)));
    return node;
}

static void the_destructor_runs_at_the_last_reference(void **state)
{
    exv_heap *heap = *state;
    diary d = {0};
    exv_class *cls = new_class(heap, note, &d);
    exv_instance *node = numbered(cls, 7);
    exv_incref(node);
    exv_decref(node);
    assert_int_equal(d.deaths, 0);
    exv_decref(node);
    assert_int_equal(d.deaths, 1);
    assert_int_equal(d.last, 7);
    exv_decref(cls);
}

static void the_class_lives_as_long_as_its_instances(void **state)
{
    exv_heap *heap = *state;
    diary d = {0};
    exv_class *cls = new_class(heap, note, &d);
    exv_instance *node = numbered(cls, 1);
    exv_decref(cls);
    assert_string_equal(exv_class_name(exv_instance_get_class(node)), "Node");
    exv_decref(node);
    assert_int_equal(d.deaths, 1);
}

static void in_a_cycle_it_waits_for_the_collector(void **state)
{
    exv_heap *heap = *state;
    exv_gc_disable(heap);
    diary d = {0};
    exv_class *cls = new_class(heap, note, &d);
    exv_instance *a = numbered(cls, 1), *b = numbered(cls, 2);
    assert_ok(exv_attr_set(a, "other", b));
    assert_ok(exv_attr_set(b, "other", a));
    exv_decref(a);
    exv_decref(b);
    assert_int_equal(d.deaths, 0);
    assert_int_equal(exv_collect(heap, 2), 2);
    assert_int_equal(d.deaths, 2);
    exv_decref(cls);
}

static void a_rescued_instance_is_whole(void **state)
{
    exv_heap *heap = *state;
    exv_list *rescue = exv_list_new(heap);
    diary d = {.rescue = rescue};
    exv_class *cls = new_class(heap, note, &d);
    exv_decref(numbered(cls, 5));
    assert_int_equal(exv_list_size(rescue), 1);
    void *node, *number;
    assert_ok(exv_list_get(rescue, 0, &node));
    assert_ok(exv_attr_get(node, "number", &number));
    assert_int_equal(exv_int_value(number), 5);
    exv_decref(rescue); /* the second time it dies without the destructor */
    assert_int_equal(d.deaths, 1);
    exv_decref(cls);
}

/* Simple objects that die with their instance and look at both when one is cleared already, or being cleared. */
static exv_instance *watched[2];
static int seen_whole, seen_cleared;

static void look_at_instances(void *arg)
{
    (void)arg;
    for (int i = 0; i < 2; i++) {
        exv_str *repr = NULL;
        assert_ok(exv_repr(watched[i], &repr));
        seen_whole += strncmp(exv_str_data(repr), "<Node object at ", 16) == 0;
        seen_cleared += strncmp(exv_str_data(repr), "<instance object at ", 20) == 0;
        exv_decref(repr);
    }
}

static void a_cleared_instance_can_be_looked_at(void **state)
{
    exv_heap *heap = *state;
    exv_gc_disable(heap);
    exv_class *cls = new_class(heap, NULL, NULL);
    for (int i = 0; i < 2; i++) {
        watched[i] = exv_instance_new(cls);
        void *witness = new_mortal(heap, NULL, look_at_instances, NULL);
        assert_ok(exv_attr_set(watched[i], "witness", witness));
        exv_decref(witness);
    }
    assert_ok(exv_attr_set(watched[0], "other", watched[1]));
    assert_ok(exv_attr_set(watched[1], "other", watched[0]));
    exv_decref(watched[0]);
    exv_decref(watched[1]);
    exv_decref(cls);
    seen_whole = seen_cleared = 0;
    assert_int_equal(exv_collect(heap, 2), 2);
    assert_int_equal(seen_whole, 3); /* it is cleared itself, but its class goes last */
    assert_int_equal(seen_cleared, 1);
}

/* How many of the objects that `object` refers to are `wanted`, and how many are str. */
static void count_referents(void *object, void *wanted, size_t count[2])
{
    exv_list *referents = exv_gc_get_referents(exv_get_heap(object), (void *[]){object}, 1);
    count[0] = count[1] = 0;
    for (ptrdiff_t i = 0; i < (ptrdiff_t)exv_list_size(referents); i++) {
        void *item;
        assert_ok(exv_list_get(referents, i, &item));
        count[0] += item == wanted;
        count[1] += exv_get_type(item) == &exv_str_type;
    }
    exv_decref(referents);
}

static void an_instance_refers_to_its_class_and_attributes(void **state)
{
    exv_heap *heap = *state;
    exv_class *cls = new_class(heap, NULL, NULL);
    exv_instance *node = exv_instance_new(cls);
    assert_ok(exv_attr_set(node, "cls", cls));
    size_t count[2];
    count_referents(node, cls, count);
    assert_int_equal(count[0], 2);
    assert_int_equal(count[1], 0);
    count_referents(cls, NULL, count); /* the names are those of the class */
    assert_int_equal(count[1], 1);
    assert_false(exv_gc_is_tracked(cls));
    exv_decref(node);
    exv_decref(cls);
}

/* Instances used as dicts, each with names of its own, do not make their class grow for ever. */
static void a_class_keeps_so_many_names(void **state)
{
    exv_heap *heap = *state;
    exv_gc_disable(heap);
    exv_class *cls = new_class(heap, NULL, NULL);
    for (int first = 0; first < 3 * NAMES; first += 3)
        exv_decref(with_attributes(cls, first, 3));
    size_t count[2];
    count_referents(cls, NULL, count);
#ifdef EXVI_STRESS
    assert_int_equal(count[1], 12); /* MOST_SLOTS */
#else
    assert_int_equal(count[1], 1000);
#endif
    exv_decref(cls);
}

#ifdef EXVI_CHECKED
/* With a class of its own each time: one that was used knows the names, and nothing is left to fail. */
static exv_status set_10(void *arg)
{
    exv_class *cls = NULL;
    exv_instance *node = NULL;
    exv_status status = exv_class_new(arg, "Name", NULL, NULL, &cls);
    if (status == EXV_OK)
        node = exv_instance_new(cls);
    if (status == EXV_OK && !node)
        status = EXV_NO_MEMORY;
    int done = 0;
    char name[16];
    while (status == EXV_OK && done < 10)
        status = exv_attr_set(node, name_of(done++, name), exv_get_none(arg));
    while (status != EXV_OK && --done > 0)
        assert_ok(exv_attr_delete(node, name_of(done - 1, name)));
    exv_decref(node);
    exv_decref(cls);
    return status;
}

/* From an array to a table, with names that the class knows and one that it does not. */
static exv_status set_far_apart(void *arg)
{
    exv_status status = exv_attr_set(arg, "a999", exv_get_none(exv_get_heap(arg)));
    if (status != EXV_OK)
        return status;
    status = exv_attr_set(arg, "new", exv_get_none(exv_get_heap(arg)));
    if (status != EXV_OK)
        assert_ok(exv_attr_delete(arg, "a999"));
    return status;
}

static void no_memory_to_leave_the_array(void **state)
{
    exv_heap *heap = *state;
    exv_class *cls = new_class(heap, NULL, NULL);
    exv_decref(with_attributes(cls, 0, NAMES));
    exv_instance *node = with_attributes(cls, 0, 5);
    assert_true(fail_each_allocation(heap, node, set_far_apart, node) >= 4);
    static int model[6] = {0, 0, 0, 0, 0, -1};
    char name[16];
    for (int i = 0; i < 6; i++) {
        void *value = NULL;
        assert_int_equal(exv_attr_get(node, name_of(i, name), &value), model[i] ? EXV_ATTRIBUTE_ERROR : EXV_OK);
    }
    exv_decref(node);
    exv_decref(cls);
}

static exv_status make_class(void *arg)
{
    exv_class *cls = NULL;
    exv_status status = exv_class_new(arg, "Name", NULL, NULL, &cls);
    exv_decref(cls);
    return status;
}

static void no_memory(void **state)
{
    exv_heap *heap = *state;
    exv_class *cls = new_class(heap, NULL, NULL);
    exv_instance *node = exv_instance_new(cls);
    assert_true(fail_each_allocation(heap, node, set_10, heap) >= 20);
    assert_true(fail_each_allocation(heap, cls, make_class, heap) == 1);
    exvi_fault_set(EXVI_FAULT_BLOCK, 1, true);
    assert_null(exv_instance_new(cls));
    exvi_fault_set(EXVI_FAULT_BLOCK, 0, false);
    assert_message(heap, "MemoryError");
    exv_decref(node);
    exv_decref(cls);
}
#endif

int main(void)
{
    const struct CMUnitTest tests[] = {
        value_test(classes),
        value_test(attributes),
        value_test(many_attributes),
        value_test(every_number_of_attributes),
        value_test(random_changes_as_in_an_array),
        value_test(instances_are_small),
        value_test(destructors_may_change_the_instance),
        value_test(attributes_of_a_cleared_instance),
        value_test(identity),
        value_test(the_destructor_runs_at_the_last_reference),
        value_test(the_class_lives_as_long_as_its_instances),
        value_test(in_a_cycle_it_waits_for_the_collector),
        value_test(a_rescued_instance_is_whole),
        value_test(a_cleared_instance_can_be_looked_at),
        value_test(an_instance_refers_to_its_class_and_attributes),
        value_test(a_class_keeps_so_many_names),
#ifdef EXVI_CHECKED
        value_test(no_memory_to_leave_the_array),
        value_test(no_memory),
#endif
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}

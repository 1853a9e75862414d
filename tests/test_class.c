/*
 * Classes and their instances: attributes, destructors, cycles, resurrection.
 */
#include "value_makers.h"

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

static void an_instance_refers_to_its_class_and_attributes(void **state)
{
    exv_heap *heap = *state;
    exv_class *cls = new_class(heap, NULL, NULL);
    exv_instance *node = exv_instance_new(cls);
    assert_ok(exv_attr_set(node, "cls", cls));
    exv_list *referents = exv_gc_get_referents(heap, (void *[]){node}, 1);
    size_t count[2] = {0};
    for (ptrdiff_t i = 0; i < (ptrdiff_t)exv_list_size(referents); i++) {
        void *item;
        assert_ok(exv_list_get(referents, i, &item));
        count[0] += item == cls;
        count[1] += exv_get_type(item) == &exv_str_type;
    }
    assert_int_equal(count[0], 2);
    assert_int_equal(count[1], 1);
    exv_decref(referents);
    exv_decref(node);
    exv_decref(cls);
}

#ifdef EXVI_CHECKED
static exv_status set_10(void *arg)
{
    exv_instance *node = arg;
    exv_status status = EXV_OK;
    int done = 0;
    char name[] = "a";
    while (status == EXV_OK && done < 10) {
        name[0] = (char)('a' + done++);
        status = exv_attr_set(node, name, exv_get_none(exv_get_heap(node)));
    }
    while (status != EXV_OK && --done > 0) {
        name[0] = (char)('a' + done - 1);
        assert_ok(exv_attr_delete(node, name));
    }
    return status;
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
    assert_true(fail_each_allocation(heap, node, set_10, node) >= 12);
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
        value_test(identity),
        value_test(the_destructor_runs_at_the_last_reference),
        value_test(the_class_lives_as_long_as_its_instances),
        value_test(in_a_cycle_it_waits_for_the_collector),
        value_test(a_rescued_instance_is_whole),
        value_test(a_cleared_instance_can_be_looked_at),
        value_test(an_instance_refers_to_its_class_and_attributes),
#ifdef EXVI_CHECKED
        value_test(no_memory),
#endif
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}

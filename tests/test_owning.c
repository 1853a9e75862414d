/*
 * test_owning: callbacks whose argument is an object, as closures of a language are; and what a program finds again by
 * its heap and types.
 */
#include "nodes.h"
#include "platform.h"

static void note_weak(exv_weakref *ref, void *arg)
{
    (void)ref;
    note('W', ((node *)arg)->id);
}

static void test_weakref_owns_until_it_called(void **state)
{
    exv_heap *heap = *state;
    node *target = new_node(heap, &node_type, 1), *closure = new_node(heap, &node_type, 2);
    exv_weakref *ref = exv_weakref_new_owning(target, note_weak, closure);
    assert_non_null(ref);
    assert_int_equal(exv_refcount(closure), 2);
    exv_decref(closure);
    assert_events("");
    exv_decref(target);
    assert_events("W2 C2 D2 C1 D1 ");
    exv_decref(ref);
    assert_events("");
}

static void test_weakref_that_dies_gives_up(void **state)
{
    exv_heap *heap = *state;
    node *target = new_node(heap, &node_type, 1), *closure = new_node(heap, &node_type, 2);
    exv_weakref *ref = exv_weakref_new_owning(target, note_weak, closure);
    exv_decref(closure);
    exv_decref(ref);
    assert_events("C2 D2 ");
    exv_decref(target);
    assert_events("C1 D1 ");
}

/* The closure holds the weak reference that calls it, and, the second time, its target too. */
static void test_cycles_through_weakrefs(void **state)
{
    exv_heap *heap = *state;
    for (int with_target = 0; with_target < 2; with_target++) {
        node *target = new_node(heap, &node_type, 1), *closure = new_node(heap, &node_type, 2);
        exv_weakref *ref = exv_weakref_new_owning(target, note_weak, closure);
        closure->ref[0] = (node *)ref;
        if (with_target)
            closure->ref[1] = exv_incref(target);
        exv_decref(closure);
        assert_sound(heap);
        if (with_target)
            exv_decref(target);
        assert_int_equal(exv_collect(heap, 2), with_target ? 3 : 2);
        if (!with_target)
            exv_decref(target);
        assert_null(strchr(events, 'W')); /* it was unreachable itself */
        events[0] = '\0';
        assert_int_equal(live_objects(heap), 0);
    }
    assert_int_equal(exv_list_size(exv_gc_get_garbage(heap)), 0);
}

static exv_weakref *kept;
static int calls;

static void count_call(exv_weakref *ref, void *arg)
{
    (void)ref, (void)arg;
    calls++;
}

static void keep(node *self)
{
    if (self->ref[0])
        kept = exv_incref(self->ref[0]);
}

/* It was cleared in a collection, lives on, and its target dies: there is nothing to call any more. */
static void test_weakref_that_was_cleared_calls_nothing(void **state)
{
    exv_heap *heap = *state;
    node *target = new_node(heap, &node_type, 1), *closure = new_node(heap, &node_type, 2);
    exv_weakref *ref = exv_weakref_new_owning(target, count_call, closure);
    closure->ref[0] = (node *)ref;
    closure->on_clear = keep;
    exv_decref(closure);
    kept = NULL;
    calls = 0;
    exv_collect(heap, 2);
    assert_non_null(kept);
    exv_decref(target);
    assert_int_equal(calls, 0);
    exv_decref(kept);
    events[0] = '\0';
}

static void destroyed_instance(exv_instance *self, void *arg)
{
    (void)self;
    note('I', ((node *)arg)->id);
}

static void test_class(void **state)
{
    exv_heap *heap = *state;
    node *closure = new_node(heap, &node_type, 3);
    exv_class *cls;
    assert_int_equal(exv_class_new_owning(heap, "Point", destroyed_instance, closure, &cls), EXV_OK);
    exv_instance *point = exv_instance_new(cls);
    closure->ref[0] = (node *)point; /* closure -> instance -> class -> closure */
    exv_decref(closure);
    exv_decref(cls);
    assert_sound(heap);
    assert_events("");
    assert_int_equal(exv_collect(heap, 2), 3);
    assert_events("I3 C3 C3 D3 ");
    assert_int_equal(live_objects(heap), 0);
}

static void listen(exv_heap *heap, const exv_record *record, void *arg)
{
    (void)record;
    note('L', ((node *)arg)->id);
    if (((node *)arg)->arg)
        exv_set_listener(heap, NULL, NULL);
    note('l', ((node *)arg)->id); /* it is there still */
}

static void test_listener(void **state)
{
    exv_heap *heap = *state;
    node *first = new_node(heap, &node_type, 4), *second = new_node(heap, &node_type, 5);
    second->arg = second; /* takes itself away */
    exv_set_listener_owning(heap, listen, first);
    exv_decref(first);
    exv_collect(heap, 2);
    assert_events("L4 l4 ");
    exv_set_listener_owning(heap, listen, second);
    exv_decref(second);
    assert_events("C4 D4 ");
    exv_collect(heap, 2);
    assert_events("L5 l5 C5 D5 ");
}

static void told(exv_heap *heap, exv_gc_phase phase, const exv_gc_info *info, void *arg)
{
    (void)info;
    note(phase == EXV_GC_START ? 'S' : 'E', ((node *)arg)->id);
    if (((node *)arg)->arg)
        assert_true(exv_gc_remove_callback(heap, told, arg));
    note('e', ((node *)arg)->id);
}

static void test_collection_callbacks(void **state)
{
    exv_heap *heap = *state;
    node *first = new_node(heap, &node_type, 6), *second = new_node(heap, &node_type, 7);
    second->arg = second;
    assert_int_equal(exv_gc_add_callback_owning(heap, told, first), EXV_OK);
    assert_int_equal(exv_gc_add_callback_owning(heap, told, second), EXV_OK);
    exv_decref(second);
    exv_collect(heap, 0);
    assert_events("S6 e6 S7 e7 C7 D7 E6 e6 ");
    assert_true(exv_gc_remove_callback(heap, told, first));
    assert_int_equal(exv_refcount(first), 1);
    exv_decref(first);
    events[0] = '\0';
}

/* What the heap owns is no leak, also in a cycle. */
static void test_the_end_of_the_heap(void **state)
{
    (void)state;
    exv_heap *heap = exv_heap_new(NULL);
    node *closure = new_node(heap, &node_type, 8);
    closure->ref[0] = exv_incref(closure);
    exv_set_listener_owning(heap, listen, closure);
    assert_int_equal(exv_gc_add_callback_owning(heap, told, closure), EXV_OK);
    assert_int_equal(exv_gc_add_callback_owning(heap, told, closure), EXV_OK);
    exv_decref(closure);
    events[0] = '\0';
    assert_int_equal(exv_heap_free(heap), 0);
    assert_events("C8 C8 D8 ");
}

static void test_user_data(void **state)
{
    exv_heap *heap = *state;
    int mine;
    assert_null(exv_heap_get_user(heap));
    exv_heap_set_user(heap, &mine);
    const exv_type type = {.name = "made", .size = 8, .user = &mine};
    void *object = exv_new(heap, &type);
    assert_ptr_equal(exv_heap_get_user(exv_get_heap(object)), &mine);
    assert_ptr_equal(exv_get_type(object)->user, &mine);
    exv_decref(object);
}

#ifdef EXVI_CHECKED
static void test_no_memory(void **state)
{
    exv_heap *heap = *state;
    exv_gc_disable(heap);
    node *closure = new_node(heap, &node_type, 0);
    exv_class *cls = NULL;
    exvi_fault_set(EXVI_FAULT_BLOCK, 1, true);
    assert_null(exv_weakref_new_owning(closure, note_weak, closure));
    assert_int_equal(exv_class_new_owning(heap, "Point", destroyed_instance, closure, &cls), EXV_NO_MEMORY);
    assert_int_equal(exv_gc_add_callback_owning(heap, told, closure), EXV_NO_MEMORY);
    exvi_fault_set(EXVI_FAULT_BLOCK, 0, false);
    assert_null(cls);
    assert_int_equal(exv_refcount(closure), 1);
    exv_decref(closure);
}
#endif

int main(void)
{
    const struct CMUnitTest tests[] = {
        heap_test(test_weakref_owns_until_it_called),
        heap_test(test_weakref_that_dies_gives_up),
        heap_test(test_cycles_through_weakrefs),
        heap_test(test_weakref_that_was_cleared_calls_nothing),
        heap_test(test_class),
        heap_test(test_listener),
        heap_test(test_collection_callbacks),
        cmocka_unit_test(test_the_end_of_the_heap),
        heap_test(test_user_data),
#ifdef EXVI_CHECKED
        heap_test(test_no_memory),
#endif
    };
    return cmocka_run_group_tests_name("owning", tests, NULL, NULL);
}

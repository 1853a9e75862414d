/*
 * test_misuse: each misuse that can be found stops the program with a message that names the function, and the object
 * and its type if there is one. What costs nothing is found in every variant, the rest in the checked build.
 */
#include <pthread.h>

#include "nodes.h"
#include "object.h"

static exv_heap *heap;

static int new_heap(void **state)
{
    (void)state;
    exv_config config = plain_config();
    heap = exv_heap_new(&config);
    return heap == NULL;
}

static int end_heap(void **state)
{
    (void)state;
    return exv_heap_free(heap) != 0;
}

#define misuse_test(function) cmocka_unit_test_setup_teardown(function, new_heap, end_heap)

/* An object that dies in the forked process, and whose hooks commit the misuse. */
static void drop(void *object)
{
    exv_decref(object);
}

static void drop_twice(void *object)
{
    exv_decref(object);
    exv_decref(object);
}

static void incref_dead(void *object)
{
    exv_decref(object);
    exv_incref(object);
}

static void test_freed_object(void **state)
{
    (void)state;
    node *n = new_node(heap, &node_type, 0), *leaf = new_node(heap, &leaf_type, 0);
    assert_dies(drop_twice, n, "exuvia: exv_decref: object 0x");
    assert_dies(drop_twice, n, " of type node ");
    assert_dies(drop_twice, n, "was freed already");
    assert_dies(drop_twice, leaf, " of type leaf ");
    assert_dies(incref_dead, n, "exuvia: exv_incref: object 0x");
    assert_dies(incref_dead, n, "was freed already");
    exv_decref(n);
    exv_decref(leaf);
}

/* The program gives up a reference that it does not have: the owner's death is one too many. */
static void test_count_below_zero(void **state)
{
    (void)state;
    node *owner = new_node(heap, &node_type, 0), *n = new_node(heap, &node_type, 0);
    owner->ref[0] = owner->ref[1] = n; /* one reference, said to be two */
    assert_dies(drop, owner, "was freed already");
    owner->ref[0] = owner->ref[1] = NULL;
    exv_decref(owner);
    exv_decref(n);
}

static void drop_self(node *self)
{
    exv_decref(self);
}

static void incref_self(node *self)
{
    exv_incref(self);
}

static void test_references_to_what_is_being_destroyed(void **state)
{
    (void)state;
    node *n = new_node(heap, &node_type, 0);
    n->on_clear = drop_self;
    assert_dies(drop, n, "of type node lost a reference too many while it was destroyed");
    n->on_clear = incref_self;
    assert_dies(drop, n, "of type node was given a new reference while it was destroyed");
    n->on_clear = NULL;
    n->on_destroy = incref_self;
    assert_dies(drop, n, "of type node was given a new reference while it was destroyed");
    n->on_destroy = NULL;
    exv_decref(n);
    n = new_node(heap, &final_type, 0);
    n->on_finalize = drop_self;
    assert_dies(drop, n, "of type final lost a reference too many in its finalizer");
    n->on_finalize = NULL;
    exv_decref(n);
}

static void free_twice(void *block)
{
    exv_free(heap, block);
    exv_free(heap, block);
}

static void test_freed_block(void **state)
{
    (void)state;
    static const size_t sizes[] = {1, 100, 5000, 50000};
    for (size_t i = 0; i < sizeof sizes / sizeof sizes[0]; i++) {
        void *block = exv_alloc(heap, sizes[i]), *neighbour = exv_alloc(heap, sizes[i]);
        assert_dies(free_twice, block, "exuvia: exv_free: ");
        assert_dies(free_twice, block, "was freed already");
        exv_free(heap, block);
        exv_free(heap, neighbour);
    }
}

static void collect(void *generation)
{
    exv_collect(heap, (int)(intptr_t)generation);
}

static void list_objects(void *generation)
{
    exv_gc_get_objects(heap, (int)(intptr_t)generation);
}

static void test_generations_that_do_not_exist(void **state)
{
    (void)state;
    assert_dies(collect, (void *)(intptr_t)7, "exuvia: exv_collect: generation 7 does not exist");
    assert_dies(collect, (void *)(intptr_t)-1, "exuvia: exv_collect: generation -1 does not exist");
    assert_dies(list_objects, (void *)(intptr_t)3, "exuvia: exv_gc_get_objects: generation 3 does not exist");
}

static void set_unknown_mode(void *nothing)
{
    (void)nothing;
    exv_policy policy;
    exv_get_policy(heap, &policy);
    policy.mode = (exv_mode)77;
    exv_set_policy(heap, &policy);
}

static void make_heap_of_unknown_mode(void *nothing)
{
    (void)nothing;
    exv_config config = exv_config_default();
    config.policy.mode = (exv_mode)3;
    exv_heap_new(&config);
}

static void test_modes_that_do_not_exist(void **state)
{
    (void)state;
    assert_dies(set_unknown_mode, NULL, "exuvia: exv_set_policy: policy.mode 77 does not exist");
    assert_dies(make_heap_of_unknown_mode, NULL, "exuvia: exv_heap_new: policy.mode 3 does not exist");
}

/* ------------------------------------------------------ lies of a visit function */

static int visit_twice(void *self, exv_visit_fn *visit, void *arg)
{
    int end = node_visit(self, visit, arg);
    return end ? end : node_visit(self, visit, arg);
}

static const exv_type liar_type = {.name = "liar", .size = sizeof(node), .visit = visit_twice, .clear = node_clear};

static void test_visit_that_reports_too_much(void **state)
{
    (void)state;
    node *liar = new_node(heap, &liar_type, 0), *n = new_node(heap, &node_type, 0);
    set_ref(liar, 0, n);
    exv_decref(n);
    for (intptr_t generation = 0; generation < 3; generation++) {
        void *which = (void *)generation;
        assert_dies(collect, which, "exuvia: exv_collect: visit functions report 2 references to object 0x");
        assert_dies(collect, which, "of type node, which has 1: a visit function reports what its object");
    }
    exv_decref(liar);
}

/* ------------------------------------------------ the heap freed from inside */

static void free_heap(node *self)
{
    exv_heap_free(exv_get_heap(self));
}

static void free_heap_by_callback(exv_heap *of, exv_gc_phase phase, const exv_gc_info *info, void *arg)
{
    (void)info;
    if (phase == (exv_gc_phase)(intptr_t)arg)
        exv_heap_free(of);
}

static void free_heap_by_weakref(exv_weakref *ref, void *arg)
{
    (void)arg;
    exv_heap_free(exv_get_heap(ref));
}

static void start(void *nothing)
{
    (void)nothing;
    exv_collect_start(heap);
}

static void test_heap_freed_from_inside(void **state)
{
    (void)state;
    static const char expected[] = "exuvia: exv_heap_free: called from a finalizer, destructor or callback of heap 0x";
    node *n = new_node(heap, &final_type, 0), *ring = new_ring(heap, &final_type, 2, 0);
    n->on_finalize = free_heap;
    assert_dies(drop, n, expected);
    n->on_finalize = NULL;
    n->on_clear = free_heap;
    assert_dies(drop, n, expected);
    n->on_clear = NULL;
    n->on_destroy = free_heap;
    assert_dies(drop, n, expected);
    n->on_destroy = NULL;
    exv_weakref *ref = exv_weakref_new(n, free_heap_by_weakref, NULL);
    assert_dies(drop, n, expected);
    exv_decref(ref);
    exv_decref(n);

    EXV_CLEAR(ring->ref[0]->ref[0]); /* the ring is its own second reference from now on */
    set_ref(ring, 0, ring);
    node *garbage = ring;
    exv_decref(ring);
    garbage->on_finalize = free_heap;
    assert_dies(collect, (void *)2, expected);
    garbage->on_finalize = NULL;
    garbage->on_clear = free_heap;
    assert_dies(collect, (void *)2, expected);
    garbage->on_clear = NULL;
    garbage->on_destroy = free_heap;
    assert_dies(collect, (void *)2, expected);
    garbage->on_destroy = NULL;
    for (intptr_t phase = EXV_GC_START; phase <= EXV_GC_STOP; phase++) {
        assert_int_equal(exv_gc_add_callback(heap, free_heap_by_callback, (void *)phase), EXV_OK);
        assert_dies(collect, (void *)2, expected);
        if (phase == EXV_GC_START)
            assert_dies(start, NULL, expected);
        assert_true(exv_gc_remove_callback(heap, free_heap_by_callback, (void *)phase));
    }
}

/* In a thread of its own, while this one has claimed the heap or not. */
static void *claim_in_thread(void *arg)
{
    (void)arg;
    exv_heap_claim(heap);
    return NULL;
}

static void claim_twice(void *arg)
{
    pthread_t thread;
    exv_heap_claim(heap);
    exv_heap_claim(heap); /* by the same thread: nothing */
    pthread_create(&thread, NULL, claim_in_thread, arg);
    pthread_join(thread, NULL);
}

static void release_unclaimed(void *arg)
{
    (void)arg;
    exv_heap_release(heap);
}

static void release_what_another_claimed(void *arg)
{
    pthread_t thread;
    pthread_create(&thread, NULL, claim_in_thread, arg);
    pthread_join(thread, NULL);
    release_unclaimed(arg);
}

static void test_claims(void **state)
{
    (void)state;
    assert_dies(claim_twice, NULL, "exuvia: exv_heap_claim: heap 0x");
    assert_dies(claim_twice, NULL, "belongs to another thread, which did not release it");
    assert_dies(release_unclaimed, NULL, "exuvia: exv_heap_release: heap 0x");
    assert_dies(release_unclaimed, NULL, "was not claimed by this thread");
    assert_dies(release_what_another_claimed, NULL, "was not claimed by this thread");
}

/* --------------------------------------------------------- checked build only */

#ifdef EXVI_CHECKED
static void *misuse_in_thread(void *arg)
{
    (void)arg;
    exv_decref(exv_new(heap, &node_type));
    return NULL;
}

static void use_from_thread(node *self)
{
    (void)self;
    pthread_t thread;
    pthread_create(&thread, NULL, misuse_in_thread, NULL);
    pthread_join(thread, NULL);
}

static void *call_expect(void *arg)
{
    (void)exv_refcount(arg);
    return NULL;
}

static void look_from_thread(node *self)
{
    pthread_t thread;
    pthread_create(&thread, NULL, call_expect, self);
    pthread_join(thread, NULL);
}

static void test_second_thread(void **state)
{
    (void)state;
    node *n = new_node(heap, &final_type, 0);
    n->on_finalize = use_from_thread;
    assert_dies(drop, n, "exuvia: exv_new: heap 0x");
    assert_dies(drop, n, "is in use by another thread");
    n->on_finalize = look_from_thread;
    assert_dies(drop, n, "exuvia: exv_refcount: heap 0x");
    n->on_finalize = NULL;
    use_from_thread(n); /* one after the other is fine */
    exv_decref(n);
}

static void claim_and_use_from_thread(void *arg)
{
    exv_heap_claim(heap);
    use_from_thread(arg);
}

static void claim_and_look_from_thread(void *arg)
{
    exv_heap_claim(heap);
    look_from_thread(arg);
}

static void *end_in_thread(void *arg)
{
    (void)arg;
    exv_heap_free(heap);
    return NULL;
}

static void claim_and_end_from_thread(void *arg)
{
    pthread_t thread;
    exv_heap_claim(heap);
    pthread_create(&thread, NULL, end_in_thread, arg);
    pthread_join(thread, NULL);
}

static void test_wrong_thread(void **state)
{
    (void)state;
    node *n = new_node(heap, &node_type, 0);
    assert_dies(claim_and_use_from_thread, n, "exuvia: exv_new: heap 0x");
    assert_dies(claim_and_use_from_thread, n, "belongs to another thread, which did not release it");
    assert_dies(claim_and_look_from_thread, n, "exuvia: exv_refcount: heap 0x");
    assert_dies(claim_and_end_from_thread, n, "exuvia: exv_heap_free: heap 0x");
    exv_heap_claim(heap);
    exv_heap_release(heap);
    use_from_thread(n);
    exv_decref(n);
}

static void take_type(void *object)
{
    exv_get_type(object);
}

static void refer_weakly(void *object)
{
    exv_weakref_new(object, NULL, NULL);
}

static void free_block(void *block)
{
    exv_free(heap, block);
}

static void grow(void *block)
{
    exv_realloc(heap, block, 10000);
}

static void measure(void *block)
{
    exv_usable_size(heap, block);
}

static void test_foreign_pointers(void **state)
{
    (void)state;
    char on_stack[64];
    static _Alignas(16) char in_data[64];
    void *foreign[] = {on_stack, in_data + 32, (void *)16, (void *)(intptr_t)-16, (void *)((intptr_t)1 << 46)};
    for (size_t i = 0; i < sizeof foreign / sizeof foreign[0]; i++) {
        assert_dies(drop, foreign[i], "is not an object: no heap holds that address");
        assert_dies(take_type, foreign[i], "exuvia: exv_get_type: 0x");
        assert_dies(free_block, foreign[i], "is not a block: no heap holds that address");
        assert_dies(grow, foreign[i], "exuvia: exv_realloc: 0x");
        assert_dies(measure, foreign[i], "exuvia: exv_usable_size: 0x");
    }
}

static void test_pointers_inside(void **state)
{
    (void)state;
    node *n = new_node(heap, &node_type, 0);
    char *block = exv_alloc(heap, 100);
    assert_dies(drop, (char *)n + 16, "is not an object: it lies inside a block");
    assert_dies(drop, (char *)n + 8, "is not an object: it lies inside a block");
    assert_dies(free_block, block + 16, "exuvia: exv_free: ");
    assert_dies(free_block, block + 16, "lies inside a block");
    assert_dies(grow, block + 1, "lies inside a block");
    assert_dies(measure, block + 99, "lies inside a block");
    exv_decref(n);
    exv_free(heap, block);
}

static void test_objects_and_blocks_mixed_up(void **state)
{
    (void)state;
    node *n = new_node(heap, &node_type, 0);
    char *block = exv_alloc(heap, 100);
    assert_dies(free_block, (char *)n - 16, "is an object, or lies in one: it is given up with exv_decref()");
    assert_dies(free_block, n, "exuvia: exv_free: 0x");
    assert_dies(free_block, n, "is an object");
    assert_dies(grow, n, "exuvia: exv_realloc: 0x");
    assert_dies(drop, block + 16, "is not an object: it lies inside a block, or in one of exv_alloc()");
    exv_decref(n);
    exv_free(heap, block);
}

static void test_block_of_another_heap(void **state)
{
    (void)state;
    exv_heap *other = exv_heap_new(NULL);
    void *block = exv_alloc(other, 100);
    assert_dies(free_block, block, "exuvia: exv_free: block 0x");
    assert_dies(free_block, block, "belongs to another heap");
    assert_dies(grow, block, "exuvia: exv_realloc: block 0x");
    node *n = new_node(other, &node_type, 0);
    exv_free(other, block);
    assert_int_equal(exv_heap_free(other), 1);
    assert_dies(drop, n, "is not an object: no heap holds that address");
}

static void use_dead(void *object)
{
    exv_decref(object);
    call_expect(object);
}

static void refer_to_dead(void *object)
{
    exv_decref(object);
    refer_weakly(object);
}

static void write_to_freed(void *block)
{
    exv_free(heap, block);
    ((char *)block)[40] = 'x';
    for (int i = 0; i < 10000; i++)
        exv_alloc(heap, 100);
}

static void write_to_dead(void *object)
{
    exv_decref(object);
    ((node *)object)->id = 1;
    for (int i = 0; i < 10000; i++)
        exv_new(heap, &node_type);
}

static void test_use_after_death(void **state)
{
    (void)state;
    node *n = new_node(heap, &node_type, 0);
    void *block = exv_alloc(heap, 100);
    assert_dies(use_dead, n, "exuvia: exv_refcount: object 0x");
    assert_dies(use_dead, n, "of type node was freed already");
    assert_dies(refer_to_dead, n, "exuvia: exv_weakref_new: object 0x");
    assert_dies(write_to_freed, block, "exuvia: exv_alloc: block 0x");
    assert_dies(write_to_freed, block, "was written to after it was freed");
    assert_dies(write_to_dead, n, "exuvia: exv_new: block 0x");
    exv_decref(n);
    exv_free(heap, block);
}

static void no_name(void *type)
{
    exv_new(heap, type);
}

static void deref_weakly(void *object)
{
    exv_weakref_incref(object);
}

static void test_wrong_types(void **state)
{
    (void)state;
    exv_type nameless = {.size = 8};
    node *n = new_node(heap, &node_type, 0);
    assert_dies(no_name, &nameless, "exuvia: exv_new: the type at 0x");
    assert_dies(deref_weakly, n, "exuvia: exv_weakref_incref: object 0x");
    assert_dies(deref_weakly, n, "is not a weakref but a node");
    exv_decref(n);
}

static void free_heap_by_listener(exv_heap *of, const exv_record *record, void *arg)
{
    (void)record, (void)arg;
    exv_heap_free(of);
}

static void test_heap_freed_by_a_listener(void **state)
{
    (void)state;
    static const exv_type simple_type = {.name = "simple", .size = sizeof(node), .destroy = node_destroy};
    exv_set_listener(heap, free_heap_by_listener, NULL);
    assert_dies(collect, (void *)1, "exuvia: exv_heap_free: called from ");
    exv_set_listener(heap, NULL, NULL);
    node *n = new_node(heap, &simple_type, 0);
    n->on_destroy = free_heap;
    assert_dies(drop, n, "exuvia: exv_heap_free: called from ");
    n->on_destroy = NULL;
    exv_decref(n);
}
#endif

int main(void)
{
    const struct CMUnitTest tests[] = {
        misuse_test(test_freed_object),
        misuse_test(test_count_below_zero),
        misuse_test(test_references_to_what_is_being_destroyed),
        misuse_test(test_freed_block),
        misuse_test(test_generations_that_do_not_exist),
        misuse_test(test_modes_that_do_not_exist),
        misuse_test(test_visit_that_reports_too_much),
        misuse_test(test_heap_freed_from_inside),
        misuse_test(test_claims),
#ifdef EXVI_CHECKED
        misuse_test(test_second_thread),
        misuse_test(test_wrong_thread),
        misuse_test(test_foreign_pointers),
        misuse_test(test_pointers_inside),
        misuse_test(test_objects_and_blocks_mixed_up),
        misuse_test(test_block_of_another_heap),
        misuse_test(test_use_after_death),
        misuse_test(test_wrong_types),
        misuse_test(test_heap_freed_by_a_listener),
#endif
    };
    return cmocka_run_group_tests_name("misuse", tests, NULL, NULL);
}

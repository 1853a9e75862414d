/*
 * test_check: the validator of a heap. Each thing it promises to find is broken once, found, and mended.
 */
#include "nodes.h"
#include "object.h"
#include "platform.h"

static void assert_found(exv_heap *heap, const char *expected)
{
    const char *wrong = exv_heap_check(heap);
    assert_non_null(wrong);
    assert_string_equal(wrong, expected);
}

static void test_headers(void **state)
{
    exv_heap *heap = *state;
    node *n = new_node(heap, &node_type, 0), *leaf = new_node(heap, &leaf_type, 0);
    exvi_header *header = exvi_header_of(n);
    static const exv_type nameless = {.size = sizeof(node)};

    assert_sound(heap);
    header->type = NULL;
    assert_found(heap, "an object has no type");
    header->type = &nameless;
    assert_found(heap, "an object has no type");
    header->type = &node_type;
    header->refcount = 0;
    assert_found(heap, "a live object has no reference");
    header->refcount = 1;
    exvi_header_of(leaf)->flags |= EXVI_TRACKED;
    assert_found(heap, "an object without references is tracked");
    exvi_header_of(leaf)->flags = EXVI_FROZEN;
    assert_found(heap, "an untracked object is frozen");
    exvi_header_of(leaf)->flags = 0;
    assert_sound(heap);
    exv_decref(n);
    exv_decref(leaf);
}

static void test_numbers(void **state)
{
    exv_heap *heap = *state;
    node *n = new_node(heap, &node_type, 0);
    heap->generations.births++;
    assert_found(heap, "the number of tracked or frozen objects is wrong");
    heap->generations.births--;
    heap->generations.frozen++;
    assert_found(heap, "the number of tracked or frozen objects is wrong");
    heap->generations.frozen--;
    exvi_header_of(n)->flags &= ~(uint32_t)EXVI_TRACKED;
    assert_found(heap, "the number of tracked or frozen objects is wrong");
    exvi_header_of(n)->flags |= EXVI_TRACKED | EXVI_UNREACHABLE;
    assert_found(heap, "an object is unreachable outside of a collection");
    exvi_header_of(n)->flags &= ~(uint32_t)EXVI_UNREACHABLE;
    heap->collector.unreachable++;
    assert_found(heap, "an object is unreachable outside of a collection");
    heap->collector.unreachable--;
    assert_sound(heap);
    exv_decref(n);
}

static void test_references(void **state)
{
    exv_heap *heap = *state;
    node *a = new_node(heap, &node_type, 0), *b = new_node(heap, &node_type, 0);
    node *untracked = new_node(heap, &node_type, 0), *leaf = new_node(heap, &leaf_type, 0);
    a->ref[0] = b; /* not counted, but hidden behind the program's own */
    assert_sound(heap);
    a->ref[1] = b;
    assert_found(heap, "objects hold more references on an object than it counts");
    a->ref[0] = a->ref[1] = NULL;
    exv_untrack(untracked);
    untracked->ref[0] = untracked->ref[1] = leaf; /* of and to what no collection looks at */
    assert_found(heap, "objects hold more references on an object than it counts");
    exv_make_immortal(leaf);
    assert_sound(heap);
    untracked->ref[0] = untracked->ref[1] = NULL;
    exv_decref(a);
    exv_decref(b);
    exv_decref(untracked);
}

/* As in weakref.c. */
struct exv_weakref {
    void *target;
    exv_weakref_fn *callback;
    void *arg;
    exv_weakref *next, *chain;
};

static void test_weak_references(void **state)
{
    exv_heap *heap = *state;
    node *n = new_node(heap, &node_type, 0), *other = new_node(heap, &node_type, 0);
    exv_weakref *ref = exv_weakref_new(n, NULL, NULL), *second = exv_weakref_new(n, NULL, NULL);
    exvi_weakrefs kept = heap->weakrefs;
    exvi_header_of(other)->flags |= EXVI_WEAK;
    assert_found(heap, "an object with weak references is not in their table");
    exvi_header_of(n)->flags &= ~(uint32_t)EXVI_WEAK;
    assert_found(heap, "a weak reference leads to what is dead");
    exvi_header_of(n)->flags |= EXVI_WEAK;
    exvi_header_of(other)->flags &= ~(uint32_t)EXVI_WEAK;
    second->target = other;
    assert_found(heap, "a weak reference leads to what is dead");
    second->target = n;
    ref->target = other;
    assert_found(heap, "the weak references to one target are in disorder");
    ref->target = n;
    second->next = (exv_weakref *)(void *)((char *)ref + 16);
    assert_found(heap, "the weak references to one target are in disorder");
    second->next = ref;
    exv_weakref *slot = (exv_weakref *)(void *)((char *)second + 16);
    for (size_t i = 0; i < kept.room; i++)
        if (kept.slots[i] == second)
            kept.slots[i] = slot;
    assert_found(heap, "a weak reference is dead");
    size_t at = 0;
    for (size_t i = 0; i < kept.room; i++)
        if (kept.slots[i] == slot)
            kept.slots[at = i] = NULL;
    assert_found(heap, "the number of targets of weak references is wrong");
    kept.slots[(at + 1) % kept.room] = second;
    assert_found(heap, "a target of weak references is in the wrong place");
    kept.slots[(at + 1) % kept.room] = NULL;
    kept.slots[at] = second;
    assert_sound(heap);
    exv_decref(n);
    exv_decref(other);
    exv_decref(ref);
    exv_decref(second);
}

static void test_pages(void **state)
{
    exv_heap *heap = *state;
    node *n = new_node(heap, &node_type, 0);
    exvi_page *page = exvi_page_of(exvi_header_of(n));
    page->young_listed = false;
    assert_non_null(exv_heap_check(heap));
    page->young_listed = true;
    page->capacity++;
    assert_non_null(exv_heap_check(heap));
    page->capacity--;
    heap->blocks.regions.used_units++;
    assert_non_null(exv_heap_check(heap));
    heap->blocks.regions.used_units--;
    assert_sound(heap);
    exv_decref(n);
}

#ifdef EXVI_CHECKED
static void test_writes_to_freed_blocks(void **state)
{
    exv_heap *heap = *state;
    char *block = exv_alloc(heap, 100), *other = exv_alloc(heap, 100);
    exv_free(heap, block);
    assert_sound(heap);
    char before = block[50];
    block[50] = 'x';
    assert_non_null(strstr(exv_heap_check(heap), "was written to after it was freed"));
    block[50] = before;
    assert_sound(heap);
    exv_free(heap, other);
}

static void test_no_memory(void **state)
{
    exv_heap *heap = *state;
    for (uint64_t nth = 1;; nth++) {
        exvi_fault_set(EXVI_FAULT_MAP, nth, false);
        const char *wrong = exv_heap_check(heap);
        uint64_t calls = exvi_fault_calls(EXVI_FAULT_MAP);
        exvi_fault_set(EXVI_FAULT_MAP, 0, false);
        if (wrong)
            assert_string_equal(wrong, "no memory to check the references");
        if (calls < nth) {
            assert_null(wrong);
            assert_true(nth > 2);
            return;
        }
    }
}
#endif

int main(void)
{
    const struct CMUnitTest tests[] = {
        heap_test(test_headers),
        heap_test(test_numbers),
        heap_test(test_references),
        heap_test(test_weak_references),
        heap_test(test_pages),
#ifdef EXVI_CHECKED
        heap_test(test_writes_to_freed_blocks),
        heap_test(test_no_memory),
#endif
    };
    return cmocka_run_group_tests_name("check", tests, NULL, NULL);
}

/*
 * test_heap: a heap's life from its birth, which may fail, to its end, which must not; and its use as plain memory.
 */
#include "fewer.h"
#include "forked.h"
#include "nodes.h"
#include "object.h"
#include "child.h"
#include "files.h"
#include "platform.h"

#define MIB ((size_t)1 << 20)

/* --------------------------------------------------------- plain memory */

static void test_sizes(void **state)
{
    exv_heap *heap = *state;
    for (size_t size = 0; size < 40 * MIB; size = size < 1100 ? size + 1 : size * 2 - size / 3) {
        unsigned char *block = exv_alloc(heap, size);
        assert_non_null(block);
        assert_int_equal((uintptr_t)block % 16, 0);
        size_t usable = exv_usable_size(heap, block);
        assert_true(usable >= size && usable >= 16 && usable <= size + size / 4 + 65536);
        assert_true(size > 32768 || usable <= size + size / 4 + 16);
        block[0] = block[usable - 1] = 1; /* all of it may be used */
        exv_free(heap, block);
    }
    assert_null(exv_alloc(heap, EXV_MAX_SIZE + 1));
    assert_null(exv_alloc(heap, SIZE_MAX));
    assert_null(exv_alloc(heap, SIZE_MAX - 15));
    assert_null(exv_calloc(heap, SIZE_MAX / 2, 3));
    assert_null(exv_calloc(heap, (size_t)1 << 32, (size_t)1 << 32));
    exv_free(heap, NULL);
    assert_int_equal(exv_usable_size(heap, NULL), 0);
}

static void test_calloc_zeroes(void **state)
{
    exv_heap *heap = *state;
    for (int round = 0; round < 3; round++) {
        for (size_t size = 1; size < 200000; size *= 3) {
            unsigned char *block = exv_calloc(heap, size, 2);
            for (size_t i = 0; i < 2 * size; i++)
                assert_int_equal(block[i], 0);
            memset(block, 0xff, exv_usable_size(heap, block));
            exv_free(heap, block);
        }
    }
    void *none = exv_calloc(heap, 0, 10);
    assert_non_null(none);
    exv_free(heap, none);
}

/* Of large blocks and objects, only what is written to becomes resident, be it fresh or used before. */
static void test_fresh_memory_is_not_touched(void **state)
{
    (void)state;
    static const exv_type large_type = {.name = "large", .size = 512 * MIB};
    for (int huge = 0; huge < 2; huge++) {
        exv_config config = plain_config();
        config.huge_pages = huge;
        exv_heap *heap = exv_heap_new(&config);
        for (size_t size = 16 * MIB; size <= 1024 * MIB; size *= 8) {
            for (int again = 0; again < 2; again++) {
                uint64_t before = exvi_resident_bytes();
                unsigned char *block = exv_calloc(heap, size / 16, 16);
                unsigned char *object = exv_new(heap, &large_type);
                assert_non_null(block);
                assert_non_null(object);
                assert_true(exvi_resident_bytes() < before + 9 * MIB);
                for (size_t i = 0; i < size; i += 4 * MIB)
                    assert_int_equal(block[i] | object[i % large_type.size], 0);
                block[0] = block[size - 1] = object[0] = object[large_type.size - 1] = 1;
                exv_decref(object);
                exv_free(heap, block);
            }
        }
        assert_sound(heap);
        assert_int_equal(exv_heap_free(heap), 0);
    }
}

/* Sizes that no system has come back at once, and say what is wrong. */
static void test_absurd_sizes(void **state)
{
    exv_heap *heap = *state;
    static const exv_type items_type = {.name = "items", .size = 16, .item_size = 8};
    static const exv_type half_type = {.name = "half", .size = EXV_MAX_SIZE / 2};
    static const char too_large[] = "MemoryError: 1099511627777 bytes are more than a block can have";
    static const char overflow[] = "MemoryError: more bytes than a size can say";
    void *block = exv_alloc(heap, 100);
    assert_null(exv_alloc(heap, EXV_MAX_SIZE + 1));
    assert_string_equal(exv_error_message(heap), too_large);
    assert_null(exv_calloc(heap, SIZE_MAX, 2));
    assert_string_equal(exv_error_message(heap), overflow);
    assert_null(exv_realloc(heap, block, EXV_MAX_SIZE + 1));
    assert_string_equal(exv_error_message(heap), too_large);
    assert_null(exv_new_var(heap, &items_type, SIZE_MAX));
    assert_string_equal(exv_error_message(heap), overflow);
    assert_null(exv_new_var(heap, &items_type, EXV_MAX_SIZE / 8));
    assert_non_null(strstr(exv_error_message(heap), "are more than a block can have"));
    exv_decref(exv_new(heap, &half_type)); /* address space may be there for it: then it is not touched */
    exv_free(heap, block);
    assert_sound(heap);
}

static void fill(unsigned char *block, size_t size, unsigned seed)
{
    for (size_t i = 0; i < size; i++)
        block[i] = (unsigned char)(i * 31 + seed);
}

static void expect_filled(const unsigned char *block, size_t size, unsigned seed)
{
    for (size_t i = 0; i < size; i++)
        assert_int_equal(block[i], (unsigned char)(i * 31 + seed));
}

static void test_realloc_keeps_what_fits(void **state)
{
    exv_heap *heap = *state;
    uint64_t seed = 3;
    enum { BLOCKS = 40 };
    exv_heap_stats before, after;
    exv_get_heap_stats(heap, &before);
    unsigned char *block[BLOCKS] = {0};
    size_t size[BLOCKS] = {0};
    for (int step = 0; step < 6000; step++) {
        unsigned i = next_random(&seed) % BLOCKS;
        size_t wanted = next_random(&seed) % (size_t)(16 << next_random(&seed) % 15);
        unsigned char *moved = exv_realloc(heap, block[i], wanted);
        assert_non_null(moved);
        expect_filled(moved, size[i] < wanted ? size[i] : wanted, i);
        assert_true(exv_usable_size(heap, moved) >= wanted);
        fill(moved, wanted, i);
        block[i] = moved;
        size[i] = wanted;
    }
    assert_null(exv_realloc(heap, block[0], EXV_MAX_SIZE + 1)); /* and it is as it was */
    expect_filled(block[0], size[0], 0);
    assert_sound(heap);
    for (int i = 0; i < BLOCKS; i++)
        exv_free(heap, block[i]);
    exv_get_heap_stats(heap, &after);
    assert_int_equal(after.live_blocks, before.live_blocks);
}

/* --------------------------------------------------------- limit and trim */

static int never_called(void *block, size_t size, const exv_type *type, void *arg)
{
    (void)block, (void)size, (void)type, (void)arg;
    return 1;
}

static void ignore(exv_heap *of, exv_gc_phase phase, const exv_gc_info *info, void *arg)
{
    (void)of, (void)phase, (void)info, (void)arg;
}

/* A heap in which the program has nothing left shows nothing, whatever the library keeps for itself. */
static void test_own_blocks_are_not_the_programs(void **state)
{
    exv_heap *heap = *state;
    exv_heap_stats stats;
    assert_int_equal(exv_gc_add_callback(heap, ignore, NULL), EXV_OK);
    node *n = new_node(heap, &node_type, 0);
    exv_weakref *ref = exv_weakref_new(n, NULL, NULL);
    exv_get_heap_stats(heap, &stats);
    assert_true(stats.live_blocks == 2 && stats.live_objects == 2);
    exv_decref(n);
    exv_decref(ref);
    for (int i = -10; i < 300; i++)
        exv_decref(exv_int_new(heap, i));
    if (exv_collect_start(heap) == EXV_OK)
        exv_collect_wait(heap, UINT64_MAX, NULL);
    exv_collect(heap, 2);
    exv_get_heap_stats(heap, &stats);
    assert_true(stats.live_blocks == 0 && stats.live_objects == 0 && stats.used_bytes == 0);
    assert_int_equal(stats.allocations, stats.frees);
    assert_int_equal(stats.free_bytes, stats.held_bytes - stats.metadata_bytes);
    assert_int_equal(exv_heap_walk(heap, never_called, NULL), 0);
}

/* All that a heap holds stays below the limit, to the byte, and the smallest that is promised is enough. */
static void test_limit_is_not_exceeded(void **state)
{
    (void)state;
    static const size_t limits[] = {EXV_LIMIT_MIN, 3 * MIB + 1, 16 * MIB, 64 * MIB, 100 * MIB + 4095};
    for (int i = 0; i < fewer(5, 3); i++) {
        exv_config config = exv_config_default();
        config.limit_bytes = limits[i];
        exv_heap *heap = exv_heap_new(&config);
        exv_heap_stats stats;
        assert_non_null(heap);
        exv_list *list = exv_list_new(heap);
        assert_non_null(list);
        assert_non_null(exv_alloc(heap, 10000));
        while (exv_list_append(list, exv_get_none(heap)) == EXV_OK)
            continue;
        assert_ptr_equal(strstr(exv_error_message(heap), "MemoryError"), exv_error_message(heap));
        while (exv_alloc(heap, 100))
            continue;
        exv_get_heap_stats(heap, &stats);
        assert_true(stats.held_bytes <= limits[i]);
        assert_true(limits[i] - stats.held_bytes < MIB);
        assert_int_equal(stats.held_bytes, stats.used_bytes + stats.free_bytes + stats.metadata_bytes);
        assert_sound(heap);
        exv_decref(list);
        exv_heap_free(heap);
    }
    exv_config config = exv_config_default();
    config.limit_bytes = 100000;
    assert_null(exv_heap_new(&config));
}

static void test_limit(void **state)
{
    (void)state;
    static const size_t limits[] = {3 * MIB, 10 * MIB, 50 * MIB};
    for (size_t i = 0; i < sizeof limits / sizeof limits[0]; i++) {
        exv_config config = plain_config();
        config.limit_bytes = limits[i];
        exv_heap *heap = exv_heap_new(&config);
        assert_non_null(heap);
        assert_null(exv_alloc(heap, limits[i]));
        void **chain = NULL, **block;
        size_t count = 0;
        exv_heap_stats stats;
        while ((block = exv_alloc(heap, 10000))) {
            *block = chain;
            chain = block;
            count++;
        }
        exv_get_heap_stats(heap, &stats);
        assert_true(heap->blocks.regions.arena.held_bytes <= limits[i]);
        assert_true(count * 10000 > limits[i] / 5 * 2);
        assert_sound(heap);
        assert_null(exv_realloc(heap, chain, 10 * MIB));
        while (chain) {
            block = *chain;
            exv_free(heap, chain);
            chain = block;
        }
        block = exv_alloc(heap, 10000); /* what was freed is handed out again */
        assert_non_null(block);
        exv_free(heap, block);
        assert_int_equal(exv_heap_free(heap), 0);
    }
}

static void test_trim(void **state)
{
    exv_heap *heap = *state;
    enum { BLOCKS = 4000, SIZE = 10000 };
    static void *block[BLOCKS];
    exv_heap_trim(heap);
    uint64_t before = exvi_resident_bytes();
    for (int i = 0; i < BLOCKS; i++) {
        block[i] = exv_alloc(heap, SIZE);
        memset(block[i], 1, SIZE);
    }
    uint64_t full = exvi_resident_bytes();
    for (int i = 0; i < BLOCKS; i++)
        exv_free(heap, block[i]);
    size_t trimmed = exv_heap_trim(heap);
    uint64_t after = exvi_resident_bytes();
    assert_true(full - before > (uint64_t)BLOCKS * SIZE / 10 * 9);
    assert_true(after < before + (full - before) / 5);
    assert_true(trimmed <= full - before + 4 * MIB);
    assert_int_equal(exv_heap_trim(heap), 0);
    assert_sound(heap);
}

/* ----------------------------------------------------- statistics and walk */

static void expect_sums(exv_heap *heap)
{
    exv_heap_stats stats;
    exv_get_heap_stats(heap, &stats);
    assert_int_equal(stats.used_bytes + stats.free_bytes, stats.held_bytes - stats.metadata_bytes);
    assert_int_equal(stats.allocations, stats.frees + stats.live_blocks);
    assert_true(stats.live_objects <= stats.live_blocks && stats.tracked_objects <= stats.live_objects);
}

static void test_stats(void **state)
{
    exv_heap *heap = *state;
    exv_heap_stats before, after;
    exv_get_heap_stats(heap, &before);
    void *block = exv_alloc(heap, 100), *large = exv_alloc(heap, 20 * MIB);
    node *n = new_node(heap, &node_type, 0), *leaf = new_node(heap, &leaf_type, 0);
    expect_sums(heap);
    exv_get_heap_stats(heap, &after);
    assert_int_equal(after.live_blocks, before.live_blocks + 4);
    assert_int_equal(after.live_objects, before.live_objects + 2);
    assert_int_equal(after.tracked_objects, before.tracked_objects + 1);
    assert_int_equal(after.allocations, before.allocations + 4);
    assert_int_equal(after.used_bytes - before.used_bytes,
                     exv_usable_size(heap, block) + exv_usable_size(heap, large) +
                         2 * ((sizeof(exvi_header) + sizeof(node) + 15) / 16 * 16));
    exv_free(heap, block);
    exv_free(heap, large);
    exv_decref(n);
    exv_decref(leaf);
    exv_get_heap_stats(heap, &after);
    assert_int_equal(after.frees, before.frees + 4);
    assert_int_equal(after.used_bytes, before.used_bytes);
    expect_sums(heap);
    exv_heap_trim(heap);
    expect_sums(heap);
}

typedef struct seen {
    int blocks, objects, until;
    uintptr_t last;
    void *block[3];
    node *object[2];
    unsigned found;
} seen;

static int see(void *block, size_t size, const exv_type *type, void *arg)
{
    seen *s = arg;
    assert_true(s->objects == 0 || type); /* blocks first */
    if (type && s->objects == 0)
        s->last = 0;
    assert_true((uintptr_t)block > s->last);
    s->last = (uintptr_t)block;
    s->blocks += !type;
    s->objects += type != NULL;
    for (int i = 0; i < 3; i++)
        if (block == s->block[i] && !type && size == exv_usable_size(exv_get_heap(s->object[0]), block))
            s->found |= 1u << i;
    for (int i = 0; i < 2; i++)
        if (block == s->object[i] && type == exv_get_type(block) && size >= sizeof(node))
            s->found |= 8u << i;
    return --s->until == 0 ? 42 : 0;
}

static void test_walk(void **state)
{
    exv_heap *heap = *state;
    exv_heap_stats stats;
    seen s = {.block = {exv_alloc(heap, 1), exv_alloc(heap, 5000), exv_alloc(heap, 300000)},
              .object = {new_node(heap, &node_type, 0), new_node(heap, &leaf_type, 0)}};
    assert_int_equal(exv_heap_walk(heap, see, &s), 0);
    exv_get_heap_stats(heap, &stats);
    assert_int_equal(s.blocks + s.objects, stats.live_blocks);
    assert_int_equal(s.objects, stats.live_objects);
    assert_int_equal(s.found, 31);
    for (int until = 1; until <= s.blocks + s.objects; until += 2) {
        seen some = {.object = {s.object[0]}, .until = until};
        assert_int_equal(exv_heap_walk(heap, see, &some), 42);
        assert_int_equal(some.blocks + some.objects, until);
    }
    for (int i = 0; i < 3; i++)
        exv_free(heap, s.block[i]);
    exv_decref(s.object[0]);
    exv_decref(s.object[1]);
}

/* ------------------------------------------------------------------ life */

static void test_birth(void **state)
{
    exv_heap *heap = *state;
    char version[40];
    snprintf(version, sizeof version, "%d.%d.%d", EXV_VERSION_MAJOR, EXV_VERSION_MINOR, EXV_VERSION_PATCH);
    assert_string_equal(exv_version(), version);
    assert_string_equal(exv_error_message(heap), "");
    assert_int_equal(exv_list_size(exv_gc_get_garbage(heap)), 0);
    exv_list *list = exv_gc_get_objects(heap, -1);
    assert_int_equal(exv_list_size(list), 0); /* none of the heap's own */
    exv_decref(list);
    assert_int_equal(exv_heap_free(NULL), 0);
}

#ifdef EXVI_CHECKED
/* Each of the mappings and allocations that a birth needs fails: NULL, and nothing is left mapped. */
static void test_birth_that_fails(void **state)
{
    (void)state;
    if (getenv("EXUVIA_VALGRIND"))
        skip(); /* its own mappings come and go with ours */
    static const exvi_fault faults[] = {EXVI_FAULT_MAP, EXVI_FAULT_BLOCK};
    for (int i = 0; i < 2; i++) {
        exv_heap *heap = NULL;
        uint64_t nth = 0;
        while (!heap) {
            long before = virtual_kib();
            exvi_fault_set(faults[i], ++nth, false);
            heap = exv_heap_new(NULL);
            exvi_fault_set(faults[i], 0, false);
            assert_true(heap || virtual_kib() == before);
        }
        assert_true(nth > 2);
        assert_int_equal(exv_heap_free(heap), 0);
    }
}
#endif

static void test_leaks_are_counted_and_ended(void **state)
{
    (void)state;
    exv_config config = plain_config();
    exv_heap *heap = exv_heap_new(&config);
    node *leak = new_node(heap, &final_type, 1);
    leak->ref[0] = new_node(heap, &final_type, 2);
    leak->ref[1] = new_ring(heap, &final_type, 2, 3);
    exv_decref(new_ring(heap, &final_type, 2, 5)); /* is found before */
    assert_int_equal(exv_heap_free(heap), 4);
    for (int id = 1; id <= 6; id++) {
        for (int k = 0; k < 3; k++) {
            char event[8];
            snprintf(event, sizeof event, "%c%d ", "FDC"[k], id);
            char *at = strstr(events, event);
            assert_non_null(at);
            assert_true(k == 2 || !strstr(at + 1, event)); /* finalized and destroyed once each */
        }
    }
    const char *last_finalizer = strstr(events, "F1 ");
    assert_true(last_finalizer < strstr(events, "D4 ")); /* all that is left is finalized before any is destroyed */
    events[0] = '\0';
}

/* A leaked list that holds a tuple that holds an int: the tuple has no clear function, and must give up the int's last
 * reference while both still are there, in whatever order they lie. */
static void test_leaked_containers(void **state)
{
    (void)state;
    for (int order = 0; order < 6; order++) {
        exv_config config = plain_config();
        exv_heap *heap = exv_heap_new(&config);
        void *number = NULL;
        exv_list *list = order % 2 ? exv_list_new(heap) : NULL;
        if (order / 2)
            exv_decref(order / 2 == 1 ? (void *)exv_float_new(heap, 2) : (void *)exv_list_new(heap));
        number = exv_int_new(heap, 123456789);
        exv_tuple *tuple = exv_tuple_new(heap, &number, 1);
        list = list ? list : exv_list_new(heap);
        assert_int_equal(exv_list_append(list, tuple), EXV_OK);
        exv_decref(tuple);
        exv_decref(number);
        assert_int_equal(exv_heap_free(heap), 3);
    }
}

static exv_heap *ending;
static void use_the_heap(node *self)
{
    exv_list *list = exv_list_new(ending);
    assert_int_equal(exv_list_append(list, self), EXV_OK);
    assert_int_equal(exv_list_append(list, exv_get_none(ending)), EXV_OK);
    assert_int_equal(exv_list_append(list, exv_get_bool(ending, true)), EXV_OK);
    assert_int_equal(exv_list_append(exv_gc_get_garbage(ending), exv_get_none(ending)), EXV_OK);
    exv_str *text;
    assert_int_equal(exv_repr(list, &text), EXV_OK);
    exv_decref(text);
    exv_decref(list);
    new_node(ending, &node_type, 9); /* leaks */
    exv_collect(ending, 2);
    exv_gc_enable(ending);
    for (int i = 0; i < 2000; i++)
        exv_decref(new_ring(ending, &node_type, 1, 0));
}

static void note_call(exv_weakref *ref, void *arg)
{
    assert_null(exv_weakref_incref(ref));
    note('W', *(int *)arg);
}

/* Finalizers of what is left find a heap that works, and weak references are called. */
static void test_last_finalizers(void **state)
{
    (void)state;
    int one = 1;
    exv_config config = plain_config();
    ending = exv_heap_new(&config);
    node *leak = new_node(ending, &final_type, 1);
    leak->on_finalize = use_the_heap;
    exv_weakref *ref = exv_weakref_new(leak, note_call, &one);
    assert_non_null(ref);
    assert_true(exv_heap_free(ending) >= 2);
    assert_non_null(strstr(events, "F1 "));
    assert_non_null(strstr(events, "W1 "));
    assert_non_null(strstr(events, "D1 "));
    assert_non_null(strstr(events, "D9 ")); /* what was made so late is destroyed as well */
    events[0] = '\0';
}

static void resurrect(node *self)
{
    exv_incref(self);
    exv_incref(self);
}

static void drop_ring_of_three(exv_heap *heap)
{
    exv_decref(new_ring(heap, &node_type, 3, 0));
}

static void collect(node *self)
{
    exv_heap *heap = exv_get_heap(self);
    drop_ring_of_three(heap);
    exv_decref(new_ring(heap, &rigid_type, 3, 0));
    assert_int_equal(exv_collect(heap, 2), 0);
    assert_int_equal(exv_collect_start(heap), EXV_BUSY);
    exv_poll(heap);
}

static void count_calls(exv_heap *heap, exv_gc_phase phase, const exv_gc_info *info, void *arg)
{
    (void)heap, (void)phase, (void)info;
    ++*(int *)arg;
}

/* Attempts to live on, immortality, and weak references in any order: the end is the end. */
static void test_nothing_survives(void **state)
{
    (void)state;
    exv_config config = plain_config();
    for (int round = 0; round < 20; round++) {
        exv_heap *heap = exv_heap_new(&config);
        node *leak[6];
        int calls = 0;
        assert_int_equal(exv_gc_add_callback(heap, count_calls, &calls), EXV_OK);
        for (int i = 0; i < 6; i++) {
            leak[i] = new_node(heap, (i + round) % 3 ? &final_type : &rigid_type, i + 1);
            leak[i]->on_finalize = i % 2 ? resurrect : NULL;
            leak[i]->on_destroy = i % 3 ? collect : NULL; /* for most of them when the collector is gone */
            assert_non_null(exv_weakref_new(leak[i], NULL, NULL)); /* leaks as well */
        }
        for (int i = 0; i < 6; i++) {
            set_ref(leak[i], 0, leak[(i + round) % 6]);
            set_ref(leak[i], 1, leak[(i * round) % 6]);
        }
        exv_make_immortal(leak[round % 6]);
        exv_decref(leak[(round + 1) % 6]);
        exv_heap_free(heap);
        for (int id = 1; id <= 6; id++) {
            char event[8];
            snprintf(event, sizeof event, "D%d ", id);
            char *at = strstr(events, event);
            if (!at || strstr(at + 1, event))
                fail_msg("%s not once in \"%s\"", event, events);
        }
        events[0] = '\0';
    }
}

/* At its end a heap looks at what no other collection does. */
static void test_all_garbage_dies_at_the_end(void **state)
{
    (void)state;
    exv_config config = plain_config();
    exv_heap *heap = exv_heap_new(&config);
    exv_decref(new_ring(heap, &node_type, 3, 0));
    exv_gc_freeze(heap);
    assert_int_equal(exv_heap_free(heap), 0);

    heap = exv_heap_new(&config);
    exv_gc_set_debug(heap, EXV_DEBUG_SAVEALL);
    exv_decref(new_ring(heap, &node_type, 3, 0));
    assert_int_equal(exv_collect(heap, 2), 3);
    assert_int_equal(exv_heap_free(heap), 0);

    heap = exv_heap_new(&config); /* but what cannot be freed is left */
    exv_decref(new_ring(heap, &rigid_type, 3, 0));
    assert_int_equal(exv_collect(heap, 2), 3);
    assert_int_equal(exv_heap_free(heap), 3);
}

/* Immortal, so that its weak references are still there when it goes; and alone in its region, which goes with it. */
static void test_weak_reference_to_an_immortal(void **state)
{
    (void)state;
    static const exv_type large_type = {.name = "large", .size = 20 * MIB};
    exv_config config = plain_config();
    exv_heap *heap = exv_heap_new(&config);
    for (int i = 0; i < 3; i++) {
        void *large = exv_new(heap, &large_type);
        assert_non_null(large);
        exv_make_immortal(large);
        assert_non_null(exv_weakref_new(large, NULL, NULL));
    }
    assert_int_equal(exv_heap_free(heap), 3);
}

static void start_another(exv_heap *heap, const exv_record *record, void *arg)
{
    (void)record;
    drop_ring_of_three(heap);
    *(exv_status *)arg = exv_collect_start(heap);
}

/* A flight that is started in the last moment is ended with the heap; its child does not stay. */
static void test_flight_started_at_the_end(void **state)
{
    (void)state;
    exv_config config = plain_config();
    exv_heap *heap = exv_heap_new(&config);
    exv_status status = EXV_OK;
    int shared = shared_mappings();
    exv_set_listener(heap, start_another, &status);
    exv_heap_free(heap);
    assert_true(status == EXV_OK || status == EXV_UNSUPPORTED);
    assert_int_equal(shared_mappings(), shared);
}

static void make_more_garbage(node *self)
{
    node *ring = new_ring(exv_get_heap(self), &final_type, 1, 0);
    ring->on_finalize = (intptr_t)self->arg > 0 ? make_more_garbage : NULL;
    ring->arg = (void *)((intptr_t)self->arg - 1);
    exv_decref(ring);
}

static void test_finalizers_that_make_garbage_at_the_end(void **state)
{
    (void)state;
    exv_config config = plain_config();
    exv_heap *heap = exv_heap_new(&config);
    node *ring = new_ring(heap, &final_type, 1, 0);
    ring->on_finalize = make_more_garbage;
    ring->arg = (void *)(intptr_t)10;
    exv_decref(ring);
    assert_int_equal(exv_heap_free(heap), 0);
    heap = exv_heap_new(&config);
    ring = new_ring(heap, &final_type, 1, 0);
    ring->on_finalize = make_more_garbage;
    ring->arg = (void *)(intptr_t)1000000; /* without end: not waited for */
    exv_decref(ring);
    assert_true(exv_heap_free(heap) > 0);
}

static void test_many_heaps(void **state)
{
    (void)state;
    enum { HEAPS = 60 };
    exv_heap *heap[HEAPS];
    node *n[HEAPS];
    exv_config config = plain_config();
    uint64_t before = exvi_resident_bytes();
    for (int i = 0; i < HEAPS; i++) {
        heap[i] = exv_heap_new(&config);
        assert_non_null(heap[i]);
        n[i] = new_node(heap[i], &node_type, 0);
    }
    assert_true((exvi_resident_bytes() - before) / HEAPS < 512 << 10); /* a heap of few objects is small */
    for (int i = 0; i < HEAPS; i++) {
        assert_ptr_equal(exv_get_heap(n[i]), heap[i]);
        assert_sound(heap[i]);
    }
    for (int i = 0; i < HEAPS; i += 2)
        assert_int_equal(exv_heap_free(heap[i]), 1);
    for (int i = 1; i < HEAPS; i += 2) {
        exv_decref(n[i]);
        assert_int_equal(exv_heap_free(heap[i]), 0);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        heap_test(test_sizes),
        heap_test(test_calloc_zeroes),
        heap_test(test_realloc_keeps_what_fits),
        cmocka_unit_test(test_fresh_memory_is_not_touched),
        heap_test(test_absurd_sizes),
        heap_test(test_own_blocks_are_not_the_programs),
        cmocka_unit_test(test_limit_is_not_exceeded),
        cmocka_unit_test(test_limit),
        heap_test(test_trim),
        heap_test(test_stats),
        heap_test(test_walk),
        heap_test(test_birth),
#ifdef EXVI_CHECKED
        cmocka_unit_test(test_birth_that_fails),
#endif
        cmocka_unit_test(test_leaks_are_counted_and_ended),
        cmocka_unit_test(test_leaked_containers),
        cmocka_unit_test(test_last_finalizers),
        cmocka_unit_test(test_nothing_survives),
        cmocka_unit_test(test_all_garbage_dies_at_the_end),
        cmocka_unit_test(test_weak_reference_to_an_immortal),
        cmocka_unit_test(test_flight_started_at_the_end),
        cmocka_unit_test(test_finalizers_that_make_garbage_at_the_end),
        cmocka_unit_test(test_many_heaps),
    };
    return cmocka_run_group_tests_name("heap", tests, NULL, NULL);
}

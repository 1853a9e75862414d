/*
 * The hash table by itself: against a plain array, through all widths of its slots and all forms of its entries;
 * with hashes that collide; and with keys whose comparison changes the table.
 */
#include "value_makers.h"

#include "str.h"
#include "table.h"
#include "value.h"

/* A table needs an owner only for its heap and visit; the tests hold it in an object so that the heap can be
 * checked. */
typedef struct holder {
    exvi_table table;
} holder;

static int holder_visit(void *self, exv_visit_fn *visit, void *arg)
{
    return exvi_table_visit(&((holder *)self)->table, visit, arg);
}

static void holder_clear(void *self)
{
    exvi_table_clear(exv_get_heap(self), &((holder *)self)->table);
}

static const exv_type holder_type = {
    .name = "holder", .size = sizeof(holder), .visit = holder_visit, .clear = holder_clear};

static exvi_table *new_table(exv_heap *heap)
{
    holder *h = exv_new(heap, &holder_type);
    assert_non_null(h);
    return &h->table;
}

static void drop_table(exvi_table *table)
{
    exv_decref(table); /* the table is the holder's first member */
}

/* A key: its hash and what it is equal to are chosen; comparing may call `meddle` once. */
typedef struct key {
    uint64_t hash;
    int64_t identity;
    void (*meddle)(void *arg);
    void *arg;
    exv_status answer;
} key;

static exv_status key_equal(void *self, void *other, bool *result)
{
    key *a = self;
    const key *b = other;
    *result = a->identity == b->identity;
    if (a->meddle) {
        void (*meddle)(void *) = a->meddle;
        a->meddle = NULL;
        meddle(a->arg);
    }
    return a->answer;
}

static exv_status key_hash(void *self, uint64_t *result)
{
    *result = ((key *)self)->hash;
    return EXV_OK;
}

static const exv_type key_type = {.name = "key", .size = sizeof(key), .equal = key_equal, .hash = key_hash};

static key *new_key(exv_heap *heap, uint64_t hash, int64_t identity)
{
    key *k = exv_new(heap, &key_type);
    assert_non_null(k);
    *k = (key){.hash = hash, .identity = identity};
    return k;
}

static exvi_entry *find(exv_heap *heap, exvi_table *table, key *k)
{
    exvi_entry *entry = NULL;
    assert_ok(exvi_table_find(heap, table, k, k->hash, &entry));
    return entry;
}

static void add_unsearched(exv_heap *heap, exvi_table *table, key *k)
{
    assert_ok(exvi_table_insert(heap, table, k, k->hash, k));
    exv_decref(k);
}

static void add(exv_heap *heap, exvi_table *table, key *k)
{
    assert_null(find(heap, table, k));
    add_unsearched(heap, table, k);
}

/* ---------------------------------------------------------------- sizes */

static void all_widths_of_slots(void **state)
{
    exv_heap *heap = *state;
    exvi_table *table = new_table(heap);
    enum { COUNT = 100000 }; /* slots of 1, 2 and 4 bytes */
    for (int i = 0; i < COUNT; i++) {
        add(heap, table, new_key(heap, (uint64_t)i << (i % 40), i));
        if (i < 300 || (i > 43600 && i < 43800)) {
            for (int j = 0; j <= i; j += i < 300 ? 1 : 97) {
                key *probe = new_key(heap, (uint64_t)j << (j % 40), j);
                exvi_entry *entry = find(heap, table, probe);
                assert_non_null(entry);
                assert_int_equal(((key *)entry->key)->identity, j);
                exv_decref(probe);
            }
        }
    }
    assert_int_equal(table->live, COUNT);
    assert_int_equal(table->bits, 18);
    int expected = 0;
    size_t position = 0;
    for (exvi_entry *entry; (entry = exvi_table_next(table, &position)); expected++)
        assert_int_equal(((key *)entry->key)->identity, expected);
    assert_int_equal(expected, COUNT);
    drop_table(table);
}

static void random_changes_as_in_an_array(void **state)
{
    exv_heap *heap = *state;
    enum { KEYS = 600, STEPS = 60000 };
    exvi_table *table = new_table(heap);
    static int64_t order[KEYS]; /* when the key was put in; 0: it is not there */
    memset(order, 0, sizeof order);
    size_t live = 0;
    unsigned seed = 99;
    for (int step = 1; step <= STEPS; step++) {
        seed = seed * 1664525 + 1013904223;
        int64_t i = seed >> 8 & 1023;
        if (i >= KEYS)
            continue;
        key *k = new_key(heap, (uint64_t)i % 7 * UINT64_C(0x100000001), i); /* few hashes: long probes */
        if (step % 6000 < 4000)
            k->hash = (uint64_t)i % 7 * UINT64_C(0x100000001);
        exvi_entry *entry = find(heap, table, k);
        assert_int_equal(entry != NULL, order[i] != 0);
        if (!entry && seed >> 28 < (step / 10000 % 2 ? 5u : 12u)) {
            assert_ok(exvi_table_insert(heap, table, k, k->hash, NULL));
            order[i] = step;
            live++;
        } else if (entry && seed >> 28 < 8) {
            exvi_table_remove(table, entry);
            order[i] = 0;
            live--;
        }
        exv_decref(k);
        assert_int_equal(table->live, live);
    }
    int64_t last = 0;
    size_t position = 0, walked = 0;
    for (exvi_entry *entry; (entry = exvi_table_next(table, &position)); walked++) {
        int64_t when = order[((key *)entry->key)->identity];
        assert_true(when > last);
        last = when;
    }
    assert_int_equal(walked, live);
    drop_table(table);
}

static void a_table_that_was_emptied_shrinks(void **state)
{
    exv_heap *heap = *state;
    exvi_table *table = new_table(heap);
    for (int i = 0; i < 1000; i++)
        add(heap, table, new_key(heap, (uint64_t)i, i));
    uint32_t bits = table->bits;
    size_t position = 0;
    for (exvi_entry *entry; (entry = exvi_table_next(table, &position));)
        exvi_table_remove(table, entry);
    assert_int_equal(table->live, 0);
    for (int i = 0; i < 1000; i++) { /* removed entries do not fill it up */
        key *k = new_key(heap, (uint64_t)i, i);
        add(heap, table, k);
        exvi_table_remove(table, find(heap, table, k));
    }
    assert_true(table->bits < bits);
    assert_true(table->bits <= 4);
    drop_table(table);
}

/* ---------------------------------------------------------------- forms */

/* Keys of four kinds in turn; those of the last do not tell their hash. */
static void *key_of_kind(exv_heap *heap, int i)
{
    char name[16];
    snprintf(name, sizeof name, "name %d", i);
    void *made = i % 4 == 0   ? integer(heap, 1000 + i)
                 : i % 4 == 1 ? (void *)text_of(heap, name)
                 : i % 4 == 2 ? new_mortal(heap, NULL, NULL, NULL)
                              : new_key(heap, (uint64_t)i, i);
    return made;
}

static void check_found(exv_heap *heap, exvi_table *table, void *const *keys, int count, void *value)
{
    size_t position = 0;
    assert_int_equal(table->live, count);
    for (int i = 0; i < count; i++) {
        exvi_entry *entry = NULL;
        assert_ok(exvi_table_find(heap, table, keys[i], hash_of(keys[i]), &entry));
        assert_non_null(entry);
        assert_ptr_equal(entry->key, keys[i]);
        assert_int_equal(exvi_table_position(table, entry), i);
        assert_int_equal(exvi_table_hash(table, entry), hash_of(keys[i]));
        assert_ptr_equal(exvi_table_value(table, entry), i == count - 1 ? value : NULL);
        assert_ptr_equal(exvi_table_next(table, &position), entry);
    }
}

/* An entry gets a hash or a value at any size, also where the table is full at the same time. */
static void entries_widen_when_they_have_to(void **state)
{
    exv_heap *heap = *state;
    enum { MOST = 50 };
    void *keys[MOST + 1];
    for (int kind = 0; kind < 8; kind++) {
        for (int count = 0; count < MOST; count++) {
            exvi_table *table = new_table(heap);
            void *value = kind & 1 ? exv_get_none(heap) : NULL;
            for (int i = 0; i <= count; i++) {
                bool last = i == count;
                keys[i] = key_of_kind(heap, last && kind & 2 ? 4 * i + 3 : 4 * i + (i + kind) % 3);
                assert_ok(exvi_table_insert(heap, table, keys[i], hash_of(keys[i]), last ? value : NULL));
                assert_int_equal(exvi_table_width(table), 1 + (last && kind & 1) + (last && kind & 2));
            }
            check_found(heap, table, keys, count + 1, value);
            for (int i = 0; i <= count; i++)
                exv_decref(keys[i]);
            exvi_table_clear(heap, table);
            assert_int_equal(exvi_table_width(table), 1);
            drop_table(table);
        }
    }
}

/* Equal numbers are one key, whichever of them tells its hash. */
static void hashes_of_different_types_agree(void **state)
{
    exv_heap *heap = *state;
    for (int turn = 0; turn < 2; turn++) {
        exvi_table *table = new_table(heap);
        void *whole = integer(heap, 1000), *real = exv_float_new(heap, 1000.0);
        void *first = turn ? whole : real, *second = turn ? real : whole;
        assert_ok(exvi_table_insert(heap, table, first, hash_of(first), NULL));
        exvi_entry *entry = NULL;
        assert_ok(exvi_table_find(heap, table, second, hash_of(second), &entry));
        assert_non_null(entry);
        assert_ptr_equal(entry->key, first);
        exv_decref(whole);
        exv_decref(real);
        drop_table(table);
    }
}

/* The longest run of slots in use, which a search may have to go through; a table of 512 slots of 2 bytes. */
static size_t longest_run(const exvi_table *table)
{
    assert_int_equal(table->bits, 9);
    const uint16_t *slots = (const uint16_t *)(const void *)exvi_table_at(table, table->room);
    size_t longest = 0, run = 0;
    for (size_t i = 0; i < 1024; i++) {
        run = slots[i % 512] ? run + 1 : 0;
        longest = run > longest ? run : longest;
    }
    return longest;
}

/* Ints that have their lower bits in common. */
static void patterns_spread(void **state)
{
    exv_heap *heap = *state;
    for (int shift = 0; shift < 48; shift++) {
        exvi_table *table = new_table(heap);
        for (int i = 0; i < 300; i++) {
            void *number = integer(heap, (int64_t)i << shift);
            assert_ok(exvi_table_insert(heap, table, number, hash_of(number), NULL));
            exv_decref(number);
        }
        assert_true(longest_run(table) < 150);
        drop_table(table);
    }
}

/* ------------------------------------------------------ from within */

typedef struct plot {
    exv_heap *heap;
    exvi_table *table;
    key *other;
} plot;

static void clear_all(void *arg)
{
    plot *p = arg;
    exvi_table_clear(p->heap, p->table);
}

static void grow_a_lot(void *arg)
{
    plot *p = arg;
    for (int i = 0; i < 100; i++) {
        key *k = new_key(p->heap, 1, 1000 + i);
        assert_ok(exvi_table_insert(p->heap, p->table, k, k->hash, NULL));
        exv_decref(k);
    }
}

static void put_it_in(void *arg)
{
    plot *p = arg;
    assert_ok(exvi_table_insert(p->heap, p->table, p->other, p->other->hash, NULL));
}

static void take_it_out(void *arg)
{
    plot *p = arg;
    size_t position = 0;
    exvi_table_remove(p->table, exvi_table_next(p->table, &position));
}

static void comparing_may_change_the_table(void **state)
{
    exv_heap *heap = *state;
    exvi_table *table = new_table(heap);
    key *probe = new_key(heap, 1, 2);
    plot p = {heap, table, probe};

    key *meddler = new_key(heap, 1, 1);
    meddler->meddle = clear_all;
    meddler->arg = &p;
    add(heap, table, meddler);
    assert_null(find(heap, table, probe)); /* its key was dropped while it was compared */
    assert_int_equal(table->live, 0);

    meddler = new_key(heap, 1, 1);
    meddler->meddle = grow_a_lot;
    meddler->arg = &p;
    add(heap, table, meddler);
    key *late = new_key(heap, 1, 1050);
    exvi_entry *entry = find(heap, table, late); /* put in while the search was under way */
    assert_non_null(entry);
    assert_int_equal(((key *)entry->key)->identity, 1050);
    exv_decref(late);

    exvi_table_clear(heap, table);
    meddler = new_key(heap, 1, 1);
    meddler->meddle = put_it_in;
    meddler->arg = &p;
    add(heap, table, meddler);
    entry = find(heap, table, probe);
    assert_non_null(entry);
    assert_ptr_equal(entry->key, probe);

    exvi_table_clear(heap, table);
    meddler = new_key(heap, 1, 2); /* equal, but gone when that is known */
    meddler->meddle = take_it_out;
    meddler->arg = &p;
    add_unsearched(heap, table, meddler);
    assert_null(find(heap, table, probe));
    assert_int_equal(table->live, 0);
    exv_decref(probe);
    drop_table(table);
}

static void a_failed_comparison_fails_the_search(void **state)
{
    exv_heap *heap = *state;
    exvi_table *table = new_table(heap);
    key *first = new_key(heap, 1, 1), *probe = new_key(heap, 1, 2);
    add(heap, table, first);
    first->answer = EXV_VALUE_ERROR;
    exvi_entry *entry = NULL;
    assert_int_equal(exvi_table_find(heap, table, probe, 1, &entry), EXV_VALUE_ERROR);
    assert_null(entry);
    exv_decref(probe);
    drop_table(table);
}

static void walk_and_look(void *arg)
{
    plot *p = arg;
    size_t position = 0;
    exvi_entry *entry;
    while ((entry = exvi_table_next(p->table, &position)))
        assert_non_null(entry->key);
    exvi_table_clear(p->heap, p->table);
}

static void dropping_may_change_the_table(void **state)
{
    exv_heap *heap = *state;
    exvi_table *table = new_table(heap);
    int deaths = 0;
    plot p = {heap, table, NULL};
    for (int i = 0; i < 20; i++) {
        key *k = new_key(heap, (uint64_t)i, i);
        void *value = new_mortal(heap, &deaths, walk_and_look, &p);
        assert_ok(exvi_table_insert(heap, table, k, k->hash, value));
        exv_decref(value);
        exv_decref(k);
    }
    size_t position = 0;
    exvi_table_replace(exvi_table_next(table, &position), exv_get_none(heap));
    assert_int_equal(deaths, 20);
    assert_int_equal(table->live, 0);

    key *k = new_key(heap, 5, 5);
    void *value = new_mortal(heap, &deaths, walk_and_look, &p);
    assert_ok(exvi_table_insert(heap, table, k, k->hash, value));
    exv_decref(value);
    exvi_table_remove(table, find(heap, table, k));
    assert_int_equal(deaths, 21);
    exv_decref(k);
    drop_table(table);
}

/* ---------------------------------------------------------------- text */

static void names_are_found_without_a_str(void **state)
{
    exv_heap *heap = *state;
    exvi_table *table = new_table(heap);
    char name[16];
    assert_null(exvi_table_find_text(heap, table, "n1", 2, 1));
    for (int i = 0; i < 500; i++) {
        snprintf(name, sizeof name, "n%d", i);
        uint64_t hash = exvi_str_hash_of(heap, name, strlen(name));
        assert_ok(exvi_table_insert_text(heap, table, name, hash, exv_get_none(heap)));
    }
    for (int i = 0; i < 500; i++) {
        snprintf(name, sizeof name, "n%d", i);
        uint64_t hash = exvi_str_hash_of(heap, name, strlen(name));
        exvi_entry *entry = exvi_table_find_text(heap, table, name, strlen(name), hash);
        assert_non_null(entry);
        assert_string_equal(exv_str_data(entry->key), name);
    }
    assert_null(exvi_table_find_text(heap, table, "n1", 1, exvi_str_hash_of(heap, "n", 1)));
    assert_int_equal(exvi_table_insert_text(heap, table, "\xff", 1, exv_get_none(heap)), EXV_UNICODE_ERROR);
    assert_int_equal(table->live, 500);
    drop_table(table);
}

#ifdef EXVI_CHECKED
static void no_memory_to_widen(void **state)
{
    exv_heap *heap = *state;
    exvi_table *table = new_table(heap);
    void *number = integer(heap, 1000), *other = new_key(heap, 1, 1);
    assert_ok(exvi_table_insert(heap, table, number, hash_of(number), NULL));
    exvi_table before = *table;
    exvi_fault_set(EXVI_FAULT_BLOCK, 1, true);
    assert_int_equal(exvi_table_insert(heap, table, other, 1, NULL), EXV_NO_MEMORY);
    assert_memory_equal(&before, table, sizeof before);
    exvi_fault_set(EXVI_FAULT_BLOCK, 0, false);
    assert_ok(exvi_table_insert(heap, table, other, 1, NULL));
    exv_decref(number);
    exv_decref(other);
    drop_table(table);
}

static void no_memory(void **state)
{
    exv_heap *heap = *state;
    exvi_table *table = new_table(heap);
    for (int i = 0; i < 1000; i++) {
        key *k = new_key(heap, (uint64_t)i, i);
        exvi_table before = *table;
        exvi_fault_set(EXVI_FAULT_BLOCK, 1, true);
        exv_status status = exvi_table_insert(heap, table, k, k->hash, NULL);
        exvi_fault_set(EXVI_FAULT_BLOCK, 0, false);
        if (status != EXV_OK) {
            assert_int_equal(status, EXV_NO_MEMORY);
            assert_memory_equal(&before, table, sizeof before);
            assert_int_equal(exv_refcount(k), 1);
            assert_ok(exvi_table_insert(heap, table, k, k->hash, NULL));
        }
        exv_decref(k);
    }
    assert_int_equal(table->live, 1000);
    drop_table(table);
}
#endif

int main(void)
{
    const struct CMUnitTest tests[] = {
        value_test(all_widths_of_slots),
        value_test(random_changes_as_in_an_array),
        value_test(a_table_that_was_emptied_shrinks),
        value_test(entries_widen_when_they_have_to),
        value_test(hashes_of_different_types_agree),
        value_test(patterns_spread),
        value_test(comparing_may_change_the_table),
        value_test(a_failed_comparison_fails_the_search),
        value_test(dropping_may_change_the_table),
        value_test(names_are_found_without_a_str),
#ifdef EXVI_CHECKED
        value_test(no_memory_to_widen),
        value_test(no_memory),
#endif
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}

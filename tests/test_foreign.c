/*
 * test_foreign: objects in memory of the program's own, with counts of their own, in rings among themselves and through
 * objects of the heap; and random graphs of both, against plain reachability.
 *
 * A part is such an object. Heap objects refer to parts as parts do, by the parts' own counts.
 */
#include "exuvia.h"

#include "platform.h"

#include "nodes.h"

enum { SLOTS = 3, MOST = 400 };

typedef struct part part;
typedef struct proxy {
    part *part; /* NULL: it is gone */
} proxy;
struct part {
    size_t references;
    proxy *proxy;
    part *parts[SLOTS];
    void *object;
    bool first_object; /* clear it before the parts */
    int *destroyed; /* counts */
};
typedef struct holder { /* of the heap */
    part *part;
    void *object;
    int *destroyed;
} holder;

static part *retain(part *p)
{
    if (p)
        p->references++;
    return p;
}

static void clear_part(part *p);

static void release(part *p)
{
    if (!p || --p->references > 0)
        return;
    if (p->destroyed)
        ++*p->destroyed;
    clear_part(p);
    if (p->proxy) {
        p->proxy->part = NULL;
        exv_decref(p->proxy);
    }
    free(p);
}

static void set_part(part **field, part *p)
{
    part *old = *field;
    *field = retain(p);
    release(old);
}

static void clear_part(part *p)
{
    if (p->first_object)
        EXV_CLEAR(p->object);
    for (int i = 0; i < SLOTS; i++)
        set_part(&p->parts[i], NULL);
    EXV_CLEAR(p->object);
}

static int visit_part(const part *p, exv_visit_fn *visit, void *arg)
{
    return p ? visit(p->proxy, arg) : 0;
}

static int proxy_visit(void *self, exv_visit_fn *visit, void *arg)
{
    const part *p = ((proxy *)self)->part;
    int end = p ? visit(p->object, arg) : 0;
    for (int i = 0; p && !end && i < SLOTS; i++)
        end = visit_part(p->parts[i], visit, arg);
    return end;
}

static void proxy_clear(void *self)
{
    part *p = retain(((proxy *)self)->part);
    if (p)
        clear_part(p);
    release(p);
}

static void proxy_destroy(void *self)
{
    if (((proxy *)self)->part)
        ((proxy *)self)->part->proxy = NULL;
}

static size_t proxy_count(void *self)
{
    const part *p = ((proxy *)self)->part;
    return p ? p->references : 0;
}

static const exv_type proxy_type = {.name = "part", .size = sizeof(proxy), .visit = proxy_visit, .clear = proxy_clear,
                                    .destroy = proxy_destroy, .foreign_count = proxy_count};

static int holder_visit(void *self, exv_visit_fn *visit, void *arg)
{
    const holder *h = self;
    int end = visit_part(h->part, visit, arg);
    return end ? end : visit(h->object, arg);
}

static void holder_clear(void *self)
{
    set_part(&((holder *)self)->part, NULL);
    EXV_CLEAR(((holder *)self)->object);
}

static void holder_destroy(void *self)
{
    if (((holder *)self)->destroyed)
        ++*((holder *)self)->destroyed;
}

static const exv_type holder_type = {.name = "holder", .size = sizeof(holder), .visit = holder_visit,
                                     .clear = holder_clear, .destroy = holder_destroy};

static part *new_part(exv_heap *heap, int *destroyed)
{
    part *p = calloc(1, sizeof *p);
    assert_non_null(p);
    p->references = 1;
    p->destroyed = destroyed;
    p->proxy = exv_new(heap, &proxy_type);
    assert_non_null(p->proxy);
    p->proxy->part = p;
    return p;
}

static holder *new_holder(exv_heap *heap, int *destroyed)
{
    holder *h = exv_new(heap, &holder_type);
    assert_non_null(h);
    h->destroyed = destroyed;
    return h;
}

static exv_heap *new_heap(void)
{
    exv_heap *heap = exv_heap_new(NULL);
    exv_gc_disable(heap);
    return heap;
}

/* ------------------------------------------------------------------ one by one */

static void test_without_rings(void **state)
{
    (void)state;
    exv_heap *heap = new_heap();
    int destroyed = 0;
    part *p = new_part(heap, &destroyed), *q = new_part(heap, &destroyed);
    set_part(&p->parts[0], q);
    release(q);
    assert_int_equal(exv_collect(heap, 2), 0);
    assert_int_equal(destroyed, 0);
    release(p);
    assert_int_equal(destroyed, 2); /* at once */
    assert_int_equal(live_objects(heap), 0);
    assert_int_equal(exv_heap_free(heap), 0);
}

/* p -> q -> p, and q -> r. */
static part *make_ring(exv_heap *heap, int *destroyed)
{
    part *p = new_part(heap, destroyed), *q = new_part(heap, destroyed), *r = new_part(heap, destroyed);
    set_part(&p->parts[0], q);
    set_part(&q->parts[1], p);
    set_part(&q->parts[2], r);
    release(q);
    release(r);
    return p;
}

static void test_a_ring(void **state)
{
    (void)state;
    for (int generation = 0; generation < EXV_GENERATIONS; generation++) {
        exv_heap *heap = new_heap();
        int destroyed = 0;
        part *p = make_ring(heap, &destroyed);
        retain(p);
        assert_int_equal(exv_collect(heap, 2), 0);
        assert_null(exv_heap_check(heap));
        release(p);
        assert_int_equal(exv_collect(heap, 2), 0); /* one reference from outside is enough */
        part *young = make_ring(heap, &destroyed);
        release(p);
        release(young);
        assert_int_equal(destroyed, 0);
        assert_int_equal(exv_collect(heap, generation), generation == 2 ? 6 : 3);
        assert_int_equal(destroyed, generation == 2 ? 6 : 3);
        assert_null(exv_heap_check(heap));
        assert_int_equal(exv_heap_free(heap), 0);
        assert_int_equal(destroyed, 6);
    }
}

/* A part that owns a list, in which is an object that owns the part. */
static void test_a_ring_through_the_heap(void **state)
{
    (void)state;
    exv_heap *heap = new_heap();
    int destroyed = 0;
    part *p = new_part(heap, &destroyed);
    holder *h = new_holder(heap, &destroyed);
    exv_list *list = exv_list_new(heap);
    h->part = retain(p);
    assert_int_equal(exv_list_append(list, h), EXV_OK);
    p->object = list;
    release(p);
    assert_int_equal(exv_collect(heap, 2), 0); /* h is ours */
    exv_decref(h);
    assert_int_equal(destroyed, 0);
    assert_int_equal(exv_collect(heap, 2), 3);
    assert_int_equal(destroyed, 2);
    assert_int_equal(live_objects(heap), 0);
    assert_int_equal(exv_heap_free(heap), 0);
}

/* The heap's values may refer to the proxy itself, which keeps no part alive. */
static void test_references_to_a_proxy(void **state)
{
    (void)state;
    exv_heap *heap = new_heap();
    int destroyed = 0;
    part *p = make_ring(heap, &destroyed);
    exv_list *list = exv_list_new(heap);
    assert_int_equal(exv_list_append(list, p->proxy) | exv_list_append(list, p->proxy), EXV_OK);
    EXV_SET(p->object, list);
    proxy *kept = exv_incref(p->proxy);
    release(p);
    assert_int_equal(exv_collect(heap, 2), 0);
    exv_decref(list);
    assert_int_equal(exv_collect(heap, 2), 0); /* by `kept` */
    exv_decref(kept);
    assert_int_equal(exv_collect(heap, 2), 4);
    assert_int_equal(destroyed, 3);

    p = new_part(heap, &destroyed);
    kept = exv_incref(p->proxy);
    release(p);
    assert_int_equal(destroyed, 4);
    assert_null(kept->part);
    assert_int_equal(exv_collect(heap, 2), 0);
    assert_null(exv_heap_check(heap));
    exv_decref(kept);
    assert_int_equal(exv_heap_free(heap), 0);
}

static int called;

static void note_call(exv_weakref *ref, void *arg)
{
    (void)arg;
    assert_null(exv_weakref_incref(ref));
    called++;
}

static void test_weak_references(void **state)
{
    (void)state;
    exv_heap *heap = new_heap();
    part *p = new_part(heap, NULL), *ring = make_ring(heap, NULL);
    exv_weakref *to_p = exv_weakref_new(p->proxy, note_call, NULL);
    exv_weakref *to_ring = exv_weakref_new(ring->proxy, note_call, NULL);
    called = 0;
    proxy *again = exv_weakref_incref(to_ring);
    assert_ptr_equal(again->part, ring);
    exv_decref(again);
    release(p);
    assert_int_equal(called, 1);
    release(ring);
    assert_int_equal(called, 1);
    assert_int_equal(exv_collect(heap, 2), 3);
    assert_int_equal(called, 2);
    exv_decref(to_p);
    exv_decref(to_ring);
    assert_int_equal(exv_heap_free(heap), 0);
}

static part *saved;

static void save(void *self)
{
    saved = retain(((proxy *)self)->part);
}

static const exv_type saved_type = {.name = "saved", .size = sizeof(proxy), .visit = proxy_visit, .clear = proxy_clear,
                                    .finalize = save, .destroy = proxy_destroy, .foreign_count = proxy_count};

/* The finalizer takes a reference of the foreign kind; it is counted when the search is made again. */
static void test_resurrection(void **state)
{
    (void)state;
    exv_heap *heap = new_heap();
    int destroyed = 0;
    part *p = make_ring(heap, &destroyed), *last = new_part(heap, &destroyed);
    exv_decref(last->proxy);
    last->proxy = exv_new(heap, &saved_type);
    last->proxy->part = last;
    set_part(&last->parts[0], p);
    set_part(&p->parts[1], last);
    release(p);
    release(last);
    assert_int_equal(exv_collect(heap, 2), 0);
    assert_ptr_equal(saved, last);
    assert_int_equal(destroyed, 0);
    assert_int_equal(last->references, 2);
    assert_null(exv_heap_check(heap));
    release(last);
    assert_int_equal(exv_collect(heap, 2), 4);
    assert_int_equal(destroyed, 4);
    assert_int_equal(exv_heap_free(heap), 0);
}

static void collect_in_finalizer(void *self)
{
    assert_int_equal(exv_collect(exv_get_heap(self), 2), 0);
    assert_null(exv_heap_check(exv_get_heap(self)));
}

static const exv_type collecting_type = {.name = "collecting", .size = 8, .finalize = collect_in_finalizer};

/* Its count is 0, and it has references still. */
static void test_a_collection_while_a_part_dies(void **state)
{
    (void)state;
    exv_heap *heap = new_heap();
    int destroyed = 0;
    part *p = new_part(heap, &destroyed), *q = new_part(heap, &destroyed);
    p->object = exv_new(heap, &collecting_type);
    set_part(&p->parts[SLOTS - 1], q);
    p->first_object = true;
    release(p);
    assert_int_equal(destroyed, 1);
    release(q);
    assert_int_equal(destroyed, 2);
    assert_int_equal(exv_heap_free(heap), 0);
}

/* A part without a proxy is not searched; what it refers to is held. */
static void test_a_part_of_nobody(void **state)
{
    (void)state;
    exv_heap *heap = new_heap();
    int destroyed = 0;
    part *p = make_ring(heap, &destroyed), *alone = calloc(1, sizeof *alone);
    alone->references = 1;
    set_part(&alone->parts[0], p);
    release(p);
    assert_int_equal(exv_collect(heap, 2), 0);
    release(alone);
    assert_int_equal(exv_collect(heap, 2), 3);
    assert_int_equal(exv_heap_free(heap), 0);
}

static exv_leak left;

static void note_leak(exv_heap *heap, const exv_leak *leak, void *arg)
{
    (void)heap, (void)arg;
    left = *leak;
}

/* The program's references are told, and the part lives longer than the heap. */
static void test_a_part_that_is_left(void **state)
{
    (void)state;
    exv_heap *heap = new_heap();
    int destroyed = 0;
    part *p = new_part(heap, &destroyed);
    proxy *of_p = p->proxy;
    set_part(&p->parts[0], p);
    retain(p);
    exv_heap_set_leak_report(heap, note_leak, NULL);
    assert_int_equal(exv_heap_free(heap), 1);
    assert_ptr_equal(left.object, of_p);
    assert_int_equal(left.count, 3);
    assert_int_equal(left.inside, 1);
    assert_int_equal(left.outside, 2);
    assert_null(p->proxy);
    assert_int_equal(p->references, 2);
    release(p);
    assert_int_equal(destroyed, 0);
    release(p);
    assert_int_equal(destroyed, 1);
}

static void test_what_holds_a_part(void **state)
{
    (void)state;
    exv_heap *heap = new_heap();
    part *p = make_ring(heap, NULL);
    retain(p);
    exv_dict *why;
    void *value, *path, *steps, *label;
    assert_int_equal(exv_why(p->parts[0]->proxy, 0, &why), EXV_OK);
    assert_int_equal(exv_dict_get_text(why, "references", &value), EXV_OK);
    assert_int_equal(exv_int_value(value), 1);
    assert_int_equal(exv_dict_get_text(why, "paths", &value) | exv_list_get(value, 0, &path) |
                     exv_dict_get_text(path, "steps", &steps) | exv_list_get(steps, 1, &value) |
                     exv_dict_get_text(value, "edge", &label), EXV_OK);
    assert_string_equal(exv_str_data(label), "2 references");
    assert_int_equal(exv_list_size(steps), 3);
    exv_decref(why);
    release(p);
    release(p);
    assert_int_equal(exv_heap_free(heap), 0);
}

/* ----------------------------------------------------------- in the background */

static bool start(exv_heap *heap)
{
    exv_status status = exv_collect_start(heap);
    assert_true(status == EXV_OK || status == EXV_UNSUPPORTED);
    return status == EXV_OK;
}

static void test_in_the_background(void **state)
{
    (void)state;
    exv_heap *heap = new_heap();
    int destroyed = 0;
    part *lives = make_ring(heap, &destroyed), *dead = make_ring(heap, &destroyed), *dies = make_ring(heap, &destroyed);
    release(dead);
    if (!start(heap))
        skip();
    release(dies); /* too late for this one */
    size_t found = 0;
    assert_int_equal(exv_collect_wait(heap, UINT64_MAX, &found), EXV_FINISHED);
    assert_int_equal(found, 3);
    assert_int_equal(destroyed, 3);
    assert_int_equal(lives->references, 2);
    assert_int_equal(exv_collect(heap, 2), 3);
    release(lives);
    assert_int_equal(exv_heap_free(heap), 0);
    assert_int_equal(destroyed, 9);
}

/* Somebody who had no reference takes one while the child searches: the batch is proven anew, with counts of now. */
static void test_what_was_found_again(void **state)
{
    (void)state;
    exv_heap *heap = new_heap();
    int destroyed = 0;
    part *p = make_ring(heap, &destroyed);
    release(p);
    if (!start(heap))
        skip();
    retain(p);
    size_t found = 1;
    assert_int_equal(exv_collect_wait(heap, UINT64_MAX, &found), EXV_FINISHED);
    assert_int_equal(found, 0);
    assert_int_equal(destroyed, 0);
    release(p);
    assert_int_equal(exv_collect(heap, 2), 3);
    assert_int_equal(exv_heap_free(heap), 0);
}

/* ---------------------------------------------------------------- random graphs */

typedef struct graph {
    exv_heap *heap;
    part *part[MOST];       /* every second one; NULL: it is dead, or a holder */
    holder *holder[MOST];
    bool rooted[MOST];      /* the program has a reference */
    int edge[MOST][SLOTS];  /* -1: none; a holder has two */
    int died[MOST];
    bool reached[MOST];
} graph;

static bool is_part(int id)
{
    return id % 2 == 0;
}

static void make_edge(graph *g, int from, int slot, int to)
{
    if (is_part(from) && is_part(to) && slot < SLOTS - 1)
        set_part(&g->part[from]->parts[slot], g->part[to]);
    else if (is_part(from) && !is_part(to) && slot == SLOTS - 1)
        EXV_SET(g->part[from]->object, g->holder[to]);
    else if (!is_part(from) && is_part(to) && slot == 0)
        set_part(&g->holder[from]->part, g->part[to]);
    else if (!is_part(from) && !is_part(to) && slot == 1)
        EXV_SET(g->holder[from]->object, g->holder[to]);
    else
        return;
    g->edge[from][slot] = to;
}

static void make_graph(graph *g, uint64_t *random, int count)
{
    memset(g, 0, sizeof *g);
    memset(g->edge, 0xff, sizeof g->edge);
    g->heap = new_heap();
    for (int i = 0; i < count; i++) {
        g->rooted[i] = true;
        if (is_part(i))
            g->part[i] = new_part(g->heap, &g->died[i]);
        else
            g->holder[i] = new_holder(g->heap, &g->died[i]);
    }
    for (int i = 0; i < 3 * count; i++)
        make_edge(g, (int)(next_random(random) % (uint32_t)count), (int)(next_random(random) % SLOTS),
                  (int)(next_random(random) % (uint32_t)count));
}

static void drop_roots(graph *g, uint64_t *random, int count, uint32_t share)
{
    for (int i = 0; i < count; i++) {
        if (!g->rooted[i] || next_random(random) % 100 >= share)
            continue;
        g->rooted[i] = false;
        if (is_part(i))
            release(g->part[i]);
        else
            exv_decref(g->holder[i]);
    }
}

static void reach(graph *g, int id)
{
    if (id < 0 || g->reached[id])
        return;
    g->reached[id] = true;
    for (int slot = 0; slot < SLOTS; slot++)
        reach(g, g->edge[id][slot]);
}

static void expect_the_reachable(graph *g, int count)
{
    memset(g->reached, 0, sizeof g->reached);
    for (int i = 0; i < count; i++)
        if (g->rooted[i])
            reach(g, i);
    for (int i = 0; i < count; i++)
        assert_int_equal(g->died[i], g->reached[i] ? 0 : 1);
}

static void collect(graph *g, uint64_t *random)
{
    if (next_random(random) % 2 == 0 && start(g->heap))
        exv_collect_wait(g->heap, UINT64_MAX, NULL);
    else
        exv_collect(g->heap, 2);
}

static void test_random_graphs(void **state)
{
    (void)state;
    static graph g;
    uint64_t random = 12;
    for (int round = 0; round < 60; round++) {
        int count = 2 + (int)(next_random(&random) % (MOST - 2));
        make_graph(&g, &random, count);
        for (uint32_t share = 30; share <= 100; share += 35) {
            drop_roots(&g, &random, count, share);
            collect(&g, &random);
            expect_the_reachable(&g, count);
            assert_null(exv_heap_check(g.heap));
        }
        assert_int_equal(live_objects(g.heap), 0);
        assert_int_equal(exv_heap_free(g.heap), 0);
    }
}

/* ----------------------------------------------------------------------- misuse */

static void count_too_low(void *arg)
{
    part *p = arg;
    p->parts[0]->references--; /* two refer to it */
    exv_collect(exv_get_heap(p->proxy), 2);
}

static void test_a_count_that_lies(void **state)
{
    (void)state;
    exv_heap *heap = new_heap();
    part *p = make_ring(heap, NULL);
    set_part(&p->parts[2], p->parts[0]);
    assert_dies(count_too_low, p, "references to object");
    release(p);
    assert_int_equal(exv_heap_free(heap), 0);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_without_rings),
        cmocka_unit_test(test_a_ring),
        cmocka_unit_test(test_a_ring_through_the_heap),
        cmocka_unit_test(test_references_to_a_proxy),
        cmocka_unit_test(test_weak_references),
        cmocka_unit_test(test_resurrection),
        cmocka_unit_test(test_a_collection_while_a_part_dies),
        cmocka_unit_test(test_a_part_of_nobody),
        cmocka_unit_test(test_a_part_that_is_left),
        cmocka_unit_test(test_what_holds_a_part),
        cmocka_unit_test(test_in_the_background),
        cmocka_unit_test(test_what_was_found_again),
        cmocka_unit_test(test_random_graphs),
        cmocka_unit_test(test_a_count_that_lies),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}

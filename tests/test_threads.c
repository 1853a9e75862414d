/*
 * threads: many heaps in many threads. Each thread does a bit of everything on a heap of its own while the others do
 * the same, with types and nothing else in common. Made for TSan, which sees any state that two heaps share without a
 * lock. And one heap in many threads, one after the other.
 * And messages in heaps that are handed over.
 *
 * cmocka's asserts jump, so they stay in the main thread; the others count what went wrong.
 */
#include "nodes.h"

#include <pthread.h>

#define THREADS 6
#define ROUNDS 12

typedef struct worker {
    pthread_t thread;
    exv_heap *heap;
    unsigned number;
    unsigned wrong;
    uint64_t state; /* of random() */
} worker;

#define EXPECT(worker, condition) ((condition) ? (void)0 : complain(worker, __LINE__, #condition))

static void complain(worker *self, int line, const char *condition)
{
    self->wrong++;
    fprintf(stderr, "# test_threads.c:%d: thread %u: %s does not hold\n", line, self->number, condition);
}

static unsigned random_below(worker *self, unsigned limit)
{
    self->state = self->state * UINT64_C(6364136223846793005) + UINT64_C(1442695040888963407);
    return (unsigned)(self->state >> 33) % limit;
}

/* Rings, which only a collection frees. */
static void make_garbage(worker *self)
{
    for (int i = 0; i < 40; i++) {
        node *first = exv_new(self->heap, &node_type), *last = first;
        for (unsigned k = random_below(self, 8); first && k > 0; k--) {
            node *next = exv_new(self->heap, &node_type);
            if (!next)
                break;
            last->ref[0] = next;
            last = next;
        }
        EXPECT(self, first);
        last->ref[0] = exv_incref(first);
        exv_decref(first);
    }
}

static void make_blocks(worker *self)
{
    unsigned char *blocks[64];
    for (unsigned i = 0; i < 64; i++) {
        size_t size = 1 + random_below(self, 3000);
        blocks[i] = exv_alloc(self->heap, size);
        EXPECT(self, blocks[i]);
        memset(blocks[i], (int)i, size);
    }
    for (unsigned i = 0; i < 64; i++) {
        EXPECT(self, blocks[i][0] == i);
        exv_free(self->heap, blocks[i]);
    }
}

static void make_values(worker *self)
{
    exv_dict *dict = exv_dict_new(self->heap);
    for (int i = 0; i < 50; i++) {
        exv_int *key = exv_int_new(self->heap, i * 1000003);
        exv_list *list = exv_list_new(self->heap);
        EXPECT(self, exv_list_append(list, dict) == EXV_OK);
        EXPECT(self, exv_dict_set(dict, key, list) == EXV_OK);
        exv_decref(key);
        exv_decref(list);
    }
    EXPECT(self, exv_dict_size(dict) == 50);
    exv_str *text = NULL;
    EXPECT(self, exv_repr(dict, &text) == EXV_OK);
    exv_decref(text);
    void *value;
    exv_str *missing = NULL;
    EXPECT(self, exv_str_from(self->heap, "no such key", &missing) == EXV_OK);
    EXPECT(self, exv_dict_get(dict, missing, &value) == EXV_KEY_ERROR);
    exv_decref(missing);
    exv_decref(dict);
}

static void collect_somehow(worker *self)
{
    switch (random_below(self, 4)) {
    case 0:
        exv_collect(self->heap, 2);
        break;
    case 1:
        if (exv_collect_start(self->heap) == EXV_OK)
            exv_collect_wait(self->heap, UINT64_MAX, NULL);
        break;
    case 2:
        exv_collect_start(self->heap); /* and let it fly */
        break;
    default:
        exv_idle(self->heap);
        exv_heap_trim(self->heap);
        break;
    }
}

static void *work(void *arg)
{
    worker *self = arg;
    self->state = self->number;
    if (!self->heap)
        self->heap = exv_heap_new(NULL);
    EXPECT(self, self->heap);
    for (int round = 0; self->heap && round < ROUNDS; round++) {
        make_garbage(self);
        make_blocks(self);
        make_values(self);
        collect_somehow(self);
        exv_poll(self->heap);
    }
    EXPECT(self, exv_heap_check(self->heap) == NULL);
    return NULL;
}

static void test_heaps_share_nothing(void **state)
{
    (void)state;
    worker workers[THREADS] = {0};
    for (unsigned i = 0; i < THREADS; i++) {
        workers[i].number = i + 1;
        assert_int_equal(pthread_create(&workers[i].thread, NULL, work, &workers[i]), 0);
    }
    for (unsigned i = 0; i < THREADS; i++)
        assert_int_equal(pthread_join(workers[i].thread, NULL), 0);
    for (unsigned i = 0; i < THREADS; i++) {
        assert_int_equal(workers[i].wrong, 0);
        assert_int_equal(exv_heap_free(workers[i].heap), 0); /* from another thread than made it */
    }
}

static void test_heap_wanders(void **state)
{
    exv_heap *heap = *state;
    for (unsigned i = 0; i < THREADS; i++) {
        worker one = {.heap = heap, .number = i + 1};
        assert_int_equal(pthread_create(&one.thread, NULL, work, &one), 0);
        assert_int_equal(pthread_join(one.thread, NULL), 0);
        assert_int_equal(one.wrong, 0);
    }
}

/* A snapshot started by one thread may be waited for by the next owner of the heap. */
static void *start_flight(void *arg)
{
    worker *self = arg;
    make_garbage(self);
    exv_status status = exv_collect_start(self->heap);
    EXPECT(self, status == EXV_OK || status == EXV_UNSUPPORTED);
    return NULL;
}

static void test_flight_wanders(void **state)
{
    exv_heap *heap = *state;
    worker one = {.heap = heap, .number = 1};
    assert_int_equal(pthread_create(&one.thread, NULL, start_flight, &one), 0);
    assert_int_equal(pthread_join(one.thread, NULL), 0);
    assert_int_equal(one.wrong, 0);
    size_t found = 0;
    if (exv_collect_wait(heap, UINT64_MAX, &found) == EXV_IDLE)
        found = exv_collect(heap, 2);
    assert_true(found >= 40);
}

/* ---- messages: each is a heap, which goes from hand to hand ---- */

#define MESSAGES 200

typedef struct queue {
    pthread_mutex_t lock;
    pthread_cond_t changed;
    exv_heap *heaps[MESSAGES]; /* claimed by nobody; NULL: not sent yet */
    unsigned sent;
} queue;

static queue post = {.lock = PTHREAD_MUTEX_INITIALIZER, .changed = PTHREAD_COND_INITIALIZER};

/* What it has in its own heap is copied into a new one. */
static void *send(void *arg)
{
    worker *self = arg;
    exv_heap_claim(self->heap);
    exv_list *list = exv_list_new(self->heap);
    exv_list_append(list, list);
    for (int i = 0; i < MESSAGES; i++) {
        void *message = NULL;
        exv_heap *carrier = exv_heap_new(NULL);
        exv_int *number = exv_int_new(self->heap, 1000 + i);
        EXPECT(self, exv_list_append(list, number) == EXV_OK);
        exv_decref(number);
        exv_heap_claim(carrier);
        EXPECT(self, exv_copy_to(carrier, list, &message) == EXV_OK);
        exv_heap_set_user(carrier, message);
        exv_heap_release(carrier);
        pthread_mutex_lock(&post.lock);
        post.heaps[post.sent++] = carrier;
        pthread_cond_signal(&post.changed);
        pthread_mutex_unlock(&post.lock);
    }
    exv_decref(list);
    exv_heap_release(self->heap);
    return NULL;
}

/* Into the heap of the receiver, and the heap that carried it ends. */
static void receive(exv_heap *heap, exv_heap *carrier, int number)
{
    void *message = NULL, *last = NULL;
    exv_heap_claim(carrier);
    assert_int_equal(exv_copy_to(heap, exv_heap_get_user(carrier), &message), EXV_OK);
    exv_decref(exv_heap_get_user(carrier));
    assert_int_equal(exv_heap_free(carrier), 0);
    assert_int_equal(exv_list_size(message), 2 + number);
    assert_ptr_equal(exv_list_items(message)[0], message);
    assert_int_equal(exv_list_get(message, -1, &last), EXV_OK);
    assert_int_equal(exv_int_value(last), 1000 + number);
    exv_decref(message);
}

static void test_messages(void **state)
{
    exv_heap *heap = *state;
    worker one = {.heap = exv_heap_new(NULL), .number = 1};
    post.sent = 0;
    exv_heap_claim(heap);
    assert_int_equal(pthread_create(&one.thread, NULL, send, &one), 0);
    for (unsigned i = 0; i < MESSAGES; i++) {
        pthread_mutex_lock(&post.lock);
        while (post.sent <= i)
            pthread_cond_wait(&post.changed, &post.lock);
        exv_heap *carrier = post.heaps[i];
        pthread_mutex_unlock(&post.lock);
        receive(heap, carrier, (int)i);
    }
    assert_int_equal(pthread_join(one.thread, NULL), 0);
    assert_int_equal(one.wrong, 0);
    assert_int_equal(exv_heap_free(one.heap), 0);
    exv_collect(heap, 2);
    exv_heap_release(heap);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(test_messages, set_up, tear_down),
        cmocka_unit_test(test_heaps_share_nothing),
        cmocka_unit_test_setup_teardown(test_heap_wanders, set_up, tear_down),
        cmocka_unit_test_setup_teardown(test_flight_wanders, set_up, tear_down),
    };
    return cmocka_run_group_tests_name("threads", tests, NULL, NULL);
}

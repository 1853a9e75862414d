/*
 * object: what does it cost to create an object with two fields and to drop it?
 *
 * Built for the library it is a collected object: header, count, tracked by the collector. Built for mimalloc it
 * is a bare block whose two fields are set. `hold` objects are created before they are dropped, in the order of
 * creation: 1 is the short-lived temporary; with more than 700, young collections are part of the library's price,
 * since the collector is on.
 *
 * Options: hold, steps (objects), size (mimalloc: bytes of the block; 32 is payload and header, 16 the payload
 * alone).
 */
#include "allocator.h"
#include "meter.h"

#ifdef BENCH_EXUVIA
#include "pair.h"
#define object_new() exv_new(allocator_heap, &pair_type)
#define object_drop(object) exv_decref(object)
#else
struct pair {
    struct pair *left, *right;
};
static size_t object_size;
#define object_new() allocator_new(object_size)
#define object_drop(object) allocator_free(object)
#endif

enum { HOLD_MAX = 1 << 20 };
static struct pair *held[HOLD_MAX];

static void create_and_drop(size_t hold)
{
    for (size_t i = 0; i < hold; i++) {
        struct pair *object = object_new();
        if (!object)
            meter_fail("out of memory");
        object->left = object->right = NULL;
        held[i] = object;
    }
    for (size_t i = 0; i < hold; i++)
        object_drop(held[i]);
}

/* The same without the array: nothing but the two calls and the two fields. */
static void create_and_drop_one(void)
{
    struct pair *object = object_new();
    if (!object)
        meter_fail("out of memory");
    object->left = object->right = NULL;
    meter_keep(object);
    object_drop(object);
}

/* A page that becomes empty with every drop is a special case of its own, and no program's usual one. */
static void keep_some_live(void)
{
    for (int i = 0; i < 100; i++)
        meter_keep(object_new());
}

int main(int argc, char **argv)
{
    size_t hold = meter_option(argc, argv, "hold", 1);
    size_t steps = meter_option(argc, argv, "steps", 20000000);
    if (hold == 0 || hold > HOLD_MAX)
        meter_fail("hold is 1 to 2^20");
#ifndef BENCH_EXUVIA
    object_size = meter_option(argc, argv, "size", 32);
#endif
    allocator_open();
    keep_some_live();
    meter_open();
    meter_text("name", ALLOCATOR_NAME);
    meter_text("version", allocator_version());
    meter_close();
    char command[64];
    while (meter_command(command, sizeof command)) {
        size_t rounds = steps / hold;
        uint64_t start = meter_now_ns();
        if (hold == 1) {
            for (size_t i = 0; i < rounds; i++)
                create_and_drop_one();
        } else {
            for (size_t i = 0; i < rounds; i++)
                create_and_drop(hold);
        }
        uint64_t ns = meter_now_ns() - start;
        meter_open();
        meter_real("ns_per_object", (double)ns / (double)(rounds * hold));
        meter_close();
    }
    return 0;
}

/*
 * 04_cycle.c: A list appended to itself: counting alone never frees it, the collector does. A weak reference shows
 * whether it still lives.
 */
#include "must.h"

static void say_whether_alive(exv_weakref *ref, const char *when)
{
    void *target = exv_weakref_incref(ref);
    printf("%s the list is %s\n", when, target ? "alive" : "dead");
    exv_decref(target);
}

int main(void)
{
    exv_heap *heap = made(exv_heap_new(NULL));
    exv_list *list = made(exv_list_new(heap));
    for (int i = 8; i <= 10; i++) {
        exv_int *number = made(exv_int_new(heap, i));
        must(heap, exv_list_append(list, number));
        exv_decref(number);
    }
    must(heap, exv_list_append(list, list));
    must(heap, exv_print(list));

    exv_weakref *ref = made(exv_weakref_new(list, NULL, NULL));
    printf("it has %u references: ours, and its own\n", exv_refcount(list));
    exv_decref(list);
    say_whether_alive(ref, "after ours is given up,");
    size_t found = exv_collect(heap, 2);
    printf("the collector found %zu unreachable object\n", found);
    say_whether_alive(ref, "after that,");
    exv_decref(ref);
    exv_heap_free(heap);
    return 0;
}

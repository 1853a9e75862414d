/*
 * 07_collect.c: A collection by hand says how many unreachable objects it found. What could not be freed would be
 * in the garbage list.
 */
#include "must.h"

/* A dict that has itself as a value, and that nothing else refers to when this returns. */
static void make_cycle(exv_heap *heap, int number)
{
    exv_dict *dict = made(exv_dict_new(heap));
    exv_int *key = made(exv_int_new(heap, number));
    must(heap, exv_dict_set(dict, key, dict));
    must(heap, exv_print(dict));
    exv_decref(key);
    exv_decref(dict);
}

int main(void)
{
    exv_heap *heap = made(exv_heap_new(NULL));
    exv_collect(heap, 2);
    for (int i = 1; i <= 8; i++)
        make_cycle(heap, i);
    printf("Number of unreachable objects collected by GC: %zu\n", exv_collect(heap, 2));
    printf("Uncollectable garbage: ");
    must(heap, exv_print(exv_gc_get_garbage(heap)));
    exv_heap_free(heap);
    return 0;
}

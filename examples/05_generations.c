/*
 * 05_generations.c: Three generations: counts rise with each new container and are reset by a collection, survivors
 * move on. The young generation is collected often, the older ones seldom.
 */
#include "must.h"

enum { OBJECTS = 10000 };

static void print_counts(exv_heap *heap, int objects)
{
    uint32_t count[EXV_GENERATIONS];
    exv_gc_get_count(heap, count);
    printf("after %5d lists: counts (%u, %u, %u)\n", objects, count[0], count[1], count[2]);
}

/* How many tracked objects each generation has. */
static void print_sizes(exv_heap *heap, const char *when)
{
    size_t size[EXV_GENERATIONS];
    for (int generation = 0; generation < EXV_GENERATIONS; generation++) {
        exv_list *objects = made(exv_gc_get_objects(heap, generation));
        size[generation] = exv_list_size(objects);
        exv_decref(objects);
    }
    printf("%s generations of %zu, %zu and %zu objects\n", when, size[0], size[1], size[2]);
}

int main(void)
{
    exv_heap *heap = made(exv_heap_new(NULL));
    uint32_t threshold[EXV_GENERATIONS];
    exv_gc_get_threshold(heap, threshold);
    printf("thresholds (%u, %u, %u)\n", threshold[0], threshold[1], threshold[2]);

    exv_list *keeper = made(exv_list_new(heap));
    for (int i = 1; i <= OBJECTS; i++) {
        exv_list *list = made(exv_list_new(heap));
        must(heap, exv_list_append(keeper, list));
        exv_decref(list);
        if (i % 350 == 0 && i <= 2100)
            print_counts(heap, i);
    }
    print_counts(heap, OBJECTS);
    print_sizes(heap, "now:            ");
    exv_collect(heap, 0);
    print_sizes(heap, "0 is collected: ");
    exv_collect(heap, 1);
    print_sizes(heap, "1 is collected: ");

    exv_gc_stats stats[EXV_GENERATIONS];
    exv_gc_get_stats(heap, stats);
    printf("collections of each generation: %llu, %llu, %llu\n", (unsigned long long)stats[0].collections,
           (unsigned long long)stats[1].collections, (unsigned long long)stats[2].collections);
    exv_decref(keeper);
    exv_heap_free(heap);
    return 0;
}

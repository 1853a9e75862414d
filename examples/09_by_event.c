/*
 * 09_by_event.c: Collecting by event: when the program is idle, and when it ends. Destructors of what is in a cycle
 * run then.
 */
#include "must.h"

static void say_goodbye(exv_instance *self, void *arg)
{
    (void)arg;
    void *number = NULL;
    if (exv_attr_get(self, "number", &number) == EXV_OK)
        printf("  the destructor of node %lld runs\n", (long long)exv_int_value(number));
}

/* Two instances that refer to each other, and that nothing else refers to when this returns. */
static void make_pair(exv_class *cls, int number)
{
    exv_heap *heap = exv_get_heap(cls);
    exv_instance *pair[2];
    for (int i = 0; i < 2; i++) {
        exv_int *label = made(exv_int_new(heap, number + i));
        pair[i] = made(exv_instance_new(cls));
        must(heap, exv_attr_set(pair[i], "number", label));
        exv_decref(label);
    }
    must(heap, exv_attr_set(pair[0], "other", pair[1]));
    must(heap, exv_attr_set(pair[1], "other", pair[0]));
    exv_decref(pair[0]);
    exv_decref(pair[1]);
}

int main(void)
{
    exv_heap *heap = made(exv_heap_new(NULL));
    exv_class *cls = NULL;
    must(heap, exv_class_new(heap, "Node", say_goodbye, NULL, &cls));

    make_pair(cls, 1);
    printf("idle:\n");
    printf("  found %zu\n", exv_idle(heap));
    printf("idle again, and nothing was allocated since:\n");
    printf("  found %zu\n", exv_idle(heap));

    make_pair(cls, 3);
    exv_decref(cls);
    printf("the program ends:\n");
    size_t left = exv_heap_free(heap);
    printf("objects left: %zu\n", left);
    return 0;
}

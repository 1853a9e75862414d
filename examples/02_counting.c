/*
 * 02_counting.c: References are counted, and an object dies at the very statement that drops its last one. Names,
 * places in containers and attributes all count.
 */
#include "must.h"

static void say_goodbye(exv_instance *self, void *arg)
{
    (void)arg;
    void *label = NULL;
    if (exv_attr_get(self, "label", &label) == EXV_OK)
        printf("    the destructor of %s runs\n", exv_str_data(label));
}

static exv_instance *new_thing(exv_class *cls, const char *label)
{
    exv_heap *heap = exv_get_heap(cls);
    exv_instance *thing = made(exv_instance_new(cls));
    exv_str *text = NULL;
    must(heap, exv_str_from(heap, label, &text));
    must(heap, exv_attr_set(thing, "label", text));
    exv_decref(text);
    return thing;
}

static void count_up_and_down(exv_heap *heap, exv_class *cls)
{
    exv_names *names = made(exv_names_new(heap));
    exv_list *list = made(exv_list_new(heap));
    exv_instance *thing = new_thing(cls, "thing");
    printf("thing is made:             %u reference\n", exv_refcount(thing));
    must(heap, exv_name_set(names, "a", thing));
    must(heap, exv_name_set(names, "b", thing));
    printf("two names are bound to it: %u references\n", exv_refcount(thing));
    must(heap, exv_list_append(list, thing));
    printf("and a place in a list:     %u references\n", exv_refcount(thing));
    must(heap, exv_name_set(names, "a", exv_get_none(heap)));
    printf("name a is rebound:         %u references\n", exv_refcount(thing));
    must(heap, exv_name_delete(names, "b"));
    printf("name b is deleted:         %u references\n", exv_refcount(thing));
    must(heap, exv_list_delete(list, 0));
    printf("its place in the list too: %u reference\n", exv_refcount(thing));
    printf("now the last one goes\n");
    exv_decref(thing);
    printf("next statement\n");
    exv_decref(list);
    exv_decref(names);
}

static void leave_a_scope(exv_heap *heap, exv_class *cls)
{
    exv_names *scope = made(exv_names_new(heap));
    exv_instance *thing = new_thing(cls, "local thing");
    must(heap, exv_name_set(scope, "x", thing));
    exv_decref(thing);
    printf("a scope ends\n");
    exv_decref(scope);
    printf("next statement\n");
}

int main(void)
{
    exv_heap *heap = made(exv_heap_new(NULL));
    exv_class *cls = NULL;
    must(heap, exv_class_new(heap, "Thing", say_goodbye, NULL, &cls));
    count_up_and_down(heap, cls);
    leave_a_scope(heap, cls);
    exv_decref(cls);
    exv_heap_free(heap);
    return 0;
}

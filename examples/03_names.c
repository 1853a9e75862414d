/*
 * 03_names.c: Names are not declared and have no type; values do. Simple ones and containers, and what happens when
 * a name that was deleted is read.
 */
#include "must.h"

static void bind(exv_names *names, const char *name, void *value)
{
    must(exv_get_heap(names), exv_name_set(names, name, made(value)));
    exv_decref(value); /* the name has a reference of its own */
}

static void print_name(exv_names *names, const char *name)
{
    exv_heap *heap = exv_get_heap(names);
    void *value = NULL;
    if (exv_name_get(names, name, &value) == EXV_OK)
        must(heap, exv_print(value));
    else
        printf("%s\n", exv_error_message(heap));
}

static exv_str *text(exv_heap *heap, const char *utf8)
{
    exv_str *result = NULL;
    must(heap, exv_str_from(heap, utf8, &result));
    return result;
}

static void bind_and_delete(exv_names *names)
{
    exv_heap *heap = exv_get_heap(names);
    bind(names, "x", exv_int_new(heap, 5));
    print_name(names, "x");
    bind(names, "x", text(heap, "now a text"));
    print_name(names, "x");
    must(heap, exv_name_delete(names, "x"));
    print_name(names, "x");
}

/* One value of each kind, then all of them at once. */
static void bind_all_kinds(exv_names *names)
{
    exv_heap *heap = exv_get_heap(names);
    exv_str *key = text(heap, "key");
    exv_dict *dict = made(exv_dict_new(heap));
    must(heap, exv_dict_set(dict, key, exv_get_bool(heap, true)));
    exv_set *set = made(exv_set_new(heap));
    must(heap, exv_set_add(set, key));
    exv_list *list = made(exv_list_new(heap));
    must(heap, exv_list_append(list, key));
    must(heap, exv_list_append(list, exv_get_none(heap)));

    bind(names, "number", exv_int_new(heap, 42));
    bind(names, "real", exv_float_new(heap, 0.1));
    bind(names, "text", text(heap, "it's"));
    bind(names, "bytes", exv_bytes_new(heap, "\x00\xff", 2));
    bind(names, "list", list);
    bind(names, "tuple", exv_tuple_new(heap, (void *[]){key}, 1));
    bind(names, "dict", dict);
    bind(names, "set", set);
    exv_decref(key);
    must(heap, exv_print(names));
}

static void use_an_instance(exv_names *names)
{
    exv_heap *heap = exv_get_heap(names);
    exv_class *cls = NULL;
    must(heap, exv_class_new(heap, "Point", NULL, NULL, &cls));
    exv_instance *point = made(exv_instance_new(cls));
    exv_int *three = made(exv_int_new(heap, 3));
    must(heap, exv_attr_set(point, "x", three));
    void *value = NULL;
    must(heap, exv_attr_get(point, "x", &value));
    printf("point.x is ");
    must(heap, exv_print(value));
    if (exv_attr_get(point, "y", &value) != EXV_OK)
        printf("%s\n", exv_error_message(heap));
    exv_decref(three);
    exv_decref(point);
    exv_decref(cls);
}

int main(void)
{
    exv_heap *heap = made(exv_heap_new(NULL));
    exv_names *names = made(exv_names_new(heap));
    bind_and_delete(names);
    bind_all_kinds(names);
    use_an_instance(names);
    exv_decref(names);
    exv_heap_free(heap);
    return 0;
}

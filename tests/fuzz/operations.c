/*
 * operations: a heap driven by bytes. Each byte picks an operation, the ones behind it its operands; libFuzzer and
 * replay.c call LLVMFuzzerTestOneInput() with them.
 *
 * What must hold, whatever the bytes: the heap is sound (exv_heap_check), what a slot can reach is alive and unchanged,
 * a block of exv_alloc() keeps its content, and when all slots are dropped the last collection leaves nothing behind.
 *
 * It does not look at what a collection should have found: tests/test_graphs.c compares with an oracle.
 */
#include <exuvia.h>

#include <assert.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define SLOTS 12
#define REFS 3
#define MAGIC 0x5eed0fa11ec0ffeeU

#define REQUIRE(condition) ((condition) ? (void)0 : fail(__LINE__, #condition))

struct node {
    uint64_t magic;
    struct world *world;
    void *refs[REFS];
};

/* A foreign object: counted by itself, in memory of its own. Handles in the heap refer to it. */
struct thing {
    size_t references;
    struct proxy *proxy;
    struct thing *other;
    void *held;
    struct world *world;
};
struct proxy {
    struct thing *thing;
};

struct block {
    unsigned char *start;
    size_t size;
    unsigned char fill;
};

struct world {
    exv_heap *heap;
    const uint8_t *next, *end;
    void *slots[SLOTS];           /* owned references to any kind of object */
    exv_weakref *weak[SLOTS];     /* owned */
    exv_weak_table *table;        /* owned; NULL for lack of memory */
    struct block blocks[SLOTS];
    unsigned resurrections;       /* still allowed to finalizers */
    unsigned callbacks;
    unsigned things;
    size_t tracked_at_birth;
};

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

_Noreturn static void fail(int line, const char *condition)
{
    fprintf(stderr, "operations.c:%d: %s does not hold\n", line, condition);
    abort();
}

static int visit_node(void *self, exv_visit_fn *visit, void *arg)
{
    struct node *node = self;
    for (int i = 0; i < REFS; i++) {
        int result = visit(node->refs[i], arg);
        if (result)
            return result;
    }
    return 0;
}

static void clear_node(void *self)
{
    struct node *node = self;
    for (int i = 0; i < REFS; i++)
        EXV_CLEAR(node->refs[i]);
}

/* Every other finalizer puts its object back into a slot, or a weak reference to it, which must not keep it. */
static void resurrect(struct world *world, void *object)
{
    if (world->resurrections == 0 || world->resurrections-- % 2)
        return;
    size_t slot = world->resurrections % SLOTS;
    void *old = world->slots[slot];
    bool weakly = world->resurrections % 8 < 2;
    world->slots[slot] = weakly ? (void *)exv_weakref_new(object, NULL, NULL) : exv_incref(object);
    exv_decref(old);
}

static void finalize_node(void *self)
{
    struct node *node = self;
    REQUIRE(node->magic == MAGIC);
    resurrect(node->world, self);
}

static void destruct(exv_instance *self, void *arg)
{
    REQUIRE(exv_gc_is_finalized(self));
    resurrect(arg, self);
}

static void destroy_node(void *self)
{
    struct node *node = self;
    REQUIRE(node->magic == MAGIC || node->magic == 0);
    node->magic = ~MAGIC;
}

/* Some take note of the copy, and some forget to. */
static exv_status copy_node(void *self, exv_copying *copying, void **result)
{
    struct node *node = self, *copy = exv_new(exv_copying_get_heap(copying), exv_get_type(self));
    exv_status status = copy ? EXV_OK : EXV_NO_MEMORY;
    if (copy) {
        copy->magic = MAGIC;
        copy->world = node->world;
    }
    if (status == EXV_OK && exv_refcount(self) % 2)
        status = exv_copying_note(copying, self, copy);
    for (int i = 0; status == EXV_OK && i < REFS; i++)
        status = exv_copying_part(copying, node->refs[i], &copy->refs[i]);
    if (status == EXV_OK)
        *result = copy;
    else
        exv_decref(copy);
    return status;
}

/* Answers with what it refers to, or was given. */
static exv_status call_node(void *self, void *const *args, size_t count, void **result)
{
    struct node *node = self;
    void *answer = node->refs[0] ? node->refs[0] : count > 0 ? args[0] : NULL;
    if (!answer)
        return EXV_VALUE_ERROR;
    *result = exv_incref(answer);
    return EXV_OK;
}

static exv_status iter_node(void *self, void **result)
{
    *result = exv_incref(self);
    return EXV_OK;
}

/* Gives its references away. */
static exv_status next_node(void *self, void **item)
{
    struct node *node = self;
    for (int i = 0; i < REFS && !*item; i++) {
        *item = node->refs[i];
        node->refs[i] = NULL;
    }
    return EXV_OK;
}

static const exv_type plain_type = {
    .name = "plain", .size = sizeof(struct node), .visit = visit_node, .clear = clear_node, .destroy = destroy_node,
    .copy = copy_node, .call = call_node, .iter = iter_node, .next = next_node};
static const exv_type final_type = {.name = "final", .size = sizeof(struct node), .item_size = 24,
    .visit = visit_node, .clear = clear_node, .finalize = finalize_node, .destroy = destroy_node};
static const exv_type stubborn_type = {.name = "stubborn", .size = sizeof(struct node), .visit = visit_node};

/* The same as plain, but the library reads the fields itself; and the same without anything else, which dies short. */
#define FIELD(n) (offsetof(struct node, refs) + (n) * sizeof(void *))
static const uint32_t fields[REFS] = {FIELD(0), FIELD(1), FIELD(2)};
static_assert(REFS == 3, "each is described");
static const exv_references described = {.fields = fields, .field_count = REFS};
static const exv_type described_type = {
    .name = "described", .size = sizeof(struct node), .destroy = destroy_node, .references = &described};
static const exv_type bare_type = {.name = "bare", .size = sizeof(struct node), .references = &described};

/* ---- foreign objects ---- */

static struct thing *retain(struct thing *thing)
{
    thing->references++;
    return thing;
}

static void clear_thing(struct thing *thing);

static void release(struct thing *thing)
{
    if (!thing || --thing->references > 0)
        return;
    clear_thing(thing);
    if (thing->proxy)
        thing->proxy->thing = NULL;
    exv_decref(thing->proxy);
    thing->world->things--;
    free(thing);
}

static void clear_thing(struct thing *thing)
{
    struct thing *other = thing->other;
    thing->other = NULL;
    EXV_CLEAR(thing->held);
    release(other);
}

static int visit_proxy(void *self, exv_visit_fn *visit, void *arg)
{
    const struct thing *thing = ((struct proxy *)self)->thing;
    int end = thing && thing->other ? visit(thing->other->proxy, arg) : 0;
    return end || !thing ? end : visit(thing->held, arg);
}

static void clear_proxy(void *self)
{
    struct thing *thing = ((struct proxy *)self)->thing;
    if (!thing)
        return;
    clear_thing(retain(thing));
    release(thing);
}

static size_t count_proxy(void *self)
{
    const struct thing *thing = ((struct proxy *)self)->thing;
    return thing ? thing->references : 0;
}

static const exv_type proxy_type = {.name = "proxy", .size = sizeof(struct proxy), .visit = visit_proxy,
    .clear = clear_proxy, .foreign_count = count_proxy};

static int visit_handle(void *self, exv_visit_fn *visit, void *arg)
{
    const struct thing *thing = *(struct thing **)self;
    return thing ? visit(thing->proxy, arg) : 0;
}

static void clear_handle(void *self)
{
    struct thing *thing = *(struct thing **)self;
    *(struct thing **)self = NULL;
    release(thing);
}

static const exv_type handle_type = {
    .name = "handle", .size = sizeof(struct thing *), .visit = visit_handle, .clear = clear_handle};

static unsigned take(struct world *world, unsigned below)
{
    return world->next < world->end ? *world->next++ % below : 0;
}

/* A slot takes an owned reference and gives up its old one. */
static void put(struct world *world, void *object)
{
    void **slot = &world->slots[take(world, SLOTS)];
    void *old = *slot;
    *slot = object;
    exv_decref(old);
}

static void *pick(struct world *world)
{
    return world->slots[take(world, SLOTS)];
}

static bool is_node(void *object)
{
    return object && (exv_get_type(object)->visit == visit_node || exv_get_type(object)->references == &described);
}

static void make_node(struct world *world)
{
    static const exv_type *const types[] = {
        &plain_type, &plain_type, &final_type, &stubborn_type, &described_type, &bare_type};
    const exv_type *type = types[take(world, 6)];
    size_t count = type->item_size ? take(world, 200) : 0;
    struct node *node = type->item_size ? exv_new_var(world->heap, type, count) : exv_new(world->heap, type);
    if (!node)
        return;
    REQUIRE(exv_refcount(node) == 1 && exv_gc_is_tracked(node) && exv_get_count(node) == count);
    node->magic = MAGIC;
    node->world = world;
    put(world, node);
}

static void link_nodes(struct world *world)
{
    struct node *node = pick(world);
    void *target = pick(world);
    if (!is_node(node))
        return;
    void **field = &node->refs[take(world, REFS)];
    EXV_SET(*field, target);
}

static void copy_slot(struct world *world)
{
    void *object = exv_incref(pick(world));
    put(world, object);
}

static void drop_slot(struct world *world)
{
    put(world, NULL);
}

static void make_value(struct world *world)
{
    exv_heap *heap = world->heap;
    void *value = NULL;
    unsigned number = take(world, 256);
    switch (take(world, 9)) {
    case 0: value = exv_list_new(heap); break;
    case 1: value = exv_dict_new(heap); break;
    case 2: value = exv_set_new(heap); break;
    case 3: value = exv_int_new(heap, (int64_t)number - 128); break;
    case 4: value = exv_bytes_new(heap, &number, sizeof number); break;
    case 5: value = exv_float_new(heap, number / 8.0); break;
    case 6: {
        void *item = pick(world);
        void *items[2] = {item ? item : exv_get_none(heap), exv_get_bool(heap, number % 2)};
        value = exv_tuple_new(heap, items, 2);
        break;
    }
    case 7: value = exv_names_new(heap); break;
    default: {
        exv_str *text = NULL;
        if (exv_str_new(heap, (const char *)&number, 1, &text) == EXV_OK)
            value = text;
        break;
    }
    }
    put(world, value);
}

static struct thing *thing_of(void *object)
{
    return object && exv_get_type(object) == &handle_type ? *(struct thing **)object : NULL;
}

static void make_thing(struct world *world)
{
    struct proxy *proxy = exv_new(world->heap, &proxy_type);
    struct thing **handle = proxy ? exv_new(world->heap, &handle_type) : NULL;
    if (handle) {
        *handle = proxy->thing = calloc(1, sizeof **handle);
        REQUIRE(*handle);
        **handle = (struct thing){.references = 1, .proxy = exv_incref(proxy), .world = world};
        world->things++;
        put(world, handle);
    }
    exv_decref(proxy);
}

static void link_things(struct world *world)
{
    void *handle = exv_incref(pick(world)); /* what dies may take it out of its slot */
    struct thing *thing = thing_of(handle), *other = thing_of(pick(world));
    void *held = pick(world);
    if (thing && other) {
        struct thing *old = thing->other;
        thing->other = retain(other);
        release(old);
    } else if (thing) {
        EXV_SET(thing->held, held);
    }
    exv_decref(handle);
}

/* Put one slot's object into another's container. */
static void fill_container(struct world *world)
{
    void *container = pick(world), *item = pick(world), *key = pick(world);
    if (!container || !item)
        return;
    exv_status status = EXV_OK;
    if (exv_get_type(container) == &exv_list_type)
        status = exv_list_append(container, item);
    else if (exv_get_type(container) == &exv_set_type)
        status = exv_set_add(container, item);
    else if (exv_get_type(container) == &exv_dict_type && key)
        status = exv_dict_set(container, key, item);
    REQUIRE(status == EXV_OK || status == EXV_TYPE_ERROR || status == EXV_RECURSION_ERROR || status == EXV_NO_MEMORY);
}

static void empty_container(struct world *world)
{
    void *container = pick(world);
    if (!container)
        return;
    if (exv_get_type(container) == &exv_list_type && exv_list_size(container) > 0)
        REQUIRE(exv_list_delete(container, -1) == EXV_OK);
    else if (exv_get_type(container) == &exv_dict_type)
        exv_dict_clear(container);
}

/* An owned object of a type that may not come: a failure leaves the slot. */
static void put_result(struct world *world, exv_status status, void *object)
{
    REQUIRE(status == EXV_OK || status == EXV_TYPE_ERROR || status == EXV_RECURSION_ERROR || status == EXV_NO_MEMORY ||
            status == EXV_VALUE_ERROR || status == EXV_KEY_ERROR || status == EXV_OVERFLOW_ERROR ||
            status == EXV_ZERO_DIVISION_ERROR || status == EXV_UNICODE_ERROR || status == EXV_RUNTIME_ERROR);
    if (status == EXV_OK)
        put(world, object);
}

static void change_list(struct world *world)
{
    void *list = pick(world), *item = NULL;
    exv_list *part = NULL;
    exv_status status = EXV_OK;
    if (!list || exv_get_type(list) != &exv_list_type)
        return;
    size_t size = exv_list_size(list);
    switch (take(world, 4)) {
    case 0:
        if (exv_list_pop(list, -1, &item) == EXV_OK)
            put(world, item);
        break;
    case 1:
        if (size < 1000)
            (void)exv_list_extend(list, exv_list_items(list), size);
        break;
    case 2: put_result(world, exv_list_sort(list, NULL, NULL), NULL); break;
    default:
        status = exv_list_slice(list, (ptrdiff_t)take(world, 20) - 10, 100, &part);
        put_result(world, status, part);
    }
}

static void change_dict(struct world *world)
{
    void *dict = pick(world), *key = pick(world), *value = pick(world), *got = NULL;
    exv_list *list = NULL;
    exv_status status = EXV_OK;
    if (!dict || exv_get_type(dict) != &exv_dict_type || !key || !value)
        return;
    switch (take(world, 3)) {
    case 0:
        if (exv_dict_set_default(dict, key, value, &got) == EXV_OK)
            REQUIRE(exv_refcount(got) > 0);
        break;
    case 1:
        if (exv_dict_set_text(dict, "text", value) == EXV_OK)
            REQUIRE(exv_dict_get_text(dict, "text", &got) == EXV_OK && got == value);
        break;
    default:
        status = exv_dict_keys(dict, &list);
        put_result(world, status, list);
    }
}

static void compute(struct world *world)
{
    static exv_status (*const functions[])(void *, void *, void **) = {
        exv_number_add,    exv_number_subtract,     exv_number_multiply,
        exv_number_divide, exv_number_floor_divide, exv_number_modulo};
    void *a = pick(world), *b = pick(world), *result = NULL;
    if (!a || !b)
        return;
    exv_status status = functions[take(world, 6)](a, b, &result);
    put_result(world, status, result);
}

static void build_text(struct world *world)
{
    void *value = pick(world), *part = pick(world);
    exv_str *text = NULL;
    if (value && part && exv_get_type(value) == &exv_str_type && exv_get_type(part) == &exv_str_type) {
        REQUIRE(exv_str_find(value, part, 0) < (ptrdiff_t)exv_str_length(value) + 1);
        exv_status status = exv_str_slice(value, 1, -1, &text);
        put_result(world, status, text);
        return;
    }
    exv_builder *builder = exv_builder_new(world->heap);
    if (builder && value) {
        (void)exv_builder_add_value(builder, value);
        (void)exv_builder_format(builder, "%u", take(world, 256));
    }
    if (builder && exv_builder_size(builder) < 1 << 16) {
        exv_status status = exv_builder_finish(builder, &text);
        put_result(world, status, text);
    }
    exv_decref(builder);
}

static void use_protocol(struct world *world)
{
    void *object = pick(world), *argument = pick(world), *result = NULL;
    exv_status status;
    if (!object)
        return;
    switch (take(world, 4)) {
    case 0: status = exv_call(object, &argument, argument != NULL, &result); break;
    case 1: status = exv_iter(object, &result); break;
    default: status = exv_next(object, &result);
    }
    put_result(world, status, result);
}

static exv_status widen(exv_heap *heap, exv_operation operation, void *a, void *b, void **result, void *arg)
{
    (void)arg;
    if (operation == EXV_DIVIDE)
        return EXV_TYPE_ERROR;
    void *either = exv_refcount(a) % 2 ? a : b;
    *result = exv_incref(operation == EXV_LESS ? exv_get_bool(heap, either == a) : either);
    return EXV_OK;
}

/* The heap is written, asked, and as it was. */
static void ask(struct world *world)
{
    void *object = pick(world);
    exv_dict *answer = NULL;
    if (take(world, 32) != 0)
        return;
    exv_status status = object ? exv_why(object, 3, &answer) : exv_heap_census(world->heap, true, 3, &answer);
    REQUIRE(status == EXV_OK || status == EXV_NO_MEMORY || status == EXV_OS_ERROR || status == EXV_UNSUPPORTED);
    exv_decref(answer);
}

/* Within the heap. */
static void copy_value(struct world *world)
{
    void *value = pick(world), *copy = NULL;
    if (!value)
        return;
    exv_status status = exv_copy_to(world->heap, value, &copy);
    put_result(world, status, copy);
}

/* What it carries is held by the heap alone, for a while. */
static void raise_error(struct world *world)
{
    void *value = pick(world);
    if (take(world, 4) == 0) {
        exv_error_clear(world->heap);
        REQUIRE(exv_error_status(world->heap) == EXV_OK);
        return;
    }
    REQUIRE(exv_raise(world->heap, EXV_ERROR, value, "%u", take(world, 256)) == EXV_ERROR);
    REQUIRE(exv_error_get_value(world->heap) == value);
}

static void make_instance(struct world *world)
{
    void *cls = pick(world);
    exv_class *made = NULL;
    if (cls && exv_get_type(cls) == &exv_class_type)
        put(world, exv_instance_new(cls));
    else if (exv_class_new(world->heap, "thing", take(world, 2) ? destruct : NULL, world, &made) == EXV_OK)
        put(world, made);
}

/* Set, get or delete a name, in a namespace or as an attribute. */
static void use_name(struct world *world)
{
    static const char *const names[] = {"x", "y", "a longer name", ""};
    const char *name = names[take(world, 4)];
    void *holder = pick(world), *value = pick(world), *got = NULL;
    unsigned what = take(world, 4);
    bool is_names = holder && exv_get_type(holder) == &exv_names_type;
    if (!is_names && !(holder && exv_get_type(holder) == &exv_instance_type))
        return;
    exv_status status = EXV_OK;
    if (what == 0)
        status = is_names ? exv_name_delete(holder, name) : exv_attr_delete(holder, name);
    else if (what == 1)
        status = is_names ? exv_name_get(holder, name, &got) : exv_attr_get(holder, name, &got);
    else if (value)
        status = is_names ? exv_name_set(holder, name, value) : exv_attr_set(holder, name, value);
    REQUIRE(status == EXV_OK || status == EXV_NAME_ERROR || status == EXV_ATTRIBUTE_ERROR || status == EXV_NO_MEMORY);
    REQUIRE(what != 1 || (status == EXV_OK) == (got != NULL));
}

/* Break what could not be freed. */
static void empty_garbage(struct world *world)
{
    exv_list *garbage = exv_gc_get_garbage(world->heap);
    void *item;
    for (ptrdiff_t i = 0; exv_list_get(garbage, i, &item) == EXV_OK; i++) {
        exv_incref(item);
        if (is_node(item))
            clear_node(item);
        exv_decref(item);
    }
    exv_list_clear(garbage);
}

static void save_all(struct world *world)
{
    exv_gc_set_debug(world->heap, take(world, 4) == 0 ? EXV_DEBUG_SAVEALL : 0);
}

static void show(struct world *world)
{
    void *object = pick(world);
    exv_str *text = NULL;
    if (object && exv_repr(object, &text) == EXV_OK)
        REQUIRE(exv_str_size(text) > 0);
    exv_decref(text);
}

static void compare(struct world *world)
{
    void *a = pick(world), *b = pick(world);
    bool same = false, less = false;
    uint64_t hash_a = 0, hash_b = 0;
    if (a && b && exv_less(a, b, &less) == EXV_OK && less && exv_equal(a, b, &same) == EXV_OK)
        REQUIRE(!same);
    if (!a || !b || exv_equal(a, b, &same) != EXV_OK || !same)
        return;
    if (exv_hash(a, &hash_a) == EXV_OK && exv_hash(b, &hash_b) == EXV_OK)
        REQUIRE(hash_a == hash_b);
}

static void weakref_died(exv_weakref *ref, void *arg)
{
    struct world *world = arg;
    REQUIRE(exv_weakref_incref(ref) == NULL);
    world->callbacks++;
}

static void make_weakref(struct world *world)
{
    void *target = pick(world);
    unsigned index = take(world, SLOTS);
    if (!target)
        return;
    exv_weakref *old = world->weak[index];
    world->weak[index] = exv_weakref_new(target, take(world, 2) ? weakref_died : NULL, world);
    exv_decref(old);
}

static void owning_died(exv_weakref *ref, void *object)
{
    REQUIRE(exv_weakref_incref(ref) == NULL && exv_refcount(object) > 0);
}

static void make_owning_weakref(struct world *world)
{
    void *target = pick(world), *object = pick(world), *holder = pick(world);
    unsigned index = take(world, SLOTS);
    if (!target || !object)
        return;
    exv_weakref *ref = exv_weakref_new_owning(target, owning_died, object);
    if (ref && is_node(holder))
        EXV_SET(((struct node *)holder)->refs[0], (void *)ref); /* maybe what it owns: a ring */
    exv_decref(world->weak[index]);
    world->weak[index] = take(world, 2) ? exv_incref(ref) : NULL;
    exv_decref(ref);
}

static void drop_slot_later(struct world *world)
{
    void **slot = &world->slots[take(world, SLOTS)];
    void *old = *slot;
    *slot = NULL;
    exv_decref_later(old);
}

static void drop_some(struct world *world)
{
    (void)exv_drop_step(world->heap, 1000 * (uint64_t)take(world, 20));
}

static void collect_some(struct world *world)
{
    (void)exv_collect_step(world->heap, 10000 * (uint64_t)take(world, 200), NULL);
}

static void use_weak_table(struct world *world)
{
    void *key = pick(world), *value = pick(world);
    if (!world->table)
        world->table = exv_weak_table_new(world->heap);
    if (!world->table || !key)
        return;
    size_t position = 0;
    if (take(world, 4) == 0)
        exv_weak_table_delete(world->table, key);
    else if (value && exv_weak_table_set(world->table, key, value) == EXV_OK && exv_weak_table_get(world->table, key))
        REQUIRE(exv_weak_table_get(world->table, key) == value);
    for (void *each, *its; exv_weak_table_next(world->table, &position, &each, &its);)
        REQUIRE(exv_refcount(each) > 0 && exv_refcount(its) > 0);
    if (take(world, 16) == 0)
        put(world, exv_incref(world->table)); /* values may refer to it */
    if (take(world, 16) == 0)
        EXV_CLEAR(world->table);
}

static void follow_weakref(struct world *world)
{
    exv_weakref *ref = world->weak[take(world, SLOTS)];
    put(world, ref ? exv_weakref_incref(ref) : NULL);
}

/* Both ends: what lies between belongs to the same block anyway. */
static void check_block(const struct block *block)
{
    for (size_t i = 0; i < block->size && i < 128; i++)
        REQUIRE(block->start[i] == block->fill && block->start[block->size - 1 - i] == block->fill);
}

static void change_block(struct world *world)
{
    struct block *block = &world->blocks[take(world, SLOTS)];
    static const unsigned char shifts[] = {0, 0, 0, 0, 1, 2, 2, 4, 4, 6, 6, 8, 8, 10, 13, 17};
    size_t size = (size_t)take(world, 256) << shifts[take(world, sizeof shifts)];
    check_block(block);
    if (take(world, 3) == 0) {
        exv_free(world->heap, block->start);
        *block = (struct block){0};
        return;
    }
    unsigned char *start = exv_realloc(world->heap, block->start, size);
    if (!start)
        return;
    REQUIRE(exv_usable_size(world->heap, start) >= size);
    block->start = start;
    if (block->size > size)
        block->size = size;
    check_block(block);
    block->size = size;
    block->fill = (unsigned char)take(world, 256);
    memset(start, block->fill, size);
}

static void collect(struct world *world)
{
    exv_collect(world->heap, (int)take(world, 3));
}

static void start_flight(struct world *world)
{
    exv_status status = exv_collect_start(world->heap);
    REQUIRE(status == EXV_OK || status == EXV_BUSY || status == EXV_UNSUPPORTED);
}

static void poll_flight(struct world *world)
{
    size_t found = 0;
    exv_collect_poll(world->heap, &found);
}

static void wait_flight(struct world *world)
{
    exv_collect_wait(world->heap, take(world, 2) ? UINT64_MAX : 1000, NULL);
}

static void freeze(struct world *world)
{
    if (take(world, 2))
        exv_gc_freeze(world->heap);
    else
        exv_gc_unfreeze(world->heap);
}

static void set_threshold(struct world *world)
{
    uint32_t threshold[EXV_GENERATIONS] = {take(world, 20), take(world, 4), take(world, 4)};
    exv_gc_set_threshold(world->heap, threshold);
}

static void track(struct world *world)
{
    struct node *node = pick(world);
    if (!is_node(node))
        return;
    /* Untracked for a moment only: an untracked cycle is never found. */
    exv_untrack(node);
    REQUIRE(!exv_gc_is_tracked(node));
    exv_track(node);
    REQUIRE(exv_gc_is_tracked(node));
}

static void list_objects(struct world *world)
{
    void *target = pick(world);
    void *list = exv_gc_get_objects(world->heap, (int)take(world, 4) - 1);
    exv_decref(list);
    if (!target)
        return;
    list = exv_gc_get_referrers(world->heap, &target, 1);
    exv_decref(list);
    list = exv_gc_get_referents(world->heap, &target, 1);
    exv_decref(list);
}

static void settle(struct world *world)
{
    exv_idle(world->heap);
    exv_poll(world->heap);
    exv_heap_trim(world->heap);
}

typedef void operation(struct world *world);
static operation *const operations[] = {
    make_node, make_node, make_node, link_nodes, link_nodes, link_nodes, copy_slot, drop_slot, drop_slot,
    make_value, make_value, fill_container, fill_container, empty_container, show, compare,
    make_weakref, follow_weakref, change_block, change_block, collect, start_flight, poll_flight, wait_flight,
    freeze, set_threshold, track, list_objects, settle, make_instance, make_instance, use_name, use_name,
    empty_garbage, save_all, make_owning_weakref, drop_slot_later, drop_slot_later, drop_some, collect_some,
    use_weak_table, use_weak_table, use_weak_table, change_list, change_dict, compute, build_text, raise_error, copy_value,
    make_thing, link_things, link_things, use_protocol, use_protocol, use_protocol, ask,
};

static int check_child(void *child, void *arg)
{
    (void)arg;
    if (child)
        REQUIRE(exv_refcount(child) > 0 && (!is_node(child) || ((struct node *)child)->magic == MAGIC));
    return 0;
}

static void check_world(struct world *world)
{
    const char *wrong = exv_heap_check(world->heap);
    if (wrong) {
        fprintf(stderr, "exv_heap_check: %s\n", wrong);
        abort();
    }
    for (size_t i = 0; i < SLOTS; i++) {
        void *object = world->slots[i];
        check_child(object, NULL);
        if (object && exv_get_type(object)->visit)
            exv_get_type(object)->visit(object, check_child, NULL);
        check_block(&world->blocks[i]);
    }
}

static void end_world(struct world *world)
{
    world->resurrections = 0;
    exv_gc_unfreeze(world->heap);
    for (size_t i = 0; i < SLOTS; i++) {
        void *object = world->slots[i];
        world->slots[i] = NULL;
        exv_decref(object);
        exv_decref(world->weak[i]);
        exv_free(world->heap, world->blocks[i].start);
    }
    EXV_CLEAR(world->table);
    exv_error_clear(world->heap);
    exv_gc_set_debug(world->heap, 0);
    exv_collect_wait(world->heap, UINT64_MAX, NULL);
    do
        empty_garbage(world);
    while (exv_collect(world->heap, 2) > 0);
    exv_heap_stats stats;
    exv_get_heap_stats(world->heap, &stats);
    REQUIRE(stats.tracked_objects == world->tracked_at_birth);
    REQUIRE(world->things == 0);
    REQUIRE(exv_list_size(exv_gc_get_garbage(world->heap)) == 0);
    REQUIRE(exv_heap_check(world->heap) == NULL);
    REQUIRE(exv_heap_free(world->heap) == 0);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct world world = {.next = data, .end = data + size, .resurrections = 64};
    exv_config config = exv_config_default();
    config.limit_bytes = size && data[0] & 64 ? (size_t)48 << 20 : (size_t)256 << 20;
    config.policy.mode = size ? (exv_mode)(data[0] % 3) : EXV_MODE_AUTO;
    world.heap = exv_heap_new(&config);
    REQUIRE(world.heap);
    exv_heap_stats stats;
    exv_get_heap_stats(world.heap, &stats);
    world.tracked_at_birth = stats.tracked_objects;
    if (size && data[0] & 32)
        exv_heap_set_arithmetic(world.heap, widen, NULL);
    for (unsigned step = 0; world.next < world.end; step++) {
        operations[take(&world, sizeof operations / sizeof *operations)](&world);
        if (step % 64 == 63)
            check_world(&world);
    }
    check_world(&world);
    end_world(&world);
    return 0;
}

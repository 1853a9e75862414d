/*
 * types: the types of a world's objects. Their functions compare what the library does with the mirror.
 *
 * All but weak references have the same payload (world.h); the shapes differ in size and in which functions there are.
 */
#include "world.h"

#include "object.h"

#include <stdlib.h>

#define CHECK_FACTOR UINT64_C(0x9e3779b97f4a7c15)

static uint64_t check_of(const world *w, uint32_t id)
{
    return (w->node[id].serial * CHECK_FACTOR) ^ id;
}

bool world_is_payload_intact(const world *w, uint32_t id)
{
    const world_node *node = &w->node[id];
    const world_payload *payload = node->object;
    if (payload->w != w || payload->id != id || payload->check != check_of(w, id) ||
        payload->field_count != node->field_count)
        return false;
    for (uint32_t i = 0; i < node->field_count; i++) {
        uint32_t child = node->fields[i];
        if (payload->fields[i] != (child == WORLD_NONE ? NULL : w->node[child].object))
            return false;
    }
    return true;
}

void world_set_up_payload(world *w, uint32_t id)
{
    world_node *node = &w->node[id];
    world_payload *payload = node->object;
    payload->w = w;
    payload->id = id;
    payload->check = check_of(w, id);
    payload->field_count = node->field_count;
    if (node->shape == WORLD_LEAF_BLOCK || node->shape == WORLD_HEAVY)
        payload->block = exv_alloc(w->heap, 1 + world_random(w, 3000));
    if (node->shape == WORLD_FOREIGN) {
        payload->foreign = malloc(sizeof *payload->foreign);
        *payload->foreign = 1;
    }
}

static size_t foreign_count(void *self)
{
    const size_t *foreign = ((world_payload *)self)->foreign;
    return foreign ? *foreign : 0;
}

static bool is_proxy(const void *object)
{
    return exv_get_type(object) == world_type(WORLD_FOREIGN);
}

void *world_incref(void *object)
{
    if (!object || !is_proxy(object))
        return exv_incref(object);
    ++*((world_payload *)object)->foreign;
    return object;
}

void world_decref(void *object)
{
    if (object && is_proxy(object)) {
        world_payload *payload = object;
        if (--*payload->foreign > 0)
            return;
        free(payload->foreign);
        payload->foreign = NULL;
    }
    exv_decref(object);
}

size_t world_refcount(void *object)
{
    return is_proxy(object) ? foreign_count(object) + exv_refcount(object) - 1 : exv_refcount(object);
}

/* Also called in the snapshot of a flight: reads the payload only. */
static int visit(void *self, exv_visit_fn *each, void *arg)
{
    world_payload *payload = self;
    for (uint32_t i = 0; i < payload->field_count; i++) {
        int end = each(payload->fields[i], arg);
        if (end)
            return end;
    }
    return 0;
}

static void note_clear(world *w, uint32_t id)
{
    world_node *node = &w->node[id];
    node->cleared = true;
    node->tracked = node->frozen = false;
    if (node->references == 0 || w->ending)
        return;
    if (w->mode != WORLD_EXACT) {
        node->doomed = true;
        return;
    }
    world_search_again(w);
    WORLD_CHECK(w, node->doomed);
}

static void clear(void *self)
{
    world_payload *payload = self;
    world *w = payload->w;
    if (!w)
        return;
    uint32_t id = payload->id;
    WORLD_CHECK(w, world_is_payload_intact(w, id));
    note_clear(w, id);
    for (uint32_t i = 0; i < payload->field_count; i++) {
        uint32_t child = w->node[id].fields[i];
        w->node[id].fields[i] = WORLD_NONE;
        if (child != WORLD_NONE)
            world_lose(w, child);
        void *dropped = payload->fields[i];
        payload->fields[i] = NULL;
        world_decref(dropped);
    }
}

static uint8_t generation_of(const void *object)
{
    const exvi_header *header = exvi_header_of(object);
    const exvi_page *page = exvi_page_of(header);
    uint32_t index = exvi_block_index(page, header);
    bool first = page->young[0][index / 64] >> (index % 64) & 1;
    bool second = page->young[1][index / 64] >> (index % 64) & 1;
    return first ? 0 : second ? 1 : 2;
}

static void finalize(void *self)
{
    world_payload *payload = self;
    world *w = payload->w;
    if (!w)
        return;
    uint32_t id = payload->id;
    world_node *node = &w->node[id];
    WORLD_CHECK(w, world_is_payload_intact(w, id) && !node->finalized && !node->cleared);
    node->finalized = true;
    w->finalized++;
    if (w->ending)
        return;
    bool by_collection = node->references > 0;
    if (w->mode == WORLD_EXACT && by_collection)
        WORLD_CHECK(w, w->collecting && node->doomed);
    world_excuse(w, id, by_collection);
    w->depth++;
    node->finalizing = true;
    world_act_in_finalizer(w, id);
    node->finalizing = false;
    w->depth--;
    if (node->references == 0) { /* the fields of a shape without clear */
        world_gain(w, id);
        world_lose(w, id);
    } else if (!by_collection) {
        node->generation = generation_of(self); /* the first again if its death was put off, and not frozen */
        node->frozen = exvi_header_of(self)->flags & EXVI_FROZEN;
    }
}

static void check_weak_references_to(world *w, uint32_t id)
{
    for (uint32_t weak = w->node[id].weak_first; weak != WORLD_NONE; weak = w->node[weak].weak_next) {
        const world_node *node = &w->node[weak];
        WORLD_CHECK(w, exv_weakref_incref(node->object) == NULL);
        if (w->mode == WORLD_EXACT)
            WORLD_CHECK(w, node->calls == (node->has_callback && !node->doomed));
    }
}

static void destroy(void *self)
{
    world_payload *payload = self;
    world *w = payload->w;
    if (!w)
        return;
    uint32_t id = payload->id;
    world_node *node = &w->node[id];
    WORLD_CHECK(w, node->object == self && payload->check == check_of(w, id));
    WORLD_CHECK(w, node->immortal || node->finalized == world_has_finalizer(node->shape));
    if (!w->ending) {
        WORLD_CHECK(w, node->references == 0 && !node->immortal);
        check_weak_references_to(w, id);
    }
    payload->check = 0;
    exv_free(w->heap, payload->block);
    free(payload->foreign);
    world_mark_dead(w, id);
    if (w->mode == WORLD_WILD && !w->ending)
        world_act_wildly(w);
}

void world_weak_died(exv_weakref *ref, void *arg)
{
    world_node *node = arg;
    world *w = node->w;
    if (w->ending)
        return;
    WORLD_CHECK(w, exv_weakref_incref(ref) == NULL);
    bool gone = node->object != ref; /* given up while it waited for its call */
    WORLD_CHECK(w, w->mode == WORLD_WILD || !gone);
    if (!gone) {
        WORLD_CHECK(w, node->has_callback && node->calls == 0);
        node->calls++;
        w->calls++;
    }
    if (w->mode == WORLD_WILD)
        world_act_wildly(w);
}

#define FIELDS(count) (sizeof(world_payload) + (count) * sizeof(void *))

static const exv_type types[WORLD_SHAPES] = {
    [WORLD_LEAF] = {.name = "leaf", .size = FIELDS(0), .destroy = destroy},
    [WORLD_LEAF_BLOCK] = {.name = "leaf with block", .size = FIELDS(0), .destroy = destroy},
    [WORLD_LEAF_FINAL] = {.name = "leaf with finalizer", .size = FIELDS(3), .finalize = finalize, .destroy = destroy},
    [WORLD_EMPTY] = {.name = "empty", .size = FIELDS(0), .visit = visit, .clear = clear, .destroy = destroy},
    [WORLD_PAIR] = {.name = "pair", .size = FIELDS(2), .visit = visit, .clear = clear, .destroy = destroy},
    [WORLD_PAIR_FINAL] = {.name = "pair with finalizer", .size = FIELDS(2), .visit = visit, .clear = clear,
                          .finalize = finalize, .destroy = destroy},
    [WORLD_WIDE] = {.name = "wide", .size = FIELDS(8), .visit = visit, .clear = clear, .destroy = destroy},
    [WORLD_VARIABLE] = {.name = "variable", .size = FIELDS(0), .item_size = sizeof(void *), .visit = visit,
                        .clear = clear, .destroy = destroy},
    [WORLD_HEAVY] = {.name = "heavy", .size = FIELDS(2), .visit = visit, .clear = clear, .finalize = finalize,
                     .destroy = destroy},
    [WORLD_STUBBORN] = {.name = "stubborn", .size = FIELDS(2), .visit = visit, .destroy = destroy},
    [WORLD_STUBBORN_FINAL] = {.name = "stubborn with finalizer", .size = FIELDS(2), .visit = visit,
                              .finalize = finalize, .destroy = destroy},
    [WORLD_FOREIGN] = {.name = "foreign", .size = FIELDS(2), .visit = visit, .clear = clear, .destroy = destroy,
                       .foreign_count = foreign_count},
};

const exv_type *world_type(world_shape shape)
{
    return &types[shape];
}

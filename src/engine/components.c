/*
 * components: see components.h.
 *
 * Everything has the numbers of the walk. Of arrays that are as long as the walk only those pages are touched in which
 * there are dead objects, so where few are dead, few are resident; and each is given back as soon as it is not needed.
 *
 * `place` is the number that Pearce's algorithm gives to each:
 *
 *     0                   not seen yet
 *     1 .. index          on the path or the stack: where it stands, or where what it leads back to does
 *     above               done: the name of its component
 *
 * Names count down from the number of the dead, while numbers on the path count up and are taken back: they never meet.
 */
#include "components.h"

#include "platform.h"

#define LAST UINT32_C(0x80000000)      /* in `done` and `sorted`: the last of its component */
#define MARKED UINT32_C(0x80000000)    /* of a frame's object: something above it in the path is led back to */
#define FINALIZES UINT32_C(0x80000000) /* in the parent of the one that stands for all: one of them has a finalizer */
#define NUMBER UINT32_C(0x7fffffff)

typedef struct frame {
    uint32_t object, edge;   /* the next of its references to look at */
} frame;

typedef struct search {
    const exvi_walk *walk;
    uint32_t count;          /* of the dead */
    uint32_t *place;         /* by number; so is: */
    uint32_t *parent;        /* union-find: what hangs together */
    uint32_t *done;          /* in the order of components, filled from the end: those first that others refer to */
    uint32_t *sorted;        /* the same, each structure that hangs together by itself */
    uint32_t *stack;         /* objects whose component is not done, from the bottom */
    frame *path;
    uint32_t depth, length, index, name, left;
} search;

/* ------------------------------------------------------------------- memory */

static uint32_t *by_number(const search *s)
{
    return exvi_map((s->walk->members + 1) * sizeof(uint32_t), exvi_page_size());
}

static uint32_t *for_each_dead(const search *s)
{
    return exvi_map(s->count * sizeof(uint32_t), exvi_page_size());
}

static void drop_by_number(const search *s, uint32_t **array)
{
    if (*array)
        exvi_unmap(*array, (s->walk->members + 1) * sizeof **array);
    *array = NULL;
}

static void drop_for_each(const search *s, uint32_t **array)
{
    if (*array)
        exvi_unmap(*array, s->count * sizeof **array);
    *array = NULL;
}

static void drop_path(search *s)
{
    if (s->path)
        exvi_unmap(s->path, s->count * sizeof *s->path);
    s->path = NULL;
    drop_for_each(s, &s->stack);
}

static bool begin(search *s)
{
    s->place = by_number(s);
    s->parent = by_number(s);
    s->done = for_each_dead(s);
    s->stack = for_each_dead(s);
    s->path = exvi_map(s->count * sizeof *s->path, exvi_page_size());
    return s->place && s->parent && s->done && s->stack && s->path;
}

static void end(search *s)
{
    drop_path(s);
    drop_by_number(s, &s->place);
    drop_by_number(s, &s->parent);
    drop_for_each(s, &s->done);
    drop_for_each(s, &s->sorted);
}

/* The first dead object from this number on. */
static uint32_t next_dead(const search *s, uint32_t number)
{
    while (number < s->walk->members && s->walk->left[number])
        number++;
    return number;
}

/* ------------------------------------------------- what hangs together */

/* The smallest of the objects that hang together stands for all. `parent` is 0 for one that stands for itself, so that
 * nothing has to be written for it, else one more than the number of the next. */
static uint32_t find_whole(uint32_t *parent, uint32_t object)
{
    while (parent[object] & NUMBER) {
        uint32_t above = (parent[object] & NUMBER) - 1;
        if (parent[above] & NUMBER)
            parent[object] = parent[above];
        object = above;
    }
    return object;
}

static void join(search *s, uint32_t a, uint32_t b)
{
    a = find_whole(s->parent, a);
    b = find_whole(s->parent, b);
    if (a < b)
        s->parent[b] = a + 1;
    else if (b < a)
        s->parent[a] = b + 1;
}

/* -------------------------------------------- strongly connected components */

static void enter(search *s, uint32_t object)
{
    s->path[s->length++] = (frame){object, s->walk->node[object].first};
    s->place[object] = ++s->index;
}

static void put(search *s, uint32_t object, uint32_t last)
{
    s->done[--s->left] = object | last;
    s->place[object] = s->name;
    s->index--;
}

static void leave(search *s)
{
    frame top = s->path[--s->length];
    uint32_t object = top.object & NUMBER;
    if ((top.object & MARKED) == 0) {
        uint32_t lowest = s->place[object];
        put(s, object, LAST);
        while (s->depth > 0 && s->place[s->stack[s->depth - 1]] >= lowest)
            put(s, s->stack[--s->depth], 0);
        s->name--;
    } else {
        s->stack[s->depth++] = object;
    }
    if (s->length > 0) {
        frame *above = &s->path[s->length - 1];
        if (s->place[object] < s->place[above->object & NUMBER]) {
            s->place[above->object & NUMBER] = s->place[object];
            above->object |= MARKED;
        }
    }
}

/* The next of its references; false: it has no more. */
static bool follow(search *s, frame *top)
{
    uint32_t from = top->object & NUMBER;
    if (top->edge == s->walk->node[from + 1].first)
        return false;
    uint32_t to = s->walk->edge[top->edge++] & ~EXVI_EDGE_FLAGS;
    if (s->walk->left[to])
        return true;
    join(s, from, to);
    if (s->place[to] == 0) {
        enter(s, to);
    } else if (s->place[to] < s->place[from]) {
        s->place[from] = s->place[to];
        top->object |= MARKED;
    }
    return true;
}

static void find_components(search *s)
{
    s->name = s->left = s->count; /* an object's component has no smaller name than there are objects to come */
    for (uint32_t object = next_dead(s, 0); object < s->walk->members; object = next_dead(s, object + 1)) {
        if (s->place[object])
            continue;
        enter(s, object);
        while (s->length > 0)
            if (!follow(s, &s->path[s->length - 1]))
                leave(s);
    }
}

/* -------------------------------------------------------------------- order */

/* By what hangs together, in the order of the walk; within it components, the referring ones first. A counting sort:
 * `place` of the one that stands for all becomes where they begin, and then where they end. */
static void put_in_order(search *s)
{
    uint32_t sum = 0;
    for (uint32_t i = 0; i < s->count; i++)
        s->place[s->done[i] & NUMBER] = 0;
    for (uint32_t i = 0; i < s->count; i++) {
        uint32_t object = s->done[i] & NUMBER, whole = find_whole(s->parent, object);
        s->place[whole]++;
        if ((s->walk->node[object].word & EXVI_NODE_FINALIZES) != 0)
            s->parent[whole] |= FINALIZES;
    }
    for (uint32_t object = next_dead(s, 0); object < s->walk->members; object = next_dead(s, object + 1)) {
        uint32_t these = s->place[object];
        s->place[object] = sum;
        sum += these;
    }
    for (uint32_t i = 0; i < s->count; i++)
        s->sorted[s->place[find_whole(s->parent, s->done[i] & NUMBER)]++] = s->done[i];
}

static uint32_t whole_of(const search *s, uint32_t i)
{
    return find_whole(s->parent, s->sorted[i] & NUMBER);
}

static bool ends_group(const search *s, uint32_t i, uint32_t whole, uint32_t whole_begins)
{
    if (i + 1 == s->place[whole])
        return true;
    bool is_large = s->place[whole] - whole_begins > EXVI_WHOLE;
    return is_large && (s->parent[whole] & FINALIZES) == 0 && (s->sorted[i] & LAST) != 0;
}

/* From now on that bit says where a group ends. */
static void find_groups(search *s)
{
    uint32_t whole_begins = 0, whole = 0;
    for (uint32_t i = 0; i < s->count; i++) {
        if (i == 0 || i == s->place[whole]) {
            whole_begins = i;
            whole = whole_of(s, i);
        }
        s->sorted[i] = (s->sorted[i] & NUMBER) | (ends_group(s, i, whole, whole_begins) ? LAST : 0);
    }
}

/* Addresses come in the order of the walk: `place` becomes where each object's is to stand. */
static void write_down(const search *s, exvi_components *c)
{
    enum { BATCH = 256 };
    void *objects[BATCH];
    exvi_walk_cursor cursor = {0};
    uint32_t number = 0, count = 0;
    for (uint32_t i = 0; i < s->count; i++)
        s->place[s->sorted[i] & NUMBER] = i | (s->sorted[i] & LAST);
    for (uint32_t i = 0; i < s->count; i++)
        c->number[i] = s->sorted[i] & NUMBER;
    for (size_t batch; count < s->count && (batch = exvi_walk_next(s->walk, &cursor, objects, BATCH)) > 0;) {
        for (size_t i = 0; i < batch; i++, number++) {
            if (s->walk->left[number])
                continue;
            uint32_t at = s->place[number];
            c->object[at & NUMBER] = (uintptr_t)objects[i] | at >> 31;
            count++;
        }
    }
}

static bool make_room(exvi_components *c, size_t count)
{
    c->object = exvi_map(count * sizeof *c->object, exvi_page_size());
    c->number = exvi_map(count * sizeof *c->number, exvi_page_size());
    c->room = count;
    return c->object && c->number;
}

bool exvi_components_find(exvi_components *components, const exvi_walk *walk, size_t unreachable)
{
    exvi_components_drop(components);
    if (unreachable == 0)
        return true;
    search s = {.walk = walk, .count = (uint32_t)unreachable};
    bool done = begin(&s);
    if (done) {
        find_components(&s);
        drop_path(&s);
        s.sorted = for_each_dead(&s);
        done = s.sorted != NULL;
    }
    if (done) {
        put_in_order(&s);
        drop_for_each(&s, &s.done);
        find_groups(&s);
        drop_by_number(&s, &s.parent);
        done = make_room(components, unreachable);
    }
    if (done) {
        write_down(&s, components);
        components->count = unreachable;
    }
    end(&s);
    return done;
}

void exvi_components_drop(exvi_components *components)
{
    if (components->object)
        exvi_unmap(components->object, components->room * sizeof *components->object);
    if (components->number)
        exvi_unmap(components->number, components->room * sizeof *components->number);
    *components = (exvi_components){0};
}

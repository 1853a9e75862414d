/*
 * components: see components.h.
 *
 * Dead objects have numbers of their own here, from 0 up, in the order of the walk. `place` is the number that
 * Pearce's algorithm gives to each:
 *
 *     0                   not seen yet
 *     1 .. index          on the path or the stack: where it stands, or where what it leads back to does
 *     above               done: the name of its component; who refers to a component has a smaller name than that
 *
 * Names count down from `count`, while numbers on the path count up and are taken back: they never meet.
 */
#include "components.h"

#include "platform.h"

typedef struct frame {
    uint32_t object, edge;   /* the next of its references to look at */
    bool root;               /* nothing above it in the path is led back to */
} frame;

typedef struct search {
    const exvi_walk *walk;
    uint32_t count;
    uint64_t *address;       /* of each dead object */
    uint32_t *number;        /* and its number in the walk */
    uint32_t *dead;          /* number in the walk -> dead object; only where walk->left is 0 */
    uint32_t *place;
    uint32_t *stack;         /* objects whose component is not done, from the bottom */
    frame *path;
    uint32_t *parent;        /* union-find: what hangs together */
    uint32_t *order, *other; /* for sorting */
    size_t bytes;            /* of all but `dead` */
    uint32_t depth, length, index, name;
} search;

/* ------------------------------------------------------------------- memory */

static bool begin(search *s, const exvi_walk *walk, size_t count)
{
    enum { ARRAYS = 6 };
    s->walk = walk;
    s->count = (uint32_t)count;
    s->bytes = count * (sizeof(uint64_t) + ARRAYS * sizeof(uint32_t) + sizeof(frame));
    s->dead = exvi_map((walk->members + 1) * sizeof *s->dead, exvi_page_size()); /* resident where objects are dead */
    s->address = s->dead ? exvi_map(s->bytes, exvi_page_size()) : NULL;
    if (!s->address)
        return false;
    uint32_t *array = (uint32_t *)(void *)(s->address + count);
    s->number = array;
    s->place = array + count;
    s->stack = array + 2 * count;
    s->parent = array + 3 * count;
    s->order = array + 4 * count;
    s->other = array + 5 * count;
    s->path = (frame *)(void *)(array + 6 * count);
    return true;
}

static void end(search *s)
{
    if (s->address)
        exvi_unmap(s->address, s->bytes);
    if (s->dead)
        exvi_unmap(s->dead, (s->walk->members + 1) * sizeof *s->dead);
}

static void number_the_dead(search *s)
{
    enum { BATCH = 256 };
    void *objects[BATCH];
    exvi_walk_cursor cursor = {0};
    uint32_t number = 0, count = 0;
    for (size_t batch; count < s->count && (batch = exvi_walk_next(s->walk, &cursor, objects, BATCH)) > 0;) {
        for (size_t i = 0; i < batch; i++, number++) {
            if (s->walk->left[number])
                continue;
            s->dead[number] = count;
            s->address[count] = (uintptr_t)objects[i];
            s->number[count] = number;
            s->parent[count] = count;
            count++;
        }
    }
}

/* ------------------------------------------------- what hangs together */

static uint32_t find_whole(uint32_t *parent, uint32_t object)
{
    while (parent[object] != object) {
        parent[object] = parent[parent[object]];
        object = parent[object];
    }
    return object;
}

/* The smallest of the objects that hang together stands for all. */
static void join(search *s, uint32_t a, uint32_t b)
{
    a = find_whole(s->parent, a);
    b = find_whole(s->parent, b);
    if (a < b)
        s->parent[b] = a;
    else
        s->parent[a] = b;
}

/* -------------------------------------------- strongly connected components */

static void enter(search *s, uint32_t object)
{
    s->path[s->length++] = (frame){object, s->walk->node[s->number[object]].first, true};
    s->place[object] = ++s->index;
}

static void leave(search *s)
{
    frame done = s->path[--s->length];
    if (done.root) {
        uint32_t lowest = s->place[done.object];
        s->index--;
        while (s->depth > 0 && s->place[s->stack[s->depth - 1]] >= lowest) {
            s->place[s->stack[--s->depth]] = s->name;
            s->index--;
        }
        s->place[done.object] = s->name--;
    } else {
        s->stack[s->depth++] = done.object;
    }
    if (s->length > 0) {
        frame *above = &s->path[s->length - 1];
        if (s->place[done.object] < s->place[above->object]) {
            s->place[above->object] = s->place[done.object];
            above->root = false;
        }
    }
}

/* The next of its references; false: it has no more. */
static bool follow(search *s, frame *top)
{
    if (top->edge == s->walk->node[s->number[top->object] + 1].first)
        return false;
    uint32_t to = s->walk->edge[top->edge++] & ~EXVI_EDGE_FLAGS;
    if (s->walk->left[to])
        return true;
    to = s->dead[to];
    join(s, top->object, to);
    if (s->place[to] == 0) {
        enter(s, to);
    } else if (s->place[to] < s->place[top->object]) {
        s->place[top->object] = s->place[to];
        top->root = false;
    }
    return true;
}

static void find_components(search *s)
{
    s->name = s->count; /* an object's component has no smaller name than there are objects to come */
    for (uint32_t object = 0; object < s->count; object++) {
        if (s->place[object])
            continue;
        enter(s, object);
        while (s->length > 0)
            if (!follow(s, &s->path[s->length - 1]))
                leave(s);
    }
}

/* -------------------------------------------------------------------- order */

/* A stable counting sort; keys are below `count` + 1. `start` is scratch for so many. */
static void sort_by(const uint32_t *key_of, const uint32_t *from, uint32_t *to, uint32_t count, uint32_t *start)
{
    for (uint32_t i = 0; i <= count; i++)
        start[i] = 0;
    for (uint32_t i = 0; i < count; i++)
        start[key_of[i]]++;
    for (uint32_t i = 0, sum = 0; i <= count; i++) {
        uint32_t these = start[i];
        start[i] = sum;
        sum += these;
    }
    for (uint32_t i = 0; i < count; i++)
        to[start[key_of[from[i]]]++] = from[i];
}

/* By what hangs together, in the order of the walk; within it components, the referring ones first. */
static void put_in_order(search *s)
{
    uint32_t *start = (uint32_t *)(void *)s->path; /* not needed any more, and larger */
    for (uint32_t i = 0; i < s->count; i++) {
        s->parent[i] = find_whole(s->parent, i);
        s->stack[i] = i;
    }
    sort_by(s->place, s->stack, s->other, s->count, start);
    sort_by(s->parent, s->other, s->order, s->count, start);
}

/* Of each structure that hangs together, by the object that stands for it: has any of it a finalizer? */
static void note_finalizers(search *s)
{
    for (uint32_t i = 0; i < s->count; i++)
        s->other[i] = 0;
    for (uint32_t i = 0; i < s->count; i++)
        s->other[s->parent[i]] |= s->walk->node[s->number[i]].word & EXVI_NODE_FINALIZES;
}

static bool ends_group(const search *s, uint32_t i, uint32_t whole_begins)
{
    if (i + 1 == s->count)
        return true;
    uint32_t here = s->order[i], next = s->order[i + 1];
    if (s->parent[here] != s->parent[next])
        return true;
    bool is_large = whole_begins + EXVI_WHOLE < s->count &&
                    s->parent[s->order[whole_begins + EXVI_WHOLE]] == s->parent[here];
    return is_large && s->other[s->parent[here]] == 0 && s->place[here] != s->place[next];
}

static void write_down(const search *s, exvi_components *c)
{
    uint32_t whole_begins = 0;
    for (uint32_t i = 0; i < s->count; i++) {
        if (i > 0 && s->parent[s->order[i]] != s->parent[s->order[i - 1]])
            whole_begins = i;
        c->number[i] = s->number[s->order[i]];
        c->object[i] = s->address[s->order[i]] | ends_group(s, i, whole_begins);
    }
}

static bool make_room(exvi_components *c, size_t count)
{
    c->object = exvi_map(count * (sizeof *c->object + sizeof *c->number), exvi_page_size());
    if (!c->object)
        return false;
    c->number = (uint32_t *)(void *)(c->object + count);
    c->room = count;
    return true;
}

bool exvi_components_find(exvi_components *components, const exvi_walk *walk, size_t unreachable)
{
    search s = {0};
    exvi_components_drop(components);
    if (unreachable == 0)
        return true;
    bool done = begin(&s, walk, unreachable) && make_room(components, unreachable);
    if (done) {
        number_the_dead(&s);
        find_components(&s);            /* place: who refers to a component has a smaller one */
        put_in_order(&s);
        note_finalizers(&s);
        write_down(&s, components);
        components->count = unreachable;
    }
    end(&s);
    return done;
}

void exvi_components_drop(exvi_components *components)
{
    if (components->object)
        exvi_unmap(components->object, components->room * (sizeof *components->object + sizeof *components->number));
    *components = (exvi_components){0};
}

/*
 * holders: see holders.h.
 */
#include "holders.h"

#include "platform.h"
#include "tally.h"

static const uint32_t MOST_SHAPES = 1u << 22;

typedef struct tree {
    exvi_shapes shapes;
    uint64_t *retained; /* of each shape */
    uint32_t *place;    /* of each in the list, + 1; 0: left out */
    size_t bytes;
} tree;

static bool make_tree(exvi_study *study, tree *t)
{
    if (!exvi_shapes_make(&t->shapes, &study->graph, &study->dominators, MOST_SHAPES))
        return false;
    t->bytes = t->shapes.count * (sizeof *t->retained + sizeof *t->place);
    t->retained = exvi_map(t->bytes, exvi_page_size());
    if (!t->retained)
        return false;
    t->place = (uint32_t *)(void *)(t->retained + t->shapes.count);
    for (uint32_t i = t->shapes.count; i-- > 0;) {
        t->retained[i] += t->shapes.shape[i].bytes;
        if (i > 0)
            t->retained[t->shapes.shape[i].parent] += t->retained[i];
    }
    return true;
}

/* A parent retains as much as its child at least, and has a smaller number: with a child its parent is chosen. */
static bool choose(tree *t, uint32_t limit)
{
    exvi_tally order = {0};
    for (uint32_t i = 0; i < t->shapes.count; i++)
        exvi_tally_add(&order, i, 0, t->retained[i], 0);
    exvi_tally_sort(&order, true);
    for (size_t i = 0; i < order.count && (limit == 0 || i < limit); i++)
        t->place[order.item[i].key] = 1;
    bool done = !order.failed;
    exvi_tally_drop(&order);
    uint32_t place = 0;
    for (uint32_t i = 0; i < t->shapes.count; i++)
        if (t->place[i])
            t->place[i] = ++place;
    return done;
}

static void answer_tree(exvi_study *study, exvi_answer *answer, const tree *t)
{
    char name[EXVI_NAME_SIZE];
    exvi_answer_list(answer, "tree");
    for (uint32_t i = 0; i < t->shapes.count; i++) {
        const exvi_shape *shape = &t->shapes.shape[i];
        if (!t->place[i])
            continue;
        exvi_answer_object(answer, NULL);
        exvi_answer_number(answer, "parent", t->place[shape->parent] - 1);
        if (i > 0 && shape->kind >= EXVI_SHAPE_GROUP) {
            exvi_answer_text(answer, "group", exvi_group_text(&study->graph, shape->kind - EXVI_SHAPE_GROUP, name));
        } else if (i > 0) {
            exvi_answer_text(answer, "edge", exvi_label_text(&study->file, shape->label, name));
            exvi_answer_text(answer, "type", exvi_kind_name(&study->file, shape->kind, name));
            const char *known = shape->count == 1 ? exvi_node_name(&study->file, shape->example, name) : "";
            if (*known)
                exvi_answer_text(answer, "name", known);
            exvi_answer_number(answer, "count", shape->count);
        }
        exvi_answer_number(answer, "bytes", shape->bytes);
        exvi_answer_number(answer, "retained", t->retained[i]);
        exvi_answer_close(answer);
    }
    exvi_answer_close(answer);
}

bool exvi_holders_answer(exvi_study *study, exvi_answer *answer, uint32_t limit)
{
    tree t = {0};
    if (!exvi_study_dominators(study))
        return false;
    bool done = (make_tree(study, &t) && choose(&t, limit)) || exvi_study_no_memory(study);
    if (done) {
        exvi_answer_object(answer, NULL);
        answer_tree(study, answer, &t);
        exvi_answer_close(answer);
    }
    if (t.retained)
        exvi_unmap(t.retained, t.bytes);
    exvi_shapes_drop(&t.shapes);
    return done;
}

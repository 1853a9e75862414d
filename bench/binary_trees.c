/*
 * binary_trees: how long do many short-lived trees take beside one long-lived tree, and how much memory?
 *
 * The problem of the Computer Language Benchmarks Game: one tree of depth + 1 is made, counted and dropped; one of
 * `depth` is kept; then for every second depth from 4 on, 2^(depth - d + 4) trees of depth d are made, counted and
 * dropped one by one. The sum of the counts is the check that both sides did the same work.
 *
 * Option: depth. One measurement in a process: peak memory belongs to it.
 */
#include "collector.h"

struct tree {
    struct tree *left, *right;
};

TREE_TYPE(tree)

static struct tree *tree_make(unsigned depth)
{
    struct tree *node = tree_new(tree);
    if (!node)
        meter_fail("out of memory");
    if (depth > 0) {
        node->left = tree_make(depth - 1);
        node->right = tree_make(depth - 1);
    }
    return node;
}

static uint64_t tree_count(const struct tree *node)
{
    return node->left ? 1 + tree_count(node->left) + tree_count(node->right) : 1;
}

static uint64_t make_count_drop(unsigned depth)
{
    struct tree *node = tree_make(depth);
    uint64_t count = tree_count(node);
    tree_drop(node);
    return count;
}

static uint64_t run(unsigned max_depth)
{
    enum { MIN_DEPTH = 4 };
    uint64_t check = make_count_drop(max_depth + 1);
    struct tree *volatile long_lived = tree_make(max_depth);
    for (unsigned depth = MIN_DEPTH; depth <= max_depth; depth += 2) {
        unsigned trees = 1U << (max_depth - depth + MIN_DEPTH);
        for (unsigned i = 0; i < trees; i++)
            check += make_count_drop(depth);
    }
    check += tree_count(long_lived);
    tree_drop(long_lived);
    return check;
}

int main(int argc, char **argv)
{
    unsigned depth = (unsigned)meter_option(argc, argv, "depth", 18);
    collector_open(argc, argv);
    collector_facts();
    char command[64];
    while (meter_command(command, sizeof command)) {
        uint64_t start_cpu = meter_cpu_ns();
        uint64_t start = meter_now_ns();
        uint64_t check = run(depth);
        collector_result(start, start_cpu, check);
    }
    return 0;
}

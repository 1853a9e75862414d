/*
 * gcbench: how long do trees built from the top and from the bottom take beside a long-lived tree and a large array?
 *
 * The problem of GCBench (Ellis and Kovac; Boehm): a tree of depth + 2 stretches the memory; a tree of `depth`,
 * filled from the root down, and an array of numbers stay; then for every second depth from 4 to `depth` as many
 * short-lived trees as make up twice the size of the stretch tree are built, half of them from the root down (an
 * older node is made to refer to a younger one), half from the leaves up. Nodes carry two words of data beside two
 * references, as theirs do.
 *
 * Option: depth (GCBench's own is 16). One measurement in a process: peak memory belongs to it.
 */
#include "collector.h"

struct branch {
    struct branch *left, *right;
    int i, j;
};

TREE_TYPE(branch)

enum { MIN_DEPTH = 4 };

static struct branch *branch_new(void)
{
    struct branch *node = tree_new(branch);
    if (!node)
        meter_fail("out of memory");
    return node;
}

static uint64_t nodes_of(unsigned depth)
{
    return (UINT64_C(2) << depth) - 1;
}

static void populate(struct branch *node, unsigned depth)
{
    if (depth == 0)
        return;
    node->left = branch_new();
    node->right = branch_new();
    populate(node->left, depth - 1);
    populate(node->right, depth - 1);
}

static struct branch *tree_from_root(unsigned depth)
{
    struct branch *root = branch_new();
    populate(root, depth);
    return root;
}

static struct branch *tree_from_leaves(unsigned depth)
{
    struct branch *left = depth ? tree_from_leaves(depth - 1) : NULL;
    struct branch *right = depth ? tree_from_leaves(depth - 1) : NULL;
    struct branch *root = branch_new();
    root->left = left;
    root->right = right;
    return root;
}

static uint64_t count(const struct branch *node)
{
    return node->left ? 1 + count(node->left) + count(node->right) : 1;
}

static uint64_t construct(unsigned depth, unsigned stretch_depth)
{
    uint64_t trees = 2 * nodes_of(stretch_depth) / nodes_of(depth);
    for (uint64_t i = 0; i < trees; i++) {
        struct branch *tree = i % 2 ? tree_from_leaves(depth) : tree_from_root(depth);
        meter_keep(tree);
        tree_drop(tree);
    }
    return trees;
}

static uint64_t run(unsigned max_depth)
{
    size_t numbers = (size_t)500000 << (max_depth > 16 ? max_depth - 16 : 0);
    struct branch *stretch = tree_from_leaves(max_depth + 2);
    meter_keep(stretch);
    tree_drop(stretch);
    struct branch *volatile long_lived = tree_from_root(max_depth);
    double *volatile array = numbers_new(numbers);
    if (!array)
        meter_fail("out of memory");
    for (size_t i = 0; i < numbers / 2; i++)
        array[i] = 1.0 / (double)(i + 1);
    uint64_t check = 0;
    for (unsigned depth = MIN_DEPTH; depth <= max_depth; depth += 2)
        check += construct(depth, max_depth + 2);
    check += count(long_lived) + (array[1000] == 1.0 / 1001);
    tree_drop(long_lived);
    numbers_drop(array);
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

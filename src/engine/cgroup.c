/*
 * cgroup: what the process's control group may have of memory and processors. See cgroup.h.
 *
 * The tree of groups is mounted somewhere and may be seen from a container: /proc/self/mountinfo says where and what
 * part of it, /proc/self/cgroup which group is ours. From there the way goes up to the mount point, since a parent's
 * limit binds as much as one's own.
 *
 * Invariant: paths never outgrow their buffers; a group too deep for them counts as the mount point.
 */
#include "cgroup.h"

#include "files.h"

#include <stdatomic.h>
#include <string.h>

static double parse_decimal(const char *text)
{
    double number = 0, unit = 1;
    for (; *text >= '0' && *text <= '9'; text++)
        number = number * 10 + (*text - '0');
    if (*text == '.')
        for (text++; *text >= '0' && *text <= '9'; text++)
            number += (*text - '0') * (unit /= 10);
    return number;
}

#define PATH_ROOM 1024
#define FILE_ROOM 32 /* of a path: for "/" and the name of a group's file */

typedef enum controller { MEMORY, CPU, CONTROLLERS } controller;
static const char *const controller_name[CONTROLLERS] = {"memory", "cpu"};

typedef struct group_files {
    const char *limits[2], *used, *stat_key;
} group_files;

static const group_files version_1 = {
    {"memory.limit_in_bytes", NULL}, "memory.usage_in_bytes", "total_inactive_file "};
static const group_files version_2 = {{"memory.max", "memory.high"}, "memory.current", "inactive_file "};

/* The tree of groups that has a controller. */
typedef struct group_tree {
    const group_files *files;
    char point[PATH_ROOM / 4]; /* where it is mounted */
    char root[PATH_ROOM / 2];  /* the group that is at the mount point; "" for the tree's own root */
} group_tree;

/* Looked for once: reading the table of mounts is slow where there are many. Written by the thread that took the
 * state from unknown to busy, read only when it is known; who finds it busy looks for himself. */
static group_tree known_tree[CONTROLLERS];
static _Atomic uint32_t tree_state[CONTROLLERS];
enum { TREE_UNKNOWN, TREE_BUSY, TREE_KNOWN };

static char system_root[PATH_ROOM / 4]; /* put before every path; "" but in tests */

/* False, and nothing copied, when it does not fit. */
static bool copy_text(char *to, size_t room, const char *from)
{
    size_t size = strlen(from) + 1;
    if (size > room)
        return false;
    memcpy(to, from, size);
    return true;
}

void exvi_cgroup_root_set(const char *folder)
{
    for (int i = 0; i < CONTROLLERS; i++)
        atomic_store(&tree_state[i], TREE_UNKNOWN);
    if (!copy_text(system_root, sizeof system_root, folder ? folder : ""))
        system_root[0] = '\0';
}

/* Is `word` one of the words in `list`, which commas separate? */
static bool has_word(const char *list, const char *word)
{
    size_t size = strlen(word);
    for (; list; list = strchr(list, ',')) {
        list += *list == ',';
        if (strncmp(list, word, size) == 0 && (list[size] == ',' || list[size] == '\0'))
            return true;
    }
    return false;
}

/* Cut the next field off; a space inside one is written \040 in the table of mounts. */
static char *next_field(char **rest)
{
    char *field = *rest, *to = field, *from = field;
    while (*from && *from != ' ') {
        if (from[0] == '\\' && from[1] && from[2] && from[3]) {
            *to++ = (char)((from[1] - '0') * 64 + (from[2] - '0') * 8 + (from[3] - '0'));
            from += 4;
        } else {
            *to++ = *from++;
        }
    }
    *rest = *from ? from + 1 : from;
    *to = '\0';
    return field;
}

/* A line of mountinfo: number, parent, device, root, mount point, options, optional fields, "-", type, source,
 * options of the file system. False if it is not the memory controller's. */
static bool parse_mount(char *line, controller which, group_tree *tree)
{
    char *type = strstr(line, " - ");
    if (!type)
        return false;
    *type = '\0';
    type += 3;
    bool second = strncmp(type, "cgroup2 ", 8) == 0;
    const char *options = strrchr(type, ' ');
    if (!second && !(strncmp(type, "cgroup ", 7) == 0 && has_word(options + 1, controller_name[which])))
        return false;
    for (int skipped = 0; skipped < 3; skipped++)
        next_field(&line);
    const char *root = next_field(&line);
    tree->files = second ? &version_2 : &version_1;
    return copy_text(tree->root, sizeof tree->root, strcmp(root, "/") == 0 ? "" : root) &&
           copy_text(tree->point, sizeof tree->point, next_field(&line));
}

static bool open_below_root(exvi_lines *in, const char *path)
{
    char whole[PATH_ROOM / 2];
    size_t root = strlen(system_root);
    memcpy(whole, system_root, root);
    return copy_text(whole + root, sizeof whole - root, path) && exvi_lines_open(in, whole);
}

/* The memory controller belongs to one tree: version 1's where that is mounted, otherwise version 2's. */
static bool look_for_tree(controller which, group_tree *tree)
{
    exvi_lines in;
    group_tree found;
    tree->files = NULL;
    if (!open_below_root(&in, "/proc/self/mountinfo"))
        return false;
    for (char *line = exvi_lines_next(&in); line; line = exvi_lines_next(&in)) {
        if (parse_mount(line, which, &found) && (!tree->files || found.files == &version_1))
            *tree = found;
    }
    exvi_lines_close(&in);
    return tree->files != NULL;
}

static bool get_tree(controller which, group_tree *tree)
{
    uint32_t state = TREE_UNKNOWN;
    if (atomic_load(&tree_state[which]) == TREE_KNOWN) {
        *tree = known_tree[which];
        return true;
    }
    if (!look_for_tree(which, tree))
        return false;
    if (atomic_compare_exchange_strong(&tree_state[which], &state, TREE_BUSY)) {
        known_tree[which] = *tree;
        atomic_store(&tree_state[which], TREE_KNOWN);
    }
    return true;
}

/* The path of the process's own group below the mount point, "" for the mount point itself. A group outside of what
 * is mounted (a container's view) is as good as the mount point: its limits are the ones that can be seen. */
static void own_group(controller which, const group_tree *tree, char *path, size_t room)
{
    exvi_lines in;
    path[0] = '\0';
    if (!open_below_root(&in, "/proc/self/cgroup"))
        return;
    for (char *line = exvi_lines_next(&in); line; line = exvi_lines_next(&in)) {
        char *controllers = strchr(line, ':');
        char *group = controllers ? strchr(controllers + 1, ':') : NULL;
        if (!group)
            continue;
        *group++ = '\0';
        controllers++;
        bool ours = tree->files == &version_2 ? *controllers == '\0' : has_word(controllers, controller_name[which]);
        size_t root = strlen(tree->root);
        if (!ours || strncmp(group, tree->root, root) != 0 || (group[root] != '/' && group[root] != '\0'))
            continue;
        group += root;
        if (strcmp(group, "/") != 0 && !strstr(group, "/.."))
            copy_text(path, room, group);
    }
    exvi_lines_close(&in);
}

/* `path` ends at `length` with a group's folder; the file's name is put behind it for the while. */
static bool read_group_file(char *path, size_t length, const char *name, char *text, size_t room)
{
    path[length] = '/';
    bool done = copy_text(path + length + 1, PATH_ROOM - length - 1, name) && exvi_file_read(path, text, room);
    path[length] = '\0';
    return done;
}

static uint64_t read_group_number(char *path, size_t length, const char *name)
{
    char text[64];
    return name && read_group_file(path, length, name, text, sizeof text) ? exvi_number_parse(text) : UINT64_MAX;
}

uint64_t exvi_cgroup_stat(const char *path, const char *key)
{
    exvi_lines in;
    uint64_t number = UINT64_MAX;
    size_t size = strlen(key);
    if (!exvi_lines_open(&in, path))
        return UINT64_MAX;
    for (char *line = exvi_lines_next(&in); line && number == UINT64_MAX; line = exvi_lines_next(&in)) {
        if (strlen(line) > size && memcmp(line, key, size) == 0)
            number = exvi_number_parse(line + size);
    }
    exvi_lines_close(&in);
    return number;
}

/* File pages that the system drops when it needs memory. */
static uint64_t read_droppable(char *path, size_t length, const char *key)
{
    copy_text(path + length, PATH_ROOM - length, "/memory.stat");
    uint64_t bytes = exvi_cgroup_stat(path, key);
    path[length] = '\0';
    return bytes == UINT64_MAX ? 0 : bytes;
}

static uint64_t read_limit(const group_files *files, char *path, size_t length)
{
    const uint64_t no_limit = (uint64_t)1 << 62; /* version 1 says so with a number near 2^63 */
    uint64_t limit = read_group_number(path, length, files->limits[0]);
    uint64_t soft = read_group_number(path, length, files->limits[1]);
    limit = soft < limit ? soft : limit;
    return limit >= no_limit ? UINT64_MAX : limit;
}

/* One group: take its numbers if it leaves less room than those seen so far. False: it has none. */
static bool consider_group(const group_files *files, char *path, size_t length, exvi_cgroup_state *state)
{
    uint64_t used = read_group_number(path, length, files->used);
    uint64_t limit = read_limit(files, path, length);
    if (used == UINT64_MAX)
        return false;
    if (limit == UINT64_MAX) {
        if (state->limit_bytes == 0 && state->used_bytes == 0)
            state->used_bytes = used;
        return true;
    }
    if (used > limit / 4 * 3) { /* only then: reading the group's statistics costs the system some work */
        uint64_t droppable = read_droppable(path, length, files->stat_key);
        used -= droppable < used ? droppable : used;
    }
    uint64_t room = limit > used ? limit - used : 0;
    uint64_t least = state->limit_bytes > state->used_bytes ? state->limit_bytes - state->used_bytes : 0;
    if (state->limit_bytes == 0 || room < least) {
        state->limit_bytes = limit;
        state->used_bytes = used;
    }
    return true;
}

/* The path of the process's group into `path`; `top` is the length of its part above the mount point. */
static bool find_group(controller which, group_tree *tree, char *path, size_t *top)
{
    if (!get_tree(which, tree))
        return false;
    copy_text(path, PATH_ROOM, system_root);
    copy_text(path + strlen(path), PATH_ROOM / 4, tree->point);
    *top = strlen(path);
    own_group(which, tree, path + *top, PATH_ROOM - *top - FILE_ROOM);
    return true;
}

/* Cut to the parent group's path; the length of that. */
static size_t go_up(char *path, size_t length, size_t top)
{
    do
        length--;
    while (length > top && path[length] != '/');
    path[length] = '\0';
    return length;
}

bool exvi_cgroup_read(exvi_cgroup_state *state)
{
    group_tree tree;
    char path[PATH_ROOM], text[256];
    size_t top;
    *state = (exvi_cgroup_state){0};
    if (!find_group(MEMORY, &tree, path, &top))
        return false;
    size_t length = strlen(path);

    if (read_group_file(path, length, "memory.pressure", text, sizeof text)) {
        const char *some = strstr(text, "some avg10=");
        state->pressure_percent = some ? parse_decimal(some + strlen("some avg10=")) : 0;
    }
    bool known = consider_group(tree.files, path, length, state);
    while (length > top) {
        length = go_up(path, length, top);
        known |= consider_group(tree.files, path, length, state);
    }
    return known;
}

static void put_path(char *to, size_t room, const char *group, const char *name)
{
    size_t length = strlen(group);
    if (!copy_text(to, room - FILE_ROOM, group))
        return;
    to[length] = '/';
    copy_text(to + length + 1, room - length - 1, name);
}

size_t exvi_cgroup_levels(exvi_cgroup_level *levels, size_t room)
{
    group_tree tree;
    char path[PATH_ROOM];
    size_t top, count = 0;
    if (!find_group(MEMORY, &tree, path, &top))
        return 0;
    for (size_t length = strlen(path); count < room; length = go_up(path, length, top)) {
        uint64_t limit = read_limit(tree.files, path, length);
        if (limit != UINT64_MAX) {
            exvi_cgroup_level *level = &levels[count++];
            *level = (exvi_cgroup_level){.limit_bytes = limit, .droppable = tree.files->stat_key};
            put_path(level->used, sizeof level->used, path, tree.files->used);
            put_path(level->stat, sizeof level->stat, path, "memory.stat");
        }
        if (length <= top)
            break;
    }
    return count;
}

/* A group's own; 0: none. Version 2 has both numbers in one file, the first of which may be "max". */
static double read_quota(const group_tree *tree, char *path, size_t length)
{
    char text[64];
    if (tree->files == &version_1) {
        uint64_t quota = read_group_number(path, length, "cpu.cfs_quota_us");
        uint64_t period = read_group_number(path, length, "cpu.cfs_period_us");
        return quota == UINT64_MAX || period == UINT64_MAX || period == 0 ? 0 : (double)quota / (double)period;
    }
    if (!read_group_file(path, length, "cpu.max", text, sizeof text))
        return 0;
    const char *second = strchr(text, ' ');
    double period = second ? parse_decimal(second + 1) : 0;
    return period > 0 ? parse_decimal(text) / period : 0;
}

double exvi_cgroup_processors(void)
{
    group_tree tree;
    char path[PATH_ROOM];
    size_t top;
    double least = 0;
    if (!find_group(CPU, &tree, path, &top))
        return 0;
    for (size_t length = strlen(path);; length = go_up(path, length, top)) {
        double quota = read_quota(&tree, path, length);
        if (quota > 0 && (least <= 0 || quota < least))
            least = quota;
        if (length <= top)
            return least;
    }
}

/*
 * room: how much memory may still be added, and how much a search will add. See room.h.
 *
 * The time of a clone is that of copying page tables: about 60 ms for a GB in pages of 4 KiB, a tenth of that in huge
 * ones of 2 MiB. What is not known to be in huge pages is taken for small ones, unless the system makes all pages huge;
 * after the first clone the forecast is scaled by what that took.
 */
#include "room.h"

#include "files.h"
#include "platform.h"

#include <string.h>

#define MIB ((uint64_t)1 << 20)
#define GIB ((uint64_t)1 << 30)
enum { LOOK_AGAIN_NS = 50000000, FIRST_BYTES_PER_OBJECT = 48, GROWTH_LOOKS = 3, MACHINE_LOOKS = 5 };
enum { TELLING_NS = 5000000 }; /* a shorter clone is mostly what any costs, and says nothing of page tables */
#define SMALL_NS_PER_PAGE 230.0
#define HUGE_NS_PER_GIB UINT64_C(6000000)
#define FIRST_WRITTEN_PER_S (128.0 * (double)MIB)

static const char of_group[] = "control group", of_machine[] = "free memory", of_addresses[] = "address space";

/* ---------------------------------------------------------- what is there */

/* The number behind a key in a text of lines. */
static uint64_t number_of(const char *text, const char *key)
{
    size_t size = strlen(key);
    for (const char *line = text; line; line = strchr(line, '\n')) {
        line += *line == '\n';
        if (strncmp(line, key, size) == 0)
            return exvi_number_parse(line + size);
    }
    return UINT64_MAX;
}

static uint64_t kib_of(const char *text, const char *key)
{
    uint64_t kib = number_of(text, key);
    return kib > UINT64_MAX / 1024 ? UINT64_MAX : kib * 1024;
}

static bool is_all_huge(void)
{
    char text[64];
    return exvi_file_read("/sys/kernel/mm/transparent_hugepage/enabled", text, sizeof text) &&
           strncmp(text, "[always]", 8) == 0;
}

static void look_at_process(exvi_room *room)
{
    char text[2048];
    uint64_t now = exvi_clock_ns();
    if (room->looked_ns != 0 && now - room->looked_ns < LOOK_AGAIN_NS)
        return;
    room->looked_ns = now;
    if (!exvi_file_read("/proc/self/status", text, sizeof text))
        return;
    uint64_t private = kib_of(text, "RssAnon:"), tables = kib_of(text, "VmPTE:"), mapped = kib_of(text, "VmSize:");
    room->private_bytes = private == UINT64_MAX ? exvi_resident_bytes() : private;
    room->table_bytes = tables == UINT64_MAX ? room->private_bytes / (exvi_page_size() / sizeof(void *)) : tables;
    room->mapped_bytes = mapped == UINT64_MAX ? 0 : mapped;
    room->all_huge = exvi_huge_page_size() == EXVI_HUGE_PAGE && is_all_huge();
}

static uint64_t level_room(const exvi_cgroup_level *level, uint64_t used, uint64_t enough)
{
    uint64_t left = level->limit_bytes > used ? level->limit_bytes - used : 0;
    if (left >= enough)
        return left;
    uint64_t droppable = exvi_cgroup_stat(level->stat, level->droppable); /* costs the system some work */
    return droppable == UINT64_MAX ? left : left + (droppable < used ? droppable : used);
}

static uint64_t free_memory(exvi_watch *watch)
{
    char text[1024];
    if (!exvi_file_read("/proc/meminfo", text, sizeof text))
        return UINT64_MAX;
    watch->machine_bytes = kib_of(text, "MemTotal:");
    return kib_of(text, "MemAvailable:");
}

/* Never so near to a limit, whatever is forecast. */
static uint64_t margin_under(uint64_t limit_bytes)
{
    uint64_t share = limit_bytes / 32;
    return share < 8 * MIB ? 8 * MIB : share > 256 * MIB ? 256 * MIB : share;
}

static void take_least(uint64_t *least, const char **which, uint64_t bytes, const char *name)
{
    if (bytes < *least) {
        *least = bytes;
        *which = name;
    }
}

static uint64_t room_under_groups(exvi_watch *watch, uint64_t wanted)
{
    uint64_t least = UINT64_MAX;
    watch->levels = exvi_cgroup_levels(watch->level, EXVI_WATCHED_LEVELS);
    for (size_t i = 0; i < watch->levels; i++) {
        const exvi_cgroup_level *level = &watch->level[i];
        char text[64];
        uint64_t margin = margin_under(level->limit_bytes);
        if (!exvi_file_read(level->used, text, sizeof text))
            continue;
        uint64_t left = level_room(level, exvi_number_parse(text), wanted + margin);
        left = left > margin ? left - margin : 0;
        least = left < least ? left : least;
    }
    return least;
}

/* `wanted`: as much is enough to know of. */
static uint64_t room_under_limits(exvi_watch *watch, uint64_t wanted, const char **of_what)
{
    uint64_t least = UINT64_MAX;
    *of_what = NULL;
    take_least(&least, of_what, room_under_groups(watch, wanted), of_group);
    uint64_t left = free_memory(watch);
    uint64_t margin = margin_under(watch->machine_bytes);
    if (left != UINT64_MAX)
        take_least(&least, of_what, left > margin ? left - margin : 0, of_machine);
    return least;
}

uint64_t exvi_room_bytes(const char **of_what)
{
    exvi_watch watch = {0};
    return room_under_limits(&watch, UINT64_MAX / 2, of_what);
}

/* -------------------------------------------------------------- forecasts */

static uint64_t clone_ns(const exvi_room *room, uint64_t huge_bytes)
{
    uint64_t huge = huge_bytes < room->private_bytes ? huge_bytes : room->private_bytes;
    if (room->clone_share == 0 && room->all_huge) /* before the first; later ones tell by their time */
        huge = room->private_bytes;
    double ns = (double)huge / (double)GIB * (double)HUGE_NS_PER_GIB +
                (double)(room->private_bytes - huge) / (double)exvi_page_size() * SMALL_NS_PER_PAGE;
    return (uint64_t)(ns * (room->clone_share > 0 ? room->clone_share : 1));
}

exvi_forecast exvi_room_forecast(exvi_room *room, const exvi_search_plan *plan)
{
    look_at_process(room);
    double per_object = room->bytes_per_object > 0 ? room->bytes_per_object : FIRST_BYTES_PER_OBJECT;
    double per_s = room->written_per_s > 0 ? room->written_per_s : FIRST_WRITTEN_PER_S;
    double written = per_s * (double)plan->expected_ns / 1e9;
    exvi_forecast forecast = {
        .page_table_bytes = room->table_bytes,
        .written_bytes = written < (double)room->private_bytes ? (uint64_t)written : room->private_bytes,
        .search_bytes = (uint64_t)(per_object * (double)plan->objects),
        .clone_ns = clone_ns(room, plan->huge_bytes),
    };
    room->forecast_clone_ns = forecast.clone_ns;
    return forecast;
}

bool exvi_room_allows(exvi_room *room, const exvi_forecast *forecast, exvi_watch *watch, const char **why)
{
    uint64_t added = forecast->page_table_bytes + forecast->written_bytes + forecast->search_bytes;
    uint64_t addresses = exvi_address_limit();
    *why = of_addresses; /* the child's, which begin as the program's */
    if (addresses != UINT64_MAX && room->mapped_bytes + forecast->search_bytes > addresses)
        return false;
    return room_under_limits(watch, added, why) >= added;
}

/* --------------------------------------------------------------- learning */

static double smooth(double known, double seen)
{
    return known > 0 ? (known * 3 + seen) / 4 : seen;
}

void exvi_room_began(exvi_room *room, uint64_t ns)
{
    room->started_ns = exvi_clock_ns();
    room->started_faults = exvi_page_faults();
    if (room->forecast_clone_ns >= TELLING_NS) {
        double share = (double)ns / (double)room->forecast_clone_ns * (room->clone_share > 0 ? room->clone_share : 1);
        room->clone_share = smooth(room->clone_share, share < 0.01 ? 0.01 : share > 100 ? 100 : share);
    }
}

/* A minor fault is a copy or a fresh page at most. */
void exvi_room_ended(exvi_room *room, uint64_t objects, uint64_t child_bytes)
{
    uint64_t ns = exvi_clock_ns() - room->started_ns;
    if (room->started_ns == 0 || ns == 0)
        return;
    double written = (double)(exvi_page_faults() - room->started_faults) * (double)exvi_page_size();
    room->written_per_s = smooth(room->written_per_s, written * 1e9 / (double)ns + 1);
    if (objects > 0)
        room->bytes_per_object = smooth(room->bytes_per_object, (double)child_bytes / (double)objects + 1);
    room->started_ns = 0;
}

/* ------------------------------------------------------------ in the child */

static void open_files(exvi_watch *watch)
{
    for (size_t i = 0; i < watch->levels; i++)
        watch->used[i] = exvi_file_open(watch->level[i].used);
    watch->free_memory = exvi_file_open("/proc/meminfo");
    for (size_t i = 0; i <= EXVI_WATCHED_LEVELS; i++) {
        watch->seen[i] = UINT64_MAX;
        watch->largest_growth[i] = 0;
    }
}

/* Less than the margin is left, or than what was used up between three looks. */
static bool is_near(exvi_watch *watch, size_t which, uint64_t left, uint64_t limit_bytes)
{
    uint64_t before = watch->seen[which], growth = before != UINT64_MAX && before > left ? before - left : 0;
    watch->seen[which] = left;
    if (growth > watch->largest_growth[which])
        watch->largest_growth[which] = growth;
    return left < margin_under(limit_bytes) || left < GROWTH_LOOKS * watch->largest_growth[which];
}

/* No function of the C library: keys are compared by hand. */
static uint64_t available_kib(const char *text)
{
    static const char key[] = "MemAvailable:";
    for (const char *at = text; *at; at++) {
        size_t same = 0;
        while (key[same] && at[same] == key[same])
            same++;
        if (!key[same])
            return exvi_number_parse(at + same);
    }
    return UINT64_MAX;
}

bool exvi_room_is_tight(exvi_watch *watch)
{
    if (watch->looks++ == 0)
        open_files(watch);
    for (size_t i = 0; i < watch->levels; i++) {
        const exvi_cgroup_level *level = &watch->level[i];
        if (watch->used[i] < 0 || !exvi_file_again(watch->used[i], watch->text, sizeof watch->text))
            continue;
        uint64_t used = exvi_number_parse(watch->text);
        if (used != UINT64_MAX && is_near(watch, i, level_room(level, used, 2 * margin_under(level->limit_bytes)),
                                          level->limit_bytes))
            return true;
    }
    if (watch->looks % MACHINE_LOOKS != 1 || watch->free_memory < 0 ||
        !exvi_file_again(watch->free_memory, watch->text, sizeof watch->text))
        return false;
    uint64_t kib = available_kib(watch->text);
    return kib != UINT64_MAX && is_near(watch, EXVI_WATCHED_LEVELS, kib * 1024, watch->machine_bytes);
}

/*
 * room: how much memory may still be added before somebody is killed for it, and how much a search will add.
 *
 * A search beside the program costs memory that a collection in place does not: page tables, a copy of each page that
 * is written meanwhile, what dies meanwhile, and what the child itself needs. Before each clone the parent asks whether
 * that fits; while it runs, the child looks again and again, and ends itself before a limit is reached. So the system's
 * killer never has a reason to come, which may take the program and not the child, or both.
 *
 * Limits are those of the control group and of each group above it, of the machine's free memory, and RLIMIT_AS.
 *
 * Invariant: an estimate that is wrong costs a search, never the program: the child's own look is by what is there.
 */
#ifndef EXVI_ROOM_H
#define EXVI_ROOM_H

#include "cgroup.h"

#include <stdbool.h>
#include <stdint.h>

/* What a search will add, at most, and how long the clone will stop the program. */
typedef struct exvi_forecast {
    uint64_t page_table_bytes; /* of all private memory, not the heap's alone */
    uint64_t written_bytes;    /* pages that the program writes while the child has them, too, or takes since what
                                  dies meanwhile is not freed yet: either costs it a page fault */
    uint64_t search_bytes;     /* the child's own, its answer included */
    uint64_t clone_ns;
} exvi_forecast;

/* What the one who wants to search knows. Zero: unknown. */
typedef struct exvi_search_plan {
    uint64_t objects;       /* to search */
    uint64_t expected_ns;   /* how long the child will be up */
    uint64_t huge_bytes;    /* of the process's memory, known to be in huge pages */
} exvi_search_plan;

/* Learned from search to search. One for each process that searches; zeroed at first. */
typedef struct exvi_room {
    double written_per_s;    /* bytes of pages copied */
    double bytes_per_object; /* of the child's own memory */
    double clone_share;      /* of a clone's real time to the forecast one */
    uint64_t started_ns, started_faults, forecast_clone_ns;
    uint64_t looked_ns;      /* when the memory was looked at last, */
    uint64_t private_bytes, table_bytes, mapped_bytes; /* and what it was */
    bool all_huge;           /* the system makes huge pages of all memory that it can */
} exvi_room;

enum { EXVI_WATCHED_LEVELS = 4 };

/* The limits that were found when a search was allowed, and what its child needs to keep an eye on them: 9 KiB, of the
 * one who clones, and, copied, of the child. Zeroed at first. */
typedef struct exvi_watch {
    exvi_cgroup_level level[EXVI_WATCHED_LEVELS];
    size_t levels;
    uint64_t machine_bytes;
    unsigned looks;                         /* the rest is the child's */
    int used[EXVI_WATCHED_LEVELS], free_memory;     /* descriptors */
    uint64_t seen[EXVI_WATCHED_LEVELS + 1]; /* the room at the last look */
    uint64_t largest_growth[EXVI_WATCHED_LEVELS + 1];
    char text[512];                         /* its stack may be nearly used up */
} exvi_watch;

exvi_forecast exvi_room_forecast(exvi_room *room, const exvi_search_plan *plan);

/* Does that fit? *watch becomes what the child is to watch. *why names the limit that it does not fit under: "control
 * group", "free memory", "address space". */
bool exvi_room_allows(exvi_room *room, const exvi_forecast *forecast, exvi_watch *watch, const char **why);

/* A clone was made, and took so long; the search has ended, and its child had so much memory of its own. */
void exvi_room_began(exvi_room *room, uint64_t clone_ns);
void exvi_room_ended(exvi_room *room, uint64_t objects, uint64_t child_bytes);

/* In the child: end now? It may be asked in a signal handler, and makes raw system calls only. It keeps some files
 * open. */
bool exvi_room_is_tight(exvi_watch *watch);

/* Bytes that may still be added under the tightest limit, and which; UINT64_MAX: there is none that is known. */
uint64_t exvi_room_bytes(const char **of_what);

#endif

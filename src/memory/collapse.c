/*
 * collapse: see collapse.h.
 */
#include "collapse.h"

#include "arena.h"
#include "die.h"

enum { REST = 4, STEP_NS = 1000000 }; /* times as long as the work took, in steps of so much */
static const size_t FIRST_ROOM = 256;

static bool grow(exvi_collapser *collapser)
{
    size_t room = collapser->room ? 2 * collapser->room : FIRST_ROOM;
    void **page = exvi_map_larger(collapser->page, collapser->room * sizeof *page, room * sizeof *page);
    if (!page)
        return false;
    collapser->page = page;
    collapser->room = room;
    return true;
}

bool exvi_collapser_add(exvi_collapser *collapser, void *page)
{
    if (collapser->started || (collapser->count == collapser->room && !grow(collapser)))
        return false;
    collapser->page[collapser->count++] = page;
    return true;
}

/* While a page is joined, every page fault of the program waits. */
static void rest(const exvi_collapser *collapser, uint64_t ns)
{
    for (uint64_t until = exvi_clock_ns() + ns; !atomic_load(&collapser->halted) && exvi_clock_ns() < until;)
        exvi_sleep_ns(STEP_NS);
}

static void work(void *arg)
{
    exvi_collapser *collapser = arg;
    for (size_t i = 0; i < collapser->count && !atomic_load(&collapser->halted); i++) {
        uint64_t start = exvi_clock_ns();
        if (exvi_collapse(collapser->page[i], EXVI_HUGE_PAGE) == EXVI_COLLAPSE_REFUSED)
            break;
        rest(collapser, REST * (exvi_clock_ns() - start));
    }
    atomic_store(&collapser->finished, true);
}

bool exvi_collapser_start(exvi_collapser *collapser)
{
    exv_assert(!collapser->started);
    atomic_store(&collapser->halted, false);
    atomic_store(&collapser->finished, false);
    collapser->started = collapser->count > 0 && exvi_worker_start(&collapser->worker, work, collapser);
    return collapser->started;
}

bool exvi_collapser_is_busy(const exvi_collapser *collapser)
{
    return collapser->started && !atomic_load(&collapser->finished);
}

void exvi_collapser_halt(exvi_collapser *collapser)
{
    atomic_store(&collapser->halted, true);
}

void exvi_collapser_end(exvi_collapser *collapser)
{
    exvi_collapser_halt(collapser);
    if (collapser->started)
        exvi_worker_wait(&collapser->worker);
    if (collapser->room)
        exvi_unmap(collapser->page, collapser->room * sizeof *collapser->page);
    collapser->started = false;
    collapser->page = NULL;
    collapser->count = collapser->room = 0;
}

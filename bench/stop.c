/*
 * stop: how long does a collection in the background stop the program, against the same one in place?
 *
 * Before each collection `dead` objects are made unreachable, in rings of `ring` objects. While one is in flight
 * the program works on: it rewrites random live objects (each first write to a page is a copy), creates and drops
 * objects, and polls at every turn. Two measures: what the calls into the library took (start and poll), and an
 * outside clock, read at every turn, whose longest gap contains those calls, the page copies, and what the machine
 * itself did. `idle` runs the same work without a collection for as long as the last flight: the gap it shows is
 * the machine's own.
 *
 * Commands: inplace, background, idle. Options: objects, order, dead, ring (dead: one large component), write
 * (live objects rewritten at each turn).
 */
#include "meter.h"
#include "pair.h"

#include <string.h>

struct service {
    exv_heap *heap;
    struct pair **nodes;
    size_t objects, dead, ring, write;
    uint64_t random;
    uint64_t flight_ns; /* of the last flight */
    exv_record record;  /* of the last collection */
};

struct stops {
    uint64_t start_ns, poll_max_ns, poll_total_ns, gap_max_ns;
    uint64_t turns;
};

static void keep_record(exv_heap *heap, const exv_record *record, void *arg)
{
    (void)heap;
    ((struct service *)arg)->record = *record;
}

static uint64_t longest(uint64_t a, uint64_t b)
{
    return a > b ? a : b;
}

static void work(struct service *service)
{
    for (size_t i = 0; i < service->write; i++) {
        struct pair *live = service->nodes[meter_random(&service->random) % service->objects];
        struct pair *left = live->left;
        live->left = live->right;
        live->right = left;
    }
    struct pair *temporary = exv_new(service->heap, &pair_type);
    if (!temporary)
        meter_fail("out of memory");
    temporary->left = exv_incref(service->nodes[meter_random(&service->random) % service->objects]);
    exv_decref(temporary);
}

static void report(const struct service *service, const struct stops *stops, uint64_t faults)
{
    meter_number("start_ns", stops->start_ns);
    meter_number("poll_max_ns", stops->poll_max_ns);
    meter_number("poll_total_ns", stops->poll_total_ns);
    meter_number("gap_max_ns", stops->gap_max_ns);
    meter_number("turns", stops->turns);
    meter_number("flight_ns", service->flight_ns);
    meter_number("faults", faults);
    meter_number("clone_ns", service->record.clone_ns);
    meter_number("child_ns", service->record.child_ns);
    meter_number("proof_ns", service->record.proof_ns);
    meter_number("free_ns", service->record.free_ns);
    meter_number("longest_ns", service->record.longest_ns);
    meter_number("candidates", service->record.candidates);
    meter_number("background", service->record.background);
}

static void collect_in_background(struct service *service)
{
    struct stops stops = {0};
    size_t found = 0;
    uint64_t faults = meter_minor_faults();
    uint64_t begin = meter_now_ns();
    if (exv_collect_start(service->heap) != EXV_OK)
        meter_fail(exv_error_message(service->heap));
    uint64_t last = meter_now_ns();
    stops.start_ns = stops.gap_max_ns = last - begin;
    exv_progress progress;
    do {
        work(service);
        uint64_t before = meter_now_ns();
        progress = exv_collect_poll(service->heap, &found);
        uint64_t now = meter_now_ns();
        stops.poll_max_ns = longest(stops.poll_max_ns, now - before);
        stops.poll_total_ns += now - before;
        stops.gap_max_ns = longest(stops.gap_max_ns, now - last);
        stops.turns++;
        last = now;
    } while (progress == EXV_FLIGHT);
    service->flight_ns = last - begin;
    meter_open();
    meter_number("found", found);
    report(service, &stops, meter_minor_faults() - faults);
    meter_number("page_table_bytes", meter_status_bytes("VmPTE"));
    meter_close();
}

static void collect_in_place(struct service *service)
{
    uint64_t begin = meter_now_ns();
    size_t found = exv_collect(service->heap, 2);
    uint64_t ns = meter_now_ns() - begin;
    meter_open();
    meter_number("ns", ns);
    meter_number("found", found);
    meter_number("proof_ns", service->record.proof_ns);
    meter_number("free_ns", service->record.free_ns);
    meter_close();
}

static void work_without_collection(struct service *service)
{
    uint64_t begin = meter_now_ns(), last = begin, gap = 0;
    uint64_t turns = 0;
    while (last - begin < service->flight_ns) {
        work(service);
        uint64_t now = meter_now_ns();
        gap = longest(gap, now - last);
        last = now;
        turns++;
    }
    meter_open();
    meter_number("gap_max_ns", gap);
    meter_number("turns", turns);
    meter_close();
}

int main(int argc, char **argv)
{
    struct service service = {.heap = exv_heap_new(NULL), .random = 7, .flight_ns = 100000000};
    service.objects = meter_option(argc, argv, "objects", 10000000);
    service.dead = meter_option(argc, argv, "dead", 100000);
    service.ring = meter_option(argc, argv, "ring", 4);
    service.write = meter_option(argc, argv, "write", 4);
    bool shuffled = strcmp(meter_option_text(argc, argv, "order", "shuffled"), "shuffled") == 0;
    exv_gc_disable(service.heap);
    exv_set_listener(service.heap, keep_record, &service);
    struct pair *root = pair_graph_new(service.heap, service.objects, shuffled, &service.nodes);
    exv_collect(service.heap, 2);
    meter_open();
    meter_text("name", "exuvia");
    meter_text("version", exv_version());
    meter_close();

    char command[64];
    while (meter_command(command, sizeof command)) {
        if (strcmp(command, "idle") == 0) {
            work_without_collection(&service);
            continue;
        }
        pair_make_garbage(service.heap, service.dead, service.ring);
        if (strcmp(command, "background") == 0)
            collect_in_background(&service);
        else
            collect_in_place(&service);
    }
    exv_decref(root);
    return 0;
}

/* The limit of latency: what is left of the whole way when there is no gateway, no claim, no output and no recovery.
 *
 *   pipeline LIBRARY BOOTSTRAP TOPIC EVENTS RATE WARM_UP BLOCK_EVENTS IN_FLIGHT [KEY=VALUE ...]
 *
 * A source fills 64-byte slots of a ring, a writer gives runs of them to librdkafka from where they lie, a reader applies what is
 * acknowledged: a thread each. Event k is due at start + k / RATE, and its latency counts from then until it is applied; with RATE 0 each
 * is sent when the one before it is applied, and counts from then. WARM_UP payments go first, as fast as they go. */
#include "librdkafka.h"
#include "payments.h"
#include <pthread.h>
#include <sched.h>
#include <stdatomic.h>
#include <sys/prctl.h>

#define SLOTS (1u << 16)
#define AT_ONCE 256
#define NAP_NS 20000

static slot *ring;
static outcome all;
static _Alignas(128) atomic_uint_fast64_t published;
static _Alignas(128) atomic_uint_fast64_t durable;
static _Alignas(128) atomic_uint_fast64_t applied;
static uint64_t events, warm_up, total, block;
static double gap_ns;
static int most, in_flight;
static int64_t *took, start_ns, end_ns;
static void *client, *topic;

/* Patience grows from a spin to a nap; the same for all three. */
static void wait_a_moment(unsigned *turns) {
    if (++*turns < 64) __asm__ volatile("" ::: "memory");
    else if (*turns < 128) sched_yield();
    else nanosleep(&(struct timespec){ 0, NAP_NS }, 0);
}

static int64_t due_ns(uint64_t k) { return start_ns + (int64_t)((double)(k - warm_up) * gap_ns); }

static uint64_t allowed(uint64_t next) {
    uint64_t done = atomic_load_explicit(&applied, memory_order_acquire), end = next < warm_up ? warm_up : total;
    if (next == warm_up && !start_ns) {
        if (done < warm_up) return next;
        start_ns = now_ns();
    }
    if (next >= warm_up && gap_ns == 0) end = done + 1;
    else if (next >= warm_up) {
        uint64_t due = warm_up + (uint64_t)((double)(now_ns() - start_ns) / gap_ns) + 1;
        if (due < end) end = due;
    }
    if (end > done + SLOTS) end = done + SLOTS;
    if (end > total) end = total;
    return end;
}

static void *source(void *unused) {
    unsigned turns = 0;
    for (uint64_t next = 0; next < total; ) {
        uint64_t end = allowed(next);
        if (end <= next) { wait_a_moment(&turns); continue; }
        turns = 0;
        if (end > next + AT_ONCE) end = next + AT_ONCE;
        if (gap_ns == 0 && next >= warm_up) took[next - warm_up] = now_ns();
        for (; next < end; next++) make_payment(&ring[next % SLOTS], next);
        atomic_store_explicit(&published, next, memory_order_release);
    }
    return unused;
}

static void on_delivery(void *unused, const message *record, void *opaque) {
    (void)unused; (void)opaque;
    if (record->err) fail("delivery", "failed");
    in_flight--;
    atomic_store_explicit(&durable, (uint64_t)record->_private, memory_order_release);
}

static void *writer(void *unused) {
    unsigned turns = 0;
    for (uint64_t next = 0; next < total || in_flight; ) {
        uint64_t count = atomic_load_explicit(&published, memory_order_acquire) - next, straight = SLOTS - next % SLOTS;
        if (count > block) count = block;
        if (count > straight) count = straight;
        if (count && in_flight < most) {
            turns = 0;
            while (rd_kafka_produce(topic, 0, 0, &ring[next % SLOTS], count * sizeof(slot), 0, 0, (void *)(next + count)))
                rd_kafka_poll(client, 1);
            next += count;
            in_flight++;
            rd_kafka_poll(client, 0);
        } else {
            int full = in_flight >= most;
            if (!rd_kafka_poll(client, full) && !full) wait_a_moment(&turns);
        }
    }
    return unused;
}

static void *reader(void *unused) {
    unsigned turns = 0;
    for (uint64_t next = 0; next < total; ) {
        uint64_t end = atomic_load_explicit(&durable, memory_order_acquire);
        if (end <= next) { wait_a_moment(&turns); continue; }
        turns = 0;
        uint64_t first = next;
        for (; next < end; next++) apply_payment(&all, &ring[next % SLOTS]);
        end_ns = now_ns();
        for (uint64_t k = first < warm_up ? warm_up : first; k < end; k++)
            took[k - warm_up] = end_ns - (gap_ns == 0 ? took[k - warm_up] : due_ns(k));
        atomic_store_explicit(&applied, next, memory_order_release);
    }
    return unused;
}

static int ascending(const void *a, const void *b) {
    int64_t x = *(const int64_t *)a, y = *(const int64_t *)b;
    return (x > y) - (x < y);
}

/* In microseconds, the least time that so many percent are not above. */
static double percentile(double percent) {
    uint64_t rank = (uint64_t)((double)events * percent / 100);
    if ((double)rank * 100 < (double)events * percent) rank++;
    return (double)took[rank ? rank - 1 : 0] * 1e-3;
}

int main(int argc, char **argv) {
    if (argc < 9) fail("usage", "pipeline LIBRARY BOOTSTRAP TOPIC EVENTS RATE WARM_UP BLOCK_EVENTS IN_FLIGHT [KEY=VALUE ...]");
    events = strtoull(argv[4], 0, 10);
    double rate = atof(argv[5]);
    warm_up = strtoull(argv[6], 0, 10);
    block = strtoull(argv[7], 0, 10);
    most = atoi(argv[8]);
    if (!events || !block || most < 1) fail("usage", "at least one event, a block of one, one in flight");
    total = warm_up + events;
    gap_ns = rate > 0 ? 1e9 / rate : 0;
    load(argv[1]);
    client = new_producer(argv[2], on_delivery, argc, argv, 9);
    topic = rd_kafka_topic_new(client, argv[3], 0);
    ring = aligned_alloc(4096, SLOTS * sizeof(slot));
    took = malloc(events * sizeof *took);
    if (!ring || !took) fail("memory", "not enough for ring and times");
    memset(ring, 0, SLOTS * sizeof(slot));
    memset(took, 0, events * sizeof *took);
    prctl(PR_SET_TIMERSLACK, 1);
    pthread_t threads[3];
    void *(*bodies[3])(void *) = { source, writer, reader };
    for (int k = 0; k < 3; k++)
        if (pthread_create(&threads[k], 0, bodies[k], 0)) fail("threads", "cannot be made");
    for (int k = 0; k < 3; k++) pthread_join(threads[k], 0);
    qsort(took, events, sizeof *took, ascending);
    printf("{\"seconds\": %.9f, \"events\": %" PRIu64 ", \"sum\": %" PRIu64 ", \"checksum\": %" PRIu64
           ", \"p50\": %.3f, \"p90\": %.3f, \"p99\": %.3f, \"p99.9\": %.3f, \"p99.99\": %.3f}\n",
           (double)(end_ns - start_ns) * 1e-9, all.count, all.sum, checksum(&all), percentile(50), percentile(90), percentile(99),
           percentile(99.9), percentile(99.99));
    fflush(stdout);
    _exit(0);
}

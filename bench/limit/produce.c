/* The limit of durable events/s: blocks of 64-byte events, made beforehand, given to librdkafka from where they lie. No ring, no logic.
 *
 *   produce LIBRARY BOOTSTRAP TOPIC EVENTS BLOCK_EVENTS IN_FLIGHT WARM_UP [KEY=VALUE ...]
 *
 * The clock runs from the first block handed over to the last one acknowledged. WARM_UP records before it, whose length is
 * no multiple of an event's, warm up connection and broker. Blocks of 1 are made as input for others: their key is the account, as text. */
#include "librdkafka.h"
#include "payments.h"

#define WARM_UP_BYTES 65535

static uint64_t acknowledged;
static int in_flight;
static int64_t next_offset = -1;

static void on_delivery(void *client, const message *record, void *opaque) {
    (void)client; (void)opaque;
    if (record->err) fail("delivery", "failed");
    if (next_offset >= 0 && record->offset != next_offset) fail("delivery", "at another offset than the next one");
    next_offset = record->offset + 1;
    in_flight--;
    acknowledged += (uint64_t)record->_private;
}

int main(int argc, char **argv) {
    if (argc < 8) fail("usage", "produce LIBRARY BOOTSTRAP TOPIC EVENTS BLOCK_EVENTS IN_FLIGHT WARM_UP [KEY=VALUE ...]");
    uint64_t events = strtoull(argv[4], 0, 10), block = strtoull(argv[5], 0, 10), blocks = 0;
    int most = atoi(argv[6]);
    load(argv[1]);
    void *client = new_producer(argv[2], on_delivery, argc, argv, 8);
    void *topic = rd_kafka_topic_new(client, argv[3], 0);
    slot *all = aligned_alloc(4096, (events * sizeof(slot) + WARM_UP_BYTES + 8191) / 4096 * 4096);
    if (!all) fail("memory", "not enough for all events");
    for (uint64_t k = 0; k < events; k++) make_payment(&all[k], k);
    for (int k = 0; k < atoi(argv[7]); k++) {
        while (in_flight >= most) rd_kafka_poll(client, 10);
        if (rd_kafka_produce(topic, 0, 0, all, WARM_UP_BYTES, 0, 0, 0)) fail("produce", "failed");
        in_flight++;
    }
    while (in_flight) rd_kafka_poll(client, 10);
    int64_t start = now_ns();
    for (uint64_t done = 0; done < events; blocks++) {
        uint64_t count = events - done < block ? events - done : block;
        while (in_flight >= most) rd_kafka_poll(client, 10);
        char account[16];
        size_t key = block == 1 ? (size_t)snprintf(account, sizeof account, "%u", all[done].account) : 0;
        while (rd_kafka_produce(topic, 0, 0, &all[done], count * sizeof(slot), key ? account : 0, key, (void *)count))
            rd_kafka_poll(client, 1);
        in_flight++;
        done += count;
        rd_kafka_poll(client, 0);
    }
    while (in_flight) rd_kafka_poll(client, 10);
    double seconds = (now_ns() - start) * 1e-9;
    printf("{\"seconds\": %.9f, \"events\": %" PRIu64 ", \"blocks\": %" PRIu64 "}\n", seconds, acknowledged, blocks);
    fflush(stdout);
    _exit(0);
}

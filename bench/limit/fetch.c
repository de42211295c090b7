/* The limit of replay, and the check of what was produced: reads a topic from its first offset to the end that it has at the start.
 *
 *   fetch LIBRARY BOOTSTRAP TOPIC bare|apply SKIP SLOT_BYTES [KEY=VALUE ...]
 *
 * SKIP bytes in front of a record's events are passed over; records whose rest is no multiple of SLOT_BYTES hold no events. `bare` only
 * counts; `apply` makes the balances of bench/payments.py of them. The clock runs from the first fetch, the
 * connection being made, to the last record. */
#include "librdkafka.h"
#include "payments.h"

#define AT_ONCE 32

int main(int argc, char **argv) {
    if (argc < 7) fail("usage", "fetch LIBRARY BOOTSTRAP TOPIC bare|apply SKIP SLOT_BYTES [KEY=VALUE ...]");
    int apply = !strcmp(argv[4], "apply");
    size_t skip = strtoull(argv[5], 0, 10), slot_bytes = strtoull(argv[6], 0, 10);
    static outcome all;
    static message *records[AT_ONCE];
    char error[512];
    load(argv[1]);
    void *conf = rd_kafka_conf_new();
    set(conf, "bootstrap.servers", argv[2]);
    set(conf, "fetch.message.max.bytes", "8388608");
    set(conf, "queued.max.messages.kbytes", "131072");
    set(conf, "queued.min.messages", "100000");
    set(conf, "fetch.wait.max.ms", "10");
    set_all(conf, argc, argv, 7);
    void *client = rd_kafka_new(1, conf, error, sizeof error);
    if (!client) fail("consumer", error);
    int64_t low, high, position, start;
    if (rd_kafka_query_watermark_offsets(client, argv[3], 0, &low, &high, 30000)) fail("the topic's end", "is not to be had");
    void *topic = rd_kafka_topic_new(client, argv[3], 0);
    start = now_ns();
    if (rd_kafka_consume_start(topic, 0, low)) fail("consume_start", "failed");
    uint64_t bytes = 0, others = 0;
    for (position = low; position < high; ) {
        /* It waits until there are as many as were asked for: never for more than there are. */
        ptrdiff_t got = rd_kafka_consume_batch(topic, 0, 100, records, high - position < AT_ONCE ? high - position : AT_ONCE);
        if (got < 0) fail("consume", "failed");
        for (ptrdiff_t k = 0; k < got; k++) {
            message *record = records[k];
            if (record->err) fail("consume", "a record came as an error");
            if (record->offset != position) fail("consume", "a record is missing");
            position = record->offset + 1;
            bytes += record->len;
            if (record->len <= skip || (record->len - skip) % slot_bytes) others++;
            else if (!apply) all.count += (record->len - skip) / slot_bytes;
            else
                for (size_t at = skip; at < record->len; at += slot_bytes) {
                    const slot *event = (const slot *)((char *)record->payload + at);
                    if (event->type == 1 && event->account < ACCOUNTS) apply_payment(&all, event);
                }
            rd_kafka_message_destroy(record);
        }
    }
    double seconds = (now_ns() - start) * 1e-9;
    printf("{\"seconds\": %.9f, \"events\": %" PRIu64 ", \"sum\": %" PRIu64 ", \"checksum\": %" PRIu64 ", \"bytes\": %" PRIu64
           ", \"records\": %" PRId64 ", \"without_events\": %" PRIu64 "}\n",
           seconds, all.count, all.sum, checksum(&all), bytes, high - low, others);
    fflush(stdout);
    _exit(0);
}

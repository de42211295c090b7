/* The few functions of librdkafka's stable C API that the limits use, found by dlsym in the library that
 * confluent-kafka ships (without headers). */
#pragma once
#define _GNU_SOURCE
#include <dlfcn.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

typedef struct {
    int err; void *rkt; int32_t partition; void *payload; size_t len; void *key; size_t key_len; int64_t offset; void *_private;
} message;

static void *(*rd_kafka_conf_new)(void);
static int (*rd_kafka_conf_set)(void *, const char *, const char *, char *, size_t);
static void (*rd_kafka_conf_set_dr_msg_cb)(void *, void (*)(void *, const message *, void *));
static void *(*rd_kafka_new)(int, void *, char *, size_t);
static void *(*rd_kafka_topic_new)(void *, const char *, void *);
static int (*rd_kafka_produce)(void *, int32_t, int, void *, size_t, const void *, size_t, void *);
static int (*rd_kafka_poll)(void *, int);
static int (*rd_kafka_last_error)(void);
static int (*rd_kafka_query_watermark_offsets)(void *, const char *, int32_t, int64_t *, int64_t *, int);
static int (*rd_kafka_consume_start)(void *, int32_t, int64_t);
static ptrdiff_t (*rd_kafka_consume_batch)(void *, int32_t, int, message **, size_t);
static void (*rd_kafka_message_destroy)(message *);

static void fail(const char *what, const char *detail) {
    fprintf(stderr, "%s: %s\n", what, detail ? detail : "");
    exit(1);
}

static void load(const char *path) {
    void *library = dlopen(path, RTLD_NOW | RTLD_LOCAL);
    if (!library) fail("dlopen", dlerror());
    #define SYMBOL(name) if (!(*(void **)&name = dlsym(library, #name))) fail("librdkafka lacks", #name);
    SYMBOL(rd_kafka_conf_new) SYMBOL(rd_kafka_conf_set) SYMBOL(rd_kafka_conf_set_dr_msg_cb) SYMBOL(rd_kafka_new)
    SYMBOL(rd_kafka_topic_new) SYMBOL(rd_kafka_produce) SYMBOL(rd_kafka_poll) SYMBOL(rd_kafka_last_error)
    SYMBOL(rd_kafka_query_watermark_offsets) SYMBOL(rd_kafka_consume_start) SYMBOL(rd_kafka_consume_batch)
    SYMBOL(rd_kafka_message_destroy)
    #undef SYMBOL
}

static void set(void *conf, const char *key, const char *value) {
    char error[512];
    if (rd_kafka_conf_set(conf, key, value, error, sizeof error)) fail("setting", error);
}

/* KEY=VALUE arguments from argv[first] on. */
static void set_all(void *conf, int argc, char **argv, int first) {
    for (int k = first; k < argc; k++) {
        char *equals = strchr(argv[k], '=');
        if (!equals) fail("expected KEY=VALUE, found", argv[k]);
        *equals = 0;
        set(conf, argv[k], equals + 1);
        *equals = '=';
    }
}

typedef void (*delivery)(void *, const message *, void *);

/* A producer set as the journal sets its own; argv holds KEY=VALUE from `first` on. */
static inline void *new_producer(const char *bootstrap, delivery on_delivery, int argc, char **argv, int first) {
    char error[512];
    void *conf = rd_kafka_conf_new();
    set(conf, "bootstrap.servers", bootstrap);
    set(conf, "enable.idempotence", "true");
    set(conf, "enable.gapless.guarantee", "true");
    set(conf, "acks", "all");
    set(conf, "linger.ms", "0");
    set(conf, "message.max.bytes", "16000000");
    set_all(conf, argc, argv, first);
    rd_kafka_conf_set_dr_msg_cb(conf, on_delivery);
    void *client = rd_kafka_new(0, conf, error, sizeof error);
    if (!client) fail("producer", error);
    return client;
}

static int64_t now_ns(void) {
    struct timespec t;
    clock_gettime(CLOCK_MONOTONIC, &t);
    return t.tv_sec * 1000000000L + t.tv_nsec;
}

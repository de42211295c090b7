"""The part of librdkafka's stable C API that the Kafka journal uses, as function pointers.

confluent-kafka ships the library inside its wheel, without headers; whatever the platform named it, dlsym on the extension module's handle
finds every rd_kafka_* symbol. librdkafka_load fills the table once, and says which symbol is missing if one is.
"""

from libc.stdint cimport int32_t, int64_t

cdef extern from * nogil:
    """
    #ifndef PROCESSOR_LIBRDKAFKA
    #define PROCESSOR_LIBRDKAFKA
    #include <dlfcn.h>
    #include <stddef.h>
    #include <stdint.h>
    #include <stdio.h>
    #include <string.h>

    /* rd_kafka_message_t, part of the library's ABI. */
    typedef struct {
        int err; void *rkt; int32_t partition; void *payload; size_t len; void *key; size_t key_len; int64_t offset; void *_private;
    } kafka_message;
    typedef void (*kafka_dr_cb)(void *, const kafka_message *, void *);
    typedef void (*kafka_error_cb)(void *, int, const char *, void *);
    typedef void (*kafka_log_cb)(const void *, int, const char *, const char *);

    static void *(*rd_kafka_conf_new)(void);
    static void (*rd_kafka_conf_destroy)(void *);
    static int (*rd_kafka_conf_set)(void *, const char *, const char *, char *, size_t);
    static void (*rd_kafka_conf_set_opaque)(void *, void *);
    static void (*rd_kafka_conf_set_dr_msg_cb)(void *, kafka_dr_cb);
    static void (*rd_kafka_conf_set_error_cb)(void *, kafka_error_cb);
    static void (*rd_kafka_conf_set_log_cb)(void *, kafka_log_cb);
    static void *(*rd_kafka_new)(int, void *, char *, size_t);
    static void (*rd_kafka_destroy_flags)(void *, int);
    static void *(*rd_kafka_topic_new)(void *, const char *, void *);
    static void (*rd_kafka_topic_destroy)(void *);
    static int (*rd_kafka_produce)(void *, int32_t, int, void *, size_t, const void *, size_t, void *);
    static int (*rd_kafka_poll)(void *, int);
    static int (*rd_kafka_last_error)(void);
    static const char *(*rd_kafka_err2str)(int);
    static int (*rd_kafka_fatal_error)(void *, char *, size_t);
    static int (*rd_kafka_purge)(void *, int);
    static int (*rd_kafka_flush)(void *, int);
    static void *(*rd_kafka_queue_get_main)(void *);
    static void (*rd_kafka_queue_destroy)(void *);
    static void (*rd_kafka_queue_io_event_enable)(void *, int, const void *, size_t);
    static int (*rd_kafka_query_watermark_offsets)(void *, const char *, int32_t, int64_t *, int64_t *, int);
    static int (*rd_kafka_consume_start)(void *, int32_t, int64_t);
    static int (*rd_kafka_consume_stop)(void *, int32_t);
    static kafka_message *(*rd_kafka_consume)(void *, int32_t, int);
    static ptrdiff_t (*rd_kafka_consume_batch)(void *, int32_t, int, kafka_message **, size_t);
    static void (*rd_kafka_message_destroy)(kafka_message *);

    /* What the library would write to stderr is no news to anybody: failures come back as errors. */
    static void kafka_quiet(const void *client, int level, const char *facility, const char *text) {
        (void)client; (void)level; (void)facility; (void)text;
    }

    /* NULL, or what is missing. */
    static const char *librdkafka_load(const char *path) {
        void *library = dlopen(path, RTLD_NOW | RTLD_LOCAL);
        if (!library) return dlerror();
        #define KAFKA_SYMBOL(name) if (!(*(void **)&name = dlsym(library, #name))) return #name;
        KAFKA_SYMBOL(rd_kafka_conf_new) KAFKA_SYMBOL(rd_kafka_conf_destroy) KAFKA_SYMBOL(rd_kafka_conf_set)
        KAFKA_SYMBOL(rd_kafka_conf_set_opaque) KAFKA_SYMBOL(rd_kafka_conf_set_dr_msg_cb)
        KAFKA_SYMBOL(rd_kafka_conf_set_error_cb) KAFKA_SYMBOL(rd_kafka_conf_set_log_cb)
        KAFKA_SYMBOL(rd_kafka_new) KAFKA_SYMBOL(rd_kafka_destroy_flags)
        KAFKA_SYMBOL(rd_kafka_topic_new) KAFKA_SYMBOL(rd_kafka_topic_destroy) KAFKA_SYMBOL(rd_kafka_produce)
        KAFKA_SYMBOL(rd_kafka_poll) KAFKA_SYMBOL(rd_kafka_last_error) KAFKA_SYMBOL(rd_kafka_err2str)
        KAFKA_SYMBOL(rd_kafka_fatal_error) KAFKA_SYMBOL(rd_kafka_purge) KAFKA_SYMBOL(rd_kafka_flush)
        KAFKA_SYMBOL(rd_kafka_queue_get_main) KAFKA_SYMBOL(rd_kafka_queue_destroy)
        KAFKA_SYMBOL(rd_kafka_queue_io_event_enable) KAFKA_SYMBOL(rd_kafka_query_watermark_offsets)
        KAFKA_SYMBOL(rd_kafka_consume_start) KAFKA_SYMBOL(rd_kafka_consume_stop) KAFKA_SYMBOL(rd_kafka_consume)
        KAFKA_SYMBOL(rd_kafka_consume_batch) KAFKA_SYMBOL(rd_kafka_message_destroy)
        #undef KAFKA_SYMBOL
        return NULL;
    }
    #endif
    """
    ctypedef struct kafka_message:
        int err
        int32_t partition
        void* payload
        size_t len
        void* key
        size_t key_len
        int64_t offset
        void* _private
    ctypedef void (*kafka_dr_cb)(void*, const kafka_message*, void*) noexcept
    ctypedef void (*kafka_error_cb)(void*, int, const char*, void*) noexcept
    ctypedef void (*kafka_log_cb)(const void*, int, const char*, const char*) noexcept

    const char* librdkafka_load(const char*) noexcept
    void kafka_quiet(const void*, int, const char*, const char*) noexcept
    void* rd_kafka_conf_new() noexcept
    void rd_kafka_conf_destroy(void*) noexcept
    int rd_kafka_conf_set(void*, const char*, const char*, char*, size_t) noexcept
    void rd_kafka_conf_set_opaque(void*, void*) noexcept
    void rd_kafka_conf_set_dr_msg_cb(void*, kafka_dr_cb) noexcept
    void rd_kafka_conf_set_error_cb(void*, kafka_error_cb) noexcept
    void rd_kafka_conf_set_log_cb(void*, kafka_log_cb) noexcept
    void* rd_kafka_new(int, void*, char*, size_t) noexcept
    void rd_kafka_destroy_flags(void*, int) noexcept
    void* rd_kafka_topic_new(void*, const char*, void*) noexcept
    void rd_kafka_topic_destroy(void*) noexcept
    int rd_kafka_produce(void*, int32_t, int, void*, size_t, const void*, size_t, void*) noexcept
    int rd_kafka_poll(void*, int) noexcept
    int rd_kafka_last_error() noexcept
    const char* rd_kafka_err2str(int) noexcept
    int rd_kafka_fatal_error(void*, char*, size_t) noexcept
    int rd_kafka_purge(void*, int) noexcept
    int rd_kafka_flush(void*, int) noexcept
    void* rd_kafka_queue_get_main(void*) noexcept
    void rd_kafka_queue_destroy(void*) noexcept
    void rd_kafka_queue_io_event_enable(void*, int, const void*, size_t) noexcept
    int rd_kafka_query_watermark_offsets(void*, const char*, int32_t, int64_t*, int64_t*, int) noexcept
    int rd_kafka_consume_start(void*, int32_t, int64_t) noexcept
    int rd_kafka_consume_stop(void*, int32_t) noexcept
    kafka_message* rd_kafka_consume(void*, int32_t, int) noexcept
    ptrdiff_t rd_kafka_consume_batch(void*, int32_t, int, kafka_message**, size_t) noexcept
    void rd_kafka_message_destroy(kafka_message*) noexcept

cdef enum:
    KAFKA_PRODUCER = 0
    KAFKA_CONSUMER = 1
    PURGE_QUEUE = 1
    PURGE_INFLIGHT = 2
    DESTROY_NO_CONSUMER_CLOSE = 8
    ERR_QUEUE_FULL = -184
    ERR_INVALID_ARG = -186
    ERR_BAD_MSG = -199
    ERR_MSG_SIZE_TOO_LARGE = 10
    ERR_ALL_BROKERS_DOWN = -187
    ERR_TIMED_OUT = -185
    ERR_PARTITION_EOF = -191
    ERR_TRANSPORT = -195
    ERR_RESOLVE = -193
    ERR_FATAL = -150
    ERR_PURGE_QUEUE = -152
    ERR_PURGE_INFLIGHT = -151
    ERR_AUTO_OFFSET_RESET = -140
    ERR_UNKNOWN_TOPIC = -188
    ERR_UNKNOWN_PARTITION = -190
    ERR_OFFSET_OUT_OF_RANGE = 1

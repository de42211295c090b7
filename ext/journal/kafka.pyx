"""The Kafka journal (see kafka.pxd and base.pxd).

A block is one record: its 64-byte header is the key, its slots are the value, produced from ring memory without the copy flag. The
broker's record batch has a checksum of its own. Delivery reports are served by poll, on the journaler's thread.
"""

from libc.stdint cimport int32_t, int64_t, uint32_t, uint64_t
from libc.stdlib cimport calloc, free, malloc
from libc.string cimport memcpy, memset

from processor.journal.base cimport APPEND_FAILED, APPEND_FULL, APPEND_OK, Ack, Journal, JournalReader, Record
from processor.journal.librdkafka cimport *
from processor.layout cimport BLOCK_HEADER_BYTES, BLOCK_MAGIC, BlockHeader
from processor.ring.sequence cimport load_acquire, store_release

import confluent_kafka.cimpl

from processor.errors import JournalError, WrongUse

cdef extern from "<sys/eventfd.h>" nogil:
    int eventfd(unsigned int, int)
    int EFD_CLOEXEC, EFD_NONBLOCK

cdef extern from "<time.h>" nogil:
    struct timespec:
        long tv_sec
        long tv_nsec
    int clock_gettime(int, timespec*)
    int CLOCK_MONOTONIC

cdef extern from "<unistd.h>" nogil:
    int close(int)
    ssize_t read(int, void*, size_t)

cdef const char* missing = librdkafka_load(confluent_kafka.cimpl.__file__.encode())
if missing != NULL:
    raise ImportError(f"librdkafka as shipped in confluent-kafka {confluent_kafka.cimpl.__file__}: {missing.decode()}")

WRITER_SETTINGS = {
    "enable.idempotence": "true",
    "enable.gapless.guarantee": "true",
    "acks": "all",
    "linger.ms": "0",
    "message.timeout.ms": "0",               # a broker that is away is waited for, for ever
    "message.max.bytes": "2000000",
    "message.copy.max.bytes": "0",           # never copied into the request: sent from ring memory
    "allow.auto.create.topics": "false",     # a topic that is gone does not come back empty, and with other settings
    "queue.buffering.max.kbytes": "1048576",
    "reconnect.backoff.ms": "50",
    "reconnect.backoff.max.ms": "1000",
    "socket.nagle.disable": "true",
}
READER_SETTINGS = {
    "auto.offset.reset": "error",
    "check.crcs": "true",
    "enable.partition.eof": "true",
    "fetch.wait.max.ms": "10",
    "fetch.message.max.bytes": "8000000",
    "fetch.max.bytes": "64000000",
    "queued.max.messages.kbytes": "65536",
    "queued.min.messages": "100000",
    "fetch.queue.backoff.ms": "2",
    "fetch.error.backoff.ms": "50",
    "reconnect.backoff.ms": "50",
    "reconnect.backoff.max.ms": "1000",
}
# What the journal's promises stand on; every other setting is the user's.
FIXED = {
    "enable.idempotence": "true", "enable.gapless.guarantee": "true", "acks": "all", "request.required.acks": "all",
    "delivery.report.only.error": "false", "auto.offset.reset": "error", "enable.partition.eof": "true",
    "allow.auto.create.topics": "false",
}
NOT_A_SETTING = {
    "bootstrap.servers": "the URL names the brokers", "metadata.broker.list": "the URL names the brokers",
    "transactional.id": "claims in the log decide who may write, not transactions",
}
RECORD_OVERHEAD_BYTES = 512                  # of a record's key and of its batch: 155, and room for more
BATCH_BYTES = 1_000_000                      # records that go out together, at most (librdkafka's own default)
WATERMARKS_MS = 10_000
CLOSE_MS = 2_000

cdef enum:
    SILENT_MS = 3000                         # with blocks in flight this long without an acknowledgement: away


cdef int64_t clock_ms() noexcept nogil:
    cdef timespec now
    clock_gettime(CLOCK_MONOTONIC, &now)
    return <int64_t>now.tv_sec * 1000 + now.tv_nsec // 1000000


cdef void on_delivery(void* client, const kafka_message* message, void* opaque) noexcept nogil:
    cdef Delivery* delivery = <Delivery*>opaque
    cdef Pending* block = &delivery.blocks[<uint64_t>message._private & (IN_FLIGHT_MAX - 1)]
    if message.err == ERR_PURGE_QUEUE or message.err == ERR_PURGE_INFLIGHT:
        return
    if message.err:
        if delivery.error == 0:
            delivery.error = message.err
        return
    block.offset = message.offset
    block.done = 1
    delivery.down = 0
    delivery.moved_ms = clock_ms()
    while delivery.delivered < delivery.appended and delivery.blocks[delivery.delivered & (IN_FLIGHT_MAX - 1)].done:
        delivery.delivered += 1


cdef void on_error(void* client, int error, const char* reason, void* opaque) noexcept nogil:
    if error == ERR_ALL_BROKERS_DOWN:
        (<Delivery*>opaque).down = 1
    elif error == ERR_FATAL and (<Delivery*>opaque).error == 0:
        (<Delivery*>opaque).error = error


cdef void* make_configuration(dict settings) except NULL:
    cdef char text[512]
    cdef void* configuration = rd_kafka_conf_new()
    for key, value in settings.items():
        if rd_kafka_conf_set(configuration, str(key).encode(), str(value).encode(), text, sizeof(text)) != 0:
            rd_kafka_conf_destroy(configuration)
            raise WrongUse(f"librdkafka does not take {key}={value}: {text.decode(errors='replace')}")
    return configuration


def check_settings(settings):
    """Raises WrongUse for settings that librdkafka does not know, or that would break what a journal promises."""
    for key, value in settings.items():
        if key in NOT_A_SETTING:
            raise WrongUse(f"{key}={value} is no setting of a journal: {NOT_A_SETTING[key]}")
        if key in FIXED and str(value).lower() != FIXED[key]:
            raise WrongUse(f"{key}={value} would break what a journal promises: it stays {FIXED[key]}")
    # Some go wrong only together with ours; a client that connects to nobody finds out.
    rd_kafka_destroy_flags(make_client(KAFKA_PRODUCER, {**WRITER_SETTINGS, **settings}, NULL), DESTROY_NO_CONSUMER_CLOSE)


cdef void* make_client(int kind, dict settings, Delivery* delivery) except NULL:
    cdef char text[512]
    cdef void* configuration = make_configuration(settings)
    cdef void* client
    rd_kafka_conf_set_log_cb(configuration, kafka_quiet)
    if delivery != NULL:
        rd_kafka_conf_set_opaque(configuration, delivery)
        rd_kafka_conf_set_error_cb(configuration, on_error)
        if kind == KAFKA_PRODUCER:
            rd_kafka_conf_set_dr_msg_cb(configuration, on_delivery)
    client = rd_kafka_new(kind, configuration, text, sizeof(text))
    if client == NULL:
        wrong = rd_kafka_last_error() == ERR_INVALID_ARG
        rd_kafka_conf_destroy(configuration)
        raise (WrongUse if wrong else JournalError)(f"librdkafka: {text.decode(errors='replace')}")
    return client


cdef class KafkaJournal(Journal):
    """One partition as a journal; made by processor.journal.kafka_topic.open_kafka, which looks after the topic.

    `settings` are librdkafka's (see check_settings), on top of those above, `topic_bytes_max` is the topic's max.message.bytes. Raises WrongUse for
    settings that librdkafka does not take.
    """

    def __cinit__(self):
        self.event_fd = -1

    def __init__(self, str url not None, str bootstrap not None, str topic not None, int32_t partition, *, bint write,
                 dict settings=None, list warnings=None, uint32_t in_flight_max=16, topic_bytes_max=None):
        cdef uint64_t one = 1
        if not 1 <= in_flight_max <= IN_FLIGHT_MAX:
            raise WrongUse(f"blocks in flight: from 1 to {IN_FLIGHT_MAX}, not {in_flight_max}")
        self.url, self.bootstrap, self.topic, self.partition = url, bootstrap, topic, partition
        self.topic_bytes = topic.encode()
        self.settings = dict(settings or {})
        self.warnings = list(warnings or ())
        self.in_flight_max = in_flight_max
        self.writable = write
        self.delivery = <Delivery*>calloc(1, sizeof(Delivery))
        if self.delivery == NULL:
            raise MemoryError("blocks in flight")
        mine = dict(WRITER_SETTINGS if write else READER_SETTINGS)
        most = int(self.settings.get("message.max.bytes", WRITER_SETTINGS["message.max.bytes"]))
        if topic_bytes_max is not None:
            most = min(most, topic_bytes_max)
        self.data_bytes_max = max(0, most - RECORD_OVERHEAD_BYTES)
        if write:
            # What goes out together must not be larger than what the topic takes: the broker would refuse all of it, for good.
            mine["batch.size"] = str(max(1, min(BATCH_BYTES, most)))
        self.client = make_client(KAFKA_PRODUCER if write else KAFKA_CONSUMER,
                                  {**mine, "bootstrap.servers": bootstrap, **self.settings}, self.delivery)
        self.handle = rd_kafka_topic_new(self.client, self.topic_bytes, NULL)
        if self.handle == NULL:
            raise JournalError(f"{url}: {rd_kafka_err2str(rd_kafka_last_error()).decode()}")
        if write:
            self.event_fd = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK)
            if self.event_fd < 0:
                raise OSError("no descriptor left for the journal's wake-ups (raise the limit: ulimit -n)")
            self.queue = rd_kafka_queue_get_main(self.client)
            rd_kafka_queue_io_event_enable(self.queue, self.event_fd, &one, sizeof(one))

    def __dealloc__(self):
        self.end()
        free(self.delivery)

    cdef int append(self, const BlockHeader* header, const char* data, uint64_t tag) noexcept nogil:
        cdef Delivery* delivery = self.delivery
        cdef Pending* block
        cdef int error
        if self.client == NULL:
            self.fail("the journal is closed")
        elif not self.writable:
            self.fail("it is open for reading only")
        elif delivery.error:
            self.say(delivery.error)
        if self.failed:
            return APPEND_FAILED
        if delivery.appended - delivery.taken >= self.in_flight_max:
            return APPEND_FULL
        block = &delivery.blocks[delivery.appended & (IN_FLIGHT_MAX - 1)]
        block.tag = tag
        block.offset = -1
        block.done = 0
        # No flags: neither copied nor freed. The slots stay put until the delivery report; the key is always copied.
        if rd_kafka_produce(self.handle, self.partition, 0, <void*>data, header.data_bytes, header, BLOCK_HEADER_BYTES,
                            <void*>delivery.appended) != 0:
            error = rd_kafka_last_error()
            if error == ERR_QUEUE_FULL and delivery.delivered < delivery.appended:
                return APPEND_FULL            # a delivery makes room; without one on its way nothing ever would
            self.say(error)
            return APPEND_FAILED
        if delivery.delivered == delivery.appended:
            delivery.moved_ms = clock_ms()
            delivery.down = 0                 # as of now we know nothing: an idle connection may have been closed long ago
        delivery.appended += 1
        return APPEND_OK

    cdef int poll(self, Ack* acks, int most, int timeout_ms) noexcept nogil:
        cdef Delivery* delivery = self.delivery
        cdef Pending* block
        cdef uint64_t woken
        cdef int got = 0
        if self.client == NULL:
            self.fail("the journal is closed")
            return -1
        if self.event_fd >= 0:
            read(self.event_fd, &woken, sizeof(woken))
        rd_kafka_poll(self.client, 0 if delivery.delivered != delivery.taken else timeout_ms)
        self.notice_silence()
        while got < most and delivery.taken < delivery.delivered:
            block = &delivery.blocks[delivery.taken & (IN_FLIGHT_MAX - 1)]
            acks[got].tag = block.tag
            acks[got].offset = block.offset if block.offset >= 0 else -1
            acks[got].next_offset = block.offset + 1 if block.offset >= 0 else -1
            delivery.taken += 1
            got += 1
        if delivery.error:
            self.say(delivery.error)
        return -1 if self.failed and got == 0 else got

    cdef void notice_silence(self) noexcept nogil:
        # With nothing in flight nobody waits, so that it does not matter who is there.
        cdef Delivery* delivery = self.delivery
        cdef bint away = delivery.delivered < delivery.appended and (delivery.down
                                                                     or clock_ms() - delivery.moved_ms > SILENT_MS)
        if away != <bint>delivery.away:
            store_release(&delivery.away, away)

    cdef int wake_fd(self) noexcept nogil:
        return self.event_fd

    cdef int is_away(self) noexcept nogil:
        return <int>load_acquire(&self.delivery.away)

    cdef void say(self, int error) noexcept nogil:
        cdef char text[512]
        if error == ERR_QUEUE_FULL:
            self.fail("a block is larger than all that librdkafka may hold: raise queue.buffering.max.kbytes, or make blocks smaller")
        elif error == ERR_MSG_SIZE_TOO_LARGE:
            self.fail("a block is larger than the topic (max.message.bytes) or the client (message.max.bytes) takes: raise these, or "
                      "make blocks smaller (max_block_bytes)")
        elif error == ERR_FATAL or rd_kafka_fatal_error(self.client, text, sizeof(text)):
            rd_kafka_fatal_error(self.client, text, sizeof(text))
            self.fail(text)
        else:
            self.fail(rd_kafka_err2str(error))

    def room(self):
        """How large a record may be, and how to change that, as text."""
        return (f"the topic {self.topic} takes up to {self.data_bytes_max} bytes a block; raise its max.message.bytes, and "
                f"message.max.bytes of the settings with it")

    cpdef JournalReader reader(self, int64_t position):
        """A reader from the offset `position` on; whether a record stands there is found out when it is read."""
        return KafkaReader(self, position)

    cpdef tuple ends(self):
        """(first offset, offset of the next record); raises JournalError when the broker does not tell within 10 s."""
        cdef int64_t low = 0
        cdef int64_t high = 0
        cdef int error
        cdef int timeout_ms = WATERMARKS_MS
        cdef const char* topic = self.topic_bytes
        if self.client == NULL:
            raise JournalError(f"{self.url}: the journal is closed")
        with nogil:
            error = rd_kafka_query_watermark_offsets(self.client, topic, self.partition, &low, &high, timeout_ms)
        if error:
            raise JournalError(f"{self.url}: the broker at {self.bootstrap} does not tell where the partition begins and ends: "
                               f"{rd_kafka_err2str(error).decode()}. Is it running, and is the address right?")
        return low, high

    def close(self):
        """Lets go of the broker within a few seconds; what is in flight may or may not get into the log."""
        self.end()

    cdef void end(self):
        cdef void* client = self.client
        cdef int closing_ms = CLOSE_MS
        if client == NULL:
            return
        self.client = NULL
        with nogil:
            if self.writable:
                rd_kafka_flush(client, closing_ms)
                rd_kafka_purge(client, PURGE_QUEUE | PURGE_INFLIGHT)
                rd_kafka_flush(client, 500)
            if self.queue != NULL:
                rd_kafka_queue_io_event_enable(self.queue, -1, NULL, 0)
                rd_kafka_queue_destroy(self.queue)
            if self.handle != NULL:
                rd_kafka_topic_destroy(self.handle)
            rd_kafka_destroy_flags(client, DESTROY_NO_CONSUMER_CLOSE)
            if self.event_fd >= 0:
                close(self.event_fd)
        self.queue = self.handle = NULL
        self.event_fd = -1


cdef class KafkaReader(JournalReader):
    """Records from an offset on, fetched ahead by librdkafka, handed out without a copy."""

    def __init__(self, KafkaJournal journal not None, int64_t position):
        if journal.client == NULL:
            raise JournalError(f"{journal.url}: the journal is closed")
        if position < 0:
            raise JournalError(f"{journal.url}: no record stands at offset {position}: offsets count from 0")
        self.url = journal.url
        self.position = position
        self.partition = journal.partition
        self.client = make_client(KAFKA_CONSUMER, {**READER_SETTINGS, "bootstrap.servers": journal.bootstrap,
                                                   **journal.settings}, NULL)
        self.handle = rd_kafka_topic_new(self.client, journal.topic_bytes, NULL)
        if self.handle == NULL or rd_kafka_consume_start(self.handle, self.partition, position) != 0:
            raise JournalError(f"{self.url}: cannot read from offset {position}: "
                               f"{rd_kafka_err2str(rd_kafka_last_error()).decode()}")

    def __dealloc__(self):
        self.end()
        free(self.aligned)

    def close(self):
        self.end()

    cdef void end(self):
        if self.client == NULL:
            return
        with nogil:
            self.drop()
            if self.handle != NULL:
                rd_kafka_consume_stop(self.handle, self.partition)
                rd_kafka_topic_destroy(self.handle)
            rd_kafka_destroy_flags(self.client, DESTROY_NO_CONSUMER_CLOSE)
        self.client = self.handle = NULL

    cdef void drop(self) noexcept nogil:
        """Gives back all records of the batch, the one handed out last included."""
        cdef int k
        for k in range(self.used - 1 if self.used else 0, self.got):
            rd_kafka_message_destroy(<kafka_message*>self.batch[k])
        self.got = self.used = 0

    cdef int next(self, Record* record, int timeout_ms) noexcept nogil:
        cdef kafka_message* message
        cdef int64_t deadline = -1
        cdef int left_ms = timeout_ms
        while True:
            if self.client == NULL:
                self.tell("the reader is closed")
                return -1
            if self.used == self.got:
                # Whatever wakes the wait without a record (the end, a broker that is away) does not make it longer.
                if deadline < 0:
                    deadline = clock_ms() + timeout_ms
                else:
                    left_ms = <int>(deadline - clock_ms())
                    if left_ms < 0:
                        return 0
                if not self.fetch(left_ms):
                    if left_ms == 0:
                        return 0
                    continue
            elif self.used:
                rd_kafka_message_destroy(<kafka_message*>self.batch[self.used - 1])
            message = <kafka_message*>self.batch[self.used]
            self.used += 1
            if message.err == 0:
                return self.give(message, record)
            if message.err == ERR_PARTITION_EOF:
                if message.offset > self.position:
                    self.position = message.offset    # what lies between is no record (a marker of a foreign transaction)
                continue
            if message.err == ERR_AUTO_OFFSET_RESET or message.err == ERR_OFFSET_OUT_OF_RANGE:
                self.tell("the offset asked for is not in the partition: what stood there is gone, or never was")
                return -1
            if message.err == ERR_UNKNOWN_TOPIC or message.err == ERR_UNKNOWN_PARTITION or message.err == 3:
                self.tell("there is no such topic or partition any more")
                return -1
            if message.err == ERR_TRANSPORT or message.err == ERR_ALL_BROKERS_DOWN or message.err == ERR_TIMED_OUT \
                    or message.err == ERR_RESOLVE:
                continue      # librdkafka goes on trying; how long is too long is the caller's to say
            self.corrupt = message.err == ERR_BAD_MSG
            self.tell(rd_kafka_err2str(message.err))
            return -1

    cdef bint fetch(self, int timeout_ms) noexcept nogil:
        """A new batch of what is there; waits for the first one only: a batch is never waited for until it is full."""
        cdef kafka_message* message
        cdef ptrdiff_t got
        self.drop()
        got = rd_kafka_consume_batch(self.handle, self.partition, 0, <kafka_message**>self.batch, BATCH)
        if got <= 0:
            message = rd_kafka_consume(self.handle, self.partition, timeout_ms)
            if message == NULL:
                return False
            self.batch[0] = message
            got = 1
        self.got = <int>got
        return True

    cdef int give(self, const kafka_message* message, Record* record) noexcept nogil:
        cdef size_t bytes = message.len
        record.offset = message.offset
        record.next_offset = message.offset + 1
        record.data = <const char*>message.payload
        record.header = &self.header
        memset(&self.header, 0, BLOCK_HEADER_BYTES)           # kind 0: a record that is none of ours, void for every reader
        if message.key_len == BLOCK_HEADER_BYTES:
            memcpy(&self.header, message.key, BLOCK_HEADER_BYTES)
            if self.header.magic != BLOCK_MAGIC or self.header.data_bytes != bytes:
                memset(&self.header, 0, BLOCK_HEADER_BYTES)
        if self.header.data_bytes and <size_t>message.payload & 7:
            # librdkafka's memory is as the broker's batch was cut; slots are read in place, as structs and as arrays.
            if self.aligned_bytes < bytes:
                free(self.aligned)
                self.aligned_bytes = 0
                self.aligned = <char*>malloc(bytes)
                if self.aligned == NULL:
                    self.tell("no memory to read a block")
                    return -1
                self.aligned_bytes = bytes
            memcpy(self.aligned, message.payload, bytes)
            record.data = self.aligned
        self.position = record.next_offset
        return 1

    cdef void tell(self, const char* text) noexcept nogil:
        cdef size_t k = 0
        while k < 511 and text[k]:
            self.failure_text[k] = text[k]
            k += 1
        self.failure_text[k] = 0

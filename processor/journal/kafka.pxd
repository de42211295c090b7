"""The Kafka journal: one partition of a topic, through librdkafka's C API, without the GIL."""

from libc.stdint cimport int32_t, int64_t, uint32_t, uint64_t

from processor.journal.base cimport Ack, Journal, JournalReader, Record
from processor.journal.librdkafka cimport kafka_message
from processor.layout cimport BlockHeader

cdef enum:
    IN_FLIGHT_MAX = 64            # blocks handed over and not acknowledged; a power of two
    BATCH = 256                   # records that a reader takes from librdkafka at once

cdef struct Pending:              # a block in flight
    uint64_t tag
    int64_t offset
    int done

cdef struct Delivery:             # what the delivery reports write: reached from librdkafka through an opaque pointer
    Pending blocks[IN_FLIGHT_MAX]
    uint64_t appended
    uint64_t delivered            # contiguously
    uint64_t taken                # by poll
    int error                     # of the first delivery that failed for good
    int down                      # all brokers were, when last heard of
    int64_t moved_ms              # when something was last acknowledged, or appended while nothing was in flight
    uint64_t away                 # written by poll, read by anybody

cdef class KafkaJournal(Journal):
    cdef readonly str bootstrap
    cdef readonly str topic
    cdef readonly int32_t partition
    cdef readonly list warnings
    cdef readonly uint32_t in_flight_max
    cdef bytes topic_bytes
    cdef dict settings
    cdef void* client
    cdef void* handle             # of the topic
    cdef void* queue
    cdef bint writable
    cdef int event_fd
    cdef Delivery* delivery

    cdef void say(self, int error) noexcept nogil
    cdef void notice_silence(self) noexcept nogil
    cdef void end(self)

cdef class KafkaReader(JournalReader):
    cdef void* client
    cdef void* handle
    cdef int32_t partition
    cdef void* batch[BATCH]
    cdef int got
    cdef int used
    cdef str url
    cdef BlockHeader header       # of the record handed out
    cdef char* aligned            # its data, when librdkafka had it at an odd address
    cdef size_t aligned_bytes

    cdef void end(self)
    cdef void drop(self) noexcept nogil
    cdef bint fetch(self, int timeout_ms) noexcept nogil
    cdef int give(self, const kafka_message* message, Record* record) noexcept nogil
    cdef void tell(self, const char* text) noexcept nogil

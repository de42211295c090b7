"""The one layout of an event, from socket to ring to journal to handler (little-endian, 32 bytes and a payload).

    0        8         16      20    22      24       32
    | u64    | i64     | u32   | u16 | u16   | u64    | payload ... (rounded up: every slot of an application is equally long)
    | seq    | time ns | sess  | type| length| request|
"""

from libc.stdint cimport int64_t, uint8_t, uint16_t, uint32_t, uint64_t

cdef enum:
    SLOT_HEADER_BYTES = 32
    SLOT_BYTES_MIN = 64
    CONTROL_FIRST = 0xFF00        # this type and those above it are control events

# Types of control events. Their payload fits into 32 bytes (the structs below).
cdef enum:
    CONTROL_SESSION_OPEN = 0xFF01
    CONTROL_SESSION_EVICT = 0xFF02
    CONTROL_SNAPSHOT = 0xFF03
    CONTROL_STATE_HASH = 0xFF04
    CONTROL_TIMER = 0xFF05
    CONTROL_READ_MARKER = 0xFF06
    CONTROL_STEP_DOWN = 0xFF07
    CONTROL_QUARANTINE = 0xFF08

cdef struct Slot:
    uint64_t sequence             # gapless number of the event in its partition, from 1
    int64_t timestamp             # ns since the epoch, never decreasing
    uint32_t session              # 0: the system
    uint16_t type
    uint16_t length               # used bytes of the payload
    uint64_t request              # the client's request number, from 1

cdef struct SessionOpen:
    uint8_t token[16]             # chosen by the client at random: who knows it owns the session
    uint64_t connection           # the gateway's number of the connection that waits for the welcome
    uint32_t session              # 0: a new session; else the one that the client believes it has
    uint32_t reserved

cdef struct SessionEvict:
    uint64_t last_sequence        # evicted only if the session's last event is still this one
    uint32_t session
    uint32_t reserved

cdef struct SnapshotTrigger:
    uint64_t number               # the asker's: finds the answer again; 0 for those nobody waits for
    uint32_t reason               # 1 every N events, 2 every T seconds, 3 command, 4 shutdown
    uint32_t reserved

cdef struct StateHash:
    uint64_t sequence
    uint8_t state[16]             # of the application's state
    uint64_t sessions             # of the session table

# A reply frame: this header and `length` bytes of payload, padded to 8. Types from CONTROL_FIRST on are the processor's own.
cdef enum:
    REPLY_HEADER_BYTES = 32
    REPLY_LAST = 1                # flag: no more outputs of this request follow
    REPLY_REPEATED = 2            # flag: a stored output, sent again
    REPLY_DONE = 0xFF01           # applied, and there was nothing to say
    REPLY_REJECTED = 0xFF02       # payload: the reason, UTF-8
    REPLY_TOO_OLD = 0xFF03
    REPLY_GAP = 0xFF04            # payload: u64, the session's last request
    REPLY_OUTPUTS_GONE = 0xFF05   # applied, outputs no longer kept
    REPLY_EVICTED = 0xFF06
    REPLY_WELCOME = 0xFF07        # payload: struct Welcome and the schema as JSON
    REPLY_ERROR = 0xFF08          # payload: UTF-8 text; the connection is closed behind it
    REPLY_BUSY = 0xFF09           # the session table is full: try to open again later

cdef struct Reply:
    uint64_t sequence             # of the event that it answers
    int64_t timestamp             # of the event that it answers
    uint16_t index                # 0, 1, ... among the outputs of its request
    uint16_t flags
    uint16_t type
    uint16_t length               # bytes of payload, without padding
    uint64_t request

# The first 64 bytes on a connection, from the client.
cdef enum:
    HELLO_MAGIC = 0x4F4C4850      # "PHLO"
    HELLO_VERSION = 1
    HELLO_SESSION = 1
    HELLO_ADMIN = 2               # JSON lines from here on, both ways

cdef struct Hello:
    uint32_t magic
    uint16_t version
    uint16_t kind
    uint64_t fingerprint          # of the client's schema; 0: the client takes the service's
    uint8_t token[16]
    uint32_t session
    uint32_t slot_bytes           # 0: the client takes the service's
    uint8_t reserved[24]

cdef struct Welcome:
    uint64_t fingerprint
    uint64_t journal_id
    uint64_t last_request         # highest request number applied in this session
    uint32_t session
    uint32_t window               # most requests in flight
    uint32_t slot_bytes
    uint32_t schema_bytes

# A block in the journal: this header (a Kafka record's key, the embedded journal's block head), then `count` slots or a claim's JSON.
cdef enum:
    BLOCK_MAGIC = 0x4B4C4250      # "PBLK"
    BLOCK_VERSION = 1
    BLOCK_SLOTS = 1
    BLOCK_CLAIM = 2
    BLOCK_HEADER_BYTES = 64

cdef struct BlockHeader:
    uint32_t magic
    uint16_t version
    uint16_t kind
    int64_t epoch_offset          # where the claim of this epoch stands; -1 in a claim itself
    uint64_t epoch_writer         # the claim's random writer id; in a claim its own
    uint64_t first_sequence       # of a block; in a claim the journal's id (its own writer id when it is the first)
    uint32_t count                # slots; 0 in a claim
    uint32_t slot_bytes
    uint64_t fingerprint          # of the schema
    uint64_t synced               # embedded: bytes of the log that were synced before this was written; else 0
    uint32_t data_bytes           # slots or claim
    uint32_t checksum             # crc32c of the 60 bytes above and the data; 0 where the journal has its own


cdef inline char* payload_of(const Slot* slot) noexcept nogil:
    return <char*>slot + SLOT_HEADER_BYTES


cdef inline Slot* slot_at(const char* first, uint64_t index, uint32_t slot_bytes) noexcept nogil:
    return <Slot*>(first + index * slot_bytes)


cdef inline uint32_t padded8(uint32_t length) noexcept nogil:
    return (length + 7) & ~<uint32_t>7

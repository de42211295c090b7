"""What a client may send: the checks of a hello and of event frames, in place in the ring. No I/O."""

from libc.stdint cimport int32_t, uint32_t, uint64_t
from libc.string cimport memset

from processor.layout cimport CONTROL_FIRST, SLOT_HEADER_BYTES, Hello, Slot

cdef enum:
    ERROR_TEXT_BYTES = 400

cdef struct FrameRules:
    const int32_t* lengths        # [65536]: payload bytes of each event type, -1 for those that do not exist
    uint32_t slot_bytes
    uint64_t fingerprint
    uint32_t events               # types that exist

# Text (UTF-8, zero at the end) saying what is wrong with a frame that good_frames stopped at; its length.
cdef int explain_frame(const FrameRules* rules, const Slot* slot, uint64_t number, uint32_t session, char* text) noexcept nogil
# 0: the hello is right; else the length of the text that says what is wrong.
cdef int check_hello(const FrameRules* rules, const Hello* hello, char* text) noexcept nogil


cdef inline uint64_t good_frames(const FrameRules* rules, char* first, uint64_t count, uint32_t session) noexcept nogil:
    """How many frames from `first` on are right; zeroes what stands behind their payloads, so that no stray byte is journaled."""
    cdef uint64_t k
    cdef Slot* slot
    cdef uint32_t used
    for k in range(count):
        slot = <Slot*>(first + k * rules.slot_bytes)
        # Control types have the length -1, too: one comparison refuses them, unknown types and wrong lengths.
        if rules.lengths[slot.type] != slot.length or slot.session != session:
            return k
        used = SLOT_HEADER_BYTES + slot.length
        if used < rules.slot_bytes:
            memset(<char*>slot + used, 0, rules.slot_bytes - used)
    return count

"""What is wrong with a frame or a hello, said so that whoever wrote the client can put it right."""

from libc.stdint cimport uint32_t, uint64_t
from libc.stdio cimport snprintf

from processor.layout cimport (
    CONTROL_FIRST, HELLO_ADMIN, HELLO_MAGIC, HELLO_SESSION, HELLO_VERSION, SLOT_HEADER_BYTES, Hello, Slot,
)


cdef int explain_frame(const FrameRules* rules, const Slot* slot, uint64_t number, uint32_t session, char* text) noexcept nogil:
    cdef int at = snprintf(text, ERROR_TEXT_BYTES, "frame %llu of this connection (request %llu): ",
                           <unsigned long long>number, <unsigned long long>slot.request)
    cdef size_t room = ERROR_TEXT_BYTES - at
    text += at
    if slot.type >= CONTROL_FIRST or slot.type == 0:
        at += snprintf(text, room, "type 0x%04X is a control type, which only the service itself makes; "
                       "events have the types that the application declares", <unsigned>slot.type)
    elif rules.lengths[slot.type] < 0:
        at += snprintf(text, room, "unknown event type %u; the application declares %u event types: compare the schemas",
                       <unsigned>slot.type, <unsigned>rules.events)
    elif slot.length > rules.slot_bytes - SLOT_HEADER_BYTES:
        at += snprintf(text, room, "length %u is too long: a frame of this application holds %u bytes of payload, "
                       "and event type %u is declared with %d", <unsigned>slot.length,
                       <unsigned>(rules.slot_bytes - SLOT_HEADER_BYTES), <unsigned>slot.type, <int>rules.lengths[slot.type])
    elif slot.length != rules.lengths[slot.type]:
        at += snprintf(text, room, "length %u, where event type %u is declared with %d bytes of payload: compare the schemas",
                       <unsigned>slot.length, <unsigned>slot.type, <int>rules.lengths[slot.type])
    elif slot.session == 0:
        at += snprintf(text, room, "session 0 is the system's; write this connection's own into it, %u", <unsigned>session)
    else:
        at += snprintf(text, room, "session %u is not yours; write this connection's own into it, %u",
                       <unsigned>slot.session, <unsigned>session)
    return at if at < ERROR_TEXT_BYTES else ERROR_TEXT_BYTES - 1


cdef int check_hello(const FrameRules* rules, const Hello* hello, char* text) noexcept nogil:
    cdef int at = 0
    if hello.magic != HELLO_MAGIC:
        at = snprintf(text, ERROR_TEXT_BYTES, "this is no hello of a processor client: it starts with 0x%08X, not with 0x%08X; "
                      "is this the address that was meant?",
                      <unsigned>hello.magic, <unsigned>HELLO_MAGIC)
    elif hello.version != HELLO_VERSION:
        at = snprintf(text, ERROR_TEXT_BYTES, "the client speaks version %u of the protocol, the service version %u: "
                      "use the same release of processor on both sides", <unsigned>hello.version, <unsigned>HELLO_VERSION)
    elif hello.kind != HELLO_SESSION and hello.kind != HELLO_ADMIN:
        at = snprintf(text, ERROR_TEXT_BYTES, "unknown kind of connection %u: %u is a session, %u an administrator",
                      <unsigned>hello.kind, <unsigned>HELLO_SESSION, <unsigned>HELLO_ADMIN)
    elif hello.fingerprint != 0 and hello.fingerprint != rules.fingerprint:
        at = snprintf(text, ERROR_TEXT_BYTES, "the client's schema has the fingerprint %016llx, the service's has %016llx: "
                      "they are different applications, or different versions of one: use the same on both sides", <unsigned long long>hello.fingerprint,
                      <unsigned long long>rules.fingerprint)
    elif hello.slot_bytes != 0 and hello.slot_bytes != rules.slot_bytes:
        at = snprintf(text, ERROR_TEXT_BYTES, "the client's frames have %u bytes, the service's have %u: compare the schemas",
                      <unsigned>hello.slot_bytes, <unsigned>rules.slot_bytes)
    return at if at < ERROR_TEXT_BYTES else ERROR_TEXT_BYTES - 1

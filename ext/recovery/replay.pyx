"""Replay: records of the journal through the recovery plan into the core, without the GIL where no handler needs it."""

from libc.stdint cimport int64_t, uint8_t, uint32_t, uint64_t
from libc.string cimport memcmp

from processor.journal.base cimport JournalReader, Record
from processor.layout cimport BLOCK_HEADER_BYTES, Slot, StateHash, payload_of, slot_at
from processor.logic.core cimport STOP_HASH, STOP_NONE, STOP_SNAPSHOT, Core
from processor.recovery.plan cimport PLAN_APPLY, PLAN_SKIP, RecoveryPlan

from processor.errors import Diverged
from processor.snapshot.state import state_hash

IDLE = -1
BUSY = -2


cdef class Replay:
    """Reads and applies until something has to be decided.

    With `check_hashes` the state's hash is taken at every snapshot trigger and compared with the one that was journaled.
    """
    cdef Core core
    cdef JournalReader reader
    cdef RecoveryPlan plan
    cdef bint check_hashes
    cdef Record record
    cdef uint64_t done            # slots of the record that are applied
    cdef bint in_hand             # a record is not wholly applied
    cdef uint64_t hash_sequence
    cdef bytes hash_state
    cdef uint64_t hash_sessions
    cdef readonly uint64_t events
    cdef readonly uint64_t records

    def __init__(self, Core core not None, JournalReader reader not None, RecoveryPlan plan not None, *,
                 bint check_hashes=True):
        self.core = core
        self.reader = reader
        self.plan = plan
        self.check_hashes = check_hashes

    def know_hash(self, uint64_t sequence, bytes state not None, uint64_t sessions):
        """The hashes at `sequence` (a snapshot's), to be compared when the journal tells its own."""
        self.hash_sequence = sequence
        self.hash_state = state
        self.hash_sessions = sessions

    @property
    def header(self):
        """The 64 bytes of the record in hand."""
        return (<const char*>self.record.header)[:BLOCK_HEADER_BYTES]

    @property
    def data(self):
        """The data of the record in hand."""
        return self.record.data[:self.record.header.data_bytes]

    @property
    def offset(self):
        """Of the record in hand."""
        return self.record.offset

    def run(self, uint64_t most_events, int timeout_ms):
        """Replays until about most_events are applied (BUSY), there is no record within timeout_ms (IDLE), or the plan says
        something else than skip and apply (that action). Look at core.stop when it says BUSY.

        Raises what the reader does, or Diverged when the state is not what the journal says it was.
        """
        cdef int result
        cdef uint64_t limit = self.events + most_events
        while True:
            with nogil:
                result = self.turn(limit, timeout_ms)
            if result == -3:
                raise self.reader.error()
            if result != -4:
                return result
            self.notice()

    cdef int turn(self, uint64_t limit, int timeout_ms) noexcept nogil:
        """An action, -1 idle, -2 busy, -3 the reader failed, -4 a control event wants Python."""
        cdef int action
        cdef uint64_t passed
        while True:
            if self.in_hand:
                passed = self.core.apply(
                    <const char*>slot_at(self.record.data, self.done, self.core.slot_bytes),
                    self.record.header.count - self.done)
                self.done += passed
                self.events += passed
                self.in_hand = self.done < self.record.header.count
                if self.core.stop == STOP_SNAPSHOT or self.core.stop == STOP_HASH:
                    return -4
                if self.core.stop != STOP_NONE:
                    return -2
                continue
            if self.events >= limit:
                return -2
            action = self.reader.next(&self.record, timeout_ms)
            if action == 0:
                return -1
            if action < 0:
                return -3
            self.records += 1
            action = self.plan.on_record(self.record.offset, self.record.next_offset, self.record.header)
            if action == PLAN_APPLY:
                self.done = self.plan.skip
                self.in_hand = self.done < self.record.header.count
            elif action != PLAN_SKIP:
                return action

    cdef int notice(self) except -1:
        """Takes the state's hash at a snapshot trigger, compares it at a recorded one."""
        cdef const Slot* slot = slot_at(self.record.data, self.done - 1, self.core.slot_bytes)
        cdef StateHash* told
        if not self.check_hashes:
            return 0
        if self.core.stop == STOP_SNAPSHOT:
            self.know_hash(self.core.sequence, state_hash(self.core.state), self.core.sessions.hash64())
            return 0
        told = <StateHash*>payload_of(slot)
        if told.sequence != self.hash_sequence:
            return 0      # of a snapshot that lies before our beginning
        state = (<const char*>told.state)[:16]
        if state != self.hash_state or told.sessions != self.hash_sessions:
            raise Diverged(
                f"at sequence {told.sequence} the journal recorded the state hash {state.hex()} (sessions "
                f"{told.sessions:016x}), replaying it gives {self.hash_state.hex()} (sessions {self.hash_sessions:016x}): the "
                f"application's handlers are not those that ran then, or not deterministic. Run the version that wrote it")
        return 0

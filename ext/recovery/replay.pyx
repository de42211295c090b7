"""Replay: records of the journal through the recovery plan into the core, without the GIL where no handler needs it."""

from libc.stdint cimport INT64_MAX, UINT64_MAX, int64_t, uint8_t, uint32_t, uint64_t

from processor.journal.base cimport JournalReader, Record
from processor.layout cimport BLOCK_HEADER_BYTES, Slot, StateHash, payload_of, slot_at
from processor.logic.core cimport STOP_HASH, STOP_NONE, STOP_SNAPSHOT, Core
from processor.recovery.plan cimport PLAN_APPLY, PLAN_SKIP, RecoveryPlan

from processor.errors import CorruptJournal, Diverged
from processor.snapshot.state import state_hash

IDLE = -1
BUSY = -2
REACHED = -5

cdef enum:
    KNOWN_MAX = 4096              # about 1 MB; as many triggers would have to come while one snapshot is being written


cdef class KnownHashes:
    """The hashes that replay took at snapshot triggers and that wait for the journal's own.

    A trigger's hash is journaled when its snapshot is written, with any number of other triggers in between: most of those came while
    that one was being written and never get a hash, but which ones is not known before. Snapshots are written one after the other, so
    hashes are recorded in the triggers' order, and what lies before a recorded one waits for nothing any more.
    """
    cdef dict waiting             # sequence -> (state hash, hash of the sessions), the earliest first

    def __init__(self):
        self.waiting = {}

    def __len__(self):
        return len(self.waiting)

    def know(self, uint64_t sequence, bytes state not None, uint64_t sessions):
        """What the state hashes to behind `sequence`: later than all that were known before, or one of them again."""
        self.waiting[sequence] = (state, sessions)
        if len(self.waiting) > KNOWN_MAX:
            del self.waiting[next(iter(self.waiting))]

    def compare(self, uint64_t sequence, bytes state not None, uint64_t sessions):
        """Whether the recorded hashes could be compared, and are equal: False when none is known there (a snapshot's that lies before
        the beginning). Raises Diverged when they are others.
        """
        cdef tuple ours = self.waiting.get(sequence)
        while self.waiting and next(iter(self.waiting)) <= sequence:
            del self.waiting[next(iter(self.waiting))]
        if ours is None:
            return False
        if ours != (state, sessions):
            recorded = f"{state.hex()} (sessions {sessions:016x})"
            replayed = f"{ours[0].hex()} (sessions {ours[1]:016x})"
            raise Diverged(
                f"at sequence {sequence} the journal recorded the state hash {recorded}, replaying it gives {replayed}: the "
                f"application's handlers are not those that ran then, or not deterministic. Run the version that wrote it",
                sequence, recorded, replayed)
        return True


cdef class Replay:
    """Reads and applies until something has to be decided.

    With `check_hashes` the state's hash is taken at every snapshot trigger and compared with the one that was journaled. With `strict`
    void records are handed to the caller, too, and timestamps that go back are refused.
    """
    cdef Core core
    cdef JournalReader reader
    cdef RecoveryPlan plan
    cdef bint check_hashes
    cdef bint strict
    cdef uint64_t until_sequence  # nothing behind this sequence is applied,
    cdef int64_t until_time       # nor anything later than this
    cdef Record record
    cdef uint64_t done            # slots of the record that are applied
    cdef bint in_hand             # a record is not wholly applied
    cdef KnownHashes known
    cdef readonly uint64_t events
    cdef readonly uint64_t records
    cdef readonly uint64_t hashes         # recorded ones that were compared, and equal

    def __init__(self, Core core not None, JournalReader reader not None, RecoveryPlan plan not None, *,
                 bint check_hashes=True, bint strict=False):
        self.core = core
        self.reader = reader
        self.plan = plan
        self.check_hashes = check_hashes
        self.strict = strict
        self.known = KnownHashes()
        self.stop_after()

    def stop_after(self, sequence=None, time_ns=None):
        """Makes run say REACHED behind this sequence, or behind the last event whose timestamp is not later; None: go on."""
        self.until_sequence = UINT64_MAX if sequence is None else sequence
        self.until_time = INT64_MAX if time_ns is None else time_ns

    def know_hash(self, uint64_t sequence, bytes state not None, uint64_t sessions):
        """The hashes at `sequence` (a snapshot's), to be compared when the journal tells its own."""
        self.known.know(sequence, state, sessions)

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

    @property
    def waiting(self):
        """The slot that would be applied next, when its record is in hand: header and payload. None: no record is."""
        if not self.in_hand:
            return None
        return (<const char*>slot_at(self.record.data, self.done, self.core.slot_bytes))[:self.core.slot_bytes]

    def rest(self, uint64_t until):
        """The slots of the record in hand that are not applied, up to the one of sequence `until`, as bytes; b"" when none is."""
        cdef uint64_t count
        if not self.in_hand or until <= self.core.sequence:
            return b""
        count = min(self.record.header.count - self.done, until - self.core.sequence)
        return (<const char*>slot_at(self.record.data, self.done, self.core.slot_bytes))[:count * self.core.slot_bytes]

    def run(self, uint64_t most_events, int timeout_ms):
        """Replays until about most_events are applied (BUSY), there is no record within timeout_ms (IDLE), what stop_after named is
        reached (REACHED), or the plan says something else than skip and apply (that action). Look at core.stop when it says BUSY.

        Raises what the reader does, or Diverged when the state is not what the journal says it was.
        """
        cdef int result
        cdef uint64_t limit = self.events + most_events
        while True:
            with nogil:
                result = self.turn(limit, timeout_ms)
            if result == -3:
                raise self.reader.error()
            if result == -6:
                raise CorruptJournal(f"the block at offset {self.record.offset} (from sequence {self.record.header.first_sequence} on) "
                                     f"holds a timestamp that is earlier than the one before it")
            if result != -4:
                return result
            self.notice()

    cdef int turn(self, uint64_t limit, int timeout_ms) noexcept nogil:
        """An action, -1 idle, -2 busy, -3 the reader failed, -4 a control event wants Python, -5 reached, -6 time went back."""
        cdef int action
        cdef uint64_t passed, count
        while True:
            if self.core.sequence >= self.until_sequence:
                return -5
            if self.in_hand:
                count = self.allowed()
                if count == 0:
                    return -5
                passed = self.core.apply(<const char*>slot_at(self.record.data, self.done, self.core.slot_bytes), count)
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
                if self.strict and not self.time_rises():
                    return -6
            elif action != PLAN_SKIP or self.strict:
                return action

    cdef uint64_t allowed(self) noexcept nogil:
        """How many slots of the record in hand, from `done` on, lie before the moment to stop at."""
        cdef uint64_t first = self.done, behind = self.record.header.count, middle
        if behind - first > self.until_sequence - self.core.sequence:
            behind = first + (self.until_sequence - self.core.sequence)
        if behind == first or slot_at(self.record.data, behind - 1, self.core.slot_bytes).timestamp <= self.until_time:
            return behind - first
        while first < behind:                     # timestamps never decrease: the first one that is later
            middle = (first + behind) // 2
            if slot_at(self.record.data, middle, self.core.slot_bytes).timestamp <= self.until_time:
                first = middle + 1
            else:
                behind = middle
        return first - self.done

    cdef bint time_rises(self) noexcept nogil:
        cdef int64_t before = self.core.timestamp, timestamp
        cdef uint64_t k
        for k in range(self.done, self.record.header.count):
            timestamp = slot_at(self.record.data, k, self.core.slot_bytes).timestamp
            if timestamp < before:
                return False
            before = timestamp
        return True

    cdef int notice(self) except -1:
        """Takes the state's hash at a snapshot trigger, compares it at a recorded one."""
        cdef const Slot* slot = slot_at(self.record.data, self.done - 1, self.core.slot_bytes)
        cdef StateHash* told
        if not self.check_hashes:
            return 0
        if self.core.stop == STOP_SNAPSHOT:
            self.known.know(self.core.sequence, state_hash(self.core.state), self.core.sessions.hash64())
            return 0
        told = <StateHash*>payload_of(slot)
        if self.known.compare(told.sequence, (<const char*>told.state)[:16], told.sessions):
            self.hashes += 1
        return 0

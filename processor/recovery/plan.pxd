"""Recovery as a plain object: gets each record of the log in order, says what to do with it. No I/O, no clock."""

from libc.stdint cimport int64_t, uint32_t, uint64_t

from processor.layout cimport BlockHeader
from processor.leadership.validity cimport Validity

cpdef enum PlanPhase:
    PHASE_REPLAY = 0              # also a standby's, for as long as it is one
    PHASE_AWAIT_CLAIM = 1         # a claim of ours is on its way: only reading it ends recovery
    PHASE_LEAD = 2                # read it: lead behind it (leader_log)

cpdef enum PlanAction:
    PLAN_SKIP = 0                 # void: nothing to apply
    PLAN_APPLY = 1                # apply its slots, without the first `skip` of them
    PLAN_CLAIM = 2                # another's valid claim: check its schema
    PLAN_LEAD = 3                 # our own claim: recovery is over
    PLAN_CLAIM_AGAIN = 4          # our own claim is void (it named another journal id): claim again, with a new writer id
    # From here on: refusals, to be told to people. Nothing is to be applied any more.
    PLAN_HOLE = 5                 # the record does not stand at `position`: what stood there is gone
    PLAN_NO_BEGINNING = 6         # the log does not begin with the claim that founds a journal: its beginning is gone
    PLAN_MISFIT = 7               # a snapshot's last block does not stand where it was
    PLAN_UNREADABLE = 8           # of an unknown version or kind, or its sizes contradict each other
    PLAN_OVER = 9                 # we lead already: the leader's log looks at records now

cdef struct BlockFacts:           # of the block that was applied last
    int64_t offset                # -1: none
    int64_t next_offset
    int64_t epoch_offset
    uint64_t epoch_writer
    uint64_t first_sequence
    uint32_t count

# Where replay has to begin for a state whose next sequence this is (the rule of DESIGN, snapshots): at the last applied block if it
# holds that sequence as well, else behind it. The epoch of the last claim before that position is the block's.
cdef inline int64_t position_after(const BlockFacts* last, uint64_t next_sequence) noexcept nogil:
    return last.offset if last.first_sequence + last.count > next_sequence else last.next_offset

cdef class RecoveryPlan:
    cdef readonly Validity validity
    cdef readonly int phase
    cdef readonly int64_t position            # of the record that must come next
    cdef readonly uint64_t skip               # leading slots to drop, after PLAN_APPLY
    cdef readonly uint64_t own_writer         # of the claim that is awaited; 0 none
    cdef uint32_t slot_bytes                  # of the application; 0: not checked
    cdef uint64_t resumed_at                  # the snapshot's next sequence, while its last block is to be read again; else 0
    cdef BlockFacts last

    cdef int on_record(self, int64_t offset, int64_t next_offset, const BlockHeader* header) noexcept nogil
    cdef int on_block(self, int64_t offset, int64_t next_offset, const BlockHeader* header) noexcept nogil

"""From an order's id to the order: open addressing with linear probing, for any 64-bit ids.

An entry is 8 bytes: 32 bits of the id's hash and the order's number plus one (0: empty). The hash keeps eight consecutive ids
in one cache line, since exchanges and their clients count up, and spreads the lines by a secret seed, so that nobody can choose
ids that collide. Removal moves later entries back instead of leaving tombstones: a busy table does not get slower with age.
"""

from libc.stdint cimport uint32_t, uint64_t
from libc.stdlib cimport calloc, free

from processor.apps.exchange.orders cimport order_at
from processor.apps.exchange.pool cimport NONE, Pool

cdef enum:
    IDS_ENTRIES_MIN = 64

cdef struct IdMap:
    uint64_t* entries
    uint64_t mask                 # entries - 1; a power of two of them, at most half in use
    uint64_t count
    uint64_t seed


cdef inline uint32_t ids_hash(const IdMap* ids, uint64_t id) noexcept nogil:
    # The finalizer of SplitMix64 over the id's line.
    cdef uint64_t x = (id >> 3) ^ ids.seed
    x = (x ^ (x >> 30)) * <uint64_t>0xBF58476D1CE4E5B9
    x = (x ^ (x >> 27)) * <uint64_t>0x94D049BB133111EB
    return <uint32_t>((x >> 32) & ~<uint64_t>7) | <uint32_t>(id & 7)


cdef inline uint32_t ids_find(const IdMap* ids, const Pool* orders, uint64_t id) noexcept nogil:
    """The order's number, or NONE. The table must exist (ids_reserve)."""
    cdef uint32_t hash = ids_hash(ids, id)
    cdef uint64_t at = hash & ids.mask
    cdef uint64_t entry
    while True:
        entry = ids.entries[at]
        if entry == 0:
            return NONE
        if <uint32_t>(entry >> 32) == hash and order_at(orders, <uint32_t>entry - 1).id == id:
            return <uint32_t>entry - 1
        at = (at + 1) & ids.mask


cdef inline void ids_place(uint64_t* entries, uint64_t mask, uint64_t entry) noexcept nogil:
    cdef uint64_t at = (entry >> 32) & mask
    while entries[at] != 0:
        at = (at + 1) & mask
    entries[at] = entry


cdef inline void ids_put(IdMap* ids, uint64_t id, uint32_t index) noexcept nogil:
    """Adds an id that is not there yet; room for it must have been reserved."""
    ids_place(ids.entries, ids.mask, ((<uint64_t>ids_hash(ids, id)) << 32) | (index + 1))
    ids.count += 1


cdef inline void ids_remove(IdMap* ids, uint64_t id, uint32_t index) noexcept nogil:
    """Removes an id that is there, as this order."""
    cdef uint32_t hash = ids_hash(ids, id)
    cdef uint64_t sought = ((<uint64_t>hash) << 32) | (index + 1)
    cdef uint64_t hole = hash & ids.mask
    cdef uint64_t at
    cdef uint64_t entry
    while ids.entries[hole] != sought:
        hole = (hole + 1) & ids.mask
    at = hole
    while True:
        at = (at + 1) & ids.mask
        entry = ids.entries[at]
        if entry == 0:
            break
        # An entry may fill the hole unless its home lies behind the hole.
        if ((at - (entry >> 32)) & ids.mask) >= ((at - hole) & ids.mask):
            ids.entries[hole] = entry
            hole = at
    ids.entries[hole] = 0
    ids.count -= 1


cdef inline int ids_reserve(IdMap* ids) noexcept nogil:
    """Makes room for one more id. 0, or -1 when memory is short; then nothing has changed."""
    cdef uint64_t wanted
    cdef uint64_t at
    cdef uint64_t* entries
    if ids.entries != NULL and (ids.count + 1) * 2 <= ids.mask + 1:
        return 0
    wanted = IDS_ENTRIES_MIN if ids.entries == NULL else (ids.mask + 1) * 2
    entries = <uint64_t*>calloc(wanted, sizeof(uint64_t))
    if entries == NULL:
        return -1
    if ids.entries != NULL:
        for at in range(ids.mask + 1):
            if ids.entries[at] != 0:
                ids_place(entries, wanted - 1, ids.entries[at])
        free(ids.entries)
    ids.entries = entries
    ids.mask = wanted - 1
    return 0

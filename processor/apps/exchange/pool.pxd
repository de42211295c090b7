"""A pool of equally large items, named by 32-bit numbers: half the size of pointers, and the same after a move.

Memory comes in chunks that never move, so that growing costs no copy and no pause, however many items there are. Freed items are
used again last in, first out: those are still in the cache.
"""

from libc.stdint cimport uint32_t, uint64_t
from libc.stdlib cimport calloc, free
from libc.string cimport memset

cdef extern from "<stdlib.h>" nogil:
    int posix_memalign(void** memory, size_t alignment, size_t bytes)

cdef extern from *:
    """
    #define EXCHANGE_NONE 0xFFFFFFFFu
    """
    const uint32_t NONE "EXCHANGE_NONE"

cdef struct Pool:
    char** chunks
    uint32_t chunk_bits           # 2^chunk_bits items a chunk
    uint32_t item_bytes
    uint32_t items_max
    uint32_t items                # in the chunks that exist
    uint32_t used                 # ever given out
    uint32_t free_first           # list of returned items, the next one's number in each one's first four bytes
    uint32_t available            # items that can be taken before the pool has to grow


cdef inline int pool_open(Pool* pool, uint32_t item_bytes, uint32_t chunk_bits, uint32_t items_max) noexcept nogil:
    """0, or -1 when memory is short."""
    memset(pool, 0, sizeof(Pool))
    pool.item_bytes = item_bytes
    pool.chunk_bits = chunk_bits
    pool.items_max = items_max
    pool.free_first = NONE
    pool.chunks = <char**>calloc((items_max >> chunk_bits) + 1, sizeof(char*))
    return 0 if pool.chunks != NULL else -1


cdef inline void pool_close(Pool* pool) noexcept nogil:
    cdef uint32_t chunk
    if pool.chunks == NULL:
        return
    for chunk in range(pool.items >> pool.chunk_bits):
        free(pool.chunks[chunk])
    free(pool.chunks)
    pool.chunks = NULL


cdef inline int pool_reserve(Pool* pool, uint32_t count) noexcept nogil:
    """Makes sure that `count` (at most a chunk's items) can be taken. 0, or -1 when memory is short; then nothing has changed."""
    cdef uint32_t chunk_items = (<uint32_t>1) << pool.chunk_bits
    cdef void* chunk = NULL
    if pool.available >= count:
        return 0
    if pool.items > pool.items_max - chunk_items:
        return -1
    if posix_memalign(&chunk, 64, (<size_t>pool.item_bytes) << pool.chunk_bits) != 0:
        return -1
    pool.chunks[pool.items >> pool.chunk_bits] = <char*>chunk
    pool.items += chunk_items
    pool.available += chunk_items
    return 0


cdef inline uint32_t pool_take(Pool* pool, void* item_of_free) noexcept nogil:
    """The number of an item; room for it must have been reserved. `item_of_free` is where item `free_first` lies, if there is one."""
    cdef uint32_t index = pool.free_first
    pool.available -= 1
    if index == NONE:
        index = pool.used
        pool.used += 1
    else:
        pool.free_first = (<uint32_t*>item_of_free)[0]
    return index


cdef inline void pool_give_back(Pool* pool, uint32_t index, void* item) noexcept nogil:
    (<uint32_t*>item)[0] = pool.free_first
    pool.free_first = index
    pool.available += 1

"""Resting orders: pooled, 32 bytes each, linked in time priority within their level."""

from libc.stdint cimport int64_t, uint32_t, uint64_t

from processor.apps.exchange.pool cimport NONE, Pool, pool_give_back, pool_take

cdef enum:
    ORDER_CHUNK_BITS = 14         # 16,384 orders, 512 KiB a chunk

cdef struct Order:
    uint64_t id
    int64_t price
    uint32_t quantity             # what is left, at least 1
    uint32_t next                 # the one behind it in time priority, or NONE
    uint32_t previous             # the one before it, or NONE
    uint32_t place                # its level's handle (ladder.pxd) times 2, and its side


cdef inline Order* order_at(const Pool* orders, uint32_t index) noexcept nogil:
    return <Order*>orders.chunks[index >> ORDER_CHUNK_BITS] + (index & ((1 << ORDER_CHUNK_BITS) - 1))


cdef inline uint32_t order_take(Pool* orders) noexcept nogil:
    return pool_take(orders, NULL if orders.free_first == NONE else order_at(orders, orders.free_first))


cdef inline void order_give_back(Pool* orders, uint32_t index) noexcept nogil:
    pool_give_back(orders, index, order_at(orders, index))

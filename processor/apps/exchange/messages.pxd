"""The payloads of the exchange's events and outputs as C structs; the classes in __init__.py declare the same fields.

No struct leaves bytes undefined: outputs have to be equal, byte for byte, on every run.
"""

from libc.stdint cimport int64_t, uint8_t, uint16_t, uint32_t, uint64_t

cdef enum:
    BUY = 0
    SELL = 1

# Numbers of the outputs: the published report kind and one.
cdef enum:
    OUTPUT_ACKNOWLEDGED = 1
    OUTPUT_TRADED = 2
    OUTPUT_CANCELLED = 3
    OUTPUT_MODIFIED = 4
    OUTPUT_CANCEL_REJECTED = 5
    OUTPUT_MODIFY_REJECTED = 6

cdef struct NewOrder:
    uint64_t seq                  # the sender's own number of the message, repeated in every output of it
    uint64_t id                   # unique among the live orders of its symbol
    int64_t price
    uint32_t quantity
    uint16_t symbol
    uint8_t side
    uint8_t ioc                   # 1: what does not trade at once is cancelled

cdef struct CancelOrder:
    uint64_t seq
    uint64_t id
    uint16_t symbol

cdef struct ModifyOrder:
    uint64_t seq
    uint64_t id
    int64_t price
    uint32_t quantity
    uint16_t symbol

cdef struct OrderReport:          # Acknowledged, Cancelled, Modified
    uint64_t seq
    uint64_t id
    int64_t price
    uint32_t quantity
    uint16_t symbol
    uint8_t side
    uint8_t reserved

cdef struct TradeReport:          # Traded
    uint64_t seq
    uint64_t maker
    uint64_t taker
    int64_t price
    uint32_t quantity
    uint16_t symbol
    uint16_t reserved

cdef struct RejectReport:         # CancelRejected, ModifyRejected
    uint64_t seq
    uint64_t id
    uint16_t symbol
    uint16_t reserved
    uint32_t reserved_too

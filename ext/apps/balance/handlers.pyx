"""The native handler of bench/balance.py: the state is a dataclass whose first table holds the balances, int64 each."""

from libc.stdint cimport int64_t, uint32_t, uint64_t

from processor.layout cimport Slot, payload_of
from processor.logic.native cimport Context, NativeHandler, Table, emit, reject

cdef extern from * nogil:
    bint __builtin_add_overflow(int64_t, int64_t, int64_t*)

cdef enum:
    OUTPUT_BALANCE = 1
    OVERFLOWN = -2

cdef struct Deposit:
    uint32_t account
    uint32_t hole
    int64_t amount

cdef struct Balance:
    uint32_t account
    uint32_t hole
    int64_t balance


cdef int on_deposit(void* state, Context* context, const Slot* event) noexcept nogil:
    cdef Table* balances = <Table*>state
    cdef const Deposit* deposit = <const Deposit*>payload_of(event)
    cdef Balance balance
    if deposit.account >= balances.count:
        return reject(context, "no such account", 15)
    balance.account = deposit.account
    balance.hole = 0
    if __builtin_add_overflow((<int64_t*>balances.rows)[deposit.account], deposit.amount, &balance.balance):
        return OVERFLOWN
    (<int64_t*>balances.rows)[deposit.account] = balance.balance
    return emit(context, OUTPUT_BALANCE, &balance, sizeof(balance))


deposit = NativeHandler.make("deposit", on_deposit)

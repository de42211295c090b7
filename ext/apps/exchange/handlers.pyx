"""The exchange's native handlers: new, cancel and modify, by price-time priority. All without the GIL.

Each checks the event, reserves the memory that it may need, and only then changes the book. What the sender got wrong is answered with
`reject`, an order that is gone with CancelRejected or ModifyRejected; a handler fails (-1) only when memory is short.
"""

from libc.stdint cimport int64_t, uint8_t, uint16_t, uint32_t, uint64_t
from libc.string cimport strlen

from processor.apps.exchange.book cimport (
    Book, Market, book_add, book_drop_level, book_forget, book_open, book_reserve, book_rest, book_unlink,
)
from processor.apps.exchange.ids cimport ids_find
from processor.apps.exchange.ladder cimport NODES_FOR_A_LEVEL, Level, level_at
from processor.apps.exchange.messages cimport (
    BUY, OUTPUT_ACKNOWLEDGED, OUTPUT_CANCELLED, OUTPUT_CANCEL_REJECTED, OUTPUT_MODIFIED, OUTPUT_MODIFY_REJECTED, OUTPUT_TRADED,
    CancelOrder, ModifyOrder, NewOrder, OrderReport, RejectReport, TradeReport,
)
from processor.apps.exchange.orders cimport Order, order_at
from processor.apps.exchange.pool cimport NONE, pool_reserve
from processor.layout cimport Slot, payload_of
from processor.logic.native cimport Context, NativeHandler, emit, reject

cdef enum:
    MEMORY_SHORT = -1


cdef inline int refuse(Context* context, const char* reason) noexcept nogil:
    return reject(context, reason, <uint16_t>strlen(reason))


cdef inline int report_order(Context* context, uint16_t type, uint64_t seq, uint64_t id, int64_t price, uint32_t quantity,
                             uint16_t symbol, uint32_t side) noexcept nogil:
    cdef OrderReport report
    report.seq = seq
    report.id = id
    report.price = price
    report.quantity = quantity
    report.symbol = symbol
    report.side = <uint8_t>side
    report.reserved = 0
    return emit(context, type, &report, sizeof(report))


cdef inline int report_unknown(Context* context, uint16_t type, uint64_t seq, uint64_t id, uint16_t symbol) noexcept nogil:
    cdef RejectReport report
    report.seq = seq
    report.id = id
    report.symbol = symbol
    report.reserved = 0
    report.reserved_too = 0
    return emit(context, type, &report, sizeof(report))


cdef int64_t trade(Market* market, Book* book, Context* context, uint64_t seq, uint16_t symbol, uint32_t side, uint64_t taker,
                   int64_t price, uint32_t quantity) noexcept nogil:
    """Trades against the other side, best price first, oldest order first, at the makers' prices. What is left, or MEMORY_SHORT."""
    cdef uint32_t other = side ^ 1
    cdef uint32_t handle
    cdef uint32_t index
    cdef Level* level
    cdef Order* maker
    cdef TradeReport report
    report.seq = seq
    report.taker = taker
    report.symbol = symbol
    report.reserved = 0
    while quantity > 0:
        handle = book.best[other]
        if handle == NONE or (book.best_price[other] > price if side == BUY else book.best_price[other] < price):
            break
        level = level_at(&market.nodes, handle)
        report.price = book.best_price[other]
        while quantity > 0:
            index = level.first
            maker = order_at(&market.orders, index)
            report.maker = maker.id
            if maker.quantity > quantity:
                report.quantity = quantity
                maker.quantity -= quantity
                quantity = 0
            else:
                report.quantity = maker.quantity
                quantity -= maker.quantity
                level.first = maker.next
                if maker.next != NONE:
                    order_at(&market.orders, maker.next).previous = NONE
                    book_forget(market, book, index)
                else:
                    book_forget(market, book, index)
                    book_drop_level(market, book, other, handle)
                    handle = NONE
            if emit(context, OUTPUT_TRADED, &report, sizeof(report)) != 0:
                return MEMORY_SHORT
            if handle == NONE:
                break
    return quantity


cdef int on_new_order(void* state, Context* context, const Slot* event) noexcept nogil:
    cdef Market* market = <Market*>state
    cdef const NewOrder* order = <const NewOrder*>payload_of(event)
    cdef Book* book
    cdef int64_t left
    if order.quantity == 0:
        return refuse(context, "a quantity is at least 1, not 0")
    if order.side > 1:
        return refuse(context, "a side is 0 (buy) or 1 (sell)")
    if order.ioc > 1:
        return refuse(context, "ioc is 0 or 1")
    book = book_open(market, order.symbol)
    if book == NULL or book_reserve(market, book) != 0:
        return MEMORY_SHORT
    if ids_find(&book.ids, &market.orders, order.id) != NONE:
        return refuse(context, "order id is in use")
    if report_order(context, OUTPUT_ACKNOWLEDGED, order.seq, order.id, order.price, order.quantity, order.symbol, order.side) != 0:
        return MEMORY_SHORT
    left = trade(market, book, context, order.seq, order.symbol, order.side, order.id, order.price, order.quantity)
    if left <= 0:
        return <int>left
    if order.ioc:
        return report_order(context, OUTPUT_CANCELLED, order.seq, order.id, order.price, <uint32_t>left, order.symbol, order.side)
    book_add(market, book, order.side, order.id, order.price, <uint32_t>left)
    return 0


cdef int on_cancel_order(void* state, Context* context, const Slot* event) noexcept nogil:
    cdef Market* market = <Market*>state
    cdef const CancelOrder* cancel = <const CancelOrder*>payload_of(event)
    cdef Book* book = market.books[cancel.symbol]
    cdef uint32_t index = NONE
    cdef Order* order
    if book != NULL:
        index = ids_find(&book.ids, &market.orders, cancel.id)
    if index == NONE:
        return report_unknown(context, OUTPUT_CANCEL_REJECTED, cancel.seq, cancel.id, cancel.symbol)
    order = order_at(&market.orders, index)
    if report_order(context, OUTPUT_CANCELLED, cancel.seq, cancel.id, order.price, order.quantity, cancel.symbol, order.place & 1) != 0:
        return MEMORY_SHORT
    book_unlink(market, book, index)
    book_forget(market, book, index)
    return 0


cdef int on_modify_order(void* state, Context* context, const Slot* event) noexcept nogil:
    """Cancel and re-insert: the order keeps its side, loses its time priority, and may trade at its new price."""
    cdef Market* market = <Market*>state
    cdef const ModifyOrder* change = <const ModifyOrder*>payload_of(event)
    cdef Book* book = market.books[change.symbol]
    cdef uint32_t index = NONE
    cdef uint32_t side
    cdef Order* order
    cdef int64_t left
    if change.quantity == 0:
        return refuse(context, "a quantity is at least 1, not 0")
    if book != NULL:
        index = ids_find(&book.ids, &market.orders, change.id)
    if index == NONE:
        return report_unknown(context, OUTPUT_MODIFY_REJECTED, change.seq, change.id, change.symbol)
    if pool_reserve(&market.nodes, NODES_FOR_A_LEVEL) != 0:
        return MEMORY_SHORT
    order = order_at(&market.orders, index)
    side = order.place & 1
    if report_order(context, OUTPUT_MODIFIED, change.seq, change.id, change.price, change.quantity, change.symbol, side) != 0:
        return MEMORY_SHORT
    book_unlink(market, book, index)
    left = trade(market, book, context, change.seq, change.symbol, side, change.id, change.price, change.quantity)
    if left <= 0:
        book_forget(market, book, index)
        return <int>left
    order.price = change.price
    order.quantity = <uint32_t>left
    book_rest(market, book, side, index)
    return 0


new_order = NativeHandler.make("new_order", on_new_order)
cancel_order = NativeHandler.make("cancel_order", on_cancel_order)
modify_order = NativeHandler.make("modify_order", on_modify_order)

"""The book of one symbol, and the market: all books over one pool of orders and one of price levels.

Functions that need memory reserve all of it before they change anything; behind that nothing can fail.
"""

from libc.stdint cimport int64_t, uint16_t, uint32_t, uint64_t
from libc.stdlib cimport calloc, free

from processor.apps.exchange.ids cimport IdMap, ids_find, ids_put, ids_remove, ids_reserve
from processor.apps.exchange.ladder cimport (
    NODES_FOR_A_LEVEL, NODES_MAX, NODE_CHUNK_BITS, Level, Node,
    ladder_above, ladder_add, ladder_below, ladder_remove, level_at, price_of_level,
)
from processor.apps.exchange.messages cimport BUY, SELL
from processor.apps.exchange.orders cimport ORDER_CHUNK_BITS, Order, order_at, order_give_back, order_take
from processor.apps.exchange.pool cimport NONE, Pool, pool_close, pool_open, pool_reserve

cdef enum:
    SYMBOLS_MAX = 65536

cdef struct Book:
    IdMap ids
    int64_t best_price[2]         # by side; valid while best is not NONE
    uint32_t best[2]              # by side: the best level's handle, or NONE
    uint32_t root                 # of the ladder
    uint32_t reserved

cdef struct Market:
    Book** books                  # by symbol; NULL until its first order
    Pool orders
    Pool nodes
    uint64_t seed                 # of the id maps; nothing that can be observed depends on it


cdef inline int market_open(Market* market, uint64_t seed) noexcept nogil:
    """0, or -1 when memory is short; to be closed in both cases."""
    market.seed = seed
    market.orders.chunks = NULL
    market.nodes.chunks = NULL
    market.books = <Book**>calloc(SYMBOLS_MAX, sizeof(Book*))
    if market.books == NULL or pool_open(&market.orders, sizeof(Order), ORDER_CHUNK_BITS, <uint32_t>0xFFFF0000) != 0:
        return -1
    return pool_open(&market.nodes, sizeof(Node), NODE_CHUNK_BITS, NODES_MAX)


cdef inline void market_close(Market* market) noexcept nogil:
    cdef uint32_t symbol
    if market.books != NULL:
        for symbol in range(<uint32_t>SYMBOLS_MAX):
            if market.books[symbol] != NULL:
                free(market.books[symbol].ids.entries)
                free(market.books[symbol])
        free(market.books)
        market.books = NULL
    pool_close(&market.orders)
    pool_close(&market.nodes)


cdef inline Book* book_open(Market* market, uint16_t symbol) noexcept nogil:
    """The symbol's book, made if it is not there, with an id table. NULL when memory is short."""
    cdef Book* book = market.books[symbol]
    if book != NULL:
        return book
    book = <Book*>calloc(1, sizeof(Book))
    if book == NULL:
        return NULL
    book.ids.seed = market.seed
    book.best[BUY] = book.best[SELL] = book.root = NONE
    if ids_reserve(&book.ids) != 0:
        free(book)
        return NULL
    market.books[symbol] = book
    return book


cdef inline int book_reserve(Market* market, Book* book) noexcept nogil:
    """Memory for one more order at any price. 0, or -1 when it is short; then nothing has changed."""
    if pool_reserve(&market.orders, 1) != 0 or pool_reserve(&market.nodes, NODES_FOR_A_LEVEL) != 0:
        return -1
    return ids_reserve(&book.ids)


cdef inline void book_rest(Market* market, Book* book, uint32_t side, uint32_t index) noexcept nogil:
    """Puts an order (id, price and quantity are set) behind all others of its price."""
    cdef Order* order = order_at(&market.orders, index)
    cdef uint32_t handle = ladder_add(&market.nodes, &book.root, order.price)
    cdef Level* level = level_at(&market.nodes, handle)
    order.next = NONE
    order.previous = level.last
    order.place = (handle << 1) | side
    if level.last == NONE:
        level.first = index
        if book.best[side] == NONE or (order.price > book.best_price[BUY] if side == BUY else order.price < book.best_price[SELL]):
            book.best[side] = handle
            book.best_price[side] = order.price
    else:
        order_at(&market.orders, level.last).next = index
    level.last = index


cdef inline void book_drop_level(Market* market, Book* book, uint32_t side, uint32_t handle) noexcept nogil:
    """Takes an empty level out; the side's best moves on if it was that."""
    cdef uint32_t following
    if book.best[side] == handle:
        following = ladder_below(&market.nodes, handle) if side == BUY else ladder_above(&market.nodes, handle)
        book.best[side] = following
        if following != NONE:
            book.best_price[side] = price_of_level(&market.nodes, following)
    ladder_remove(&market.nodes, &book.root, handle)


cdef inline void book_unlink(Market* market, Book* book, uint32_t index) noexcept nogil:
    """Takes an order out of its level; its id and its memory stay."""
    cdef Order* order = order_at(&market.orders, index)
    cdef uint32_t handle = order.place >> 1
    cdef Level* level
    if order.previous != NONE and order.next != NONE:
        order_at(&market.orders, order.previous).next = order.next
        order_at(&market.orders, order.next).previous = order.previous
        return
    level = level_at(&market.nodes, handle)
    if order.previous != NONE:
        order_at(&market.orders, order.previous).next = NONE
        level.last = order.previous
    elif order.next != NONE:
        order_at(&market.orders, order.next).previous = NONE
        level.first = order.next
    else:
        book_drop_level(market, book, order.place & 1, handle)


cdef inline uint32_t book_add(Market* market, Book* book, uint32_t side, uint64_t id, int64_t price,
                              uint32_t quantity) noexcept nogil:
    """A new order into the book, without matching. Memory must have been reserved."""
    cdef uint32_t index = order_take(&market.orders)
    cdef Order* order = order_at(&market.orders, index)
    order.id = id
    order.price = price
    order.quantity = quantity
    ids_put(&book.ids, id, index)
    book_rest(market, book, side, index)
    return index


cdef inline void book_forget(Market* market, Book* book, uint32_t index) noexcept nogil:
    """The id and the memory of an order that is in no level any more."""
    ids_remove(&book.ids, order_at(&market.orders, index).id, index)
    order_give_back(&market.orders, index)

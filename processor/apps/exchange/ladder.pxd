"""The occupied price levels of one symbol, in order: a tree of 64-way nodes over the price's bits, six bits a step.

    price ^ 2^63 = | ... | bits 12-17 | bits 6-11 | bits 0-5 |        a leaf: 64 adjacent prices, a bit and a level for each
                            slot in the node of height 2, 1, and 0    height h: 64 nodes of height h - 1

The tree is only as high as the occupied prices are far apart: 4,096 ticks need two steps, all 64-bit prices eleven. The next
occupied price is a bit scan, within a leaf nearly always. Bids and asks share the tree: a resting book is never crossed, so every
occupied price below the best bid is a bid and every one above the best ask is an ask.

A level's handle is its leaf's number times 64 plus its slot in it.
"""

from libc.stdint cimport int64_t, uint32_t, uint64_t

from processor.apps.exchange.pool cimport NONE, Pool, pool_give_back, pool_take

cdef extern from * nogil:
    int lowest_bit "__builtin_ctzll"(uint64_t) noexcept
    int leading_zeros "__builtin_clzll"(uint64_t) noexcept

cdef enum:
    NODE_CHUNK_BITS = 8           # 256 nodes, 144 KiB a chunk
    NODES_MAX = 0x2000000         # 2^25, so that a handle and a side fit into 32 bits
    NODES_FOR_A_LEVEL = 24        # most nodes that one new level can take: ten above the old root, eleven below the new one

cdef struct Level:
    uint32_t first                # order with the highest time priority
    uint32_t last

cdef union Slots:
    Level levels[64]              # of a leaf
    uint32_t children[64]         # of a higher node

cdef struct Node:
    uint64_t occupied             # a bit for each slot in use; the other slots hold garbage
    uint64_t prefix               # the bits of the price above those that this node decides
    uint32_t parent               # NONE: the root
    uint32_t height
    uint32_t reserved[10]
    Slots slots


cdef inline Node* node_at(const Pool* nodes, uint32_t index) noexcept nogil:
    return <Node*>nodes.chunks[index >> NODE_CHUNK_BITS] + (index & ((1 << NODE_CHUNK_BITS) - 1))


cdef inline Level* level_at(const Pool* nodes, uint32_t handle) noexcept nogil:
    return &node_at(nodes, handle >> 6).slots.levels[handle & 63]


cdef inline uint64_t bits_of_price(int64_t price) noexcept nogil:
    """The price as an unsigned number of the same order."""
    return (<uint64_t>price) ^ ((<uint64_t>1) << 63)


cdef inline int64_t price_of_level(const Pool* nodes, uint32_t handle) noexcept nogil:
    return <int64_t>(((node_at(nodes, handle >> 6).prefix << 6) | (handle & 63)) ^ ((<uint64_t>1) << 63))


cdef inline uint64_t prefix_above(uint64_t bits, uint32_t height) noexcept nogil:
    return bits >> (6 * (height + 1)) if height < 10 else 0


cdef inline uint32_t node_take(Pool* nodes, uint64_t prefix, uint32_t parent, uint32_t height) noexcept nogil:
    cdef uint32_t index = pool_take(nodes, NULL if nodes.free_first == NONE else node_at(nodes, nodes.free_first))
    cdef Node* node = node_at(nodes, index)
    node.occupied = 0
    node.prefix = prefix
    node.parent = parent
    node.height = height
    return index


cdef inline uint32_t ladder_add(Pool* nodes, uint32_t* root, int64_t price) noexcept nogil:
    """The handle of the price's level, made (both ends NONE) if it is not there. NODES_FOR_A_LEVEL must have been reserved."""
    cdef uint64_t bits = bits_of_price(price)
    cdef uint32_t index = root[0]
    cdef uint32_t child
    cdef uint32_t slot
    cdef uint64_t bit
    cdef Node* node
    if index == NONE:
        index = root[0] = node_take(nodes, prefix_above(bits, 0), NONE, 0)
    node = node_at(nodes, index)
    while node.prefix != prefix_above(bits, node.height):
        # The price lies outside: a root above the root.
        child = index
        index = root[0] = node_take(nodes, node.prefix >> 6, NONE, node.height + 1)
        node.parent = index
        slot = node.prefix & 63
        node = node_at(nodes, index)
        node.occupied = (<uint64_t>1) << slot
        node.slots.children[slot] = child
    while node.height > 0:
        slot = (bits >> (6 * node.height)) & 63
        bit = (<uint64_t>1) << slot
        if node.occupied & bit:
            index = node.slots.children[slot]
        else:
            child = node_take(nodes, prefix_above(bits, node.height - 1), index, node.height - 1)
            node.occupied |= bit
            node.slots.children[slot] = child
            index = child
        node = node_at(nodes, index)
    slot = bits & 63
    bit = (<uint64_t>1) << slot
    if not node.occupied & bit:
        node.occupied |= bit
        node.slots.levels[slot].first = NONE
        node.slots.levels[slot].last = NONE
    return (index << 6) | slot


cdef inline void ladder_remove(Pool* nodes, uint32_t* root, uint32_t handle) noexcept nogil:
    """Takes an empty level out, and every node that has nothing left; the root moves down while it has a single child."""
    cdef uint32_t index = handle >> 6
    cdef uint32_t slot = handle & 63
    cdef uint32_t parent
    cdef Node* node = node_at(nodes, index)
    node.occupied &= ~((<uint64_t>1) << slot)
    if node.occupied != 0:
        return
    while node.occupied == 0:
        parent = node.parent
        slot = node.prefix & 63
        pool_give_back(nodes, index, node)
        if parent == NONE:
            root[0] = NONE
            return
        index = parent
        node = node_at(nodes, index)
        node.occupied &= ~((<uint64_t>1) << slot)
    index = root[0]
    node = node_at(nodes, index)
    while node.height > 0 and node.occupied & (node.occupied - 1) == 0:
        root[0] = node.slots.children[lowest_bit(node.occupied)]
        pool_give_back(nodes, index, node)
        index = root[0]
        node = node_at(nodes, index)
        node.parent = NONE


cdef inline uint32_t ladder_below(const Pool* nodes, uint32_t handle) noexcept nogil:
    """The handle of the next lower occupied level, or NONE."""
    cdef uint32_t index = handle >> 6
    cdef Node* node = node_at(nodes, index)
    cdef uint64_t found = node.occupied & (((<uint64_t>1) << (handle & 63)) - 1)
    cdef uint32_t slot
    while found == 0:
        slot = node.prefix & 63
        index = node.parent
        if index == NONE:
            return NONE
        node = node_at(nodes, index)
        found = node.occupied & (((<uint64_t>1) << slot) - 1)
    while node.height > 0:
        index = node.slots.children[63 - leading_zeros(found)]
        node = node_at(nodes, index)
        found = node.occupied
    return (index << 6) | <uint32_t>(63 - leading_zeros(found))


cdef inline uint32_t ladder_above(const Pool* nodes, uint32_t handle) noexcept nogil:
    """The handle of the next higher occupied level, or NONE."""
    cdef uint32_t index = handle >> 6
    cdef Node* node = node_at(nodes, index)
    cdef uint64_t found = node.occupied & ~((((<uint64_t>1) << (handle & 63)) << 1) - 1)
    cdef uint32_t slot
    while found == 0:
        slot = node.prefix & 63
        index = node.parent
        if index == NONE:
            return NONE
        node = node_at(nodes, index)
        found = node.occupied & ~((((<uint64_t>1) << slot) << 1) - 1)
    while node.height > 0:
        index = node.slots.children[lowest_bit(found)]
        node = node_at(nodes, index)
        found = node.occupied
    return (index << 6) | <uint32_t>lowest_bit(found)

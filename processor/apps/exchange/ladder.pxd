"""The occupied price levels of one symbol, in order: a tree of 64-way nodes over the price's bits, six bits a step.

    price ^ 2^63 = | ... | bits 12-17 | bits 6-11 | bits 0-5 |        a leaf: 64 adjacent prices, a bit and a level for each
                            slot in the node of height 2, 1, and 0    height h > 0: its slot is bits 6h to 6h + 5, a child for each

Every node but a leaf has two children at least: steps that would decide nothing are left out (as in a Patricia tree). So the tree is
only as high as the occupied prices differ, 4,096 adjacent ticks need two steps, and a lone far price costs a leaf and a node at most. The
next occupied price is a bit scan, within a leaf nearly always. Bids and asks share the tree: a resting book is never crossed, so
every occupied price below the best bid is a bid and every one above the best ask is an ask.

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
    NODES_FOR_A_LEVEL = 2         # most nodes that one new level can take: where its path leaves the tree, and its leaf

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
    uint32_t slot                 # which of the parent's children this is
    uint32_t height
    uint32_t reserved[9]
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


cdef inline uint32_t slot_of(uint64_t bits, uint32_t height) noexcept nogil:
    return <uint32_t>(bits >> (6 * height)) & 63


cdef inline uint32_t node_take(Pool* nodes, uint64_t prefix, uint32_t height) noexcept nogil:
    cdef uint32_t index = pool_take(nodes, NULL if nodes.free_first == NONE else node_at(nodes, nodes.free_first))
    cdef Node* node = node_at(nodes, index)
    node.occupied = 0
    node.prefix = prefix
    node.height = height
    return index


cdef inline void node_link(Pool* nodes, uint32_t* root, uint32_t parent, uint32_t slot, uint32_t child) noexcept nogil:
    """Makes `child` the one in the parent's slot, or the root if there is no parent."""
    cdef Node* above
    node_at(nodes, child).parent = parent
    node_at(nodes, child).slot = slot
    if parent == NONE:
        root[0] = child
        return
    above = node_at(nodes, parent)
    above.occupied |= (<uint64_t>1) << slot
    above.slots.children[slot] = child


cdef inline uint32_t node_split(Pool* nodes, uint32_t* root, uint32_t index, uint64_t bits) noexcept nogil:
    """A node in place of this one, with it as a child, at the height where these bits and its prefix part."""
    cdef Node* node = node_at(nodes, index)
    cdef uint64_t own = node.prefix << (6 * (node.height + 1))     # a node of height 10 fits all bits, so the shift is below 64
    cdef uint32_t height = <uint32_t>(63 - leading_zeros(own ^ bits)) // 6
    cdef uint32_t branch = node_take(nodes, prefix_above(bits, height), height)
    node_link(nodes, root, node.parent, node.slot, branch)
    node_link(nodes, root, branch, slot_of(own, height), index)
    return branch


cdef inline uint32_t ladder_add(Pool* nodes, uint32_t* root, int64_t price) noexcept nogil:
    """The handle of the price's level, made (both ends NONE) if it is not there. NODES_FOR_A_LEVEL must have been reserved."""
    cdef uint64_t bits = bits_of_price(price)
    cdef uint32_t index = root[0]
    cdef uint32_t leaf
    cdef uint32_t slot
    cdef Node* node
    if index == NONE:
        index = node_take(nodes, prefix_above(bits, 0), 0)
        node_link(nodes, root, NONE, 0, index)
    node = node_at(nodes, index)
    while True:
        if node.prefix != prefix_above(bits, node.height):
            index = node_split(nodes, root, index, bits)
            node = node_at(nodes, index)
        slot = slot_of(bits, node.height)
        if node.height == 0:
            break
        if not node.occupied & ((<uint64_t>1) << slot):
            leaf = node_take(nodes, prefix_above(bits, 0), 0)
            node_link(nodes, root, index, slot, leaf)
        index = node.slots.children[slot]
        node = node_at(nodes, index)
    if not node.occupied & ((<uint64_t>1) << slot):
        node.occupied |= (<uint64_t>1) << slot
        node.slots.levels[slot].first = NONE
        node.slots.levels[slot].last = NONE
    return (index << 6) | slot


cdef inline void ladder_remove(Pool* nodes, uint32_t* root, uint32_t handle) noexcept nogil:
    """Takes an empty level out; its leaf if that is empty then; and the node above that if it has a single child left."""
    cdef uint32_t index = handle >> 6
    cdef Node* node = node_at(nodes, index)
    cdef uint32_t above
    cdef uint32_t slot
    node.occupied &= ~((<uint64_t>1) << (handle & 63))
    if node.occupied != 0:
        return
    above = node.parent
    slot = node.slot
    pool_give_back(nodes, index, node)
    if above == NONE:
        root[0] = NONE
        return
    node = node_at(nodes, above)
    node.occupied &= ~((<uint64_t>1) << slot)
    if node.occupied & (node.occupied - 1) == 0:
        node_link(nodes, root, node.parent, node.slot, node.slots.children[lowest_bit(node.occupied)])
        pool_give_back(nodes, above, node)


cdef inline uint32_t ladder_below(const Pool* nodes, uint32_t handle) noexcept nogil:
    """The handle of the next lower occupied level, or NONE."""
    cdef uint32_t index = handle >> 6
    cdef Node* node = node_at(nodes, index)
    cdef uint64_t found = node.occupied & (((<uint64_t>1) << (handle & 63)) - 1)
    cdef uint32_t slot
    while found == 0:
        slot = node.slot
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
        slot = node.slot
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

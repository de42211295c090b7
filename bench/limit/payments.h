/* The payments of bench/payments.py, as whole events of 64 bytes, and the result that they must come to. */
#pragma once
#include <inttypes.h>
#include <stdint.h>
#include <stdio.h>

#define ACCOUNTS 10000

typedef struct {
    uint64_t sequence; int64_t timestamp; uint32_t session; uint16_t type, length; uint64_t request;
    uint32_t account, pad; int64_t amount; char unused[16];
} slot;

_Static_assert(sizeof(slot) == 64, "an event has 64 bytes");

static inline void make_payment(slot *event, uint64_t k) {
    uint64_t x = k + 1;
    x = (x ^ x >> 30) * 0xBF58476D1CE4E5B9u;
    x = (x ^ x >> 27) * 0x94D049BB133111EBu;
    x ^= x >> 31;
    *event = (slot){ .sequence = k + 1, .session = 1, .type = 1, .length = 16, .request = k + 1,
                     .account = (uint32_t)(x >> 8) % ACCOUNTS, .amount = (int64_t)(x >> 40 & 1023) - 256 };
}

typedef struct { uint64_t count, sum; int64_t balance[ACCOUNTS]; } outcome;

static inline void apply_payment(outcome *all, const slot *event) {
    all->sum += (uint64_t)(all->balance[event->account] += event->amount);
    all->count++;
}

static inline uint64_t checksum(const outcome *all) {
    uint64_t total = 0;
    for (uint64_t k = 0; k < ACCOUNTS; k++) total += (k + 1) * (uint64_t)all->balance[k];
    return total;
}

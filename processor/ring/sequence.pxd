"""Padded sequences with acquire/release, and the waiter that a stage's thread sleeps on.

A Waiter belongs to one thread, which sleeps only where waiter_idle says so. Whoever moves a sequence that this thread may wait for
calls waiter_wake, which costs a fence and a load unless the thread sleeps, and nothing where it never sleeps. Sleeping is on an eventfd, so that a thread can wait for descriptors (epoll, a journal's) as well.
"""

from libc.stdint cimport int64_t, uint64_t

cdef enum WaitStrategy:
    WAIT_BLOCK = 0
    WAIT_YIELD = 1
    WAIT_SPIN = 2

cdef extern from * nogil:
    """
    #ifndef PROCESSOR_SEQUENCE
    #define PROCESSOR_SEQUENCE
    #include <errno.h>
    #include <poll.h>
    #include <sched.h>
    #include <stdint.h>
    #include <sys/eventfd.h>
    #include <time.h>
    #include <unistd.h>

    /* Two cache lines: the adjacent-line prefetcher of x86 pulls pairs. */
    typedef struct { uint64_t value; char padding[120]; } __attribute__((aligned(128))) processor_sequence;
    typedef struct { int event_fd; int strategy; uint32_t sleeping; uint32_t idle; char padding[112]; }
        __attribute__((aligned(128))) processor_waiter;

    static inline uint64_t sequence_get(const processor_sequence *s) { return __atomic_load_n(&s->value, __ATOMIC_ACQUIRE); }
    static inline void sequence_set(processor_sequence *s, uint64_t v) { __atomic_store_n(&s->value, v, __ATOMIC_RELEASE); }
    static inline uint64_t load_acquire(const uint64_t *p) { return __atomic_load_n(p, __ATOMIC_ACQUIRE); }
    static inline void store_release(uint64_t *p, uint64_t v) { __atomic_store_n(p, v, __ATOMIC_RELEASE); }
    static inline uint64_t load_relaxed(const uint64_t *p) { return __atomic_load_n(p, __ATOMIC_RELAXED); }
    static inline void store_relaxed(uint64_t *p, uint64_t v) { __atomic_store_n(p, v, __ATOMIC_RELAXED); }

    static inline void cpu_pause(void) {
    #if defined(__x86_64__) || defined(__i386__)
        __builtin_ia32_pause();
    #elif defined(__aarch64__)
        __asm__ volatile("yield");
    #endif
    }

    /* -1 when the system has no descriptor left. */
    static inline int waiter_init(processor_waiter *w, int strategy) {
        w->strategy = strategy; w->sleeping = 0; w->idle = 0;
        w->event_fd = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
        return w->event_fd < 0 ? -1 : 0;
    }
    static inline void waiter_close(processor_waiter *w) { if (w->event_fd >= 0) close(w->event_fd); w->event_fd = -1; }

    /* To sleep: prepare, look once more whether there is work, then either cancel or sleep. The fence of prepare and the
     * one of wake make sure that one of the two sides sees the other. */
    static inline void waiter_prepare(processor_waiter *w) {
        __atomic_exchange_n(&w->sleeping, 1, __ATOMIC_SEQ_CST);
    }
    static inline void waiter_cancel(processor_waiter *w) { __atomic_store_n(&w->sleeping, 0, __ATOMIC_RELAXED); }
    static inline void waiter_drain(processor_waiter *w) {
        uint64_t n; while (read(w->event_fd, &n, sizeof n) < 0 && errno == EINTR) { }
    }
    /* Returns when woken, when other_fd (or -1) is readable, or after timeout_ms (-1: never). */
    static inline void waiter_sleep(processor_waiter *w, int other_fd, int timeout_ms) {
        struct pollfd fds[2] = { { w->event_fd, POLLIN, 0 }, { other_fd, POLLIN, 0 } };
        poll(fds, other_fd >= 0 ? 2 : 1, timeout_ms);
        waiter_cancel(w);
        if (fds[0].revents) waiter_drain(w);
    }
    static inline void waiter_wake(processor_waiter *w) {
        /* Nobody sleeps who yields or spins (see waiter_idle), and the fence would cost every event of a claim of one. */
        if (w->strategy != 0) return;
        /* An atomic read-modify-write of nothing: a full fence that ThreadSanitizer understands, unlike a bare one. */
        if (__atomic_fetch_or(&w->sleeping, 0, __ATOMIC_SEQ_CST) && __atomic_exchange_n(&w->sleeping, 0, __ATOMIC_SEQ_CST)) {
            uint64_t one = 1; while (write(w->event_fd, &one, sizeof one) < 0 && errno == EINTR) { }
        }
    }
    /* One turn without work, for the strategies that do not sleep; returns 1 when the caller has to sleep (block). */
    static inline int waiter_idle(processor_waiter *w) {
        if (w->strategy == 0) return 1;
        if (w->strategy == 1) { if (++w->idle > 100) sched_yield(); else cpu_pause(); return 0; }
        cpu_pause(); return 0;
    }
    /* One turn of a producer that found its ring full; 1 as above. It has nothing to gain by being quick, and where there are more
     * threads than cores its core is what the consumer needs: so it sleeps as shortly as the system can (about 50 us), under every
     * strategy. To yield is not enough: the consumer may be queued on another core, and comes over only to an idle one. */
    static inline int waiter_full(processor_waiter *w) {
        if (w->strategy == 0) return 1;
        if (++w->idle > 100) { struct timespec shortest = { 0, 1 }; nanosleep(&shortest, 0); } else cpu_pause();
        return 0;
    }
    static inline void waiter_busy(processor_waiter *w) { w->idle = 0; }
    #endif
    """
    ctypedef struct Sequence "processor_sequence":
        uint64_t value
    ctypedef struct Waiter "processor_waiter":
        int event_fd
        int strategy

    uint64_t sequence_get(const Sequence*) noexcept
    void sequence_set(Sequence*, uint64_t) noexcept
    uint64_t load_acquire(const uint64_t*) noexcept
    void store_release(uint64_t*, uint64_t) noexcept
    uint64_t load_relaxed(const uint64_t*) noexcept
    void store_relaxed(uint64_t*, uint64_t) noexcept
    void cpu_pause() noexcept
    int waiter_init(Waiter*, int) noexcept
    void waiter_close(Waiter*) noexcept
    void waiter_prepare(Waiter*) noexcept
    void waiter_cancel(Waiter*) noexcept
    void waiter_drain(Waiter*) noexcept
    void waiter_sleep(Waiter*, int, int) noexcept
    void waiter_wake(Waiter*) noexcept
    int waiter_idle(Waiter*) noexcept
    int waiter_full(Waiter*) noexcept
    void waiter_busy(Waiter*) noexcept

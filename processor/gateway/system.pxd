"""The system calls that the gateway makes."""

from libc.stdint cimport int64_t, uint32_t, uint64_t

cdef extern from * nogil:
    """
    #ifndef _GNU_SOURCE
    #define _GNU_SOURCE
    #endif
    #ifndef PROCESSOR_GATEWAY_SYSTEM
    #define PROCESSOR_GATEWAY_SYSTEM
    #include <errno.h>
    #include <fcntl.h>
    #include <stdint.h>
    #include <string.h>
    #include <sys/epoll.h>
    #include <sys/eventfd.h>
    #include <sys/socket.h>
    #include <sys/uio.h>
    #include <time.h>
    #include <unistd.h>

    static inline int64_t monotonic_ms(void) {
        struct timespec now; clock_gettime(CLOCK_MONOTONIC, &now);
        return (int64_t)now.tv_sec * 1000 + now.tv_nsec / 1000000;
    }
    static inline int epoll_set(int epoll_fd, int operation, int fd, uint32_t events, uint64_t data) {
        struct epoll_event event; memset(&event, 0, sizeof event); event.events = events; event.data.u64 = data;
        return epoll_ctl(epoll_fd, operation, fd, &event);
    }
    static inline uint64_t epoll_data(const struct epoll_event *event) { return event->data.u64; }
    /* All of it, or what the socket takes now; -1 with errno. Never a SIGPIPE, never a wait. */
    static inline int64_t send_now(int fd, struct iovec *parts, int count) {
        struct msghdr message; int64_t sent;
        memset(&message, 0, sizeof message); message.msg_iov = parts; message.msg_iovlen = count;
        do sent = sendmsg(fd, &message, MSG_NOSIGNAL | MSG_DONTWAIT); while (sent < 0 && errno == EINTR);
        return sent;
    }
    static inline int64_t read_now(int fd, struct iovec *parts, int count) {
        int64_t got;
        do got = readv(fd, parts, count); while (got < 0 && errno == EINTR);
        return got;
    }
    static inline int accept_now(int fd) {
        int got;
        do got = accept4(fd, 0, 0, SOCK_NONBLOCK | SOCK_CLOEXEC); while (got < 0 && (errno == EINTR || errno == ECONNABORTED));
        return got;
    }
    static inline void enlarge_send_buffer(int fd, int bytes) { setsockopt(fd, SOL_SOCKET, SO_SNDBUF, &bytes, sizeof bytes); }
    static inline void set_blocking(int fd) { fcntl(fd, F_SETFL, fcntl(fd, F_GETFL) & ~O_NONBLOCK); }
    #endif
    """
    struct iovec:
        void* iov_base
        size_t iov_len
    struct epoll_event:
        uint32_t events
    int errno
    int EAGAIN, EMFILE, ENFILE, ENOBUFS, ENOMEM
    int EPOLL_CLOEXEC, EPOLL_CTL_ADD, EPOLL_CTL_DEL, EPOLL_CTL_MOD
    uint32_t EPOLLIN, EPOLLOUT, EPOLLRDHUP, EPOLLHUP, EPOLLERR, EPOLLET
    int EFD_CLOEXEC, EFD_NONBLOCK, EFD_SEMAPHORE
    int SHUT_RDWR

    int epoll_create1(int)
    int epoll_wait(int, epoll_event*, int, int)
    int eventfd(unsigned int, int)
    int shutdown(int, int)
    int close(int)
    long read(int, void*, size_t)
    long write(int, const void*, size_t)

    int64_t monotonic_ms() noexcept
    int epoll_set(int, int, int, uint32_t, uint64_t) noexcept
    uint64_t epoll_data(const epoll_event*) noexcept
    int64_t send_now(int, iovec*, int) noexcept
    int64_t read_now(int, iovec*, int) noexcept
    int accept_now(int) noexcept
    void enlarge_send_buffer(int, int) noexcept
    void set_blocking(int) noexcept

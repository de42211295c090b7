package bench;

import java.util.concurrent.Semaphore;

/** Messages sent and not yet confirmed, at most so many; and the time from the end of the warm-up to the last confirmation. */
final class Window {
    interface Send {
        void message(long number) throws Exception;
    }

    private final int most;
    private final Semaphore free;

    Window(final int most) {
        this.most = most;
        free = new Semaphore(most);
    }

    void confirmed(final int messages) {
        free.release(messages);
    }

    /** Sends warmUp + events messages; the seconds from the end of the confirmed warm-up to the last confirmation. */
    double seconds(final long warmUp, final long events, final Send send) throws Exception {
        run(0, warmUp, send);
        final long start = System.nanoTime();
        run(warmUp, warmUp + events, send);
        return (System.nanoTime() - start) * 1e-9;
    }

    private void run(final long first, final long end, final Send send) throws Exception {
        for (long number = first; number < end; number++) {
            free.acquire();
            send.message(number);
        }
        free.acquire(most);
        free.release(most);
    }
}

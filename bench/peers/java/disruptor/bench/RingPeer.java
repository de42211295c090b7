package bench;

import com.lmax.disruptor.BatchEventProcessor;
import com.lmax.disruptor.BatchEventProcessorBuilder;
import com.lmax.disruptor.BusySpinWaitStrategy;
import com.lmax.disruptor.EventHandler;
import com.lmax.disruptor.RingBuffer;
import com.lmax.disruptor.WaitStrategy;
import com.lmax.disruptor.YieldingWaitStrategy;
import java.util.concurrent.CountDownLatch;

/**
 * One producer, one consumer over an LMAX Disruptor: RingPeer stream|ping-pong spin|yield SLOTS EVENTS CLAIM ROUNDS.
 * The last of ROUNDS is measured, those before it warm up. Prints seconds and the consumer's sum.
 */
public final class RingPeer {
    static final class Event {
        long value;
    }

    /** Sums what it gets, and says when it has had `events` of them. */
    static final class Summing implements EventHandler<Event> {
        private final CountDownLatch done = new CountDownLatch(1);
        private final long last;
        private long sum;

        Summing(final long events) {
            last = events - 1;
        }

        @Override
        public void onEvent(final Event event, final long sequence, final boolean endOfBatch) {
            sum += event.value;
            if (sequence == last) {
                done.countDown();
            }
        }
    }

    /** Sends each value back, one more than it came. */
    static final class Echo implements EventHandler<Event> {
        private final RingBuffer<Event> back;

        Echo(final RingBuffer<Event> back) {
            this.back = back;
        }

        @Override
        public void onEvent(final Event event, final long sequence, final boolean endOfBatch) {
            final long claimed = back.next();
            back.get(claimed).value = event.value + 1;
            back.publish(claimed);
        }
    }

    /** Asks again as soon as an answer is there. */
    static final class Asking implements EventHandler<Event> {
        private final CountDownLatch done = new CountDownLatch(1);
        private final RingBuffer<Event> out;
        private final long last;
        private long sum;

        Asking(final RingBuffer<Event> out, final long events) {
            this.out = out;
            last = events - 1;
        }

        @Override
        public void onEvent(final Event event, final long sequence, final boolean endOfBatch) {
            sum += event.value;
            if (sequence == last) {
                done.countDown();
            } else {
                ask(out, sequence + 1);
            }
        }
    }

    static void ask(final RingBuffer<Event> out, final long value) {
        final long claimed = out.next();
        out.get(claimed).value = value;
        out.publish(claimed);
    }

    static RingBuffer<Event> ring(final int slots, final String wait) {
        final WaitStrategy strategy = wait.equals("spin") ? new BusySpinWaitStrategy() : new YieldingWaitStrategy();
        return RingBuffer.createSingleProducer(Event::new, slots, strategy);
    }

    static BatchEventProcessor<Event> follow(final RingBuffer<Event> ring, final EventHandler<Event> handler) {
        final BatchEventProcessor<Event> processor = new BatchEventProcessorBuilder().build(ring, ring.newBarrier(), handler);
        ring.addGatingSequences(processor.getSequence());
        new Thread(processor).start();
        return processor;
    }

    public static void main(final String[] arguments) throws Exception {
        final boolean stream = arguments[0].equals("stream");
        final int slots = Integer.parseInt(arguments[2]);
        final long events = Long.parseLong(arguments[3]);
        final int claim = Integer.parseInt(arguments[4]);
        final int rounds = Integer.parseInt(arguments[5]);
        for (int round = 1; round <= rounds; round++) {
            final long[] found = stream ? stream(arguments[1], slots, events, claim) : pingPong(arguments[1], slots, events);
            if (round == rounds) {
                System.out.printf("{\"seconds\": %.9f, \"sum\": %d}%n", found[0] * 1e-9, found[1]);
            }
        }
    }

    private static long[] stream(final String wait, final int slots, final long events, final int claim) throws Exception {
        final RingBuffer<Event> ring = ring(slots, wait);
        final Summing summing = new Summing(events);
        final BatchEventProcessor<Event> processor = follow(ring, summing);
        final long start = System.nanoTime();
        if (claim == 1) {
            for (long value = 0; value < events; value++) {
                final long claimed = ring.next();
                ring.get(claimed).value = value;
                ring.publish(claimed);
            }
        } else {
            for (long value = 0; value < events; ) {
                final int take = (int) Math.min(claim, events - value);
                final long high = ring.next(take);
                final long low = high - (take - 1);
                for (long claimed = low; claimed <= high; claimed++) {
                    ring.get(claimed).value = value++;
                }
                ring.publish(low, high);
            }
        }
        summing.done.await();
        final long elapsed = System.nanoTime() - start;
        processor.halt();
        return new long[] {elapsed, summing.sum};
    }

    private static long[] pingPong(final String wait, final int slots, final long events) throws Exception {
        final RingBuffer<Event> out = ring(slots, wait);
        final RingBuffer<Event> back = ring(slots, wait);
        final Asking asking = new Asking(out, events);
        final BatchEventProcessor<Event> echo = follow(out, new Echo(back));
        final BatchEventProcessor<Event> asker = follow(back, asking);
        final long start = System.nanoTime();
        ask(out, 0);
        asking.done.await();
        final long elapsed = System.nanoTime() - start;
        echo.halt();
        asker.halt();
        return new long[] {elapsed, asking.sum};
    }
}

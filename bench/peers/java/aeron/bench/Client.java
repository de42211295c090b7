package bench;

import io.aeron.cluster.client.AeronCluster;
import io.aeron.cluster.client.EgressListener;
import io.aeron.logbuffer.Header;
import java.util.Locale;
import org.HdrHistogram.Histogram;
import org.agrona.DirectBuffer;
import org.agrona.concurrent.UnsafeBuffer;
import org.agrona.concurrent.YieldingIdleStrategy;

/**
 * A client of the node: Client FIRST_PORT udp|ipc WARM_UP EVENTS WINDOW LONE.
 * Offers payments, at most WINDOW unanswered (the first WARM_UP are not timed), then asks LONE times one by one. Prints seconds,
 * the percentiles of a lone round trip in us, and what the answers to all of it come to.
 */
public final class Client implements EgressListener {
    private final Payments found = new Payments();
    private final UnsafeBuffer event = new UnsafeBuffer(new byte[Payments.EVENT_BYTES]);
    private final YieldingIdleStrategy idle = new YieldingIdleStrategy();
    private AeronCluster cluster;
    private long sent;

    @Override
    public void onMessage(
        final long session, final long timestamp, final DirectBuffer buffer, final int offset, final int length, final Header header) {
        found.answered(buffer.getInt(offset), buffer.getLong(offset + 8));
    }

    private void send() {
        final long mixed = Payments.mixed(sent);
        event.putLong(0, sent + 1);
        event.putLong(24, sent + 1);
        event.putInt(32, Payments.account(mixed));
        event.putLong(40, Payments.amount(mixed));
        while (cluster.offer(event, 0, Payments.EVENT_BYTES) < 0) {
            idle.idle(cluster.pollEgress());
        }
        sent++;
    }

    private void stream(final long events, final int window) {
        final long end = sent + events;
        while (found.count < end) {
            int work = 0;
            while (sent < end && sent - found.count < window && work < 32) {
                send();
                work++;
            }
            idle.idle(cluster.pollEgress() + work);
        }
    }

    public static void main(final String[] arguments) {
        final int port = Integer.parseInt(arguments[0]);
        final boolean ipc = arguments[1].equals("ipc");
        final long warmUp = Long.parseLong(arguments[2]);
        final long events = Long.parseLong(arguments[3]);
        final int window = Integer.parseInt(arguments[4]);
        final int lone = Integer.parseInt(arguments[5]);
        final Client client = new Client();
        final AeronCluster.Context context = new AeronCluster.Context()
            .egressListener(client).aeronDirectoryName(Node.aeronDirectory()).messageTimeoutNs(30_000_000_000L);
        if (ipc) {
            context.ingressChannel("aeron:ipc?term-length=16m").egressChannel("aeron:ipc?term-length=16m");
        } else {
            context.ingressChannel("aeron:udp?term-length=16m").ingressEndpoints("0=localhost:" + (port + 1))
                .egressChannel("aeron:udp?endpoint=localhost:0|term-length=16m");
        }
        final Histogram trips = new Histogram(60_000_000_000L, 3);
        final double seconds;
        try (AeronCluster connected = AeronCluster.connect(context)) {
            client.cluster = connected;
            client.stream(warmUp, window);
            final long start = System.nanoTime();
            client.stream(events, window);
            seconds = (System.nanoTime() - start) * 1e-9;
            for (int trip = -lone / 10; trip < lone; trip++) {
                final long asked = System.nanoTime();
                client.stream(1, 1);
                if (trip >= 0) {
                    trips.recordValue(System.nanoTime() - asked);
                }
            }
        }
        System.out.printf(Locale.ROOT, "{\"seconds\": %.9f, \"p50\": %.3f, \"p99\": %.3f, \"count\": %d, \"sum\": %d, \"checksum\": %d}%n",
            seconds, trips.getValueAtPercentile(50) * 1e-3, trips.getValueAtPercentile(99) * 1e-3, client.found.count,
            client.found.sum, client.found.checksum());
    }
}

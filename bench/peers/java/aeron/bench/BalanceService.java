package bench;

import io.aeron.ExclusivePublication;
import io.aeron.Image;
import io.aeron.cluster.codecs.CloseReason;
import io.aeron.cluster.service.ClientSession;
import io.aeron.cluster.service.Cluster;
import io.aeron.cluster.service.ClusteredService;
import io.aeron.logbuffer.Header;
import java.util.concurrent.atomic.AtomicLong;
import org.agrona.DirectBuffer;
import org.agrona.concurrent.UnsafeBuffer;

/** A running balance for each account; every event of 64 bytes is answered by (account, balance). */
final class BalanceService implements ClusteredService {
    /** Events applied, for who waits until a replay is done. */
    final AtomicLong applied = new AtomicLong();
    private final Payments payments = new Payments();
    private final UnsafeBuffer output = new UnsafeBuffer(new byte[16]);
    private Cluster cluster;

    long balancesChecksum() {
        return payments.checksum();
    }

    @Override
    public void onStart(final Cluster started, final Image snapshot) {
        cluster = started;
    }

    @Override
    public void onSessionMessage(
        final ClientSession session, final long timestamp, final DirectBuffer buffer, final int offset, final int length,
        final Header header) {
        final int account = buffer.getInt(offset + 32);
        final long balance = payments.balances[account] + buffer.getLong(offset + 40);
        payments.balances[account] = balance;
        if (session != null) {
            output.putInt(0, account);
            output.putLong(8, balance);
            while (session.offer(output, 0, 16) < 0) {
                cluster.idleStrategy().idle();
            }
        }
        applied.lazySet(applied.get() + 1);
    }

    @Override
    public void onSessionOpen(final ClientSession session, final long timestamp) {
    }

    @Override
    public void onSessionClose(final ClientSession session, final long timestamp, final CloseReason reason) {
    }

    @Override
    public void onTimerEvent(final long id, final long timestamp) {
    }

    @Override
    public void onTakeSnapshot(final ExclusivePublication publication) {
    }

    @Override
    public void onRoleChange(final Cluster.Role role) {
    }

    @Override
    public void onTerminate(final Cluster closing) {
    }
}

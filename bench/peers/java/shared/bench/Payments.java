package bench;

import java.nio.ByteBuffer;
import java.nio.ByteOrder;
import java.util.Locale;

/** The payments of bench/payments.py as events of 64 bytes, and the result that they must come to. */
final class Payments {
    static final int ACCOUNTS = 10_000;
    static final int EVENT_BYTES = 64;

    long count;
    long sum;
    final long[] balances = new long[ACCOUNTS];

    static long mixed(final long k) {
        long x = k + 1;
        x = (x ^ x >>> 30) * 0xBF58476D1CE4E5B9L;
        x = (x ^ x >>> 27) * 0x94D049BB133111EBL;
        return x ^ x >>> 31;
    }

    static int account(final long mixed) {
        return (int) ((mixed >>> 8 & 0xFFFFFFFFL) % ACCOUNTS);
    }

    static long amount(final long mixed) {
        return (mixed >>> 40 & 1023) - 256;
    }

    static byte[] event(final long k) {
        final byte[] made = new byte[EVENT_BYTES];
        final long mixed = mixed(k);
        ByteBuffer.wrap(made).order(ByteOrder.LITTLE_ENDIAN)
            .putLong(0, k + 1).putLong(24, k + 1).putInt(32, account(mixed)).putLong(40, amount(mixed));
        return made;
    }

    /** Applies an event: its account's new balance is the output. */
    void apply(final byte[] event) {
        final ByteBuffer read = ByteBuffer.wrap(event).order(ByteOrder.LITTLE_ENDIAN);
        final int account = read.getInt(32);
        answered(account, balances[account] + read.getLong(40));
    }

    /** Takes an output: an account and its new balance. */
    void answered(final int account, final long balance) {
        count++;
        sum += balance;
        balances[account] = balance;
    }

    long checksum() {
        long total = 0;
        for (int k = 0; k < ACCOUNTS; k++) {
            total += (k + 1) * balances[k];
        }
        return total;
    }

    /** The line that a program of a message broker ends with: seconds, and what the messages that it kept come to. */
    void print(final double seconds) {
        System.out.printf(Locale.ROOT, "{\"seconds\": %.9f, \"count\": %d, \"sum\": %d, \"checksum\": %d}%n",
            seconds, count, sum, checksum());
    }
}

package bench;

/** The payments of bench/payments.py, and the result that they must come to. */
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
}

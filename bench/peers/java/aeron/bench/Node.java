package bench;

import io.aeron.archive.Archive;
import io.aeron.archive.ArchiveThreadingMode;
import io.aeron.archive.client.AeronArchive;
import io.aeron.cluster.ClusteredMediaDriver;
import io.aeron.cluster.ConsensusModule;
import io.aeron.cluster.service.ClusteredServiceContainer;
import io.aeron.driver.MediaDriver;
import io.aeron.driver.ThreadingMode;
import java.io.File;
import org.agrona.CloseHelper;
import org.agrona.concurrent.BackoffIdleStrategy;
import org.agrona.concurrent.IdleStrategy;
import org.agrona.concurrent.ShutdownSignalBarrier;
import org.agrona.concurrent.YieldingIdleStrategy;

/**
 * One node of an Aeron Cluster: Node DIRECTORY FIRST_PORT FILE_SYNC_LEVEL THREADING [EVENTS].
 * Clients come by UDP or IPC. It says "ready" when it is started. With EVENTS it is to replay that many from its log, and prints the seconds that this took.
 */
public final class Node implements AutoCloseable {
    final BalanceService service = new BalanceService();
    private final ClusteredMediaDriver driver;
    private final ClusteredServiceContainer container;

    Node(final String directory, final int port, final int sync, final ThreadingMode mode) {
        final String host = "localhost";
        final String aeron = aeronDirectory();
        final MediaDriver.Context media = new MediaDriver.Context()
            .aeronDirectoryName(aeron).threadingMode(mode).termBufferSparseFile(false).dirDeleteOnStart(true)
            .sharedIdleStrategy(idle()).conductorIdleStrategy(idle()).receiverIdleStrategy(idle()).senderIdleStrategy(idle());
        final Archive.Context archive = new Archive.Context()
            .aeronDirectoryName(aeron).archiveDir(new File(directory, "archive")).threadingMode(ArchiveThreadingMode.SHARED)
            .controlChannel("aeron:udp?endpoint=" + host + ":" + port).localControlChannel("aeron:ipc?term-length=64k")
            .replicationChannel("aeron:udp?endpoint=" + host + ":0").recordingEventsEnabled(false)
            .fileSyncLevel(sync).catalogFileSyncLevel(sync).idleStrategySupplier(Node::idle);
        final AeronArchive.Context client = new AeronArchive.Context()
            .aeronDirectoryName(aeron).controlRequestChannel(archive.localControlChannel())
            .controlRequestStreamId(archive.localControlStreamId()).controlResponseChannel("aeron:ipc?term-length=64k");
        archive.archiveClientContext(client.clone());
        final ConsensusModule.Context consensus = new ConsensusModule.Context()
            .clusterMemberId(0).clusterMembers("0," + host + ":" + (port + 1) + "," + host + ":" + (port + 2) + "," + host + ":"
                + (port + 3) + "," + host + ":" + (port + 4) + "," + host + ":" + port)
            .clusterDir(new File(directory, "cluster")).ingressChannel("aeron:udp?term-length=16m")
            .isIpcIngressAllowed(true).logChannel("aeron:ipc?term-length=64m").replicationChannel("aeron:udp?endpoint=" + host + ":0")
            .fileSyncLevel(sync).archiveContext(client.clone()).idleStrategySupplier(Node::idle)
            .sessionTimeoutNs(60_000_000_000L);
        driver = ClusteredMediaDriver.launch(media, archive, consensus);
        container = ClusteredServiceContainer.launch(new ClusteredServiceContainer.Context()
            .aeronDirectoryName(aeron).archiveContext(client.clone()).clusterDir(new File(directory, "cluster"))
            .clusteredService(service).idleStrategySupplier(Node::idle));
    }

    /** Where the driver's shared memory lies: a folder of a tmpfs, given by who starts us. */
    static String aeronDirectory() {
        return System.getProperty("bench.aeron");
    }

    /** bench.idle: yield (never sleeps) or backoff (spins, yields, then sleeps for up to a millisecond: Aeron's default). */
    static IdleStrategy idle() {
        return System.getProperty("bench.idle").equals("yield")
            ? new YieldingIdleStrategy() : new BackoffIdleStrategy(10, 20, 1_000, 1_000_000);
    }


    @Override
    public void close() {
        CloseHelper.quietCloseAll(container, driver);
    }

    public static void main(final String[] arguments) throws Exception {
        final long start = System.nanoTime();
        try (Node node = new Node(arguments[0], Integer.parseInt(arguments[1]), Integer.parseInt(arguments[2]),
            ThreadingMode.valueOf(arguments[3]))) {
            if (arguments.length > 4) {
                final long events = Long.parseLong(arguments[4]);
                long first = 0;
                while (node.service.applied.get() < events) {
                    if (first == 0 && node.service.applied.get() > 0) {
                        first = System.nanoTime();
                    }
                    Thread.sleep(1);
                }
                System.out.printf("{\"seconds\": %.6f, \"with_start\": %.6f, \"checksum\": %d}%n",
                    (System.nanoTime() - first) * 1e-9, (System.nanoTime() - start) * 1e-9, node.service.balancesChecksum());
                return;
            }
            System.out.println("ready");
            System.out.flush();
            new ShutdownSignalBarrier().await();
        }
    }
}

package bench;

import java.nio.ByteBuffer;
import java.nio.ByteOrder;
import java.time.Duration;
import java.util.Properties;
import org.apache.kafka.clients.consumer.ConsumerConfig;
import org.apache.kafka.clients.producer.ProducerConfig;
import org.apache.kafka.common.serialization.Serdes;
import org.apache.kafka.streams.KafkaStreams;
import org.apache.kafka.streams.StreamsBuilder;
import org.apache.kafka.streams.StreamsConfig;
import org.apache.kafka.streams.Topology;
import org.apache.kafka.streams.processor.api.Processor;
import org.apache.kafka.streams.processor.api.ProcessorContext;
import org.apache.kafka.streams.processor.api.Record;
import org.apache.kafka.streams.state.KeyValueStore;
import org.apache.kafka.streams.state.Stores;

/**
 * A running balance for each account by Kafka Streams: BalanceStreams BOOTSTRAP IN OUT GUARANTEE STATE_DIR.
 * Every event is answered by a record (account, balance) of OUT. It runs until it is ended.
 */
public final class BalanceStreams {
    static final String STORE = "balances";

    static final class Balancing implements Processor<byte[], byte[], byte[], byte[]> {
        private ProcessorContext<byte[], byte[]> context;
        private KeyValueStore<Integer, Long> balances;

        @Override
        public void init(final ProcessorContext<byte[], byte[]> given) {
            context = given;
            balances = given.getStateStore(STORE);
        }

        @Override
        public void process(final Record<byte[], byte[]> record) {
            final ByteBuffer event = ByteBuffer.wrap(record.value()).order(ByteOrder.LITTLE_ENDIAN);
            final int account = event.getInt(32);
            final Long before = balances.get(account);
            final long balance = (before == null ? 0L : before) + event.getLong(40);
            balances.put(account, balance);
            final byte[] output = new byte[16];
            ByteBuffer.wrap(output).order(ByteOrder.LITTLE_ENDIAN).putInt(0, account).putLong(8, balance);
            context.forward(record.withValue(output));
        }
    }

    public static void main(final String[] arguments) throws Exception {
        final Properties settings = new Properties();
        settings.put(StreamsConfig.APPLICATION_ID_CONFIG, "balances-" + arguments[1]);
        settings.put(StreamsConfig.BOOTSTRAP_SERVERS_CONFIG, arguments[0]);
        settings.put(StreamsConfig.PROCESSING_GUARANTEE_CONFIG, arguments[3]);
        settings.put(StreamsConfig.STATE_DIR_CONFIG, arguments[4]);
        settings.put(StreamsConfig.NUM_STREAM_THREADS_CONFIG, 1);
        settings.put(StreamsConfig.REPLICATION_FACTOR_CONFIG, 1);
        settings.put(StreamsConfig.consumerPrefix(ConsumerConfig.AUTO_OFFSET_RESET_CONFIG), "earliest");
        settings.put(StreamsConfig.consumerPrefix(ConsumerConfig.MAX_POLL_RECORDS_CONFIG), 10_000);
        settings.put(StreamsConfig.consumerPrefix(ConsumerConfig.MAX_PARTITION_FETCH_BYTES_CONFIG), 8 * 1024 * 1024);
        settings.put(StreamsConfig.producerPrefix(ProducerConfig.ACKS_CONFIG), "all");
        settings.put(StreamsConfig.producerPrefix(ProducerConfig.BATCH_SIZE_CONFIG), 256 * 1024);
        settings.put(StreamsConfig.producerPrefix(ProducerConfig.LINGER_MS_CONFIG), 10);
        final StreamsBuilder builder = new StreamsBuilder();
        final Topology topology = builder.build();
        topology.addSource("in", Serdes.ByteArray().deserializer(), Serdes.ByteArray().deserializer(), arguments[1]);
        topology.addProcessor("balancing", Balancing::new, "in");
        topology.addStateStore(
            Stores.keyValueStoreBuilder(Stores.inMemoryKeyValueStore(STORE), Serdes.Integer(), Serdes.Long())
                .withCachingEnabled().withLoggingEnabled(java.util.Map.of()), "balancing");
        topology.addSink("out", arguments[2], Serdes.ByteArray().serializer(), Serdes.ByteArray().serializer(), "balancing");
        final KafkaStreams streams = new KafkaStreams(topology, settings);
        Runtime.getRuntime().addShutdownHook(new Thread(() -> streams.close(Duration.ofSeconds(20))));
        streams.start();
        Thread.currentThread().join();
    }
}

package bench;

import java.io.File;
import org.apache.activemq.artemis.api.core.QueueConfiguration;
import org.apache.activemq.artemis.api.core.RoutingType;
import org.apache.activemq.artemis.api.core.client.ActiveMQClient;
import org.apache.activemq.artemis.api.core.client.ClientConsumer;
import org.apache.activemq.artemis.api.core.client.ClientMessage;
import org.apache.activemq.artemis.api.core.client.ClientProducer;
import org.apache.activemq.artemis.api.core.client.ClientSession;
import org.apache.activemq.artemis.api.core.client.ServerLocator;
import org.apache.activemq.artemis.core.config.Configuration;
import org.apache.activemq.artemis.core.config.impl.ConfigurationImpl;
import org.apache.activemq.artemis.core.server.JournalType;
import org.apache.activemq.artemis.core.server.embedded.EmbeddedActiveMQ;

/** Durable messages into a queue of Artemis over TCP, on its NIO journal: ArtemisPeer DIRECTORY PORT WARM_UP EVENTS WINDOW. */
public final class ArtemisPeer {
    public static void main(final String[] arguments) throws Exception {
        final String address = "tcp://127.0.0.1:" + arguments[1];
        final long warmUp = Long.parseLong(arguments[2]);
        final long events = Long.parseLong(arguments[3]);
        final Window window = new Window(Integer.parseInt(arguments[4]));
        final File directory = new File(arguments[0]);
        final Configuration configuration = new ConfigurationImpl()
            .setPersistenceEnabled(true).setSecurityEnabled(false).setJournalType(JournalType.NIO)
            .setJournalDirectory(new File(directory, "journal").getPath())
            .setBindingsDirectory(new File(directory, "bindings").getPath())
            .setLargeMessagesDirectory(new File(directory, "large").getPath())
            .setPagingDirectory(new File(directory, "paging").getPath())
            .addAcceptorConfiguration("tcp", address);
        final EmbeddedActiveMQ server = new EmbeddedActiveMQ().setConfiguration(configuration);
        server.start();
        final Payments found = new Payments();
        try (ServerLocator locator = ActiveMQClient.createServerLocator(address)) {
            locator.setConfirmationWindowSize(1024 * 1024).setBlockOnDurableSend(false).setProducerWindowSize(-1);
            final ClientSession session = locator.createSessionFactory().createSession();
            session.createQueue(QueueConfiguration.of("payments").setDurable(true).setRoutingType(RoutingType.ANYCAST));
            session.setSendAcknowledgementHandler(message -> window.confirmed(1));
            final ClientProducer producer = session.createProducer("payments");
            final double seconds = window.seconds(warmUp, events, number -> {
                final ClientMessage message = session.createMessage(true);
                message.getBodyBuffer().writeBytes(Payments.event(number));
                producer.send(message);
            });
            session.start();
            final ClientConsumer consumer = session.createConsumer("payments");
            final byte[] event = new byte[Payments.EVENT_BYTES];
            while (found.count < warmUp + events) {
                final ClientMessage message = consumer.receive(10_000);
                if (message == null) {
                    break;
                }
                message.getBodyBuffer().readBytes(event);
                message.acknowledge();
                found.apply(event);
            }
            found.print(seconds);
            System.out.flush();
        }
        server.stop();
        System.exit(0);
    }
}

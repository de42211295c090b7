package bench;

import jakarta.jms.BytesMessage;
import jakarta.jms.DeliveryMode;
import jakarta.jms.JMSException;
import jakarta.jms.MessageConsumer;
import jakarta.jms.Queue;
import jakarta.jms.Session;
import java.io.File;
import org.apache.activemq.ActiveMQConnection;
import org.apache.activemq.ActiveMQConnectionFactory;
import org.apache.activemq.ActiveMQMessageProducer;
import org.apache.activemq.AsyncCallback;
import org.apache.activemq.broker.BrokerService;
import org.apache.activemq.store.kahadb.KahaDBPersistenceAdapter;

/** Persistent messages into a queue of ActiveMQ Classic over TCP, on KahaDB: ClassicPeer DIRECTORY PORT WARM_UP EVENTS WINDOW. */
public final class ClassicPeer {
    public static void main(final String[] arguments) throws Exception {
        final String address = "tcp://127.0.0.1:" + arguments[1];
        final long warmUp = Long.parseLong(arguments[2]);
        final long events = Long.parseLong(arguments[3]);
        final Window window = new Window(Integer.parseInt(arguments[4]));
        final BrokerService broker = new BrokerService();
        final KahaDBPersistenceAdapter store = new KahaDBPersistenceAdapter();
        store.setDirectory(new File(arguments[0], "kahadb"));
        broker.setPersistenceAdapter(store);
        broker.setDataDirectory(arguments[0]);
        broker.setUseJmx(false);
        broker.setUseShutdownHook(false);
        broker.setAdvisorySupport(false);
        broker.addConnector(address);
        broker.start();
        broker.waitUntilStarted();
        final Payments found = new Payments();
        final ActiveMQConnectionFactory factory = new ActiveMQConnectionFactory(address);
        factory.setWatchTopicAdvisories(false);
        try (ActiveMQConnection connection = (ActiveMQConnection) factory.createConnection()) {
            connection.start();
            final Session session = connection.createSession(false, Session.AUTO_ACKNOWLEDGE);
            final Queue queue = session.createQueue("payments");
            final ActiveMQMessageProducer producer = (ActiveMQMessageProducer) session.createProducer(queue);
            producer.setDeliveryMode(DeliveryMode.PERSISTENT);
            final AsyncCallback confirmed = new AsyncCallback() {
                @Override
                public void onSuccess() {
                    window.confirmed(1);
                }

                @Override
                public void onException(final JMSException error) {
                    error.printStackTrace();
                    System.exit(1);
                }
            };
            final double seconds = window.seconds(warmUp, events, number -> {
                final BytesMessage message = session.createBytesMessage();
                message.writeBytes(Payments.event(number));
                producer.send(message, confirmed);
            });
            final MessageConsumer consumer = session.createConsumer(queue);
            final byte[] event = new byte[Payments.EVENT_BYTES];
            while (found.count < warmUp + events) {
                final BytesMessage message = (BytesMessage) consumer.receive(10_000);
                if (message == null) {
                    break;
                }
                message.readBytes(event);
                found.apply(event);
            }
            found.print(seconds);
        }
        broker.stop();
        System.exit(0);
    }
}

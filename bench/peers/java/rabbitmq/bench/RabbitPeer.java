package bench;

import com.rabbitmq.client.Channel;
import com.rabbitmq.client.Connection;
import com.rabbitmq.client.ConnectionFactory;
import com.rabbitmq.client.GetResponse;
import com.rabbitmq.client.MessageProperties;

/** Persistent messages into a durable queue with publisher confirms: RabbitPeer PORT WARM_UP EVENTS WINDOW. */
public final class RabbitPeer {
    public static void main(final String[] arguments) throws Exception {
        final long warmUp = Long.parseLong(arguments[1]);
        final long events = Long.parseLong(arguments[2]);
        final Window window = new Window(Integer.parseInt(arguments[3]));
        final ConnectionFactory factory = new ConnectionFactory();
        factory.setHost("127.0.0.1");
        factory.setPort(Integer.parseInt(arguments[0]));
        final Payments found = new Payments();
        try (Connection connection = factory.newConnection(); Channel channel = connection.createChannel()) {
            final String queue = channel.queueDeclare("payments", true, false, false, null).getQueue();
            channel.confirmSelect();
            final long[] last = {0};
            channel.addConfirmListener((tag, multiple) -> {
                if (multiple) {
                    window.confirmed((int) (tag - last[0]));
                    last[0] = tag;
                } else {
                    window.confirmed(1);
                    last[0] = Math.max(last[0], tag);
                }
            }, (tag, multiple) -> {
                System.err.println("the broker refused message " + tag);
                System.exit(1);
            });
            final double seconds = window.seconds(warmUp, events, number ->
                channel.basicPublish("", queue, MessageProperties.MINIMAL_PERSISTENT_BASIC, Payments.event(number)));
            for (GetResponse got = channel.basicGet(queue, true); got != null; got = channel.basicGet(queue, true)) {
                found.apply(got.getBody());
            }
            found.print(seconds);
        }
    }
}

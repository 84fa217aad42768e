"""py-amqp and kombu, the libraries below Celery: their way of declaring, publishing, consuming and recovering."""

import socket
import uuid

import amqp
import kombu
from kombu.pools import connections

from harness import TIME_SCALE, BrokerTest, main, tearDownModule, wait_until  # noqa: F401


class PyAmqp(BrokerTest):
    def open(self, **options):
        connection = amqp.Connection(f"{self.broker.host}:{self.broker.port}", "guest", "guest", virtual_host="/",
                                     connect_timeout=20 * TIME_SCALE, **options)
        connection.connect()
        self.addCleanup(lambda: connection.connected and connection.close())
        return connection

    def drain(self, connection, condition, what):
        def step():
            try:
                connection.drain_events(timeout=0.05)
            except socket.timeout:
                pass
            return condition()
        wait_until(step, what)

    def test_publish_and_consume(self):
        publisher, consumer = self.open(), self.open()
        queue = self.name()
        sender, receiver = publisher.channel(), consumer.channel()
        sender.queue_declare(queue, durable=True, auto_delete=False)
        got = []
        receiver.basic_qos(0, 10, False)
        receiver.basic_consume(queue, callback=got.append)
        for number in range(50):
            sender.basic_publish(amqp.Message(str(number), content_type="text/plain", delivery_mode=2,
                                              application_headers={"n": number}), routing_key=queue)

        def step():
            while got and not hasattr(got[-1], "seen"):
                got[-1].seen = True
                receiver.basic_ack(got[-1].delivery_tag)
            return len(got) == 50

        self.drain(consumer, step, "50 messages")
        self.assertEqual([message.body for message in got], [str(number) for number in range(50)])
        self.assertEqual([message.headers["n"] for message in got], list(range(50)))

    def test_confirms_are_waited_for(self):
        connection = self.open(confirm_publish=True)
        channel = connection.channel()
        queue = channel.queue_declare("", exclusive=True).queue
        for number in range(20):
            channel.basic_publish(amqp.Message(str(number)), routing_key=queue)
        self.assertEqual(channel.queue_declare(queue, passive=True).message_count, 20)

    def test_a_return_is_heard(self):
        connection = self.open()
        channel = connection.channel()
        returned = []
        channel.events["basic_return"].add(lambda *arguments: returned.append(arguments))
        channel.basic_publish(amqp.Message("x"), routing_key="nobody", mandatory=True)
        self.drain(connection, lambda: returned, "a return")
        self.assertEqual(returned[0][0].reply_code, 312)

    def test_errors_have_their_types(self):
        connection = self.open()
        for error, action in (
                (amqp.exceptions.NotFound, lambda channel: channel.queue_declare("void", passive=True)),
                (amqp.exceptions.AccessRefused, lambda channel: channel.queue_declare("amq.mine")),
                (amqp.exceptions.PreconditionFailed, lambda channel: (
                    channel.queue_declare("once"), channel.queue_declare("once", durable=True)))):
            with self.assertRaises(error):
                action(connection.channel())
        other = self.open().channel()
        queue = connection.channel().queue_declare("", exclusive=True).queue
        with self.assertRaises(amqp.exceptions.ResourceLocked):
            other.queue_declare(queue, passive=True)
        with self.assertRaises(amqp.exceptions.AccessRefused):
            bad = amqp.Connection(f"{self.broker.host}:{self.broker.port}", "guest", "wrong")
            bad.connect()

    def test_heartbeats_keep_an_idle_connection(self):
        connection = self.open(heartbeat=2)
        self.assertEqual(connection.heartbeat, 2)
        beats = connection.bytes_recv

        def step():
            connection.heartbeat_tick()
            return connection.bytes_recv > beats + 1

        self.drain(connection, step, "heartbeats")
        connection.channel()


class Kombu(BrokerTest):
    def connection(self):
        connection = kombu.Connection(self.broker.url(), connect_timeout=20)
        self.addCleanup(connection.release)
        return connection

    def test_a_producer_declares_what_it_needs(self):
        exchange = kombu.Exchange(self.name("x"), "topic", durable=True)
        queue = kombu.Queue(self.name(), exchange, routing_key="news.#", queue_arguments={"x-max-priority": 10})
        got = []
        with connections[self.connection()].acquire(block=True) as pooled:
            producer = pooled.Producer(serializer="json")
            for number in range(10):
                producer.publish({"number": number}, exchange=exchange, routing_key=f"news.{number}", declare=[queue],
                                 retry=True, priority=number % 3, expiration=60)
        with self.connection() as connection:
            def on_message(body, message):
                got.append(body["number"])
                message.ack()
            with connection.Consumer(queue, callbacks=[on_message], prefetch_count=20):
                def step():
                    try:
                        connection.drain_events(timeout=0.05)
                    except socket.timeout:
                        pass
                    return len(got) == 10
                wait_until(step, "ten messages")
        self.assertEqual(got, [2, 5, 8, 1, 4, 7, 0, 3, 6, 9])

    def test_a_simple_queue(self):
        name = self.name()
        with self.connection() as connection:
            with connection.SimpleQueue(name) as simple:
                for number in range(3):
                    simple.put({"n": number}, compression="zlib")
                self.assertEqual(wait_until(lambda: simple.qsize() == 3, "three are in"), True)
                got = []
                for _ in range(3):
                    message = simple.get(timeout=10)
                    got.append(message.payload["n"])
                    message.ack()
                self.assertEqual(got, [0, 1, 2])
                with self.assertRaises(simple.Empty):
                    simple.get_nowait()

    def test_a_broadcast_reaches_every_listener(self):
        name = f"control.{uuid.uuid4()}"
        exchange = kombu.Exchange(name, "fanout")
        got = []
        listeners = []
        for number in range(4):
            connection = self.connection()
            queue = kombu.Queue(f"{name}.{number}", exchange, auto_delete=True, expires=10, message_ttl=300)
            consumer = connection.Consumer(queue, callbacks=[lambda body, message: got.append(body)], no_ack=True)
            consumer.consume()
            listeners.append(connection)
        self.connection().Producer().publish({"method": "ping"}, exchange=exchange)

        def step():
            for connection in listeners:
                try:
                    connection.drain_events(timeout=0.02)
                except socket.timeout:
                    pass
            return len(got) == 4

        wait_until(step, "each listener heard it")

    def test_a_lost_connection_is_made_again(self):
        connection = self.connection()
        connection.connect()
        queue = kombu.Queue(self.name(), durable=True)(connection.default_channel)
        queue.declare()
        connection.connection.transport.sock.shutdown(socket.SHUT_RDWR)
        producer = connection.Producer()
        producer.publish("again", routing_key=queue.name, retry=True, retry_policy={"max_retries": 5,
                                                                                     "interval_start": 0})
        with self.connection() as other:
            bound = kombu.Queue(queue.name, no_declare=True)(other.default_channel)
            self.assertEqual(wait_until(bound.get, "the message").payload, "again")


if __name__ == "__main__":
    main()

"""Publishing with pika: returns, confirms, properties and bodies of all sizes, from several connections at once."""

import pika
from pika import BasicProperties

from harness import BrokerTest, Inbox, main, tearDownModule  # noqa: F401


class Publishing(BrokerTest):
    def test_a_mandatory_message_that_no_queue_takes_comes_back_before_its_confirm(self):
        connection = self.connect()
        order, opened = [], []
        channel = connection.channel()
        # Below pika's blocking face, which hides the order.
        impl = channel._impl
        impl.confirm_delivery(lambda frame: order.append(frame.method.NAME), lambda _: opened.append(True))
        self.pump(connection, lambda: opened, "confirm.select-ok")
        impl.add_on_return_callback(lambda ch, method, properties, body: order.append(
            ("return", method.reply_code, method.reply_text, method.exchange, method.routing_key, properties.message_id,
             body)))
        impl.basic_publish("amq.direct", "nowhere", b"payload", BasicProperties(message_id="m1"), mandatory=True)
        self.pump(connection, lambda: len(order) == 2, "a return and an ack")
        self.assertEqual(order, [("return", 312, "NO_ROUTE", "amq.direct", "nowhere", "m1", b"payload"), "Basic.Ack"])

    def test_returns_keep_the_order_of_the_publishes(self):
        channel = self.channel()
        returned = []
        channel.add_on_return_callback(lambda ch, method, properties, body: returned.append(int(body)))
        for number in range(200):
            channel.basic_publish("", "nobody.home", str(number).encode(), mandatory=True)
        self.pump(channel.connection, lambda: len(returned) == 200, "200 returns")
        self.assertEqual(returned, list(range(200)))

    def test_an_unroutable_message_is_confirmed_without_a_return_when_not_mandatory(self):
        channel = self.channel()
        channel.confirm_delivery()
        channel.basic_publish("amq.direct", "nowhere", b"x")  # waits for the ack

    def test_every_publish_is_confirmed_once_and_in_order_whatever_multiple_merges(self):
        connection = self.connect()
        channel = connection.channel()
        queue = channel.queue_declare(self.name(), durable=True).method.queue
        confirmed, opened, nacked = [], [], []

        def on_confirm(frame):
            method = frame.method
            (confirmed if method.NAME == "Basic.Ack" else nacked).append((method.delivery_tag, method.multiple))

        channel._impl.confirm_delivery(on_confirm, lambda _: opened.append(True))
        self.pump(connection, lambda: opened, "confirm.select-ok")
        count = 3000
        for number in range(count):
            mode = 2 if number % 3 else 1
            channel._impl.basic_publish("", queue if number % 7 else "nowhere", b"x", BasicProperties(delivery_mode=mode))

        def settled():
            open_tags = set(range(1, count + 1))
            for tag, multiple in confirmed:
                gone = {t for t in open_tags if t <= tag} if multiple else {tag} & open_tags
                if not gone:
                    raise AssertionError(f"ack of {tag} (multiple {multiple}) confirms nothing new")
                open_tags -= gone
            return not open_tags

        self.pump(connection, lambda: confirmed and (len(confirmed) >= count or any(
            tag == count for tag, _ in confirmed)) and settled(), "all confirms")
        self.assertEqual(nacked, [])
        self.wait_depth(channel, queue, count - len(range(0, count, 7)))

    def test_properties_and_headers_arrive_as_they_were_sent(self):
        sender, receiver = self.channel(), self.channel()
        queue = self.name()
        sender.queue_declare(queue)
        headers = {"text": "ü", "int": 7, "negative": -7, "big": 2 ** 40, "bool": True, "none": None,
                   "bytes": b"\x00\xff", "list": ["a", 1, {"deep": [False]}], "table": {"inner": {"x": "y"}}}
        sent = dict(content_type="application/json", content_encoding="utf-8", headers=headers, delivery_mode=2,
                    priority=5, correlation_id="c", reply_to="r", expiration="60000", message_id="m",
                    timestamp=1700000000, type="t", user_id="guest", app_id="a", cluster_id="x")
        sender.basic_publish("", queue, b"body", BasicProperties(**sent))
        _, properties, body = self.get(receiver, queue, auto_ack=True)
        self.assertEqual(body, b"body")
        for key, value in sent.items():
            self.assertEqual(getattr(properties, key), value, key)

    def test_a_message_without_properties_has_none(self):
        channel = self.channel()
        queue = channel.queue_declare(self.name()).method.queue
        channel.basic_publish("", queue, b"")
        method, properties, body = self.get(channel, queue, auto_ack=True)
        self.assertEqual({key: value for key, value in vars(properties).items() if value is not None}, {})
        self.assertEqual((body, method.message_count, method.redelivered), (b"", 0, False))

    def test_bodies_of_every_size_arrive_whole(self):
        publisher, consumer = self.channel(), self.channel()
        queue = self.name()
        publisher.queue_declare(queue)
        publisher.confirm_delivery()
        inbox = Inbox(self, consumer, queue, auto_ack=True)
        # Around one frame and two: 131072 bytes negotiated, 8 of them the frame's own.
        sizes = [0, 1, 7, 4095, 4096, 131063, 131064, 131065, 131072, 262127, 262128, 262129, 10 * 1024 * 1024]
        pattern = bytes(range(256)) * (max(sizes) // 256 + 1)
        for size in sizes:
            publisher.basic_publish("", queue, pattern[:size])
        inbox.wait(1)
        self.pump(consumer.connection, lambda: len(inbox.messages) == len(sizes), "all bodies")
        for size, (_, _, body) in zip(sizes, inbox.messages):
            self.assertTrue(body == pattern[:size], f"the body of {size} bytes")

    def test_a_large_body_crosses_small_frames(self):
        publisher, consumer = self.channel(frame_max=4096), self.channel(frame_max=8192)
        queue = self.name()
        publisher.queue_declare(queue)
        body = bytes(range(256)) * 4000
        publisher.basic_publish("", queue, body)
        self.assertTrue(self.get(consumer, queue, auto_ack=True)[2] == body)

    def test_many_publishers_and_consumers_share_queues_across_connections(self):
        queues = [self.name() for _ in range(4)]
        for queue in queues:  # declared on a connection each
            self.channel().queue_declare(queue, durable=True)
        publishers = [self.channel() for _ in range(4)]
        for publisher in publishers:
            publisher.confirm_delivery()
        inboxes = [[Inbox(self, self.channel(), queue, ack=True) for _ in range(4)] for queue in queues]
        expected = set()
        for number in range(40):
            for which, publisher in enumerate(publishers):
                for queue in queues:
                    text = f"{queue} {which} {number}"
                    publisher.basic_publish("", queue, text.encode(), BasicProperties(delivery_mode=1 + number % 2))
                    expected.add(text)

        def everything():
            for inbox in sum(inboxes, []):
                inbox.step()
            return sum(len(inbox.messages) for group in inboxes for inbox in group) >= len(expected)

        self.pump(publishers[0].connection, everything, "all messages", 60)
        got = [body for group in inboxes for inbox in group for body in inbox.bodies]
        self.assertEqual(len(got), len(expected), "nothing twice")
        self.assertEqual(set(got), expected)
        for queue, group in zip(queues, inboxes):
            for inbox in group:
                self.assertGreater(len(inbox.messages), 0, "round-robin reaches everybody")
                for which in range(4):  # what one publisher sent stays in order at each consumer
                    numbers = [int(body.split()[2]) for body in inbox.bodies if body.split()[1] == str(which)]
                    self.assertEqual(numbers, sorted(numbers))
        for queue in queues:
            self.wait_depth(publishers[0], queue, 0)

    def test_many_channels_on_one_connection_publish_and_consume(self):
        connection = self.connect()
        channels = [connection.channel() for _ in range(100)]
        queues = [channel.queue_declare("", exclusive=True).method.queue for channel in channels]
        inboxes = [Inbox(self, channel, queue, auto_ack=True) for channel, queue in zip(channels, queues)]
        for number, channel in enumerate(channels):
            channel.basic_publish("", queues[(number + 37) % 100], str(number).encode())
        self.pump(connection, lambda: all(inbox.messages for inbox in inboxes), "a message in each channel")
        self.assertEqual([inbox.bodies for inbox in inboxes], [[str((number - 37) % 100)] for number in range(100)])

    def test_cc_and_bcc_add_routing_keys_and_bcc_is_taken_out(self):
        channel = self.channel()
        queues = [channel.queue_declare(self.name()).method.queue for _ in range(3)]
        channel.basic_publish("", queues[0], b"x", BasicProperties(headers={"CC": [queues[1]], "BCC": [queues[2]]}))
        for queue in queues:
            method, properties, _ = self.get(self.channel(), queue, auto_ack=True)
            self.assertEqual(properties.headers, {"CC": [queues[1]]})
            self.assertEqual(method.routing_key, queues[0])

    def test_a_message_that_is_bound_twice_to_a_queue_arrives_once(self):
        channel = self.channel()
        queue = channel.queue_declare(self.name()).method.queue
        for pattern in ("#", "a.*", "*.b"):
            channel.queue_bind(queue, "amq.topic", f"{pattern}")
        channel.basic_publish("amq.topic", "a.b", b"once")
        channel.basic_publish("amq.topic", "zzz", b"last")
        self.assertEqual([self.get(channel, queue, auto_ack=True)[2] for _ in range(2)], [b"once", b"last"])


if __name__ == "__main__":
    main()

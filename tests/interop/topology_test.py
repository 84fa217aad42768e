"""Exchanges, queues and bindings with pika: who sees what, what goes away when, and how messages find their way."""

import pika

from harness import BrokerTest, Inbox, main, tearDownModule, wait_until  # noqa: F401


class Topology(BrokerTest):
    def exists(self, queue):
        """Whether a queue is there, asked over a connection of its own; another's exclusive queue is."""
        connection = self.connect()
        try:
            connection.channel().queue_declare(queue, passive=True)
            return True
        except pika.exceptions.ChannelClosedByBroker as error:
            return error.reply_code != 404
        finally:
            connection.close()

    def wait_gone(self, queue):
        wait_until(lambda: not self.exists(queue), f"{queue} is gone")

    def exchange_exists(self, exchange):
        try:
            self.channel().exchange_declare(exchange, passive=True)
            return True
        except pika.exceptions.ChannelClosedByBroker as error:
            self.assertEqual(error.reply_code, 404)
            return False

    def drain(self, channel, queue):
        """What is in the queue now, after everything published over this channel is in."""
        bodies = []
        while (got := channel.basic_get(queue, auto_ack=True))[0] is not None:
            bodies.append(got[2].decode())
        return bodies

    # --- queues --------------------------------------------------------------------------------------------------------
    def test_declaring_twice_alike_tells_what_is_in_the_queue(self):
        queue = self.name()
        arguments = {"x-message-ttl": 60000, "x-max-length": 10}
        channels = [self.channel() for _ in range(4)]
        channels[0].queue_declare(queue, durable=True, arguments=arguments)
        channels[1].confirm_delivery()
        for _ in range(3):
            channels[1].basic_publish("", queue, b"x")
        channels[2].queue_declare(self.name())
        inbox = None
        for channel in channels:
            answer = channel.queue_declare(queue, durable=True, arguments=arguments).method
            self.assertEqual((answer.queue, answer.message_count, answer.consumer_count), (queue, 3, 0))
        inbox = Inbox(self, channels[3], queue)
        inbox.wait(3)
        answer = channels[0].queue_declare(queue, passive=True).method
        self.assertEqual((answer.message_count, answer.consumer_count), (0, 1))

    def test_an_empty_name_means_the_last_declared_queue(self):
        channel = self.channel()
        queue = channel.queue_declare("").method.queue
        self.assertRegex(queue, r"^amq\.gen-")
        channel.queue_bind("", "amq.direct", "key")
        channel.basic_publish("amq.direct", "key", b"hello")
        self.assertEqual(self.get(channel, "", auto_ack=True)[2], b"hello")

    def test_an_exclusive_queue_goes_with_its_connection(self):
        connection = self.connect()
        queue = connection.channel().queue_declare("", exclusive=True).method.queue
        connection.channel().queue_declare(queue, passive=True)  # the same connection may, on any channel
        self.assertTrue(self.exists(queue))
        connection.close()
        self.wait_gone(queue)

    def test_the_name_of_an_exclusive_queue_is_free_after_its_connection(self):
        queue = self.name()
        for _ in range(6):
            connection = self.connect()

            def declared():
                try:
                    connection.channel().queue_declare(queue, exclusive=True)
                    return True
                except pika.exceptions.ChannelClosedByBroker as error:
                    self.assertEqual(error.reply_code, 405)
                    return False

            wait_until(declared, "the name is free again")
            connection.close()

    def test_an_auto_delete_queue_goes_with_its_last_consumer(self):
        queue = self.name()
        self.channel().queue_declare(queue, auto_delete=True)
        self.assertTrue(self.exists(queue), "not before it had a consumer")
        first, second = Inbox(self, self.channel(), queue), Inbox(self, self.channel(), queue)
        first.channel.basic_cancel(first.tag)
        self.assertTrue(self.exists(queue))
        second.channel.connection.close()
        self.wait_gone(queue)

    def test_purge_drops_what_is_ready_and_tells_how_much(self):
        channel = self.channel()
        queue = channel.queue_declare(self.name()).method.queue
        channel.confirm_delivery()
        for _ in range(5):
            channel.basic_publish("", queue, b"x")
        holder = self.channel()
        self.get(holder, queue)
        self.assertEqual(self.channel().queue_purge(queue).method.message_count, 4)
        holder.close()
        self.assertEqual(self.get(self.channel(), queue, auto_ack=True)[0].redelivered, True)

    def test_delete_tells_how_much_was_in_it_and_frees_the_name(self):
        channel = self.channel()
        queue = channel.queue_declare(self.name()).method.queue
        channel.confirm_delivery()
        channel.queue_bind(queue, "amq.direct", queue)
        channel.basic_publish("", queue, b"x")
        self.assertEqual(self.channel().queue_delete(queue).method.message_count, 1)
        self.assertEqual(self.channel().queue_delete(queue).method.message_count, 0)
        with self.assertRaises(pika.exceptions.UnroutableError):
            channel.basic_publish("amq.direct", queue, b"x", mandatory=True)
        other = self.channel()
        other.queue_declare(queue, durable=True)
        self.assertEqual(self.depth(other, queue), 0)

    def test_delete_only_when_empty_or_unused(self):
        channel = self.channel()
        queue = channel.queue_declare(self.name()).method.queue
        inbox = Inbox(self, self.channel(), queue)
        with self.assertRaises(pika.exceptions.ChannelClosedByBroker) as caught:
            self.channel().queue_delete(queue, if_unused=True)
        self.assertEqual(caught.exception.reply_code, 406)
        inbox.channel.basic_cancel(inbox.tag)
        channel.queue_delete(queue, if_unused=True, if_empty=True)
        self.assertFalse(self.exists(queue))

    # --- exchanges -----------------------------------------------------------------------------------------------------
    def test_the_predeclared_exchanges_are_there(self):
        channel = self.channel()
        for exchange, kind in (("amq.direct", "direct"), ("amq.fanout", "fanout"), ("amq.topic", "topic"),
                               ("amq.headers", "headers"), ("amq.match", "headers")):
            channel.exchange_declare(exchange, kind, durable=True)
            channel.exchange_declare(exchange, passive=True)

    def test_an_auto_delete_exchange_goes_with_its_last_binding(self):
        channel = self.channel()
        exchange = self.name("x")
        channel.exchange_declare(exchange, "fanout", auto_delete=True)
        self.assertTrue(self.exchange_exists(exchange))
        queues = [channel.queue_declare(self.name()).method.queue for _ in range(2)]
        for queue in queues:
            channel.queue_bind(queue, exchange)
        channel.queue_unbind(queues[0], exchange)
        self.assertTrue(self.exchange_exists(exchange))
        channel.queue_delete(queues[1])
        wait_until(lambda: not self.exchange_exists(exchange), "the exchange is gone")

    def test_delete_of_an_exchange_takes_its_bindings(self):
        channel = self.channel()
        exchange = self.name("x")
        queue = channel.queue_declare(self.name()).method.queue
        for _ in range(2):
            channel.exchange_declare(exchange, "fanout")
            channel.confirm_delivery()
            with self.assertRaises(pika.exceptions.UnroutableError):
                channel.basic_publish(exchange, "", b"x", mandatory=True)
            channel.queue_bind(queue, exchange)
            channel.basic_publish(exchange, "", b"x", mandatory=True)
            self.channel().exchange_delete(exchange)
        channel.exchange_delete(exchange)  # once more: no error
        self.assertEqual(self.depth(channel, queue), 2)

    def test_direct_routes_by_the_exact_key(self):
        self.route("direct", {"one": ["a"], "both": ["a", "b"], "none": []},
                   {"a": ["one", "both"], "b": ["both"], "c": [], "A": [], "": []})

    def test_fanout_routes_to_everybody(self):
        self.route("fanout", {"one": ["a"], "two": [""]}, {"a": ["one", "two"], "z": ["one", "two"]})

    def test_topic_patterns(self):
        self.route("topic", {
            "all": ["#"], "one": ["*"], "two": ["*.*"], "end": ["#.z"], "begin": ["a.#"], "middle": ["a.#.z"],
            "star": ["a.*.z"], "twice": ["#.b.#"], "exact": ["a.b.z"], "empty": [""],
        }, {
            "": ["all", "empty"], "a": ["all", "one", "begin"], "z": ["all", "one", "end"],
            "a.z": ["all", "two", "end", "begin", "middle"],
            "a.b.z": ["all", "end", "begin", "middle", "star", "twice", "exact"],
            "a..z": ["all", "end", "begin", "middle", "star"], "b": ["all", "one", "twice"],
            "a.b.c.z": ["all", "end", "begin", "middle", "twice"], ".": ["all", "two"],
        })

    def route(self, kind, bindings, expected):
        """Declares one queue a name with these keys, sends each key over other connections, compares who got it."""
        channel = self.channel()
        exchange = self.name("x")
        channel.exchange_declare(exchange, kind)
        queues = {}
        for short, keys in bindings.items():
            queues[short] = self.channel().queue_declare(self.name()).method.queue
            for key in keys:
                self.channel().queue_bind(queues[short], exchange, key)
        publishers = [self.channel() for _ in range(4)]
        for publisher in publishers:
            publisher.confirm_delivery()
        for number, key in enumerate(expected):
            publishers[number % 4].basic_publish(exchange, key, key.encode())
        for short, queue in queues.items():
            self.assertEqual(sorted(self.drain(channel, queue)),
                             sorted(key for key, receivers in expected.items() if short in receivers),
                             f"{kind} {short} {bindings[short]}")

    def test_headers_match_any_or_all(self):
        channel = self.channel()
        channel.confirm_delivery()
        bindings = {
            "all": {"x-match": "all", "colour": "blue", "size": 7}, "any": {"x-match": "any", "colour": "blue", "size": 7},
            "default": {"colour": "blue", "size": 7}, "present": {"x-match": "all", "colour": None}, "nothing": {},
            "ignored": {"x-match": "all", "x-other": 1, "colour": "blue"},
        }
        queues = {}
        for short, arguments in bindings.items():
            queues[short] = channel.queue_declare(self.name()).method.queue
            channel.queue_bind(queues[short], "amq.headers", "", arguments)
        messages = {"both": {"colour": "blue", "size": 7, "more": True}, "blue": {"colour": "blue"},
                    "red": {"colour": "red", "size": 8}, "wrong type": {"colour": "blue", "size": "7"}, "none": {}}
        for text, headers in messages.items():
            channel.basic_publish("amq.headers", "key", text.encode(), pika.BasicProperties(headers=headers))
        got = {short: self.drain(channel, queue) for short, queue in queues.items()}
        self.assertEqual(got, {
            "all": ["both"], "any": ["both", "blue", "wrong type"], "default": ["both"],
            "present": ["both", "blue", "red", "wrong type"], "nothing": ["both", "blue", "red", "wrong type", "none"],
            "ignored": ["both", "blue", "wrong type"]})

    def test_exchanges_bound_to_exchanges_pass_on(self):
        channel = self.channel()
        source, middle, sink = (self.name("x") for _ in range(3))
        channel.exchange_declare(source, "topic")
        self.channel().exchange_declare(middle, "direct")
        self.channel().exchange_declare(sink, "fanout", internal=True)
        channel.exchange_bind(middle, source, "log.#")
        channel.exchange_bind(sink, middle, "log.error")
        channel.exchange_bind(source, sink, "")  # a circle must end
        queue = self.channel().queue_declare(self.name()).method.queue
        channel.queue_bind(queue, sink)
        channel.queue_bind(queue, source, "direct.way")
        publisher = self.channel()
        publisher.confirm_delivery()
        for key in ("log.error", "log.info", "direct.way", "other"):
            publisher.basic_publish(source, key, key.encode())
        self.assertEqual(self.drain(channel, queue), ["log.error", "direct.way"])
        channel.exchange_unbind(sink, middle, "log.error")
        publisher.basic_publish(source, "log.error", b"late")
        self.assertEqual(self.drain(channel, queue), [])

    def test_an_alternate_exchange_takes_what_cannot_be_routed(self):
        channel = self.channel()
        main_exchange, rest = self.name("x"), self.name("x")
        channel.exchange_declare(rest, "fanout")
        channel.exchange_declare(main_exchange, "direct", arguments={"alternate-exchange": rest})
        known, lost = (channel.queue_declare(self.name()).method.queue for _ in range(2))
        channel.queue_bind(known, main_exchange, "known")
        channel.queue_bind(lost, rest)
        channel.confirm_delivery()
        for key in ("known", "unknown"):
            channel.basic_publish(main_exchange, key, key.encode(), mandatory=True)
        self.assertEqual((self.drain(channel, known), self.drain(channel, lost)), (["known"], ["unknown"]))

    def test_a_publisher_sees_bindings_and_unbindings_of_other_connections(self):
        publisher = self.channel()
        publisher.confirm_delivery()
        others = [self.channel() for _ in range(4)]
        queue = others[0].queue_declare(self.name()).method.queue
        for number in range(40):
            key = f"{queue}.{number % 2}"
            others[number % 4].queue_bind(queue, "amq.topic", key)
            publisher.basic_publish("amq.topic", key, b"x", mandatory=True)
            others[(number + 1) % 4].queue_unbind(queue, "amq.topic", key)
            with self.assertRaises(pika.exceptions.UnroutableError):
                publisher.basic_publish("amq.topic", key, b"x", mandatory=True)
        self.assertEqual(self.depth(publisher, queue), 40)

    def test_queues_come_and_go_under_the_same_name_from_many_connections(self):
        queue = self.name()
        channels = [self.channel() for _ in range(4)]
        for channel in channels:
            channel.confirm_delivery()
        for number in range(60):
            channels[number % 4].queue_declare(queue, durable=number % 2 == 0)
            channels[(number + 1) % 4].basic_publish("", queue, str(number).encode(), mandatory=True)
            self.assertEqual(channels[(number + 2) % 4].basic_get(queue, auto_ack=True)[2], str(number).encode())
            channels[(number + 3) % 4].queue_delete(queue)
            with self.assertRaises(pika.exceptions.UnroutableError):
                channels[(number + 1) % 4].basic_publish("", queue, b"x", mandatory=True)


if __name__ == "__main__":
    main()

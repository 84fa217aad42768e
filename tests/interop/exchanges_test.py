"""Exchanges that choose: x-consistent-hash and x-random (plugins that come with RabbitMQ), and headers in all its modes."""

from collections import Counter

import pika
from pika import BasicProperties

from harness import BrokerTest, main, only_wherry, tearDownModule  # noqa: F401


class Choosing(BrokerTest):
    def exchange(self, kind, **arguments):
        name = self.name("x")
        self.channel().exchange_declare(name, kind, arguments={k.replace("_", "-"): v for k, v in arguments.items()})
        return name

    def bind(self, exchange, *weights):
        """A queue for each weight, on a connection of its own each: {name: weight}."""
        queues = {}
        for weight in weights:
            channel, queue = self.channel(), self.name()
            channel.queue_declare(queue)
            channel.queue_bind(queue, exchange, weight)
            queues[queue] = weight
        return queues

    def publish(self, exchange, messages):
        """Each message is (routing key, properties); the body says which it is."""
        channel = self.channel()
        channel.confirm_delivery()
        for i, (key, properties) in enumerate(messages):
            channel.basic_publish(exchange, key, str(i).encode(), properties)

    def drain(self, queue):
        channel = self.channel()
        bodies = []
        while (got := channel.basic_get(queue, auto_ack=True))[0] is not None:
            bodies.append(int(got[2]))
        return bodies

    def owners(self, exchange, queues, messages):
        """The queue that each message went to: exactly one."""
        self.publish(exchange, messages)
        owners = {}
        for queue in queues:
            for i in self.drain(queue):
                self.assertNotIn(i, owners)
                owners[i] = queue
        self.assertEqual(len(owners), len(messages))
        return [owners[i] for i in range(len(messages))]

    def keys(self, count):
        return [(f"key-{i}", None) for i in range(count)]

    # --- x-consistent-hash -------------------------------------------------------------------------------------------
    def test_a_key_goes_to_one_queue_always_the_same(self):
        exchange = self.exchange("x-consistent-hash")
        queues = self.bind(exchange, "1", "1", "1")
        first = self.owners(exchange, queues, self.keys(300))
        self.assertEqual(self.owners(exchange, queues, self.keys(300)), first)
        self.assertTrue(all(count > 50 for count in Counter(first).values()), Counter(first))

    def test_weights_are_shares(self):
        exchange = self.exchange("x-consistent-hash")
        queues = self.bind(exchange, "1", "3")
        shares = Counter(queues[owner] for owner in self.owners(exchange, queues, self.keys(1000)))
        self.assertAlmostEqual(shares["3"] / 1000, 0.75, delta=0.08)

    def test_few_keys_move_when_a_queue_comes_and_when_it_goes(self):
        exchange = self.exchange("x-consistent-hash")
        queues = self.bind(exchange, "1", "1", "1", "1")
        before = self.owners(exchange, queues, self.keys(500))
        queues |= (new := self.bind(exchange, "1"))
        after = self.owners(exchange, queues, self.keys(500))
        moved = [new_owner for old, new_owner in zip(before, after) if old != new_owner]
        self.assertTrue(all(owner in new for owner in moved))
        self.assertLess(len(moved), 200)
        self.channel().queue_delete(*new)
        queues = {queue: weight for queue, weight in queues.items() if queue not in new}
        self.assertEqual(self.owners(exchange, queues, self.keys(500)), before)

    def test_the_key_may_be_a_header_or_a_property(self):
        ids = [f"id-{i}" for i in range(60)] * 2
        cases = [({"hash_header": "id"}, lambda id: BasicProperties(headers={"id": id})),
                 ({"hash_property": "message_id"}, lambda id: BasicProperties(message_id=id)),
                 ({"hash_property": "correlation_id"}, lambda id: BasicProperties(correlation_id=id)),
                 ({"hash_property": "timestamp"}, lambda id: BasicProperties(timestamp=1700000000 + int(id[3:])))]
        for arguments, properties in cases:
            with self.subTest(arguments):
                exchange = self.exchange("x-consistent-hash", **arguments)
                queues = self.bind(exchange, "1", "1")
                owners = self.owners(exchange, queues, [(f"k{i}", properties(id)) for i, id in enumerate(ids)])
                self.assertEqual(owners[:60], owners[60:])
                self.assertEqual(len(set(owners)), 2)
                # Those that have none go together.
                owners = self.owners(exchange, queues, self.keys(20))
                self.assertEqual(len(set(owners)), 1)

    def test_a_queue_bound_twice_gets_a_message_once(self):
        exchange = self.exchange("x-consistent-hash")
        queues = self.bind(exchange, "1", "1")
        twice = next(iter(queues))
        self.channel().queue_bind(twice, exchange, "2")
        self.owners(exchange, queues, self.keys(100))

    def test_without_a_queue_a_message_is_unroutable(self):
        exchange = self.exchange("x-consistent-hash")
        channel = self.channel()
        channel.confirm_delivery()
        with self.assertRaises(pika.exceptions.UnroutableError):
            channel.basic_publish(exchange, "k", b"x", mandatory=True)

    # --- x-random ----------------------------------------------------------------------------------------------------
    def test_random_takes_one_of_the_queues(self):
        exchange = self.exchange("x-random")
        queues = self.bind(exchange, "", "ignored", "")
        owners = self.owners(exchange, queues, [("same key", None)] * 300)
        self.assertTrue(all(count > 40 for count in Counter(owners).values()), Counter(owners))
        self.assertEqual(len(set(owners)), 3)

    # --- both behind a delay -------------------------------------------------------------------------------------------
    @only_wherry
    def test_delayed_messages_are_chosen_for_as_well(self):
        for kind in ("x-consistent-hash", "x-random"):
            exchange = self.exchange("x-delayed-message", x_delayed_type=kind)
            queues = self.bind(exchange, "1", "1")
            self.publish(exchange, [(f"key-{i}", BasicProperties(headers={"x-delay": 50})) for i in range(100)])
            probe = self.channel()
            self.pump(probe.connection, lambda: sum(self.depth(probe, queue) for queue in queues) == 100, "all are due")
            self.assertTrue(all(self.depth(probe, queue) > 20 for queue in queues))

    # --- headers -------------------------------------------------------------------------------------------------------
    def test_headers_match_all_or_any_with_or_without_the_names_that_begin_with_x(self):
        exchange = self.exchange("headers")
        channel = self.channel()
        queues = {}
        for mode in ("all", "any", "all-with-x", "any-with-x"):
            queues[mode] = self.name()
            channel.queue_declare(queues[mode])
            channel.queue_bind(queues[mode], exchange, "", {"x-match": mode, "a": 1, "b": "two", "x-c": True})
        cases = [({"a": 1, "b": "two", "x-c": True}, {"all", "any", "all-with-x", "any-with-x"}),
                 ({"a": 1, "b": "two"}, {"all", "any", "any-with-x"}),
                 ({"a": 1}, {"any", "any-with-x"}),
                 ({"a": 2, "b": "two"}, {"any", "any-with-x"}),
                 ({"x-c": True}, {"any-with-x"}),
                 ({"x-c": False, "a": "1"}, set()),
                 ({}, set())]
        for headers, expected in cases:
            self.publish(exchange, [("", BasicProperties(headers=headers))])
            self.assertEqual({mode for mode, queue in queues.items() if self.drain(queue)}, expected, headers)


if __name__ == "__main__":
    main()

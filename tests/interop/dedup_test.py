"""Queues and exchanges that accept a message once."""

import pika

from harness import BrokerTest, main, only_wherry, tearDownModule  # noqa: F401
from restarts import RestartTest


def keyed(key, **properties):
    return pika.BasicProperties(headers={"x-deduplication-header": key}, delivery_mode=2, **properties)


@only_wherry
class Deduplication(BrokerTest):
    def declared(self, **arguments):
        """A queue with these arguments, and a channel with confirms: one that returns from publishing was told ack."""
        channel, queue = self.channel(), self.name()
        channel.queue_declare(queue, durable=True,
                              arguments={name.replace("_", "-"): value for name, value in arguments.items()})
        channel.confirm_delivery()
        return channel, queue

    def test_duplicates_are_confirmed_and_dropped_while_the_first_is_in_the_queue(self):
        channel, queue = self.declared(x_message_deduplication=True)
        for key in ("a", 7, "a", 7, "b"):
            channel.basic_publish("", queue, str(key).encode(), keyed(key), mandatory=True)
        self.assertEqual(self.depth(channel, queue), 3)
        method, _, body = channel.basic_get(queue)
        self.assertEqual(body, b"a")
        channel.basic_publish("", queue, b"again", keyed("a"))
        channel.basic_ack(method.delivery_tag)
        self.wait_depth(channel, queue, 2)
        # On another connection, so on another shard: it is one queue.
        other = self.channel()
        other.confirm_delivery()
        other.basic_publish("", queue, b"new", keyed("a"))
        other.basic_publish("", queue, b"old", keyed("b"))
        self.assertEqual(self.depth(channel, queue), 3)

    def test_a_window_outlives_its_messages_and_ends(self):
        channel, queue = self.declared(x_dedup_window=1000)
        channel.basic_publish("", queue, b"1", keyed("a"))
        self.assertEqual(self.get(channel, queue, auto_ack=True)[2], b"1")
        channel.basic_publish("", queue, b"2", keyed("a"))
        self.assertEqual(self.depth(channel, queue), 0)

        def accepted():
            channel.basic_publish("", queue, b"3", keyed("a"))
            return self.depth(channel, queue) == 1
        self.pump(channel.connection, accepted, "the window ends")

    def test_a_count_forgets_the_oldest(self):
        channel, queue = self.declared(x_dedup_count=3)
        for key in ("a", "b", "c", "d", "b", "c", "d"):
            channel.basic_publish("", queue, b"", keyed(key))
        self.assertEqual(self.depth(channel, queue), 4)
        channel.basic_publish("", queue, b"", keyed("a"))
        self.assertEqual(self.depth(channel, queue), 5)

    def test_a_dead_letter_that_comes_back_is_no_duplicate(self):
        channel, queue, waiting = self.channel(), self.name(), self.name()
        channel.queue_declare(queue, arguments={"x-dedup-window": 60000, "x-dead-letter-exchange": "",
                                                "x-dead-letter-routing-key": waiting})
        channel.queue_declare(waiting, arguments={"x-message-ttl": 50, "x-dead-letter-exchange": "",
                                                  "x-dead-letter-routing-key": queue})
        channel.basic_publish("", queue, b"try again", keyed("a"))
        for _ in range(3):
            method, _, body = self.get(channel, queue)
            self.assertEqual(body, b"try again")
            channel.basic_reject(method.delivery_tag, requeue=False)

    def test_an_exchange_lets_one_through_to_all_its_queues(self):
        channel, exchange = self.channel(), self.name("x")
        channel.exchange_declare(exchange, "fanout", arguments={"x-dedup-window": 60000, "x-dedup-count": 100})
        queues = [self.name() for _ in range(3)]
        channel.confirm_delivery()
        with self.assertRaises(pika.exceptions.UnroutableError):
            channel.basic_publish(exchange, "", b"nowhere", keyed("a"), mandatory=True)
        for queue in queues:
            channel.queue_declare(queue)
            channel.queue_bind(queue, exchange)
        for number in range(5):
            # What reached no queue may come again.
            self.channel().basic_publish(exchange, "", b"", keyed("a"))
            channel.basic_publish(exchange, "", b"", keyed(f"key {number}"))
            channel.basic_publish(exchange, "", b"", keyed("a"), mandatory=True)
        for queue in queues:
            self.wait_depth(channel, queue, 6)

    def test_what_a_full_queue_refused_may_come_again(self):
        exchange = self.name("x")
        channel = self.channel()
        channel.exchange_declare(exchange, "fanout", arguments={"x-dedup-window": 60000})
        # One on each shard, so that near and far ones refuse.
        queues = [self.name() for _ in range(2)]
        for queue in queues:
            self.channel().queue_declare(queue, arguments={"x-max-length": 0, "x-overflow": "reject-publish"})
            channel.queue_bind(queue, exchange)
        channel.confirm_delivery()
        for _ in range(3):
            with self.assertRaises(pika.exceptions.NackError):
                channel.basic_publish(exchange, "", b"", keyed("a"))

    def test_arguments_are_checked_and_may_be_left_out_later(self):
        for name, value in (("x-message-deduplication", "yes"), ("x-dedup-window", 0), ("x-dedup-window", "1"),
                            ("x-dedup-count", 0), ("x-dedup-count", -1)):
            for declare in (lambda channel, arguments: channel.queue_declare(self.name(), arguments=arguments),
                            lambda channel, arguments: channel.exchange_declare(self.name(), arguments=arguments)):
                with self.assertRaises(pika.exceptions.ChannelClosedByBroker) as refused:
                    declare(self.channel(), {name: value})
                self.assertEqual(refused.exception.reply_code, 406)
        channel, queue = self.declared(x_dedup_window=1000)
        channel.queue_declare(queue, durable=True)
        with self.assertRaises(pika.exceptions.ChannelClosedByBroker) as refused:
            channel.queue_declare(queue, durable=True, arguments={"x-dedup-window": 2000})
        self.assertIn("inequivalent arg 'x-dedup-window'", refused.exception.reply_text)


@only_wherry
class Restarts(RestartTest):
    # So small that the log goes round many times.
    broker_config = ("vhosts: [{name: /, queues: [{name: queued, arguments: {x-message-deduplication: true}},\n"
                     "  {name: window, arguments: {x-dedup-count: 100}}, {name: other}]}]\n"
                     "store: {log_budget: 1 MiB, log_file_size: 256 KiB}\n")

    def started(self):
        self.broker.start()
        channel = self.channel()
        channel.confirm_delivery()
        return channel

    def test_keys_are_known_after_a_kill_though_the_log_has_gone_round(self):
        channel = self.started()
        for queue in ("queued", "window"):
            for number in range(50):
                channel.basic_publish("", queue, str(number).encode(), keyed(f"key {number}"))
            for _ in range(10):
                channel.basic_get(queue, auto_ack=True)
        for _ in range(3000):
            channel.basic_publish("", "other", b"x" * 2000, pika.BasicProperties(delivery_mode=2))
            channel.basic_get("other", auto_ack=True)
        self.broker.kill()
        channel = self.started()
        for queue, known in (("queued", 40), ("window", 50)):
            for number in reversed(range(50)):
                channel.basic_publish("", queue, b"again", keyed(f"key {number}"))
            depth = channel.queue_declare(queue, passive=True).method.message_count
            self.assertEqual(depth, 40 + 50 - known, queue)


if __name__ == "__main__":
    main()

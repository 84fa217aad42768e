"""What Wherry's queues do beyond RabbitMQ's, as pika sees it: turns of tenants, rates, timeouts of deliveries."""

import time

from pika import BasicProperties
import pika

from harness import BrokerTest, Inbox, TIME_SCALE, main, only_wherry, tearDownModule, wait_until  # noqa: F401


def publish(channel, queue, *bodies):
    """The tenant of "a1" is "a"."""
    channel.confirm_delivery()
    for body in bodies:
        channel.basic_publish("", queue, body.encode(),
                              BasicProperties(headers={"tenant": body[0]}, delivery_mode=2))


@only_wherry
class Fairness(BrokerTest):
    def queue(self, *bodies, **arguments):
        channel = self.channel()
        queue = channel.queue_declare(self.name(), durable=True,
                                      arguments={"x-fair-key": "tenant", **arguments}).method.queue
        publish(channel, queue, *bodies)
        return queue

    def test_tenants_take_turns(self):
        queue = self.queue("a1", "a2", "a3", "a4", "b1", "b2", "c1")
        inbox = Inbox(self, self.channel(), queue, auto_ack=True)
        self.assertEqual(inbox.wait(7), ["a1", "b1", "c1", "a2", "b2", "a3", "a4"])

    def test_one_message_is_not_behind_the_backlog_of_another_tenant(self):
        queue = self.queue(*(f"a{number}" for number in range(500)))
        channel = self.channel()
        channel.basic_qos(prefetch_count=1)
        inbox = Inbox(self, channel, queue)
        inbox.wait(1)
        publish(self.channel(), queue, "b1")
        for count in (2, 3):
            channel.basic_ack(inbox.tags[-1])
            inbox.wait(count)
        self.assertIn("b1", inbox.bodies)

    def test_a_requeued_message_returns_to_its_place_within_its_tenant(self):
        queue = self.queue("a1", "a2", "b1", "b2")
        channel = self.channel()
        first = channel.basic_get(queue)[0].delivery_tag
        channel.basic_get(queue)
        channel.basic_nack(first)
        others = self.channel()
        bodies = [self.get(others, queue)[2] for _ in range(3)]
        self.assertLess(bodies.index(b"a1"), bodies.index(b"a2"))

    def test_the_key_is_part_of_the_declaration(self):
        queue = self.queue()
        with self.assertRaises(pika.exceptions.ChannelClosedByBroker) as caught:
            self.channel().queue_declare(queue, durable=True, arguments={"x-fair-key": "customer"})
        self.assertEqual(caught.exception.reply_code, 406)
        self.assertIn("inequivalent arg 'x-fair-key'", caught.exception.reply_text)


@only_wherry
class Rates(BrokerTest):
    def queue(self, rate, burst):
        channel = self.channel()
        queue = channel.queue_declare(self.name(), arguments={"x-rate-limit": rate, "x-rate-burst": burst}).method.queue
        publish(channel, queue, *(f"{number}" for number in range(100)))
        return queue

    def test_two_consumers_share_a_rate(self):
        queue = self.queue(100, 1)
        began = time.monotonic()
        first = Inbox(self, self.channel(), queue, auto_ack=True)
        second = Inbox(self, self.channel(), queue, auto_ack=True)

        def both():
            first.step()
            second.step()
            return len(first.messages) + len(second.messages) >= 51
        wait_until(both, "51 messages")
        # The first comes at once. A wake-up that comes late is made up for, and never more than that.
        self.assertGreaterEqual(time.monotonic() - began, 0.4)
        self.assertTrue(first.messages and second.messages)

    def test_get_takes_what_is_there(self):
        queue = self.queue(1, 1)
        channel = self.channel()
        self.assertEqual([channel.basic_get(queue, auto_ack=True)[2] for _ in range(3)], [b"0", b"1", b"2"])


@only_wherry
class Timeouts(BrokerTest):
    broker_config = "consumer_timeout: 300ms\n"

    def queue(self, *bodies, **arguments):
        channel = self.channel()
        queue = channel.queue_declare(self.name(), durable=True, arguments=arguments).method.queue
        publish(channel, queue, *bodies)
        return queue

    def test_a_message_that_hangs_goes_to_another_and_a_late_ack_is_harmless(self):
        queue = self.queue("a1")
        channel = self.channel()
        channel.basic_qos(prefetch_count=1)
        hung = Inbox(self, channel, queue)
        hung.wait(1)
        # Nothing more for who hangs: the message waits for another.
        self.wait_depth(self.channel(), queue, 1)
        other = Inbox(self, self.channel(), queue)
        other.wait(1)
        method = other.messages[0][0]
        self.assertTrue(method.redelivered)
        channel.basic_ack(hung.tags[0])
        hung.settle()
        self.assertTrue(channel.is_open)
        # The late ack did not settle it.
        other.channel.connection.close()
        self.assertEqual(hung.wait(2), ["a1", "a1"])
        channel.basic_ack(hung.tags[1])
        hung.settle()
        self.assertEqual(self.depth(channel, queue), 0)
        self.broker.wait_log(f"queue '{queue}' in vhost '/': a delivery was unacknowledged by consumer '{hung.tag}'")

    def test_a_channel_that_ends_late_returns_nothing_twice(self):
        queue = self.queue("a1", "a2")
        connection = self.connect()
        channel = connection.channel()
        channel.basic_qos(prefetch_count=2)
        Inbox(self, channel, queue).wait(2)
        watcher = self.channel()
        self.wait_depth(watcher, queue, 2)
        connection.close()
        self.wait_consumers(watcher, queue, 0)
        self.assertEqual(self.depth(watcher, queue), 2)
        self.assertEqual([watcher.basic_get(queue, auto_ack=True)[2] for _ in range(3)], [b"a1", b"a2", None])

    def test_a_delivery_limit_ends_it(self):
        channel = self.channel()
        morgue = channel.queue_declare(self.name("morgue")).method.queue
        queue = self.queue("a1", **{"x-delivery-limit": 1, "x-dead-letter-exchange": "",
                                    "x-dead-letter-routing-key": morgue})
        inbox = Inbox(self, self.channel(), queue)
        inbox.wait(2)
        properties = self.get(channel, morgue)[1]
        self.assertEqual(properties.headers["x-death"][0]["reason"], "delivery_limit")

    def test_a_queue_may_have_none(self):
        queue = self.queue("a1", **{"x-consumer-timeout": 0})
        timed = self.queue("a1", "a2")
        channel = self.channel()
        self.get(channel, queue)
        self.get(channel, timed)
        self.wait_depth(channel, timed, 2)
        self.assertEqual(self.depth(channel, queue), 0)


if __name__ == "__main__":
    main()

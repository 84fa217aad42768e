"""Queues of type quorum: what their clients are told, and what they are refused."""

import pika
from pika import BasicProperties

from harness import BrokerTest, Inbox, main, only_wherry, tearDownModule, wait_until  # noqa: F401


class Quorum(BrokerTest):
    def queue(self, *bodies, headers=None, **arguments):
        channel = self.channel()
        queue = self.name()
        channel.queue_declare(queue, durable=True, arguments={"x-queue-type": "quorum", **arguments})
        channel.confirm_delivery()
        for body in bodies:
            channel.basic_publish("", queue, body.encode(), BasicProperties(headers=headers))
        return queue

    def counts(self, properties):
        return (properties.headers or {}).get("x-delivery-count")

    def check_refused(self, code, text, action, *arguments, **options):
        closed = {406: pika.exceptions.ChannelClosedByBroker, 540: pika.exceptions.ConnectionClosedByBroker}[code]
        with self.assertRaises(closed) as caught:
            action(*arguments, **options)
        self.assertEqual((caught.exception.reply_code, caught.exception.reply_text), (code, text))

    # --- x-delivery-count ----------------------------------------------------------------------------------------------
    def test_a_consumer_is_told_how_often_a_message_came_back(self):
        queue = self.queue("a")
        channel = self.channel()
        inbox = Inbox(self, channel, queue)
        inbox.wait(1)
        channel.basic_nack(inbox.tags[0])
        inbox.wait(2)
        channel.basic_reject(inbox.tags[1])
        inbox.wait(3)
        channel.basic_recover(True)
        inbox.wait(4)
        self.assertEqual([self.counts(properties) for _, properties, _ in inbox.messages], [None, 1, 2, 3])
        self.assertEqual([method.redelivered for method, _, _ in inbox.messages], [False, True, True, True])
        channel.connection.close()
        method, properties, _ = self.get(self.channel(), queue)
        self.assertEqual((method.redelivered, self.counts(properties)), (True, 4))

    def test_get_is_told_at_the_first_time_too(self):
        queue = self.queue("a", headers={"own": "header"})
        channel = self.channel()
        method, properties, _ = self.get(channel, queue)
        self.assertEqual(properties.headers, {"own": "header", "x-delivery-count": 0})
        channel.basic_nack(method.delivery_tag)
        method, properties, _ = self.get(channel, queue)
        self.assertEqual(properties.headers, {"own": "header", "x-delivery-count": 1})

    def test_a_count_that_was_published_is_hidden_when_there_is_a_true_one(self):
        queue = self.queue("a", headers={"x-delivery-count": "mine"})
        channel = self.channel()
        inbox = Inbox(self, channel, queue)
        inbox.wait(1)
        channel.basic_nack(inbox.tags[0])
        inbox.wait(2)
        self.assertEqual([self.counts(properties) for _, properties, _ in inbox.messages], ["mine", 1])

    def test_classic_queues_do_not_count(self):
        channel = self.channel()
        queue = channel.queue_declare(self.name()).method.queue
        channel.basic_publish("", queue, b"a")
        for _ in range(2):
            method, properties, _ = self.get(channel, queue)
            self.assertIsNone(properties.headers)
            channel.basic_nack(method.delivery_tag)

    # --- x-delivery-limit ----------------------------------------------------------------------------------------------
    def limited(self, limit):
        """Gets and returns a message until it is a dead letter: (deliveries, the dead letter's headers)."""
        channel = self.channel()
        morgue = channel.queue_declare(self.name("morgue")).method.queue
        queue = self.queue("a", **{"x-delivery-limit": limit, "x-dead-letter-exchange": "",
                                   "x-dead-letter-routing-key": morgue})
        deliveries = 0

        def step():
            nonlocal deliveries
            method = channel.basic_get(queue)[0]
            if method:
                deliveries += 1
                channel.basic_nack(method.delivery_tag)
            return channel.basic_get(morgue, auto_ack=True)[1]
        headers = wait_until(step, "a dead letter").headers
        return queue, deliveries, headers

    def test_a_message_that_came_back_too_often_is_a_dead_letter(self):
        for limit in (0, 2):
            queue, deliveries, headers = self.limited(limit)
            self.assertEqual(deliveries, limit + 1)
            death, = headers["x-death"]
            self.assertEqual((death["reason"], death["queue"], death["count"]), ("delivery_limit", queue, 1))
            self.assertEqual(headers["x-first-death-reason"], "delivery_limit")
            self.assertNotIn("x-delivery-count", headers)

    @only_wherry
    def test_a_negative_limit_is_none(self):
        queue = self.queue("a", **{"x-delivery-limit": -1})
        channel = self.channel()
        for _ in range(30):
            channel.basic_nack(self.get(channel, queue)[0].delivery_tag)
        self.assertEqual(self.counts(self.get(channel, queue)[1]), 30)

    def test_with_a_limit_a_message_returns_to_the_head(self):
        queue = self.queue("a", "b", "c", **{"x-delivery-limit": 5})
        channel = self.channel()
        first = self.get(channel, queue)[0].delivery_tag
        self.get(channel, queue)
        channel.basic_nack(first)
        other = self.channel()
        wait_until(lambda: self.depth(other, queue) == 2, "it is back")
        self.assertEqual(self.get(other, queue)[2], b"a")

    # --- refusals ------------------------------------------------------------------------------------------------------
    def test_what_it_must_be(self):
        for what, options in (("non-durable", {}), ("exclusive-owner", {"durable": True, "exclusive": True}),
                              ("auto-delete", {"durable": True, "auto_delete": True})):
            queue = self.name()
            self.check_refused(406, f"PRECONDITION_FAILED - invalid property '{what}' for queue '{queue}' in vhost '/'",
                               self.channel().queue_declare, queue, arguments={"x-queue-type": "quorum"}, **options)

    def test_what_it_does_not_have(self):
        for name, value in (("x-max-priority", 5), ("x-queue-mode", "lazy"), ("x-queue-version", 2)):
            queue = self.name()
            self.check_refused(406, f"PRECONDITION_FAILED - invalid arg '{name}' for queue '{queue}' in vhost '/' of "
                                    "queue type rabbit_quorum_queue",
                               self.channel().queue_declare, queue, durable=True,
                               arguments={"x-queue-type": "quorum", name: value})

    def test_a_prefetch_of_the_whole_channel(self):
        queue = self.queue()
        channel = self.channel()
        channel.basic_qos(prefetch_count=5, global_qos=True)
        self.check_refused(540, f"NOT_IMPLEMENTED - queue '{queue}' in vhost '/' does not support global qos",
                           channel.basic_consume, queue, print)

    def test_no_prefetch_of_the_whole_channel_is_fine(self):
        queue = self.queue("a")
        channel = self.channel()
        channel.basic_qos(prefetch_count=5, global_qos=True)
        channel.basic_qos(prefetch_count=0, global_qos=True)
        Inbox(self, channel, queue).wait(1)

    def test_deleting_it_on_a_condition(self):
        for flag in ("if-unused", "if-empty"):
            queue = self.queue()
            self.check_refused(540, f"NOT_IMPLEMENTED - cannot delete queue '{queue}' in vhost '/'. queue.delete "
                                    f"operations with {flag} flag set are not supported by quorum queues",
                               self.channel().queue_delete, queue, **{flag.replace("-", "_"): True})

    def test_it_is_no_classic_queue(self):
        queue = self.queue()
        self.check_refused(406, f"PRECONDITION_FAILED - inequivalent arg 'x-queue-type' for queue '{queue}' in vhost "
                                "'/': received none but current is the value 'quorum' of type 'longstr'",
                           self.channel().queue_declare, queue, durable=True)


if __name__ == "__main__":
    main()

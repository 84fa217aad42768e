"""Consuming with pika: acknowledgements, requeues, prefetch, cancels and turns, with peers on several connections."""

from pika import spec

from harness import BrokerTest, Inbox, main, only_wherry, tearDownModule  # noqa: F401
from rawclient import RawClient


class Consuming(BrokerTest):
    def queue(self, *bodies, **options):
        """A queue with messages in it, declared and filled by a connection of its own."""
        channel = self.channel()
        queue = channel.queue_declare(self.name(), **options).method.queue
        self.publish(queue, *bodies)
        return queue

    def publish(self, queue, *bodies):
        channel = self.channel()
        channel.confirm_delivery()
        for body in bodies:
            channel.basic_publish("", queue, body.encode())
        channel.connection.close()

    # --- get -----------------------------------------------------------------------------------------------------------
    def test_get_hands_out_in_order_and_counts_what_is_left(self):
        queue = self.queue("a", "b", "c")
        channel = self.channel()
        got = [channel.basic_get(queue) for _ in range(4)]
        self.assertEqual([body for _, _, body in got], [b"a", b"b", b"c", None])
        self.assertEqual([method.message_count for method, _, _ in got[:3]], [2, 1, 0])
        self.assertEqual([method.delivery_tag for method, _, _ in got[:3]], [1, 2, 3])
        self.assertEqual((got[0][0].exchange, got[0][0].routing_key), ("", queue))

    def test_get_with_auto_ack_forgets_at_once(self):
        queue = self.queue("a")
        connection = self.connect()
        self.assertEqual(connection.channel().basic_get(queue, auto_ack=True)[2], b"a")
        connection.close()
        self.assertEqual(self.channel().basic_get(queue)[2], None)

    # --- acks and requeues ---------------------------------------------------------------------------------------------
    def test_unacked_messages_return_to_their_places_when_the_channel_closes(self):
        queue = self.queue("a", "b", "c", "d")
        connection = self.connect()
        first, second = connection.channel(), connection.channel()
        a, b, c = (channel.basic_get(queue)[0].delivery_tag for channel in (first, second, first))
        second.basic_ack(b)
        first.close()
        channel = self.channel()
        got = [self.get(channel, queue) for _ in range(3)]
        self.assertEqual([(body, method.redelivered) for method, _, body in got],
                         [(b"a", True), (b"c", True), (b"d", False)])

    def test_unacked_messages_return_when_the_connection_breaks(self):
        queue = self.queue("a", "b")
        holder = RawClient(self.broker).open().open_channel()
        holder.call(1, spec.Basic.Consume(0, queue, "", False, False, False, False, {}), spec.Basic.ConsumeOk)
        for _ in range(2):
            holder.expect(spec.Basic.Deliver)
            holder.read_content()
        waiting = Inbox(self, self.channel(), queue)
        holder.close()
        self.assertEqual(waiting.wait(2), ["a", "b"])
        self.assertEqual([method.redelivered for method, _, _ in waiting.messages], [True, True])

    def test_ack_of_multiple_covers_all_up_to_the_tag(self):
        queue = self.queue("a", "b", "c", "d")
        channel = self.channel()
        inbox = Inbox(self, channel, queue)
        inbox.wait(4)
        channel.basic_ack(3, multiple=True)
        channel.close()
        other = self.channel()
        self.assertEqual(self.get(other, queue)[2], b"d")
        self.assertEqual(other.basic_get(queue)[2], None)

    def test_ack_of_multiple_with_tag_zero_covers_everything(self):
        queue = self.queue("a", "b", "c")
        channel = self.channel()
        Inbox(self, channel, queue).wait(3)
        channel.basic_ack(0, multiple=True)
        channel.basic_ack(0, multiple=True)  # with nothing outstanding: no error
        channel.close()
        self.assertEqual(self.channel().basic_get(queue)[2], None)

    def test_nack_and_reject_requeue_or_drop(self):
        queue = self.queue("a", "b", "c", "d", "e")
        channel = self.channel()
        tags = [channel.basic_get(queue)[0].delivery_tag for _ in range(5)]
        channel.basic_reject(tags[0], requeue=False)
        channel.basic_reject(tags[1], requeue=True)
        channel.basic_nack(tags[3], multiple=True, requeue=True)
        channel.basic_nack(tags[4], requeue=False)
        got = [self.get(channel, queue) for _ in range(3)]
        self.assertEqual([body for _, _, body in got], [b"b", b"c", b"d"])
        self.assertTrue(all(method.redelivered for method, _, _ in got))
        self.assertEqual(self.depth(channel, queue), 0)

    def test_recover_gives_everything_back(self):
        queue = self.queue("a", "b", "c")
        channel = self.channel()
        inbox = Inbox(self, channel, queue)
        inbox.wait(3)
        channel.basic_ack(2)
        channel.basic_recover(requeue=True)
        inbox.wait(5)
        self.assertEqual([(body.decode(), method.redelivered, method.delivery_tag)
                          for method, _, body in inbox.messages[3:]], [("a", True, 4), ("c", True, 5)])

    def test_a_requeued_message_goes_to_the_other_consumers_too(self):
        queue = self.queue()
        inboxes = [Inbox(self, self.channel(), queue) for _ in range(4)]
        self.publish(queue, "poison")
        hops = 0

        def next_holder():
            for inbox in inboxes:
                inbox.step()
                if inbox.messages:
                    return inbox
            return None

        seen = set()
        while len(seen) < 2 and hops < 200:
            holder = self.pump(inboxes[0].channel.connection, next_holder, "somebody has it")
            method, _, _ = holder.messages.pop()
            self.assertEqual(method.redelivered, hops > 0)
            seen.add(id(holder))
            holder.channel.basic_nack(method.delivery_tag, requeue=True)
            hops += 1
        self.assertGreater(len(seen), 1)

    # --- prefetch ------------------------------------------------------------------------------------------------------
    def test_prefetch_bounds_what_a_consumer_holds(self):
        queue = self.queue(*"abcdef")
        channel = self.channel()
        channel.basic_qos(prefetch_count=2)
        inbox = Inbox(self, channel, queue)
        self.assertEqual(inbox.wait(2), ["a", "b"])
        inbox.settle()
        self.assertEqual(inbox.bodies, ["a", "b"])
        channel.basic_ack(inbox.tags[0])
        self.assertEqual(inbox.wait(3), ["a", "b", "c"])
        channel.basic_ack(inbox.tags[2], multiple=True)
        self.assertEqual(inbox.wait(5), list("abcde"))
        self.assertEqual(self.depth(self.channel(), queue), 1)

    def test_prefetch_per_consumer_counts_each_consumer_for_itself(self):
        queue = self.queue(*"abcdefgh")
        channel = self.channel()
        channel.basic_qos(prefetch_count=2)
        inboxes = [Inbox(self, channel, queue) for _ in range(3)]
        self.pump(channel.connection, lambda: sum(len(inbox.messages) for inbox in inboxes) == 6, "two each")
        inboxes[0].settle()
        self.assertEqual([len(inbox.messages) for inbox in inboxes], [2, 2, 2])
        self.assertEqual(self.depth(self.channel(), queue), 2)

    def test_prefetch_of_the_channel_covers_all_its_consumers(self):
        queues = [self.queue(*"abc") for _ in range(3)]
        channel = self.channel()
        channel.basic_qos(prefetch_count=4, global_qos=True)
        inboxes = [Inbox(self, channel, queue) for queue in queues]

        def held():
            return sum(len(inbox.messages) for inbox in inboxes)

        self.pump(channel.connection, lambda: held() == 4, "four in all")
        inboxes[0].settle()
        self.assertEqual(held(), 4)
        channel.basic_ack(0, multiple=True)
        self.pump(channel.connection, lambda: held() == 8, "four more")
        inboxes[0].settle()
        self.assertEqual(held(), 8)

    def test_both_limits_hold_at_once(self):
        queues = [self.queue(*"abcd") for _ in range(3)]
        channel = self.channel()
        channel.basic_qos(prefetch_count=2)
        channel.basic_qos(prefetch_count=5, global_qos=True)
        inboxes = [Inbox(self, channel, queue) for queue in queues]
        self.pump(channel.connection, lambda: sum(len(inbox.messages) for inbox in inboxes) == 5, "five in all")
        inboxes[0].settle()
        self.assertEqual(sorted(len(inbox.messages) for inbox in inboxes), [1, 2, 2])

    def test_prefetch_does_not_bound_a_consumer_without_acks(self):
        queue = self.queue(*"abcdef")
        channel = self.channel()
        channel.basic_qos(prefetch_count=1)
        inbox = Inbox(self, channel, queue, auto_ack=True)
        self.assertEqual(inbox.wait(6), list("abcdef"))

    def test_a_raised_prefetch_counts_for_a_consumer_started_after_it(self):
        queue = self.queue(*"abcdefghijkl")
        channel = self.channel()
        channel.basic_qos(prefetch_count=1)
        Inbox(self, channel, queue).wait(1)
        channel.basic_qos(prefetch_count=4)
        Inbox(self, channel, queue).wait(4)

    @only_wherry
    def test_a_new_prefetch_counts_for_the_consumers_that_are_there(self):
        # RabbitMQ 3.x applies it to later consumers alone; Celery counts on the other reading.
        queue = self.queue(*"abcdef")
        channel = self.channel()
        channel.basic_qos(prefetch_count=1)
        inbox = Inbox(self, channel, queue)
        inbox.wait(1)
        channel.basic_qos(prefetch_count=4)
        inbox.wait(4)
        inbox.settle()
        self.assertEqual(inbox.bodies, list("abcd"))

    # --- turns -----------------------------------------------------------------------------------------------------------
    def test_consumers_on_several_connections_take_turns(self):
        queue = self.queue()
        inboxes = [Inbox(self, self.channel(), queue, ack=True) for _ in range(4)]
        self.publish(queue, *(str(number) for number in range(40)))

        def total():
            for inbox in inboxes:
                inbox.step()
            return sum(len(inbox.messages) for inbox in inboxes) >= 40

        self.pump(inboxes[0].channel.connection, total, "40 messages")
        self.assertEqual(sorted(int(body) for inbox in inboxes for body in inbox.bodies), list(range(40)))
        self.assertEqual([len(inbox.messages) for inbox in inboxes], [10] * 4)

    def test_a_consumer_of_higher_priority_is_served_first(self):
        queue = self.queue()
        low = Inbox(self, self.channel(), queue)
        channel = self.channel()
        channel.basic_qos(prefetch_count=3)
        high = Inbox(self, channel, queue, arguments={"x-priority": 10})
        self.wait_consumers(self.channel(), queue, 2)
        self.publish(queue, *"abcde")
        low.wait(2)
        high.wait(3)
        self.assertEqual((high.bodies, low.bodies), (["a", "b", "c"], ["d", "e"]))

    # --- cancel ----------------------------------------------------------------------------------------------------------
    def test_a_cancelled_consumer_gets_no_more_and_keeps_what_it_has(self):
        queue = self.queue("a")
        channel = self.channel()
        inbox = Inbox(self, channel, queue)
        inbox.wait(1)
        self.assertEqual(channel.basic_cancel(inbox.tag), [])
        self.publish(queue, "b")
        inbox.settle()
        self.assertEqual(inbox.bodies, ["a"])
        self.wait_depth(self.channel(), queue, 1)
        channel.basic_ack(inbox.tags[0])
        channel.close()
        self.wait_depth(self.channel(), queue, 1)

    def test_a_consumer_is_told_when_its_queue_is_deleted(self):
        queue = self.queue()
        inboxes = [Inbox(self, self.channel(), queue) for _ in range(4)]
        self.channel().queue_delete(queue)
        for inbox in inboxes:
            self.pump(inbox.channel.connection, lambda: inbox.cancelled, "basic.cancel")
            self.assertTrue(inbox.channel.is_open)

    def test_the_broker_names_a_consumer(self):
        inbox = Inbox(self, self.channel(), self.queue("a"))
        self.assertEqual(inbox.wait(1), ["a"])
        own = self.channel()
        seen = []
        own._impl.basic_consume(self.queue("b"), lambda ch, method, properties, body: seen.append(method.consumer_tag),
                                consumer_tag="mine")
        self.pump(own.connection, lambda: seen, "a delivery")
        self.assertEqual(seen, ["mine"])

    def test_an_exclusive_consumer_leaves_the_queue_free_when_it_goes(self):
        queue = self.queue()
        connection = self.connect()
        Inbox(self, connection.channel(), queue, exclusive=True)
        connection.close()
        self.wait_consumers(self.channel(), queue, 0)
        Inbox(self, self.channel(), queue, exclusive=True)

    def test_a_single_active_consumer_hands_over(self):
        queue = self.queue(arguments={"x-single-active-consumer": True})
        first = Inbox(self, self.channel(), queue, ack=True)
        second = Inbox(self, self.channel(), queue, ack=True)
        self.publish(queue, "a", "b")
        self.assertEqual(first.wait(2), ["a", "b"])
        first.channel.connection.close()
        self.publish(queue, "c")
        self.assertEqual(second.wait(1), ["c"])


if __name__ == "__main__":
    main()

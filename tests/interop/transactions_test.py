"""Transactions: what is held until the commit, what a rollback and the end of a channel undo, as clients see it."""

import pika
from pika import BasicProperties, spec

from harness import BrokerTest, Inbox, main, tearDownModule  # noqa: F401
from rawclient import RawClient


class Transactions(BrokerTest):
    def begin(self):
        channel = self.channel()
        channel.tx_select()
        return channel

    def queue(self, **arguments):
        queue = self.name()
        # On a connection of its own: with two shards the queue's home is not always the transaction's.
        self.channel().queue_declare(queue, arguments=arguments)
        return queue

    def put(self, queue, *bodies):
        channel = self.channel()
        channel.confirm_delivery()
        for body in bodies:
            channel.basic_publish("", queue, body)

    # --- publishing --------------------------------------------------------------------------------------------------
    def test_publishes_are_seen_after_the_commit_in_their_order(self):
        first, second = self.queue(), self.queue()
        channel, other = self.begin(), self.channel()
        for i in range(10):
            channel.basic_publish("", first if i % 2 else second, str(i).encode())
        self.assertEqual((self.depth(channel, first), self.depth(other, second)), (0, 0))
        channel.tx_commit()
        for queue, bodies in ((first, "13579"), (second, "02468")):
            self.assertEqual([self.get(other, queue, auto_ack=True)[2].decode() for _ in bodies], list(bodies))

    def test_a_rollback_drops_publishes_and_the_channel_goes_on(self):
        queue, channel = self.queue(), self.begin()
        channel.basic_publish("", queue, b"dropped")
        channel.tx_rollback()
        channel.basic_publish("", queue, b"kept")
        channel.tx_commit()
        channel.tx_commit()
        channel.tx_rollback()
        self.assertEqual(self.get(channel, queue)[2], b"kept")
        self.assertEqual(self.depth(channel, queue), 0)

    def test_a_transaction_takes_the_bindings_of_the_time_of_publishing(self):
        queue, exchange, channel = self.queue(), self.name("x"), self.begin()
        channel.exchange_declare(exchange)
        channel.basic_publish(exchange, "k", b"before the binding")
        channel.queue_bind(queue, exchange, "k")
        channel.basic_publish(exchange, "k", b"after it")
        channel.tx_commit()
        self.assertEqual(self.get(channel, queue)[2], b"after it")
        self.assertEqual(self.depth(channel, queue), 0)

    def test_persistent_messages_to_durable_queues_are_committed(self):
        queues, channel = [self.name() for _ in range(3)], self.begin()
        for queue in queues:
            self.channel().queue_declare(queue, durable=True)
        for _ in range(50):
            for queue in queues:
                channel.basic_publish("", queue, b"x" * 1000, BasicProperties(delivery_mode=2))
            channel.tx_commit()
        for queue in queues:
            self.assertEqual(self.depth(channel, queue), 50)

    def test_carbon_copies_are_committed_with_their_message(self):
        first, second, channel = self.queue(), self.queue(), self.begin()
        channel.basic_publish("", first, b"x", BasicProperties(headers={"CC": [second]}))
        self.assertEqual(self.depth(channel, second), 0)
        channel.tx_commit()
        self.assertEqual((self.depth(channel, first), self.depth(channel, second)), (1, 1))

    # --- with raw frames: what comes when ----------------------------------------------------------------------------
    def raw(self):
        client = RawClient(self.broker).open().open_channel()
        self.addCleanup(client.close)
        client.call(1, spec.Tx.Select(), spec.Tx.SelectOk)
        return client

    def test_selecting_twice_is_selecting_once(self):
        self.raw().call(1, spec.Tx.Select(), spec.Tx.SelectOk)

    def test_mandatory_messages_return_between_the_commit_and_its_answer(self):
        client, gone = self.raw(), self.queue()
        client.send_content(1, "", "nowhere", b"first", mandatory=True)
        client.send_content(1, "", gone, b"second", mandatory=True)
        client.call(1, spec.Queue.Delete(0, gone), spec.Queue.DeleteOk)
        client.send(1, spec.Tx.Commit())
        for body in (b"first", b"second"):
            returned = client.expect(spec.Basic.Return)
            self.assertEqual((returned.reply_code, returned.reply_text), (312, "NO_ROUTE"))
            self.assertEqual(client.read_content()[1], body)
        client.expect(spec.Tx.CommitOk)

    def test_an_error_inside_ends_the_transaction(self):
        client, queue = self.raw(), self.queue()
        client.send_content(1, "", queue, b"x")
        client.send_content(1, "void", queue, b"x")
        close = client.expect(spec.Channel.Close)
        self.assertEqual((close.reply_code, close.reply_text, close.class_id, close.method_id),
                         (404, "NOT_FOUND - no exchange 'void' in vhost '/'", 60, 40))
        self.assertEqual(self.depth(self.channel(), queue), 0)

    def test_a_queue_that_refuses_fails_the_commit(self):
        client, queue = self.raw(), self.queue(**{"x-max-length": 1, "x-overflow": "reject-publish"})
        client.send_content(1, "", queue, b"x")
        client.call(1, spec.Tx.Commit(), spec.Tx.CommitOk)
        client.send_content(1, "", queue, b"y")
        close = client.call(1, spec.Tx.Commit(), spec.Channel.Close)
        self.assertEqual((close.reply_code, close.reply_text, close.class_id, close.method_id),
                         (406, "PRECONDITION_FAILED - partial tx completion", 90, 20))

    def test_a_tag_settled_in_the_transaction_is_not_there_again_before_a_rollback(self):
        client, queue = self.raw(), self.queue()
        self.put(queue, b"x")
        client.call(1, spec.Basic.Get(0, queue), spec.Basic.GetOk)
        client.read_content()
        client.send(1, spec.Basic.Ack(1))
        client.call(1, spec.Tx.Rollback(), spec.Tx.RollbackOk)
        client.send(1, spec.Basic.Ack(1))
        close = client.call(1, spec.Basic.Ack(1), spec.Channel.Close)
        self.assertEqual((close.reply_code, close.reply_text), (406, "PRECONDITION_FAILED - unknown delivery tag 1"))

    # --- settling ----------------------------------------------------------------------------------------------------
    def consume(self, queue, count, **options):
        channel = self.begin()
        inbox = Inbox(self, channel, queue, **options)
        inbox.wait(count)
        return channel, inbox

    def test_acks_count_with_the_commit(self):
        queue = self.queue()
        self.put(queue, b"1", b"2", b"3")
        channel, inbox = self.consume(queue, 3)
        channel.basic_ack(2, multiple=True)
        channel.tx_commit()
        channel.basic_ack(3)
        channel.connection.close()
        self.wait_depth(self.channel(), queue, 1)

    def test_rejects_and_nacks_wait_for_the_commit(self):
        queue = self.queue()
        self.put(queue, b"1", b"2", b"3")
        channel = self.begin()
        for _ in range(3):
            channel.basic_get(queue)
        channel.basic_nack(1, requeue=True)
        channel.basic_reject(2, requeue=False)
        channel.basic_reject(3, requeue=True)
        self.assertEqual(self.depth(channel, queue), 0)
        channel.tx_commit()
        for body in (b"1", b"3"):
            method, _, got = self.get(channel, queue)
            self.assertEqual((got, method.redelivered), (body, True))

    def test_a_rollback_leaves_deliveries_with_the_channel(self):
        queue = self.queue()
        self.put(queue, b"1", b"2")
        channel, inbox = self.consume(queue, 2)
        channel.basic_ack(1)
        channel.basic_nack(2, requeue=True)
        channel.tx_rollback()
        inbox.settle()
        self.assertEqual(inbox.bodies, ["1", "2"])
        channel.basic_ack(0, multiple=True)
        channel.tx_commit()
        channel.connection.close()
        self.assertEqual(self.depth(self.channel(), queue), 0)

    def test_the_prefetch_is_free_again_with_the_commit(self):
        for whole_channel in (False, True):
            queue = self.queue()
            self.put(queue, b"1", b"2")
            channel = self.begin()
            channel.basic_qos(prefetch_count=1, global_qos=whole_channel)
            inbox = Inbox(self, channel, queue)
            inbox.wait(1)
            channel.basic_ack(1)
            inbox.settle()
            self.assertEqual(inbox.bodies, ["1"])
            channel.tx_commit()
            self.assertEqual(inbox.wait(2), ["1", "2"])

    def test_recover_takes_what_the_transaction_has_not(self):
        queue = self.queue()
        self.put(queue, b"1", b"2")
        channel = self.begin()
        channel.basic_get(queue)
        channel.basic_get(queue)
        channel.basic_ack(1)
        channel.basic_recover(requeue=True)
        self.wait_depth(channel, queue, 1)
        channel.tx_commit()
        self.assertEqual(self.get(channel, queue)[2], b"2")

    def test_the_end_of_a_channel_is_a_rollback(self):
        queue, results = self.queue(), self.queue()
        self.put(queue, b"task")
        for end in ("close", "error", "connection"):
            channel, inbox = self.consume(queue, 1)
            channel.basic_publish("", results, b"result")
            channel.basic_ack(1)
            if end == "close":
                channel.close()
            elif end == "connection":
                channel.connection.close()
            else:
                with self.assertRaises(pika.exceptions.ChannelClosedByBroker):
                    channel.queue_declare(self.name(), passive=True)
            self.wait_depth(self.channel(), queue, 1)
            self.assertEqual(self.depth(self.channel(), results), 0)

    def test_consume_and_publish_in_one_transaction(self):
        source, target = self.queue(), self.queue()
        self.put(source, *(str(i).encode() for i in range(100)))
        channel = self.begin()
        channel.basic_qos(prefetch_count=10)
        inbox = Inbox(self, channel, source)
        for i in range(100):
            inbox.wait(i + 1)
            channel.basic_publish("", target, inbox.messages[i][2])
            channel.basic_ack(inbox.tags[i])
            if i % 7 == 0:
                channel.tx_rollback()
                channel.basic_publish("", target, inbox.messages[i][2])
                channel.basic_ack(inbox.tags[i])
            channel.tx_commit()
        channel.connection.close()
        reader = self.channel()
        self.assertEqual(self.depth(reader, source), 0)
        bodies = [self.get(reader, target, auto_ack=True)[2].decode() for _ in range(100)]
        self.assertEqual(bodies, [str(i) for i in range(100)])
        self.assertEqual(self.depth(reader, target), 0)


if __name__ == "__main__":
    main()

"""Replies without a queue (amq.rabbitmq.reply-to): who gets them, who does not, and what a server can ask about them."""

import threading

import pika
from pika import BasicProperties, spec

from harness import BrokerTest, Inbox, main, only_wherry, tearDownModule, wait_until  # noqa: F401
from rawclient import RawClient

REPLY_TO = "amq.rabbitmq.reply-to"


class DirectReplies(BrokerTest):
    def requests(self):
        queue = self.name("requests")
        self.channel().queue_declare(queue)
        return queue

    def ask(self, channel, queue, body=b"?", **properties):
        channel.basic_publish("", queue, body, BasicProperties(reply_to=REPLY_TO, **properties))

    def address(self, queue):
        """Takes the next request; returns where its reply goes."""
        channel = self.channel()
        return self.get(channel, queue, auto_ack=True)[1].reply_to

    def asking(self, queue):
        """A client that has asked: (its inbox, its address)."""
        channel = self.channel()
        inbox = Inbox(self, channel, REPLY_TO, auto_ack=True)
        self.ask(channel, queue)
        return inbox, self.address(queue)

    def test_a_request_carries_an_address_and_the_reply_comes_to_who_asked(self):
        queue = self.requests()
        client, bystander = self.channel(), self.channel()
        inbox = Inbox(self, client, REPLY_TO, auto_ack=True, consumer_tag="replies")
        nothing = Inbox(self, bystander, REPLY_TO, auto_ack=True)
        self.ask(client, queue, b"question", correlation_id="7", headers={"h": "v"}, content_type="t", message_id="m")
        server = self.channel()
        method, properties, body = self.get(server, queue)
        self.assertEqual(body, b"question")
        self.assertTrue(properties.reply_to.startswith(REPLY_TO + "."))
        self.assertEqual((properties.correlation_id, properties.headers, properties.content_type,
                          properties.message_id), ("7", {"h": "v"}, "t", "m"))
        server.basic_publish("", properties.reply_to, b"answer", BasicProperties(correlation_id="7"))
        inbox.wait(1)
        deliver, properties, body = inbox.messages[0]
        self.assertEqual((body, properties.correlation_id, deliver.consumer_tag), (b"answer", "7", "replies"))
        self.assertEqual((deliver.exchange, deliver.redelivered), ("", False))
        nothing.settle()
        self.assertEqual(nothing.messages, [])

    def test_many_clients_and_servers_call_each_other(self):
        queue, wrong = self.requests(), []

        def serve(channel):
            def reply(server, method, properties, body):
                server.basic_publish("", properties.reply_to, body * 2,
                                     BasicProperties(correlation_id=properties.correlation_id))

            channel.basic_consume(queue, reply, auto_ack=True)
            channel.start_consuming()
            channel.connection.close()

        def call(name):
            channel = self.channel()
            got = []
            channel.basic_consume(REPLY_TO, lambda c, m, p, body: got.append((p.correlation_id, body)), auto_ack=True)
            for i in range(100):
                self.ask(channel, queue, f"{name}-{i};".encode(), correlation_id=str(i))
                wait_until(lambda: channel.connection.process_data_events(0.01) or len(got) > i, f"reply {i}")
                if got[i] != (str(i), f"{name}-{i};".encode() * 2):
                    wrong.append(got[i])

        serving = [self.channel() for _ in range(2)]
        servers = [threading.Thread(target=serve, args=(channel,)) for channel in serving]
        clients = [threading.Thread(target=call, args=(name,)) for name in "abcd"]
        for thread in servers + clients:
            thread.start()
        for thread in clients:
            thread.join()
        for channel in serving:
            channel.connection.add_callback_threadsafe(channel.stop_consuming)
        for thread in servers:
            thread.join()
        self.assertEqual(wrong, [])

    def test_replies_use_up_no_delivery_tags(self):
        client = RawClient(self.broker).open().open_channel()
        self.addCleanup(client.close)
        queue = self.requests()
        consume = lambda name, tag, no_ack: spec.Basic.Consume(0, name, tag, no_ack=no_ack, arguments={})  # noqa: E731
        client.call(1, consume(REPLY_TO, "replies", True), spec.Basic.ConsumeOk)
        client.send_content(1, "", queue, b"?", BasicProperties(reply_to=REPLY_TO))
        address = self.address(queue)
        client.call(1, consume(queue, "queue", False), spec.Basic.ConsumeOk)
        server = self.channel()
        tags = []
        for key in (address, address, queue, address, queue):
            server.basic_publish("", key, b"x")
            tags.append(client.expect(spec.Basic.Deliver).delivery_tag)
            client.read_content()
        self.assertEqual(tags, [1, 1, 1, 2, 2])

    def test_an_address_is_there_while_its_consumer_is(self):
        queue, server = self.requests(), self.channel()
        inbox, address = self.asking(queue)
        for passive in (True, False):
            answer = server.queue_declare(address, passive=passive).method
            self.assertEqual((answer.queue, answer.message_count, answer.consumer_count), (address, 0, 1))
        inbox.channel.basic_cancel(inbox.tag)
        with self.assertRaises(pika.exceptions.ChannelClosedByBroker) as refused:
            server.queue_declare(address, passive=True)
        self.assertEqual((refused.exception.reply_code, refused.exception.reply_text),
                         (404, f"NOT_FOUND - no queue '{address}' in vhost '/'"))
        # After a cancel the channel may consume again, under a new address.
        again = Inbox(self, inbox.channel, REPLY_TO, auto_ack=True)
        self.ask(inbox.channel, queue)
        second = self.address(queue)
        self.assertNotEqual(second, address)
        server = self.channel()
        server.basic_publish("", address, b"old")
        server.basic_publish("", second, b"new")
        self.assertEqual(again.wait(1), ["new"])

    def test_an_address_goes_with_its_channel_and_with_its_connection(self):
        for end in (lambda channel: channel.close(), lambda channel: channel.connection.close()):
            inbox, address = self.asking(self.requests())
            end(inbox.channel)

            def gone():
                try:
                    self.channel().queue_declare(address, passive=True)
                except pika.exceptions.ChannelClosedByBroker as refused:
                    return refused.reply_code == 404
                return False

            wait_until(gone, "the address is gone")

    def test_a_mandatory_reply_to_nobody_is_returned_and_confirmed(self):
        inbox, address = self.asking(self.requests())
        inbox.channel.close()
        server = RawClient(self.broker).open().open_channel()
        self.addCleanup(server.close)
        server.call(1, spec.Confirm.Select(), spec.Confirm.SelectOk)
        server.send_content(1, "", address, b"x", mandatory=True)
        returned = server.expect(spec.Basic.Return)
        self.assertEqual((returned.reply_code, returned.routing_key), (312, address))
        server.read_content()
        server.expect(spec.Basic.Ack)
        # Without, it is gone.
        server.send_content(1, "", address, b"x")
        server.expect(spec.Basic.Ack)

    @only_wherry
    def test_a_mandatory_reply_that_is_heard_is_not_returned(self):
        inbox, address = self.asking(self.requests())
        server = RawClient(self.broker).open().open_channel()
        self.addCleanup(server.close)
        server.call(1, spec.Confirm.Select(), spec.Confirm.SelectOk)
        server.send_content(1, "", address, b"heard", mandatory=True)
        server.expect(spec.Basic.Ack)
        self.assertEqual(inbox.wait(1), ["heard"])

    def test_a_copied_reply_goes_to_queue_and_client(self):
        queue, archive = self.requests(), self.requests()
        inbox, address = self.asking(queue)
        server = self.channel()
        server.basic_publish("", archive, b"both", BasicProperties(headers={"CC": [address]}))
        self.assertEqual(inbox.wait(1), ["both"])
        self.assertEqual(self.get(server, archive)[2], b"both")

    def test_the_name_alone_is_always_declared_and_never_a_queue(self):
        answer = self.channel().queue_declare(REPLY_TO, passive=True).method
        self.assertEqual((answer.message_count, answer.consumer_count), (0, 1))
        self.assertEqual(self.channel().queue_delete(REPLY_TO).method.message_count, 0)
        for ask in (lambda c: c.basic_get(REPLY_TO), lambda c: c.queue_purge(REPLY_TO),
                    lambda c: c.queue_bind(REPLY_TO, "amq.direct", "k")):
            with self.assertRaises(pika.exceptions.ChannelClosedByBroker) as refused:
                ask(self.channel())
            self.assertEqual(refused.exception.reply_code, 404)

    def test_an_address_cannot_be_consumed_or_got(self):
        inbox, address = self.asking(self.requests())
        for ask in (lambda c: c.basic_consume(address, lambda *_: None, auto_ack=True),
                    lambda c: c.basic_get(address)):
            with self.assertRaises(pika.exceptions.ChannelClosedByBroker) as refused:
                ask(self.channel())
            self.assertEqual(refused.exception.reply_code, 404)

    def test_the_broker_says_that_it_has_them(self):
        client = RawClient(self.broker)
        self.addCleanup(client.close)
        capabilities = client.start().server_properties["capabilities"]
        self.assertEqual(sorted(capabilities), [
            "authentication_failure_close", "basic.nack", "connection.blocked", "consumer_cancel_notify",
            "consumer_priorities", "direct_reply_to", "exchange_exchange_bindings", "per_consumer_qos",
            "publisher_confirms"])
        self.assertEqual(set(capabilities.values()), {True})


if __name__ == "__main__":
    main()

"""Messages that expire, are refused or do not fit: time to live, length limits, dead letters and their history."""

import time

from pika import BasicProperties
import pika

from harness import BrokerTest, Inbox, main, only_wherry, tearDownModule, wait_until  # noqa: F401


class DeadLetters(BrokerTest):
    def pair(self, arguments=None, key=None, **options):
        """A queue whose dead letters go to another: (channel, queue, morgue). Each declared by its own connection."""
        exchange = self.name("dlx")
        self.channel().exchange_declare(exchange, "fanout")
        morgue = self.channel().queue_declare(self.name("morgue")).method.queue
        channel = self.channel()
        channel.queue_bind(morgue, exchange)
        arguments = {"x-dead-letter-exchange": exchange, **(arguments or {})}
        if key:
            arguments["x-dead-letter-routing-key"] = key
        queue = channel.queue_declare(self.name(), arguments=arguments, **options).method.queue
        channel.confirm_delivery()
        return channel, queue, morgue

    def death(self, queue, reason, count=1, key=None, exchange=""):
        return {"count": count, "exchange": exchange, "queue": queue, "reason": reason,
                "routing-keys": [key or queue]}

    def check_deaths(self, properties, *expected):
        deaths = [dict(death) for death in properties.headers["x-death"]]
        for death in deaths:
            when = death.pop("time")
            self.assertLess(abs(time.time() - time.mktime(when.timetuple())
                                if hasattr(when, "timetuple") else time.time() - when), 86400)
        self.assertEqual(deaths, list(expected))

    def test_a_rejected_message_is_a_dead_letter_with_its_history(self):
        channel, queue, morgue = self.pair()
        channel.basic_publish("", queue, b"bad", BasicProperties(message_id="7", headers={"own": "header"}))
        channel.basic_reject(self.get(channel, queue)[0].delivery_tag, requeue=False)
        method, properties, body = self.get(self.channel(), morgue)
        self.assertEqual((body, method.routing_key, properties.message_id), (b"bad", queue, "7"))
        self.check_deaths(properties, self.death(queue, "rejected"))
        self.assertEqual(properties.headers["own"], "header")
        first = {name: properties.headers[f"x-first-death-{name}"] for name in ("queue", "reason", "exchange")}
        self.assertEqual(first, {"queue": queue, "reason": "rejected", "exchange": ""})

    def test_a_nack_of_several_without_requeue_keeps_their_order(self):
        channel, queue, morgue = self.pair()
        for number in range(5):
            channel.basic_publish("", queue, str(number).encode())
        tags = [self.get(channel, queue)[0].delivery_tag for _ in range(5)]
        channel.basic_nack(tags[-1], multiple=True, requeue=False)
        other = self.channel()
        self.assertEqual([self.get(other, morgue)[2] for _ in range(5)], [b"0", b"1", b"2", b"3", b"4"])

    @only_wherry
    def test_who_rejects_finds_the_dead_letter_at_once(self):
        # Without a wait, wherever the two queues are at home. RabbitMQ does not promise it; programs rely on it all the same.
        for _ in range(4):
            _, queue, morgue = self.pair()
            channel = self.channel()
            channel.confirm_delivery()
            for number in range(25):
                channel.basic_publish("", queue, str(number).encode())
                channel.basic_publish("", queue, b"another")
                tags = [self.get(channel, queue)[0].delivery_tag for _ in range(2)]
                channel.basic_reject(tags[0], requeue=False)
                self.assertEqual(channel.basic_get(morgue, auto_ack=True)[2], str(number).encode())
                channel.basic_reject(tags[1], requeue=False)
                self.assertEqual(self.depth(channel, morgue), 1)
                channel.queue_purge(morgue)

    def test_a_dead_letter_routing_key_replaces_the_own(self):
        channel, queue, morgue = self.pair(key="buried")
        channel.basic_publish("", queue, b"x")
        channel.basic_reject(self.get(channel, queue)[0].delivery_tag, requeue=False)
        self.assertEqual(self.get(channel, morgue)[0].routing_key, "buried")

    def test_a_message_that_outlives_the_queues_time_to_live_is_a_dead_letter(self):
        channel, queue, morgue = self.pair({"x-message-ttl": 50})
        channel.basic_publish("", queue, b"old")
        _, properties, body = self.get(self.channel(), morgue)
        self.assertEqual(body, b"old")
        self.check_deaths(properties, self.death(queue, "expired"))
        self.assertEqual(self.depth(channel, queue), 0)

    def test_a_messages_own_expiration_is_taken_off_and_noted(self):
        channel, queue, morgue = self.pair()
        channel.basic_publish("", queue, b"old", BasicProperties(expiration="50"))
        _, properties, _ = self.get(channel, morgue)
        self.assertIsNone(properties.expiration)
        self.check_deaths(properties, {**self.death(queue, "expired"), "original-expiration": "50"})

    def test_a_message_that_does_not_fit_pushes_the_oldest_out(self):
        channel, queue, morgue = self.pair({"x-max-length": 2})
        for number in range(5):
            channel.basic_publish("", queue, str(number).encode())
        self.assertEqual([self.get(channel, morgue)[2] for _ in range(3)], [b"0", b"1", b"2"])
        self.assertEqual([self.get(channel, queue)[2] for _ in range(2)], [b"3", b"4"])

    def test_a_full_queue_that_rejects_publishes_nacks_them(self):
        channel, queue, morgue = self.pair({"x-max-length": 1, "x-overflow": "reject-publish"})
        channel.basic_publish("", queue, b"fits")
        with self.assertRaises(pika.exceptions.NackError):
            channel.basic_publish("", queue, b"does not")
        self.assertEqual(self.depth(channel, queue), 1)
        self.assertEqual(self.depth(channel, morgue), 0)

    def test_a_full_queue_that_rejects_with_dead_letters_does_both(self):
        channel, queue, morgue = self.pair({"x-max-length": 1, "x-overflow": "reject-publish-dlx"})
        channel.basic_publish("", queue, b"fits")
        with self.assertRaises(pika.exceptions.NackError):
            channel.basic_publish("", queue, b"does not")
        self.assertEqual(self.get(channel, morgue)[2], b"does not")

    def test_a_second_death_is_counted_and_a_death_elsewhere_comes_first(self):
        channel, queue, morgue = self.pair()
        second = self.channel().queue_declare(self.name(), arguments={
            "x-dead-letter-exchange": "", "x-dead-letter-routing-key": queue}).method.queue
        channel.basic_publish("", queue, b"cat")
        channel.basic_reject(self.get(channel, queue)[0].delivery_tag, requeue=False)
        for count in (1, 2):
            _, properties, body = self.get(channel, morgue, auto_ack=True)
            self.assertEqual(properties.headers["x-death"][0]["count"], count)
            channel.basic_publish("", second, body, properties)
            channel.basic_reject(self.get(channel, second)[0].delivery_tag, requeue=False)
            channel.basic_reject(self.get(channel, queue)[0].delivery_tag, requeue=False)
        _, properties, _ = self.get(channel, morgue)
        exchange = properties.headers["x-first-death-exchange"]
        self.assertEqual([(death["queue"], death["count"]) for death in properties.headers["x-death"]],
                         [(queue, 3), (second, 2)])
        self.assertEqual(exchange, "")

    def test_a_waiting_room_made_of_ttl_and_dead_letters_delays_a_retry(self):
        work = self.name("work")
        channel = self.channel()
        channel.queue_declare(work)
        wait_room = channel.queue_declare(self.name(), arguments={
            "x-message-ttl": 200, "x-dead-letter-exchange": "", "x-dead-letter-routing-key": work}).method.queue
        inbox = Inbox(self, self.channel(), work, auto_ack=True)
        sent = time.monotonic()
        channel.basic_publish("", wait_room, b"later")
        inbox.wait(1)
        self.assertGreaterEqual(time.monotonic() - sent, 0.19)

    def test_an_expired_message_is_never_delivered(self):
        channel = self.channel()
        queue = channel.queue_declare(self.name(), arguments={"x-message-ttl": 0}).method.queue
        channel.basic_publish("", queue, b"nobody is here")
        self.wait_depth(channel, queue, 0)
        inbox = Inbox(self, self.channel(), queue, auto_ack=True)
        channel.basic_publish("", queue, b"somebody is")
        self.assertEqual(inbox.wait(1), ["somebody is"])

    def test_an_unused_queue_expires(self):
        channel = self.channel()
        queue = channel.queue_declare(self.name(), arguments={"x-expires": 300}).method.queue
        inbox = Inbox(self, self.channel(), queue)
        inbox.settle()
        inbox.channel.connection.close()

        def gone():
            probe = self.connect()
            try:
                # Asking passively counts as use in no broker that we know: it must expire while it is asked for.
                probe.channel().queue_bind(queue, "amq.direct", "probe")
                return False
            except pika.exceptions.ChannelClosedByBroker as error:
                return error.reply_code == 404
            finally:
                probe.close()

        wait_until(gone, "the queue is gone")

    def test_higher_priorities_leave_first(self):
        channel = self.channel()
        queue = channel.queue_declare(self.name(), arguments={"x-max-priority": 5}).method.queue
        channel.confirm_delivery()
        for number, priority in enumerate((None, 3, 1, 5, 3, 9, 0)):
            channel.basic_publish("", queue, str(number).encode(), BasicProperties(priority=priority))
        got = [self.get(channel, queue)[2].decode() for _ in range(7)]
        self.assertEqual(got, ["3", "5", "1", "4", "2", "0", "6"])

    @only_wherry
    def test_a_delayed_message_waits_in_its_exchange(self):
        channel = self.channel()
        exchange = self.name("x")
        channel.exchange_declare(exchange, "x-delayed-message", arguments={"x-delayed-type": "direct"})
        queue = self.channel().queue_declare(self.name()).method.queue
        channel.queue_bind(queue, exchange, "k")
        sent = time.monotonic()
        for body, delay in ((b"c", 450), (b"b", 250), (b"a", 0)):
            channel.basic_publish(exchange, "k", body, BasicProperties(headers={"x-delay": delay}))
        inbox = Inbox(self, self.channel(), queue, auto_ack=True)
        self.assertEqual(inbox.wait(3), ["a", "b", "c"])
        self.assertGreaterEqual(time.monotonic() - sent, 0.44)


if __name__ == "__main__":
    main()

"""Flow control: clients that do not read, publishers that must wait, and a broker whose memory stays where it was."""

import select
import unittest

import pika.exceptions
from pika import BasicProperties, frame, spec

from harness import BrokerTest, Inbox, main, only_wherry, tearDownModule, wait_until  # noqa: F401
from brokers import TIME_SCALE
from rawclient import RawClient

MIB = 1 << 20
# A sanitizer's own memory hides what the broker uses.
measurable = unittest.skipIf(TIME_SCALE != 1, "memory cannot be measured here")


class FlowTest(BrokerTest):
    def resident(self):
        """Bytes of the broker that are in memory."""
        with open(f"/proc/{self.broker.program.process.pid}/statm", encoding="ascii") as file:
            return int(file.read().split()[1]) * 4096

    def raw(self, **tuning):
        client = RawClient(self.broker)
        self.addCleanup(client.close)
        return client.open(**tuning).open_channel()

    def stuffed(self, client):
        """Whether the broker has stopped reading: client's socket takes no more."""
        return not select.select([], [client.socket], [], 0)[1]

    def send_until_stuffed(self, client, data, most):
        """Sends data again and again, never reading; how often it could, `most` at most."""
        client.socket.setblocking(False)
        rest, times = b"", 0
        while times < most:
            rest = rest or data
            try:
                rest = rest[client.socket.send(rest):]
            except BlockingIOError:
                # Not for ever full only because the broker has not come to it yet: it still answers others.
                self.depth(self.observer, self.queue)
                if not select.select([], [client.socket], [], 1)[1]:
                    return times
            times += not rest
        return times


@only_wherry
class SlowReaders(FlowTest):
    def setUp(self):
        super().setUp()
        self.observer = self.channel()
        self.queue = self.observer.queue_declare(self.name()).method.queue
        self.observer.confirm_delivery()

    def publish(self, count, body, queue=None):
        channel = self.channel()
        for _ in range(count):
            channel.basic_publish("", queue or self.queue, body)
        self.wait_depth(self.observer, queue or self.queue, count)

    @measurable
    def test_a_consumer_that_does_not_read_costs_its_window_and_no_more(self):
        self.publish(20_000, b"x" * 2048)
        before = self.resident()
        clients = [self.raw() for _ in range(4)]
        for client in clients:
            client.call(1, spec.Basic.Consume(queue=self.queue, consumer_tag="c", no_ack=False), spec.Basic.ConsumeOk)
        # Everybody has what the windows hold when the depth stays the same while the broker does other things.
        depths = []

        def settled():
            depths.append(self.depth(self.observer, self.queue))
            return len(depths) > 20 and len(set(depths[-20:])) == 1
        wait_until(settled, "the windows are full")
        self.assertGreater(depths[-1], 0)
        # The window itself, and the 64 bytes or so that remember each delivery not yet settled.
        taken = 20_000 - depths[-1]
        self.assertLess(self.resident() - before, 4 * (MIB + MIB // 2) + 200 * taken)

    @measurable
    def test_a_large_message_for_many_slow_consumers_is_in_memory_once(self):
        # Some speak with the smallest frames there are.
        clients = [self.raw(frame_max=4096 if number % 2 else None) for number in range(12)]
        queues = []
        for client in clients:
            queue = self.observer.queue_declare("", auto_delete=True).method.queue
            self.observer.queue_bind(queue, "amq.fanout")
            client.call(1, spec.Basic.Consume(queue=queue, consumer_tag="c", no_ack=True), spec.Basic.ConsumeOk)
            queues.append(queue)
        before = self.resident()
        size = 100 * MIB
        self.observer.basic_publish("amq.fanout", "", b"y" * size)
        for queue in queues:
            self.wait_depth(self.observer, queue, 0)
        grown = self.resident() - before
        self.assertLess(grown, size + size // 2)
        for client in clients[:2]:
            client.expect(spec.Basic.Deliver)
            seen = len(client.buffer)
            while seen < size:
                seen += len(client.socket.recv(MIB))

    @measurable
    def test_a_publisher_that_never_reads_its_confirms_costs_little(self):
        client = self.raw()
        client.call(1, spec.Confirm.Select(), spec.Confirm.SelectOk)
        message = (frame.Method(1, spec.Basic.Publish(0, "", "nowhere", False, False)).marshal() +
                   frame.Header(1, 4, BasicProperties()).marshal() + frame.Body(1, b"body").marshal())
        before = self.resident()
        count = 1000 * self.send_until_stuffed(client, message * 1000, most=400)
        self.assertLess(self.resident() - before, 8 * MIB)
        client.socket.settimeout(20 * TIME_SCALE)
        confirmed = 0
        while confirmed < count:
            confirmed = client.expect(spec.Basic.Ack).delivery_tag

    @measurable
    def test_who_never_reads_its_returns_is_not_read_until_it_does(self):
        client = self.raw()
        body = b"z" * 100_000
        message = (frame.Method(1, spec.Basic.Publish(0, "", "nowhere", True, False)).marshal() +
                   frame.Header(1, len(body), BasicProperties()).marshal() + frame.Body(1, body).marshal())
        before = self.resident()
        count = self.send_until_stuffed(client, message, most=2000)
        self.assertLess(count, 2000, "the broker read on and on")
        self.assertLess(self.resident() - before, 8 * MIB)
        client.socket.settimeout(20 * TIME_SCALE)
        for _ in range(count):
            client.expect(spec.Basic.Return)
            client.read_content()

    @measurable
    def test_who_never_reads_its_answers_is_not_read_until_it_does(self):
        client = self.raw()
        request = frame.Method(1, spec.Queue.Declare(queue=self.queue, passive=True)).marshal()
        before = self.resident()
        count = 1000 * self.send_until_stuffed(client, request * 1000, most=2000)
        self.assertLess(count, 2_000_000, "the broker read on and on")
        self.assertLess(self.resident() - before, 8 * MIB)
        client.socket.settimeout(20 * TIME_SCALE)
        for _ in range(1000):
            client.expect(spec.Queue.DeclareOk)

    @measurable
    def test_bodies_that_never_end_do_not_grow_by_being_announced(self):
        client = self.raw()
        before = self.resident()
        for number in range(2, 202):
            client.open_channel(number)
            client.send(number, spec.Basic.Publish(0, "", self.queue, False, False))
            client.send_bytes(frame.Header(number, 100 * MIB, BasicProperties()).marshal())
        client.open_channel(202)
        self.assertLess(self.resident() - before, 16 * MIB)


class Blocked(FlowTest):
    """Connections as pika sees them: blocked and unblocked."""

    def watched(self, **parameters):
        """A connection that notes what it is told: (connection, channel, notes)."""
        connection = self.connect(**parameters)
        # A blocked one is not heard by the broker, so that a clean close would wait.
        self.addCleanup(self.abort, connection)
        notes = []
        connection.add_on_connection_blocked_callback(lambda _, method: notes.append(method.method.reason))
        connection.add_on_connection_unblocked_callback(lambda _, method: notes.append("unblocked"))
        return connection, connection.channel(), notes

    def abort(self, connection):
        try:
            connection._impl._terminate_stream(pika.exceptions.StreamLostError("dropped by the test"))
            connection.process_data_events(time_limit=1)
        except pika.exceptions.AMQPError:
            pass

    def send(self, channel, queue, body, mode=1):
        channel._impl.basic_publish("", queue, body, BasicProperties(delivery_mode=mode))


@only_wherry
@measurable
class LowMemory(Blocked):
    broker_config = "memory_high_watermark: 64MiB\n"

    def test_publishers_wait_until_a_consumer_has_drained_the_queue(self):
        connection, channel, notes = self.watched()
        queue = channel.queue_declare(self.name()).method.queue
        # Somebody has taken the messages and not acknowledged them: those cannot be paged out.
        consumer = self.channel()
        inbox = Inbox(self, consumer, queue)
        body, sent = b"m" * 65536, 0
        while not notes and sent < 4000:
            for _ in range(10):
                self.send(channel, queue, body)
            sent += 10

            def taken():
                connection.process_data_events(time_limit=0)
                inbox.step()
                del inbox.messages[:-1]
                return notes or inbox.messages and inbox.messages[0][0].delivery_tag == sent
            # What is still in the queue is paged out, and the alarm would be over with that.
            wait_until(taken, f"{sent} messages")
        self.assertEqual(notes, ["low on memory"])
        self.broker.wait_log("memory alarm")

        # The other connection takes and acks as if nothing were.
        def both():
            inbox.step()
            if inbox.messages:
                consumer.basic_ack(inbox.messages[-1][0].delivery_tag, multiple=True)
                inbox.messages.clear()
            connection.process_data_events(time_limit=0.01)
            return "unblocked" in notes
        wait_until(both, "unblocked", 60)
        self.assertEqual(notes, ["low on memory", "unblocked"])
        self.broker.wait_log("memory alarm is over")
        # What was held is not lost, and publishing goes on.
        self.send(channel, queue, b"the last")

        # What was paged out comes before it, and is in memory until it is acknowledged.
        def the_last():
            inbox.step()
            bodies = [message[2] for message in inbox.messages]
            if bodies:
                consumer.basic_ack(inbox.messages[-1][0].delivery_tag, multiple=True)
                inbox.messages.clear()
            connection.process_data_events(time_limit=0.01)
            return b"the last" in bodies
        wait_until(the_last, "the last message", 60)


@only_wherry
class NoRoom(Blocked):
    broker_config = "disk_free_limit: 900TB\n"

    def test_a_full_disk_blocks_publishers_and_nobody_else(self):
        connection, channel, notes = self.watched()
        queue = channel.queue_declare(self.name(), durable=True).method.queue
        other, other_channel, other_notes = self.watched()
        self.assertEqual(notes, [])
        self.send(channel, queue, b"x", 2)
        self.pump(connection, lambda: notes, "connection.blocked")
        self.assertEqual(notes, ["low on disk"])
        Inbox(self, other_channel, queue)
        self.assertEqual(self.depth(other_channel, queue), 0)
        other_channel.queue_purge(queue)
        self.assertEqual(other_notes, [])
        self.broker.wait_log("disk alarm")

    def test_a_client_that_does_not_know_blocked_is_told_nothing(self):
        client = RawClient(self.broker)
        self.addCleanup(client.close)
        client.start(capabilities={"basic.nack": True})
        client.tune()
        client.call(0, spec.Connection.Open("/"), spec.Connection.OpenOk)
        client.open_channel()
        client.send_content(1, "", "nowhere", b"x")
        connection, channel, notes = self.watched()
        self.send(channel, "nowhere", b"x")
        self.pump(connection, lambda: notes, "connection.blocked")
        self.assertEqual(select.select([client.socket], [], [], 0)[0], [])

    def test_a_blocked_connection_lives_on_heartbeats(self):
        connection, channel, notes = self.watched(heartbeat=1)
        self.send(channel, "nowhere", b"x")
        self.pump(connection, lambda: notes, "connection.blocked")
        # A second client measures the time: five of its own heartbeats.
        watch = RawClient(self.broker)
        self.addCleanup(watch.close)
        watch.open(heartbeat=2)
        for _ in range(5):
            connection.process_data_events(time_limit=0)
            self.assertIsInstance(watch.read_frame(), frame.Heartbeat)
            watch.send_bytes(frame.Heartbeat().marshal())
        self.assertTrue(connection.is_open)


@only_wherry
class NothingLeft(Blocked):
    broker_config = "disk_free_limit: 900TB\nmemory_high_watermark: 1MiB\n"

    def test_both_alarms_have_one_reason(self):
        connection, channel, notes = self.watched()
        self.send(channel, "nowhere", b"x")
        self.pump(connection, lambda: notes, "connection.blocked")
        self.assertEqual(notes, ["low on memory & disk"])


if __name__ == "__main__":
    main()

"""The connection itself: handshakes, limits, heartbeats, and clients that are broken, hostile, slow or gone.

Each of them gets one clear error, and a canary that publishes and consumes all the while notices nothing.
"""

import select
import socket
import struct
import threading
import time

from pika import BasicProperties, frame, spec

from harness import KIND, BrokerTest, main, only_wherry, tearDownModule, wait_until  # noqa: F401
from rawclient import HEADER, Closed, RawClient


class Canary:
    """A thread that sends a message to itself, again and again, over connections of its own."""

    def __init__(self, test):
        self.rounds, self.error, self.going = 0, None, True
        self.connections = [test.connect() for _ in range(2)]
        self.thread = threading.Thread(target=self.run, daemon=True)
        self.thread.start()

    def run(self):
        try:
            publisher, consumer = (connection.channel() for connection in self.connections)
            queue = publisher.queue_declare("canary").method.queue
            publisher.confirm_delivery()
            got = []
            consumer.basic_consume(queue, lambda ch, method, properties, body: got.append(body), auto_ack=True)
            while self.going:
                publisher.basic_publish("", queue, str(self.rounds).encode())
                while len(got) <= self.rounds:
                    self.connections[1].process_data_events(time_limit=0.01)
                assert got[-1] == str(self.rounds).encode()
                self.rounds += 1
        except Exception as error:
            self.error = error

    def check(self):
        """It is alive, and goes on."""
        before = self.rounds
        wait_until(lambda: self.error or self.rounds > before + 1, "the canary sings")
        if self.error:
            raise AssertionError(f"the canary fell: {self.error!r}")

    def stop(self):
        self.going = False
        self.thread.join(30)


class Wire(BrokerTest):
    def setUp(self):
        super().setUp()
        self.canary = Canary(self)
        self.addCleanup(self.canary.stop)

    def tearDown(self):
        self.canary.check()

    def client(self, **options):
        client = RawClient(self.broker, **options)
        self.addCleanup(client.close)
        return client

    def check_connection_error(self, client, code, text=None):
        close = client.expect(spec.Connection.Close)
        self.assertEqual(close.reply_code, code, close.reply_text)
        if text is not None:
            self.assertEqual(close.reply_text, text)
        client.send(0, spec.Connection.CloseOk())
        self.assertTrue(client.ends())

    def check_refused(self, client, code, text):
        """Before connection.open, RabbitMQ only hangs up; Wherry says why in one connection.close."""
        if KIND == "wherry":
            self.check_connection_error(client, code, text)
        else:
            self.assertTrue(client.ends())

    # --- the beginning -------------------------------------------------------------------------------------------------
    def test_another_protocol_is_answered_with_ours(self):
        for greeting in (b"AMQP\x00\x00\x09\x09", b"AMQP\x00\x01\x00\x00", b"GET / HTTP/1.1\r\n\r\n",
                         b"\x16\x03\x01\x02\x00\x01\x00\x01"):
            client = self.client()
            client.send_bytes(greeting)
            self.assertEqual(client.read_bytes(8), HEADER, greeting)
            self.assertTrue(client.ends())

    def test_the_greeting_tells_who_is_there_and_what_it_can(self):
        client = self.client()
        start = client.start()
        self.assertEqual((start.version_major, start.version_minor), (0, 9))
        self.assertIn("PLAIN", start.mechanisms.decode().split())
        self.assertIn("en_US", start.locales.decode().split())
        properties = start.server_properties
        for name in ("product", "version", "platform"):
            self.assertTrue(properties[name], name)
        for name in ("publisher_confirms", "exchange_exchange_bindings", "basic.nack", "consumer_cancel_notify",
                     "authentication_failure_close", "consumer_priorities", "per_consumer_qos", "connection.blocked"):
            self.assertIs(properties["capabilities"][name], True, name)
        tune = client.tune()
        self.assertEqual((tune.channel_max, tune.frame_max, tune.heartbeat), (2047, 131072, 60))
        client.call(0, spec.Connection.Open("/"), spec.Connection.OpenOk)

    def test_a_wrong_password_is_refused_with_403(self):
        for user, password in (("guest", "wrong"), ("nobody", "guest"), ("", ""), ("guest", "")):
            client = self.client()
            client.start(user, password)
            close = client.expect(spec.Connection.Close)
            self.assertEqual((close.reply_code, close.reply_text),
                             (403, "ACCESS_REFUSED - Login was refused using authentication mechanism PLAIN. For "
                                   "details see the broker logfile."))
            client.send(0, spec.Connection.CloseOk())
            self.assertTrue(client.ends())

    def test_an_old_client_with_a_wrong_password_sees_the_connection_end(self):
        client = self.client()
        client.start("guest", "wrong", capabilities={})
        with self.assertRaises(Closed):
            client.read_frame()

    def test_amqplain_is_understood(self):
        client = self.client()
        client.send_bytes(HEADER)
        start = client.expect(spec.Connection.Start)
        self.assertIn("AMQPLAIN", start.mechanisms.decode().split())
        response = b"\x05LOGINS\x00\x00\x00\x05guest\x08PASSWORDS\x00\x00\x00\x05guest"
        client.send(0, spec.Connection.StartOk({}, "AMQPLAIN", response.decode(), "en_US"))
        client.tune()
        client.call(0, spec.Connection.Open("/"), spec.Connection.OpenOk)

    def test_an_unknown_mechanism_is_refused(self):
        client = self.client()
        client.start(mechanism="MAGIC")
        self.check_refused(client, 503, "COMMAND_INVALID - unknown authentication mechanism 'MAGIC'")

    def test_a_wrong_vhost_is_refused_with_530(self):
        client = self.client()
        client.start()
        client.tune()
        client.send(0, spec.Connection.Open("mars"))
        close = client.expect(spec.Connection.Close)
        self.assertEqual((close.reply_code, close.reply_text, close.class_id, close.method_id),
                         (530, "NOT_ALLOWED - vhost mars not found", 10, 40))

    def test_a_tune_outside_the_offer_is_refused(self):
        for options, text in (
                (dict(channel_max=4000), "NOT_ALLOWED - negotiated channel_max = 4000 is higher than the maximum allowed "
                                         "value (2047)"),
                (dict(channel_max=0), "NOT_ALLOWED - negotiated channel_max = 0 (no limit) is higher than the maximum "
                                      "allowed value (2047)"),
                (dict(frame_max=200000), "NOT_ALLOWED - negotiated frame_max = 200000 is higher than the maximum allowed "
                                         "value (131072)"),
                (dict(frame_max=100), "NOT_ALLOWED - negotiated frame_max = 100 is lower than the minimum allowed value "
                                      "(4096)")):
            client = self.client()
            client.start()
            client.tune(**options)
            self.check_refused(client, 530, text)

    def test_a_method_before_its_time_ends_the_handshake(self):
        client = self.client()
        client.send_bytes(HEADER)
        client.expect(spec.Connection.Start)
        client.send(0, spec.Connection.Open("/"))
        self.assertTrue(client.ends())

    # --- limits --------------------------------------------------------------------------------------------------------
    def test_the_smallest_frames_and_fewest_channels_work(self):
        client = self.client().open(frame_max=4096, channel_max=1).open_channel()
        queue = client.call(1, spec.Queue.Declare(0, "", exclusive=True, arguments={}), spec.Queue.DeclareOk).queue
        body = b"0123456789" * 1000
        client.send_content(1, "", queue, body, frame_max=4096)
        client.call(1, spec.Basic.Get(0, queue), spec.Basic.GetOk)
        header = client.read_frame()
        sizes = []
        while sum(sizes) < header.body_size:
            sizes.append(len(client.read_frame().fragment))
        self.assertEqual(sum(sizes), len(body))
        self.assertEqual(max(sizes), 4088)

    def test_a_channel_above_the_limit_is_refused(self):
        client = self.client().open(channel_max=10)
        for number in range(1, 11):
            client.open_channel(number)
        client.send(11, spec.Channel.Open())
        self.check_connection_error(client, 530)

    def test_all_channels_can_be_open_at_once(self):
        client = self.client().open()
        for number in range(1, 2048):
            client.send(number, spec.Channel.Open())
        for number in range(1, 2048):
            client.expect(spec.Channel.OpenOk)
        queue = client.call(2047, spec.Queue.Declare(0, "", exclusive=True, arguments={}), spec.Queue.DeclareOk).queue
        client.send_content(1, "", queue, b"x")
        client.send(2047, spec.Basic.Consume(0, queue, "", False, True, False, False, {}))
        client.expect(spec.Basic.ConsumeOk)
        client.expect(spec.Basic.Deliver)

    def test_a_frame_above_the_limit_is_refused(self):
        client = self.client().open(frame_max=4096).open_channel()
        client.send(1, spec.Basic.Publish(0, "", "q"))
        client.send_bytes(frame.Header(1, 5000, BasicProperties()).marshal())
        client.send_frame(3, 1, b"x" * 5000)
        self.check_connection_error(client, 501)

    # --- broken frames -------------------------------------------------------------------------------------------------
    def test_malformed_input_ends_its_connection_and_no_other(self):
        header = frame.Header(1, 10, BasicProperties()).marshal()
        publish = frame.Method(1, spec.Basic.Publish(0, "", "q")).marshal()
        declare = frame.Method(1, spec.Queue.Declare(0, "queue", arguments={})).marshal()
        cases = {
            "a wrong end octet": declare[:-1] + b"\x00",
            "an unknown frame type": struct.pack(">BHI", 5, 1, 4) + b"abcd\xce",
            "an unknown method": struct.pack(">BHI", 1, 1, 4) + struct.pack(">HH", 60, 999) + b"\xce",
            "an unknown class": struct.pack(">BHI", 1, 1, 4) + struct.pack(">HH", 999, 10) + b"\xce",
            "a method cut short": struct.pack(">BHI", 1, 1, 6) + struct.pack(">HH", 50, 10) + b"\0\0\xce",
            "an empty method": struct.pack(">BHI", 1, 1, 0) + b"\xce",
            "a string that runs out of its frame":
                struct.pack(">BHI", 1, 1, 8) + struct.pack(">HHHB", 50, 10, 0, 200) + b"q\xce",
            "a table that runs out of its frame":
                struct.pack(">BHI", 1, 1, 13) + struct.pack(">HHHBsBI", 50, 10, 0, 1, b"q", 0, 0xffffffff)[:13] + b"\xce",
            "a header where a method is due": header,
            "a body where a method is due": struct.pack(">BHI", 3, 1, 1) + b"x\xce",
            "a body where a header is due": publish + struct.pack(">BHI", 3, 1, 1) + b"x\xce",
            "a method where a header is due": publish + declare,
            "a method where a body is due": publish + header + declare,
            "more body than announced": publish + header + struct.pack(">BHI", 3, 1, 11) + b"x" * 11 + b"\xce",
            "a header of another class":
                publish + struct.pack(">BHI", 2, 1, 14) + struct.pack(">HHQH", 50, 0, 10, 0) + b"\xce",
            "a header on channel 0": struct.pack(">BHI", 2, 0, 14) + struct.pack(">HHQH", 60, 0, 10, 0) + b"\xce",
            "a heartbeat on a channel": struct.pack(">BHI", 8, 1, 0) + b"\xce",
            "properties that run out of their frame":
                publish + struct.pack(">BHI", 2, 1, 15) + struct.pack(">HHQHB", 60, 0, 10, 0x8000, 99) + b"\xce",
        }
        # RabbitMQ 3.10 takes the first for the end of the message and never looks into the second.
        lenient = ("more body than announced", "properties that run out of their frame")
        for name, data in cases.items():
            if KIND == "rabbitmq" and name in lenient:
                continue
            with self.subTest(name):
                client = self.client(timeout=10).open().open_channel()
                client.send_bytes(data)
                try:
                    close = client.expect(spec.Connection.Close)
                except Closed:  # what RabbitMQ does when it cannot decode a method
                    if KIND == "wherry":
                        raise AssertionError("hung up without a connection.close") from None
                    continue
                self.assertIn(close.reply_code, (501, 502, 503, 505, 540, 541), close.reply_text)
                self.assertRegex(close.reply_text, r"^[A-Z_]+ - .|^INTERNAL_ERROR$")
                client.send(0, spec.Connection.CloseOk())
                self.assertTrue(client.ends())
                self.canary.check()

    def test_garbage_instead_of_frames_ends_its_connection(self):
        client = self.client().open()
        client.send_bytes(bytes(range(256)) * 64)
        self.assertTrue(client.ends())

    # --- clients that vanish -------------------------------------------------------------------------------------------
    def test_a_client_that_vanishes_in_the_middle_leaves_nothing_behind(self):
        keeper = self.channel()
        queue = keeper.queue_declare(self.name()).method.queue
        publish = frame.Method(1, spec.Basic.Publish(0, "", queue)).marshal()
        header = frame.Header(1, 100, BasicProperties()).marshal()
        for data in (b"", publish[:5], publish[:-1], publish, publish + header, publish + header[:9],
                     publish + header + frame.Body(1, b"x" * 50).marshal(),
                     publish + header + frame.Body(1, b"x" * 100).marshal()[:-1]):
            for reset in (False, True):
                client = self.client().open().open_channel()
                own = client.call(1, spec.Queue.Declare(0, "", exclusive=True, arguments={}),
                                  spec.Queue.DeclareOk).queue
                client.send_bytes(data)
                if reset:  # a reset instead of an end
                    client.socket.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
                client.close()
                probe = self.client().open()

                def gone():
                    probe.open_channel(1)
                    answer = probe.call(1, spec.Queue.Declare(0, own, passive=True, arguments={}), spec.Channel.Close)
                    probe.send(1, spec.Channel.CloseOk())
                    return answer.reply_code == 404

                wait_until(gone, "the exclusive queue of a vanished client is gone")
        self.assertEqual(self.depth(keeper, queue), 0, "no half message was published")

    def test_a_client_that_vanishes_in_the_handshake_harms_nobody(self):
        for data in (b"", b"AM", HEADER, HEADER + b"\x01\x00"):
            client = self.client()
            client.send_bytes(data)
            client.close()

    def test_a_client_that_does_not_read_stops_nobody(self):
        """Its consumer is owed more than the socket's buffers take; the others go on."""
        publisher = self.channel()
        queue = publisher.queue_declare(self.name()).method.queue
        client = self.client().open().open_channel()
        client.call(1, spec.Basic.Consume(0, queue, "", False, False, False, False, {}), spec.Basic.ConsumeOk)
        for _ in range(64):
            publisher.basic_publish("", queue, bytes(512 * 1024))
        self.canary.check()
        count = 0
        while count < 64:
            client.expect(spec.Basic.Deliver)
            self.assertEqual(len(client.read_content()[1]), 512 * 1024)
            count += 1

    def test_bytes_that_come_one_by_one_are_understood(self):
        client = self.client()
        for byte in HEADER:
            client.send_bytes(bytes([byte]))
        client.expect(spec.Connection.Start)
        start_ok = frame.Method(0, spec.Connection.StartOk({}, "PLAIN", "\0guest\0guest", "en_US")).marshal()
        for byte in start_ok:
            client.send_bytes(bytes([byte]))
        client.tune()
        client.call(0, spec.Connection.Open("/"), spec.Connection.OpenOk)
        client.open_channel()
        queue = client.call(1, spec.Queue.Declare(0, "", exclusive=True, arguments={}), spec.Queue.DeclareOk).queue
        message = (frame.Method(1, spec.Basic.Publish(0, "", queue)).marshal() +
                   frame.Header(1, 5, BasicProperties(content_type="t")).marshal() + frame.Body(1, b"drops").marshal() +
                   frame.Method(1, spec.Basic.Get(0, queue)).marshal())
        for byte in message:
            client.send_bytes(bytes([byte]))
        client.expect(spec.Basic.GetOk)
        properties, body = client.read_content()
        self.assertEqual((properties.content_type, body), ("t", b"drops"))

    def test_a_client_that_stays_in_the_handshake_is_sent_away(self):
        clients = []
        for data in (b"", b"AMQP", HEADER):
            client = self.client(timeout=30)
            client.send_bytes(data)
            clients.append(client)
        started = time.monotonic()
        for client in clients:
            self.assertTrue(client.ends())
        self.assertGreater(time.monotonic() - started, 5)

    # --- heartbeats ----------------------------------------------------------------------------------------------------
    def test_heartbeats_come_and_silence_ends_the_connection(self):
        client = self.client().open(heartbeat=1)
        started = time.monotonic()
        beats = 0
        try:
            while True:
                self.assertIsInstance(client.read_frame(), frame.Heartbeat)
                beats += 1
        except Closed:
            pass
        silent = time.monotonic() - started
        self.assertGreaterEqual(beats, 2)
        self.assertGreater(silent, 1.5)
        self.assertLess(silent, 10)

    def test_heartbeats_keep_a_connection(self):
        client = self.client().open(heartbeat=1)
        until = time.monotonic() + 4
        while time.monotonic() < until:
            self.assertIsInstance(client.read_frame(), frame.Heartbeat)
            client.send_bytes(frame.Heartbeat().marshal())
        client.open_channel()

    def test_without_heartbeats_silence_is_fine(self):
        client = self.client(timeout=3).open(heartbeat=0)
        with self.assertRaises(TimeoutError):
            client.read_frame()
        client.open_channel()

    # --- the end -------------------------------------------------------------------------------------------------------
    def test_a_clean_close_answers_and_forgets(self):
        client = self.client().open().open_channel()
        client.send(1, spec.Queue.Declare(0, "", exclusive=True, arguments={}))
        client.expect(spec.Queue.DeclareOk)
        client.call(1, spec.Channel.Close(200, "done", 0, 0), spec.Channel.CloseOk)
        client.open_channel(1)
        client.call(0, spec.Connection.Close(200, "bye", 0, 0), spec.Connection.CloseOk)

    def test_after_close_ok_the_socket_is_the_clients_to_close(self):
        client = self.client().open()
        client.call(0, spec.Connection.Close(200, "bye", 0, 0), spec.Connection.CloseOk)
        self.canary.check()
        self.assertEqual(select.select([client.socket], [], [], 0)[0], [], "the broker closed first")

    def test_a_delete_is_answered_before_its_own_consumers_are_cancelled(self):
        for number in range(4):
            client = self.client().open().open_channel()
            queue = self.name()
            client.call(1, spec.Queue.Declare(0, queue, arguments={}), spec.Queue.DeclareOk)
            for tag in ("one", "two"):
                client.call(1, spec.Basic.Consume(0, queue, tag, arguments={}), spec.Basic.ConsumeOk)
            client.call(1, spec.Queue.Delete(0, queue), spec.Queue.DeleteOk)
            told = {client.expect(spec.Basic.Cancel).consumer_tag for _ in range(2)}
            self.assertEqual(told, {"one", "two"}, number)

    @only_wherry
    def test_the_log_names_who_was_refused_and_why(self):
        client = self.client()
        client.start("guest", "wrong")
        client.ends()
        self.broker.wait_log("guest")

    def test_a_stop_of_the_broker_tells_its_clients(self):
        if KIND != "wherry":
            self.skipTest("stops only a broker of our own")
        from brokers import start_broker
        broker = start_broker()
        clients = [RawClient(broker).open().open_channel() for _ in range(4)]
        broker.program.terminate()
        for client in clients:
            close = client.expect(spec.Connection.Close)
            self.assertEqual(close.reply_code, 320)
            self.assertTrue(close.reply_text.startswith("CONNECTION_FORCED - "), close.reply_text)
            client.send(0, spec.Connection.CloseOk())
            self.assertTrue(client.ends())
            client.close()
        self.assertEqual(broker.program.wait_exit(), 0)
        broker.program.stop()


@only_wherry
class Product(BrokerTest):
    broker_config = 'product: {name: RabbitMQ, version: "3.10.8"}\n'

    def test_the_greeting_says_the_product_that_was_set(self):
        client = RawClient(self.broker)
        self.addCleanup(client.close)
        properties = client.start().server_properties
        self.assertEqual((properties["product"], properties["version"]), ("RabbitMQ", "3.10.8"))


if __name__ == "__main__":
    main()

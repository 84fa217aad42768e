"""Limits against abuse (docs/limits.md): crowds that say nothing, write a byte and stop, or never read, at every port,
while others are served; and what is said at each limit.

About Wherry alone: the figures are its own.
"""

import contextlib
import re
import resource
import socket
import urllib.request

import pika
from pika import spec

import brokers
from brokers import TIME_SCALE, wait_until
from harness import BrokerTest, Inbox, main, only_wherry, setUpModule, tearDownModule  # noqa: F401
from management import call
from rawclient import HEADER, RawClient
from tls_test import Authority

CROWD = 300
# Every socket of a crowd is one here too.
resource.setrlimit(resource.RLIMIT_NOFILE, (resource.getrlimit(resource.RLIMIT_NOFILE)[1],) * 2)
LOGIN = "Authorization: Basic Z3Vlc3Q6Z3Vlc3Q=\r\n"


class AbuseTest(BrokerTest):
    limits = ""

    @classmethod
    def setUpClass(cls):
        cls.authority = Authority()
        cls.addClassCleanup(cls.authority.folder.cleanup)
        certificate, key = cls.authority.issue("broker", "broker")
        config = f"""
listen:
  amqps: "127.0.0.1:0"
  management: "127.0.0.1:0"
  management_https: "127.0.0.1:0"
  metrics: "127.0.0.1:0"
  metrics_https: "127.0.0.1:0"
tls: {{certificate: "{certificate}", key: "{key}"}}
{cls.limits}"""
        cls.broker = brokers.WherryBroker(config, [])
        ready = cls.broker.program.wait_line("amqp=")
        cls.ports = {name: int(port) for name, port in re.findall(r" (\w+)=\S+?:(\d+)", ready)}

    def crowd(self, port, words=b"", count=CROWD):
        """So many clients that connect, say these words and no more; and who have been heard when this returns."""
        for _ in range(count):
            client = socket.create_connection(("127.0.0.1", self.ports[port]), 20 * TIME_SCALE)
            self.addCleanup(client.close)
            client.sendall(words)
            yield client

    def gather(self, port, words=b"", count=CROWD):
        return list(self.crowd(port, words, count))

    def ask(self, port, path):
        """A GET as anybody sends it; the text that comes."""
        context = self.authority.context() if port.endswith("https") else None
        request = urllib.request.Request(f"{'https' if context else 'http'}://127.0.0.1:{self.ports[port]}{path}",
                                         headers={"Authorization": "Basic Z3Vlc3Q6Z3Vlc3Q="})
        with urllib.request.urlopen(request, timeout=30 * TIME_SCALE, context=context) as answer:
            return answer.read().decode()

    def all_are_served(self):
        """Whoever behaves is served at each port."""
        channel = self.channel()
        queue = self.name()
        channel.queue_declare(queue)
        channel.confirm_delivery()
        channel.basic_publish("", queue, b"hello", mandatory=True)
        self.assertEqual(self.get(channel, queue, auto_ack=True)[2], b"hello")
        secure = pika.BlockingConnection(pika.ConnectionParameters(
            "127.0.0.1", self.ports["amqps"], ssl_options=pika.SSLOptions(self.authority.context(), "127.0.0.1"),
            socket_timeout=20 * TIME_SCALE, stack_timeout=30 * TIME_SCALE))
        secure.close()
        for port in ("management", "management_https"):
            self.assertIn('"name":"guest"', self.ask(port, "/api/whoami"))
        for port in ("metrics", "metrics_https"):
            self.assertIn("rabbitmq_identity_info", self.ask(port, "/metrics"))


@only_wherry
class Crowds(AbuseTest):
    def test_those_who_connect_and_say_nothing_keep_nobody_waiting(self):
        for port in ("amqp", "amqps", "management", "management_https", "metrics", "metrics_https"):
            self.gather(port)
        self.all_are_served()

    def test_those_who_begin_and_never_end_keep_nobody_waiting(self):
        self.gather("amqp", HEADER)
        self.gather("amqp", HEADER[:3])
        hello = b"\x16\x03\x01\x02\x00\x01"  # Of TLS, the first bytes.
        for port in ("amqps", "management_https", "metrics_https"):
            self.gather(port, hello)
        for port in ("management", "metrics"):
            self.gather(port, b"GET /api/overview HTTP/1.1\r\nX-Slow: ")
        self.gather("management", f"PUT /api/queues/%2F/x HTTP/1.1\r\n{LOGIN}Content-Length: 100\r\n\r\n{{".encode())
        self.all_are_served()

    def test_those_who_came_through_tls_and_say_nothing_keep_nobody_waiting(self):
        context = self.authority.context()
        for port in ("amqps", "management_https", "metrics_https"):
            for client in self.gather(port, count=50):
                secure = context.wrap_socket(client, server_hostname="127.0.0.1")
                self.addCleanup(secure.close)
        self.all_are_served()

    def test_those_who_ask_and_never_read_keep_nobody_waiting(self):
        channel = self.channel()
        for _ in range(200):
            channel.queue_declare(self.name("some"))
        ask = b"GET /metrics/per-object HTTP/1.1\r\n\r\n"
        self.gather("metrics", ask * 20, 50)
        self.gather("management", f"GET /api/queues HTTP/1.1\r\n{LOGIN}\r\n".encode() * 20, 50)
        self.all_are_served()

    def test_consumers_that_never_read_keep_nobody_waiting(self):
        channel = self.channel()
        unread = self.name("unread")
        channel.queue_declare(unread)
        for number in range(20):
            client = RawClient(self.broker).open().open_channel()
            self.addCleanup(client.socket.close)
            client.send(1, spec.Basic.Consume(queue=unread, no_ack=True))
            client.expect(spec.Basic.ConsumeOk)
        for _ in range(100):
            channel.basic_publish("", unread, bytes(200_000))
        self.all_are_served()

    def test_requests_that_are_nonsense_are_told_so(self):
        for words, status in ((b"AMQP\0\0\x09\x01\r\n\r\n", 400), (b"GET / HTTP/1.1\r\nX: " + b"x" * 20_000, 431),
                              (f"PUT /api/vhosts/x HTTP/1.1\r\n{LOGIN}Content-Length: 99999999\r\n\r\n".encode(), 413),
                              (b"PUT /api/vhosts/x HTTP/1.1\r\nContent-Length: 1000000\r\n\r\n", 401),
                              (b"POST /metrics HTTP/1.1\r\nContent-Length: 0\r\n\r\n", 405)):
            with self.subTest(status):
                port = "metrics" if status == 405 else "management"
                (client,) = self.gather(port, words, 1)
                answer = client.recv(4096).decode()
                self.assertTrue(answer.startswith(f"HTTP/1.1 {status} "), answer)
                if port == "management":
                    self.assertIn('"reason":"', answer)


@only_wherry
class Short(AbuseTest):
    """Limits so low that a test meets them."""

    limits = """
handshake_timeout: 300ms
http: {connection_max: 20, head_timeout: 300ms, body_timeout: 300ms, idle_timeout: 300ms, max_body_size: 1KiB}
unacked_max: 1MiB
queue_max: 10
"""

    def closed(self, client):
        """What came until the broker closed it."""
        got = b""
        with contextlib.suppress(ConnectionResetError):
            while part := client.recv(65536):
                got += part
        return got.decode(errors="replace")

    def test_a_handshake_takes_a_while_at_most(self):
        for port, words in (("amqp", b""), ("amqp", HEADER), ("amqps", b""), ("amqps", b"\x16\x03\x01"),
                            ("management_https", b""), ("metrics_https", b"\x16\x03\x01")):
            with self.subTest(port=port, words=words):
                for client in self.gather(port, words, 3):
                    self.closed(client)

    def test_a_request_takes_a_while_at_most(self):
        for words in (b"GET / HT", b"PUT /api/vhosts/x HTTP/1.1\r\nContent-Length: 10\r\n\r\n{"):
            (client,) = self.gather("management", words, 1)
            answer = self.closed(client)
            self.assertTrue(answer.startswith("HTTP/1.1 408 "), answer)
        for port in ("management", "metrics"):
            (client,) = self.gather(port, b"", 1)
            self.assertEqual(self.closed(client), "")
            (client,) = self.gather(port, b"GET /metrics HTTP/1.1\r\n\r\n", 1)
            self.assertTrue(self.closed(client).startswith("HTTP/1.1 "))

    def test_http_clients_that_are_too_many_make_room_for_each_other(self):
        clients = self.crowd("management", count=200)
        for _ in clients:
            pass
        self.assertIn('"name":"guest"', self.ask("management", "/api/whoami"))

    def test_a_body_that_is_too_large_is_refused(self):
        answer = call(self.ports["management"], "PUT", "/api/vhosts/x", raw=b"{" + b" " * 2000 + b"}")
        self.assertEqual((answer.status, answer.json["reason"]), (413, "the body has at most 1024 bytes"))

    def test_what_one_connection_leaves_unacknowledged_is_limited(self):
        connection = self.connect()
        channel, other = connection.channel(), connection.channel()
        queue = self.name()
        channel.queue_declare(queue)
        for number in range(40):
            channel.basic_publish("", queue, bytes([number]) * 100_000)
        self.wait_depth(channel, queue, 40)
        inbox, late = Inbox(self, channel, queue), Inbox(self, other, queue)
        watch = self.channel()
        # Eleven are more than a mebibyte: the twelfth waits, on any channel, and others get it.
        self.pump(connection, lambda: len(inbox.messages) + len(late.messages) == 11, "11 deliveries")
        method, _, _ = self.get(watch, queue)
        watch.basic_nack(method.delivery_tag)
        self.assertEqual(len(inbox.messages) + len(late.messages), 11)
        with self.assertRaises(pika.exceptions.ChannelClosedByBroker) as caught:
            third = connection.channel()
            third.basic_get(queue)
        self.assertEqual(caught.exception.reply_code, 406)
        self.assertIn("1048576 bytes and more on this connection wait for an ack", caught.exception.reply_text)
        # What is acknowledged on one channel makes room on the others.
        for tag in inbox.tags:
            channel.basic_ack(tag)
        inbox.ack = late.ack = True
        for tag in late.tags:
            other.basic_ack(tag)
        self.pump(connection, lambda: len(inbox.messages) + len(late.messages) == 40, "all deliveries")

    def test_what_is_rolled_back_or_closed_counts_no_more(self):
        queue = self.name()
        connection = self.connect()
        channel = connection.channel()
        channel.queue_declare(queue)
        for _ in range(12):
            channel.basic_publish("", queue, bytes(100_000))
        self.wait_depth(channel, queue, 12)
        for how in ("close", "recover", "commit", "rollback and close"):
            with self.subTest(how):
                taken = connection.channel()
                if "commit" in how or "rollback" in how:
                    taken.tx_select()
                tags = [self.get(taken, queue)[0].delivery_tag for _ in range(11)]
                if how == "recover":
                    taken.basic_recover(requeue=True)
                elif how == "commit":
                    taken.basic_nack(tags[-1], multiple=True)
                    taken.tx_commit()
                elif how == "rollback and close":
                    taken.basic_ack(tags[-1], multiple=True)
                    taken.tx_rollback()
                if "close" in how:
                    taken.close()
                fresh = connection.channel()
                method, _, _ = self.get(fresh, queue)
                fresh.basic_nack(method.delivery_tag)
                self.wait_depth(fresh, queue, 12)
                fresh.close()

    def test_queues_are_limited_and_a_deleted_one_makes_room(self):
        channel = self.channel()
        declared = []
        with self.assertRaises(pika.exceptions.ChannelClosedByBroker) as caught:
            for _ in range(11):
                declared.append(self.name("some"))
                channel.queue_declare(declared[-1])
        self.assertEqual(caught.exception.reply_code, 406)
        self.assertIn("queue limit in node (10) is reached: raise queue_max",
                      caught.exception.reply_text)
        channel = self.channel()
        channel.queue_delete(declared[0])
        channel.queue_declare(self.name("fits"))
        for queue in declared[1:]:
            channel.queue_delete(queue)


@only_wherry
class Connections(AbuseTest):
    limits = "connection_max: 10\n"

    def test_those_in_the_handshake_give_way(self):
        crowd = [client for port in ("amqp", "amqps") for client in self.gather(port, count=100)]

        def closed(client):
            client.setblocking(False)
            try:
                return client.recv(1) == b""
            except BlockingIOError:
                return False
            except ConnectionResetError:
                return True
        # Before, whoever comes next may be the oldest in its handshake while more of the crowd are let in.
        wait_until(lambda: sum(map(closed, crowd)) >= len(crowd) - 10, "the crowd to be let in and closed")
        self.all_are_served()

    def test_one_too_many_is_told_so(self):
        connections = [self.connect() for _ in range(10)]
        with self.assertRaises(pika.exceptions.AMQPConnectionError) as caught:
            self.connect()
        said = repr(caught.exception) + repr(caught.exception.args)
        self.assertIn("connection refused: node connection limit (10) is reached", said)
        connections[0].close()

        def fits():
            try:
                self.connect().close()
                return True
            except pika.exceptions.AMQPConnectionError:
                return False
        wait_until(fits, "room for a connection")
        self.broker.wait_log("10 connections are the most there may be (connection_max)")


if __name__ == "__main__":
    main()

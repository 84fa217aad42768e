"""TLS: clients with passwords and with certificates, the management API over HTTPS, and certificates that are renewed."""

import json
import pathlib
import re
import signal
import ssl
import tempfile
import urllib.request

import pika
from celery import Celery

import brokers
from authority import Authority
from brokers import BIN_DIR, TIME_SCALE, wait_until
from harness import BrokerTest, Program, main, only_wherry, setUpModule, tearDownModule  # noqa: F401
from workers_test import LIBRARY


class TlsTest(BrokerTest):
    verify = "none"

    @classmethod
    def setUpClass(cls):
        cls.authority = Authority()
        cls.addClassCleanup(cls.authority.folder.cleanup)
        certificate, key = cls.authority.issue("broker", "broker")
        config = f"""
listen: {{amqps: "127.0.0.1:0", management_https: "127.0.0.1:0", metrics_https: "127.0.0.1:0"}}
tls: {{certificate: "{certificate}", key: "{key}", ca: "{cls.authority.ca}", verify: {cls.verify}}}
users:
  - {{name: guest, password: guest, tags: [administrator], permissions: [{{vhost: /}}]}}
  - {{name: worker, password: other, permissions: [{{vhost: /}}]}}
"""
        cls.broker = brokers.WherryBroker(config, [])
        ready = cls.broker.program.wait_line("amqps=")
        cls.ports = {name: int(port) for name, port in re.findall(r" (\w+)=\S+?:(\d+)", ready)}

    def connect_tls(self, context, credentials=None):
        connection = pika.BlockingConnection(pika.ConnectionParameters(
            "127.0.0.1", self.ports["amqps"], "/", credentials or pika.PlainCredentials("guest", "guest"),
            ssl_options=pika.SSLOptions(context, "127.0.0.1"), heartbeat=0, socket_timeout=20 * TIME_SCALE,
            stack_timeout=30 * TIME_SCALE, blocked_connection_timeout=30 * TIME_SCALE))
        self.addCleanup(lambda: connection.is_open and connection.close())
        return connection

    def get(self, port, path, context):
        request = urllib.request.Request(f"https://127.0.0.1:{self.ports[port]}{path}",
                                         headers={"Authorization": "Basic Z3Vlc3Q6Z3Vlc3Q="})
        with urllib.request.urlopen(request, timeout=30 * TIME_SCALE, context=context) as answer:
            return answer.read().decode()


@only_wherry
class Passwords(TlsTest):
    def test_messages_of_every_size_come_through(self):
        context = self.authority.context()
        channel = self.connect_tls(context).channel()
        queue = self.name()
        channel.queue_declare(queue)
        channel.confirm_delivery()
        for size in (0, 1, 16_384, 131_072, 5_000_000):
            body = bytes(size % 251 for size in range(size))
            channel.basic_publish("", queue, body)
            _, _, got = channel.basic_get(queue, auto_ack=True)
            self.assertEqual(got, body)

    def test_many_messages_to_a_consumer_that_is_slow(self):
        channel = self.connect_tls(self.authority.context()).channel()
        queue = self.name()
        channel.queue_declare(queue)
        for number in range(300):
            channel.basic_publish("", queue, number.to_bytes(4, "big") * 25_000)
        wait_until(lambda: channel.queue_declare(queue, passive=True).method.message_count == 300, "300 messages", 60)
        got = []
        channel.basic_consume(queue, lambda _c, _m, _p, body: got.append(int.from_bytes(body[:4], "big")), auto_ack=True)

        def step():
            channel.connection.process_data_events(time_limit=0.02)
            return len(got) == 300
        wait_until(step, "300 messages came", 60)
        self.assertEqual(got, list(range(300)))

    def test_who_does_not_know_the_authority_goes_away(self):
        with self.assertRaises(Exception) as caught:
            self.connect_tls(ssl.create_default_context())
        self.assertIn("certificate verify failed", repr(caught.exception) + repr(getattr(caught.exception, "args", "")))
        self.broker.program.wait_error("did not come through the handshake")

    def test_external_is_not_offered(self):
        with self.assertRaises(pika.exceptions.AMQPConnectionError):
            self.connect_tls(self.authority.context(), pika.credentials.ExternalCredentials())

    def test_connections_say_that_they_are_over_tls(self):
        context = self.authority.context()
        self.connect_tls(context)
        rows = json.loads(self.get("management_https", "/api/connections", context))
        row = next(row for row in rows if row["port"] == self.ports["amqps"])
        self.assertEqual((row["ssl"], row["ssl_protocol"]), (True, "TLSv1.3"))
        self.connect()
        rows = json.loads(self.get("management_https", "/api/connections", context))
        self.assertIn(False, [row["ssl"] for row in rows])
        self.assertIn("rabbitmq_connections ", self.get("metrics_https", "/metrics", context))

    def test_renewed_certificates_count_for_new_connections(self):
        old = self.authority.context()
        stands = self.connect_tls(old)
        old_authority, fresh = self.authority.ca, Authority()
        self.addCleanup(fresh.folder.cleanup)
        certificate, key = fresh.issue("broker", "broker")
        kept = {name: pathlib.Path(self.authority.path(name)).read_bytes() for name in ("broker.pem", "broker.key")}
        try:
            for name, path in (("broker.pem", certificate), ("broker.key", key)):
                pathlib.Path(self.authority.path(name)).write_bytes(pathlib.Path(path).read_bytes())
            self.broker.program.process.send_signal(signal.SIGHUP)
            self.broker.program.wait_error("read the certificates again: they count")
            self.connect_tls(fresh.context())
            self.get("management_https", "/api/whoami", fresh.context())
            with self.assertRaises(Exception):
                self.connect_tls(ssl.create_default_context(cafile=old_authority))
            # What stood is as it was; nonsense changes nothing.
            stands.channel().close()
            pathlib.Path(self.authority.path("broker.key")).write_text("nonsense", encoding="ascii")
            self.broker.program.process.send_signal(signal.SIGHUP)
            self.broker.program.wait_error("cannot be used, nothing was changed")
            self.connect_tls(fresh.context())
        finally:
            for name, content in kept.items():
                pathlib.Path(self.authority.path(name)).write_bytes(content)
            self.broker.program.process.send_signal(signal.SIGHUP)
        wait_until(lambda: self.broker.program.errors.count("they count for the connections") == 2, "the old ones are back")


@only_wherry
class Certificates(TlsTest):
    verify = "peer"

    def test_the_certificate_names_the_user(self):
        context = self.authority.context(self.authority.issue("client", "worker"))
        self.connect_tls(context, pika.credentials.ExternalCredentials())
        rows = json.loads(self.get("management_https", "/api/connections", self.authority.context()))
        row = next(row for row in rows if row["auth_mechanism"] == "EXTERNAL")
        self.assertEqual((row["user"], row["peer_cert_subject"]), ("worker", "CN=worker,O=Example"))

    def test_an_unknown_user_and_none_are_refused(self):
        stranger = self.authority.context(self.authority.issue("stranger", "stranger"))
        for context in (stranger, self.authority.context()):
            with self.assertRaises(pika.exceptions.ProbableAuthenticationError):
                self.connect_tls(context, pika.credentials.ExternalCredentials())
        # Who shows none may have a password.
        self.connect_tls(self.authority.context())


@only_wherry
class Tasks(TlsTest):
    verify = "required"

    def test_tasks_by_certificate(self):
        certificate, key = self.authority.issue("client", "worker")
        url = (f"amqps://127.0.0.1:{self.ports['amqps']}/?cacertfile={self.authority.ca}&certfile={certificate}&keyfile={key}"
               "&auth_mechanism=external")
        queue = self.name("tasks")
        with tempfile.TemporaryDirectory(prefix="wherry-tls-") as folder:
            ledger = pathlib.Path(folder) / "ledger"
            worker = Program([BIN_DIR / "wherry-worker", "--load", LIBRARY, "-b", url, "-Q", queue], cwd=folder,
                             env={"LEDGER": str(ledger)})
            self.addCleanup(worker.stop)
            worker.wait_line("wherry-worker ready", timeout=30)
            app = Celery(broker=self.broker.url())
            app.send_task("tasks.quiet", ("by tls",), queue=queue)
            wait_until(lambda: ledger.exists() and "quiet by tls" in ledger.read_text(encoding="utf-8"), "the task ran")
            worker.terminate()
            worker.check_success(40)

    def test_a_wrong_name_is_an_error_that_says_so(self):
        url = (f"amqps://guest:guest@127.0.0.1:{self.ports['amqps']}/?cacertfile={self.authority.ca}"
               "&server_name_indication=other.example")
        worker = Program([BIN_DIR / "wherry-worker", "--load", LIBRARY, "-b", url, "-Q", "q"])
        self.addCleanup(worker.stop)
        worker.wait_error("TLS: hostname mismatch")


if __name__ == "__main__":
    main()

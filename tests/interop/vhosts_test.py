"""Virtual hosts, users and permissions from a broker.yaml, and what it declares at the start."""

import unittest

import pika

from harness import KIND, BrokerTest, main, tearDownModule  # noqa: F401

CONFIG = """
vhosts:
  - name: /
  - name: shop
    exchanges:
      - {name: events, type: topic, durable: true}
      - {name: archive, type: fanout, durable: true}
    queues:
      - name: errors
        durable: true
        arguments: {x-max-length: 3}
      - email
    bindings:
      - {exchange: events, queue: errors, routing_key: "*.error"}
      - {exchange: events, to_exchange: archive, routing_key: "#"}
      - {exchange: archive, queue: email}
  - name: team/a
users:
  - name: gateway
    password: secret
    tags: [impersonator]
    permissions:
      - {vhost: /, configure: ".*", write: ".*", read: ".*"}
  - name: admin
    password: secret
    tags: [administrator]
    permissions:
      - {vhost: /, configure: ".*", write: ".*", read: ".*"}
      - {vhost: shop, configure: ".*", write: ".*", read: ".*"}
      - {vhost: team/a, configure: ".*", write: ".*", read: ".*"}
  - name: reader
    password: "p@ss: word/ü"
    permissions:
      - {vhost: shop, configure: "^mine\\\\..*", write: "^(mine\\\\..*|events)$", read: "^(mine\\\\..*|errors|events)$"}
"""


class Vhosts(BrokerTest):
    broker_config = CONFIG

    @classmethod
    def setUpClass(cls):
        super().setUpClass()
        if KIND == "rabbitmq":
            cls.broker.call("PUT", "/api/users/admin", {"password": "secret", "tags": "administrator"})
            cls.broker.call("PUT", "/api/users/reader", {"password": "p@ss: word/ü", "tags": ""})
            cls.broker.call("PUT", "/api/users/gateway", {"password": "secret", "tags": "impersonator"})
            cls.broker.reset_vhost("/", "guest", "admin", "gateway")
            for vhost in ("shop", "team/a"):
                cls.broker.reset_vhost(vhost, "admin")
            cls.broker.call("PUT", "/api/permissions/shop/reader", {
                "configure": r"^mine\..*", "write": r"^(mine\..*|events)$", "read": r"^(mine\..*|errors|events)$"})
            connection = pika.BlockingConnection(pika.ConnectionParameters(
                cls.broker.host, cls.broker.port, "shop", pika.PlainCredentials("admin", "secret")))
            channel = connection.channel()
            channel.exchange_declare("events", "topic", durable=True)
            channel.exchange_declare("archive", "fanout", durable=True)
            channel.queue_declare("errors", durable=True, arguments={"x-max-length": 3})
            channel.queue_declare("email", durable=True)
            channel.queue_bind("errors", "events", "*.error")
            channel.exchange_bind("archive", "events", "#")
            channel.queue_bind("email", "archive", "")
            connection.close()

    def admin(self, vhost="shop"):
        return self.channel(user="admin", password="secret", vhost=vhost)

    def reader(self):
        return self.channel(user="reader", password="p@ss: word/ü", vhost="shop")

    def check_refused(self, code, text, action, *arguments, **options):
        with self.assertRaises(pika.exceptions.ChannelClosedByBroker) as caught:
            action(*arguments, **options)
        self.assertEqual((caught.exception.reply_code, caught.exception.reply_text), (code, text))

    def check_access_refused(self, what, action, *arguments, user="reader", **options):
        self.check_refused(403, f"ACCESS_REFUSED - access to {what} in vhost 'shop' refused for user '{user}'",
                           action, *arguments, **options)

    def test_what_the_file_declares_is_there(self):
        channel = self.admin()
        channel.queue_declare("errors", durable=True, arguments={"x-max-length": 3})
        channel.queue_declare("email", durable=True)
        channel.exchange_declare("events", "topic", durable=True)
        channel.queue_purge("email")
        channel.confirm_delivery()
        for number in range(5):
            channel.basic_publish("events", "web.error", str(number).encode(), mandatory=True)
        self.assertEqual((self.depth(channel, "errors"), self.depth(channel, "email")), (3, 5))
        self.assertEqual(self.get(channel, "errors")[2], b"2")

    def test_vhosts_share_nothing(self):
        names = ["shop", "team/a", "/"]
        channels = [self.admin(vhost) for vhost in names]
        for channel, vhost in zip(channels, names):
            channel.confirm_delivery()
            channel.queue_declare("same")
            channel.exchange_declare("same", "fanout" if vhost == "shop" else "direct")
            channel.queue_bind("same", "same", "k")
            channel.basic_publish("same", "k", vhost.encode())
        for vhost in names:
            self.assertEqual(self.get(self.admin(vhost), "same", auto_ack=True)[2], vhost.encode())

    def test_a_user_without_permissions_for_a_vhost_cannot_open_it(self):
        for vhost in ("/", "team/a"):
            with self.assertRaises(pika.exceptions.ProbableAccessDeniedError) as caught:
                self.connect(user="reader", password="p@ss: word/ü", vhost=vhost)
            self.assertIn(f"NOT_ALLOWED - access to vhost '{vhost}' refused for user 'reader'", str(caught.exception))

    def test_an_unknown_vhost_is_refused(self):
        with self.assertRaises(pika.exceptions.ProbableAccessDeniedError) as caught:
            self.connect(user="admin", password="secret", vhost="mars")
        self.assertIn("NOT_ALLOWED - vhost mars not found", str(caught.exception))

    def test_a_wrong_password_is_refused(self):
        with self.assertRaises(pika.exceptions.ProbableAuthenticationError):
            self.connect(user="admin", password="Secret", vhost="shop")

    @unittest.skipIf(KIND == "rabbitmq", "the file names the users: guest is not one of them")
    def test_without_guest_in_the_file_there_is_no_guest(self):
        with self.assertRaises(pika.exceptions.ProbableAuthenticationError):
            self.connect()

    def test_permissions_let_one_do_what_they_name(self):
        channel = self.reader()
        channel.queue_declare("mine.q")
        channel.queue_bind("mine.q", "events", "#")
        channel.confirm_delivery()
        channel.basic_publish("events", "any", b"x")
        self.assertEqual(self.get(channel, "mine.q", auto_ack=True)[2], b"x")
        channel.queue_purge("mine.q")
        channel.queue_delete("mine.q")
        channel.queue_declare("errors", passive=True)

    def test_permissions_refuse_everything_else(self):
        self.check_access_refused("queue 'other'", self.reader().queue_declare, "other")
        self.check_access_refused("exchange 'other'", self.reader().exchange_declare, "other")
        self.check_access_refused("queue 'email'", self.reader().queue_delete, "email")
        self.check_access_refused("exchange 'archive'", self.reader().exchange_delete, "archive")
        self.check_access_refused("queue 'email'", self.reader().basic_get, "email")
        self.check_access_refused("queue 'email'", self.reader().basic_consume, "email", lambda *_: None)
        self.check_access_refused("queue 'email'", self.reader().queue_purge, "email")
        self.check_access_refused("queue 'email'", self.reader().queue_bind, "email", "events", "k")
        channel = self.reader()
        channel.queue_declare("mine.bound", exclusive=True)
        self.check_access_refused("exchange 'archive'", channel.queue_bind, "mine.bound", "archive", "k")
        self.check_access_refused("exchange 'archive'", self.reader().exchange_bind, "archive", "events", "k")
        channel = self.reader()
        channel.confirm_delivery()
        self.check_access_refused("exchange 'archive'", channel.basic_publish, "archive", "k", b"x")
        channel = self.reader()
        channel.confirm_delivery()
        self.check_access_refused("exchange 'amq.default'", channel.basic_publish, "", "email", b"x")

    def test_a_message_names_its_own_user_unless_an_impersonator_sent_it(self):
        queue = self.name()
        for user, named, allowed in (("admin", "admin", True), ("admin", "gateway", False), ("gateway", "admin", True)):
            channel = self.connect(user, "secret").channel()
            channel.queue_declare(queue)
            channel.confirm_delivery()
            publish = lambda: channel.basic_publish("", queue, b"x", pika.BasicProperties(user_id=named))  # noqa: E731
            if allowed:
                publish()
                self.assertEqual(self.get(channel, queue, auto_ack=True)[1].user_id, named)
                continue
            with self.assertRaises(pika.exceptions.ChannelClosedByBroker) as refused:
                publish()
            self.assertEqual((refused.exception.reply_code, refused.exception.reply_text), (
                406, f"PRECONDITION_FAILED - user_id property set to '{named}' but authenticated user was '{user}'"))

    def test_a_dead_letter_exchange_needs_permission(self):
        self.check_access_refused("exchange 'archive'", self.reader().queue_declare, "mine.dead",
                                  arguments={"x-dead-letter-exchange": "archive"})


if __name__ == "__main__":
    main()

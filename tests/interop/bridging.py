"""The broker under test, whose bridges are tried, and another that they reach: what the tests of bridges share."""

import re

import pika

import brokers
from harness import Inbox, close_quietly, wait_until
from management import ManagementTest, call, in_path


class BridgeTest(ManagementTest):
    """self.broker has the bridges; self.other is another Wherry, with a management API at self.other_http."""

    longest_s = 240
    other_config = None
    other_arguments = []

    @classmethod
    def setUpClass(cls):
        super().setUpClass()
        cls.addClassCleanup(cls.broker.stop)
        cls.start_other()

    @classmethod
    def start_other(cls):
        cls.other = brokers.WherryBroker(cls.other_config, ["--management", "127.0.0.1:0", *cls.other_arguments])
        cls.addClassCleanup(cls.other.stop)
        cls.other_http = int(re.search(r" management=\S+:(\d+)", cls.other.program.wait_line("management=")).group(1))

    @classmethod
    def tearDownClass(cls):
        """The clean-ups of the class stop both."""

    def open_channel(self, broker, vhost="/"):
        connection = pika.BlockingConnection(pika.ConnectionParameters(
            "127.0.0.1", broker.port, vhost, pika.PlainCredentials("guest", "guest"), heartbeat=0))
        self.addCleanup(close_quietly, connection)
        return connection.channel()

    def has_queue(self, broker, queue, vhost="/"):
        channel = self.open_channel(broker, vhost)
        try:
            channel.queue_declare(queue, passive=True)
            return True
        except pika.exceptions.ChannelClosedByBroker:
            return False
        finally:
            close_quietly(channel.connection)

    def control(self, *arguments):
        code, out, err = self.broker.control(*arguments)
        self.assertEqual(code, 0, (arguments, out, err))
        return out

    def set_parameter(self, component, name, value, vhost="/"):
        path = f"/parameters/{component}/{in_path(vhost)}/{in_path(name)}"
        self.api("PUT", path, {"value": value})
        self.addCleanup(call, self.http, "DELETE", "/api" + path)

    def shovel(self, name, value, vhost="/"):
        """Sets one: from this broker to the other, where it does not say anything else."""
        self.set_parameter("shovel", name, {"src-uri": "amqp://", "dest-uri": self.other.url(), **value}, vhost)

    def shovel_row(self, name):
        return next((row for row in self.api("GET", "/shovels") if row["name"] == name), None)

    def failed_row(self, name):
        row = self.shovel_row(name)
        return row if row and row["state"] == "terminated" else None

    def wait_running(self, name):
        try:
            wait_until(lambda: (self.shovel_row(name) or {}).get("state") == "running", f"shovel {name} runs")
        except AssertionError as error:
            raise AssertionError(f"{error}: {self.shovel_row(name)}") from None

    def unacknowledged(self, http, queue):
        """From a look at the queue itself, not at rates of a moment ago."""
        return call(http, "GET", f"/api/queues/%2F/{in_path(queue)}").json["messages_unacknowledged"]


class FederationTest(BridgeTest):
    """self.broker calls itself west, self.other east."""

    @classmethod
    def setUpClass(cls):
        super().setUpClass()
        for http, name in (cls.http, "west"), (cls.other_http, "east"):
            assert call(http, "PUT", "/api/cluster-name", {"name": name}).status < 300

    def at(self, http, path):
        answer = call(http, "GET", "/api" + path)
        self.assertEqual(answer.status, 200, (path, answer.text))
        return answer.json

    def set_at(self, http, component, name, value):
        path = f"/api/parameters/{component}/%2F/{in_path(name)}"
        answer = call(http, "PUT", path, {"value": value})
        self.assertLess(answer.status, 300, answer.text)
        self.addCleanup(call, http, "DELETE", path)

    def set_policy_at(self, http, exchange, definition):
        path = f"/api/policies/%2F/{in_path(exchange)}"
        answer = call(http, "PUT", path, {"pattern": f"^{exchange}$", "definition": definition, "apply-to": "exchanges"})
        self.assertLess(answer.status, 300, answer.text)
        self.addCleanup(call, http, "DELETE", path)

    def set_policy(self, exchange, definition):
        self.set_policy_at(self.http, exchange, definition)

    def links(self, exchange):
        return [row for row in self.api("GET", "/federation-links") if row["exchange"] == exchange]

    def link(self, exchange):
        return next(iter(self.links(exchange)), None)

    def wait_link(self, exchange):
        try:
            wait_until(lambda: (self.link(exchange) or {}).get("status") == "running", f"the link of {exchange} runs")
        except AssertionError as error:
            raise AssertionError(f"{error}: {self.links(exchange)}") from None

    def bindings_of(self, http, exchange):
        answer = call(http, "GET", f"/api/exchanges/%2F/{in_path(exchange)}/bindings/source")
        return answer.json if answer.status == 200 else []

    def upstream_bindings(self, http, exchange):
        """Those that links have made."""
        return [row for row in self.bindings_of(http, exchange) if row["destination"].startswith("federation:")]

    def wait_bound(self, http, exchange, count):
        wait_until(lambda: len(self.upstream_bindings(http, exchange)) == count,
                   f"{count} bindings of {exchange} at the upstream")

    def made_at(self, http, exchange):
        """Queues and exchanges that a link of the exchange has made there."""
        return [row["name"] for kind in ("queues", "exchanges") for row in self.at(http, f"/{kind}/%2F")
                if row["name"].startswith(f"federation: {exchange} ")]

    def bound(self, channel, exchange, key):
        """An inbox behind a queue of its own."""
        queue = channel.queue_declare("", exclusive=True).method.queue
        channel.queue_bind(queue, exchange, key)
        return Inbox(self, channel, queue, auto_ack=True)

    def check_each_comes_once(self, exchange, channels, inboxes):
        """What is published with the key k through either channel, in each inbox."""
        for number in range(20):
            channels[number % 2].basic_publish(exchange, "k", str(number).encode())
        for inbox in inboxes:
            inbox.wait(20)
        # Whatever goes round would have come before this.
        for number, channel in enumerate(channels):
            channel.basic_publish(exchange, "k", f"last {number}".encode())
        for inbox in inboxes:
            inbox.wait(22)
            self.assertEqual(sorted(inbox.bodies), sorted([*(str(n) for n in range(20)), "last 0", "last 1"]))

    def close_all(self, broker):
        code, _, err = broker.control("close_all_connections", "-p", "/", "down")
        self.assertEqual(code, 0, err)

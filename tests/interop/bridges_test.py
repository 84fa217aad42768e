"""Shovels of the broker: their parameters, what they move between Wherry, another Wherry and itself, and what becomes of
them when something goes away. bridges_rabbitmq_test.py has the same with RabbitMQ on the other side."""

import json
import signal
import time

import pika

import brokers
from bridging import BridgeTest
from harness import Inbox, main, wait_until
from restarts import Restartable
from tls_test import Authority

PERSISTENT = pika.BasicProperties(delivery_mode=2)


class Shovels(BridgeTest):
    """Between the broker under test and another."""

    def setUp(self):
        super().setUp()
        self.here = self.channel()
        self.here.confirm_delivery()
        self.there = self.open_channel(self.other)
        self.there.confirm_delivery()
        self.source, self.target = self.name("source"), self.name("target")

    def fill(self, count, queue=None, **properties):
        self.here.queue_declare(queue or self.source, durable=True)
        for number in range(count):
            self.here.basic_publish("", queue or self.source, str(number).encode(),
                                    pika.BasicProperties(delivery_mode=2, **properties))

    def bodies(self, channel, queue):
        """All that is ready, taken."""
        out = []
        while (got := channel.basic_get(queue, auto_ack=True))[0] is not None:
            out.append(got[2].decode())
        return out

    # --- what it moves, and where ---
    def test_a_queue_is_moved_in_its_order(self):
        self.fill(500)
        self.shovel(self.source, {"src-queue": self.source, "dest-queue": self.target})
        self.wait_running(self.source)
        wait_until(lambda: self.depth(self.there, self.target) == 500, "all are there")
        self.wait_depth(self.here, self.source, 0)
        self.assertEqual(self.bodies(self.there, self.target), [str(n) for n in range(500)])
        wait_until(lambda: self.shovel_row(self.source)["messages"] == 500, "all are counted")
        row = self.shovel_row(self.source)
        self.assertEqual((row["type"], row["src_queue"], row["dest_queue"], row["blocked_status"]),
                         ("dynamic", self.source, self.target, "running"))
        self.assertNotIn("guest", json.dumps(row))

    def test_properties_come_through_unchanged(self):
        self.here.queue_declare(self.source, durable=True)
        properties = pika.BasicProperties(
            content_type="a/b", content_encoding="utf-8", headers={"n": 1, "list": [1, "x"], "t": {"deep": True}},
            delivery_mode=2, priority=3, correlation_id="c", reply_to="r", expiration="60000", message_id="m",
            timestamp=1234567890, type="kind", app_id="app")
        self.here.basic_publish("", self.source, b"body", properties)
        self.here.basic_publish("", self.source, b"")
        self.shovel(self.source, {"src-queue": self.source, "dest-queue": self.target})
        wait_until(lambda: self.has_queue(self.other, self.target), "the queue is made")
        _, got, body = self.get(self.there, self.target, auto_ack=True)
        self.assertEqual((vars(got), body), (vars(properties), b"body"))
        self.assertEqual(self.get(self.there, self.target, auto_ack=True)[2], b"")

    def test_it_pulls_from_elsewhere_to_itself(self):
        self.there.queue_declare(self.source, durable=True)
        self.there.basic_publish("", self.source, b"x" * 300_000, PERSISTENT)
        self.shovel(self.source, {"src-uri": self.other.url(), "src-queue": self.source,
                                  "dest-uri": "amqp://", "dest-queue": self.target})
        wait_until(lambda: self.has_queue(self.broker, self.target), "the queue is made")
        self.assertEqual(self.get(self.here, self.target, auto_ack=True)[2], b"x" * 300_000)

    def test_within_one_broker_and_across_virtual_hosts(self):
        self.api("PUT", "/vhosts/apart")
        self.addCleanup(self.api, "DELETE", "/vhosts/apart")
        self.api("PUT", "/permissions/apart/guest", {"configure": ".*", "write": ".*", "read": ".*"})
        self.fill(10)
        self.shovel(self.source, {"src-queue": self.source, "dest-uri": "amqp:///apart", "dest-queue": self.target})
        apart = self.channel(vhost="apart")
        wait_until(lambda: self.has_queue(self.broker, self.target, "apart"), "the queue is made")
        self.wait_depth(apart, self.target, 10)
        # A URI without a virtual host means the parameter's.
        self.shovel("back", {"src-uri": "amqp://", "src-queue": self.target, "dest-uri": "amqp:///%2F",
                             "dest-queue": self.source + ".back"}, vhost="apart")
        wait_until(lambda: self.has_queue(self.broker, self.source + ".back"), "the queue is made")
        self.wait_depth(self.here, self.source + ".back", 10)

    def test_an_exchange_is_followed_by_its_keys(self):
        self.shovel(self.source, {"src-exchange": "amq.topic", "src-exchange-key": "a.#", "dest-queue": self.target})
        self.wait_running(self.source)
        self.here.basic_publish("amq.topic", "a.b", b"mine")
        self.here.basic_publish("amq.topic", "b.a", b"not mine")
        self.here.basic_publish("amq.topic", "a", b"mine too")
        self.wait_depth(self.there, self.target, 2)
        self.assertEqual(self.bodies(self.there, self.target), ["mine", "mine too"])

    def test_to_an_exchange_with_the_messages_keys_or_another(self):
        exchange = self.name("exchange")
        self.there.exchange_declare(exchange, "topic")
        self.there.queue_declare(self.target)
        self.there.queue_bind(self.target, exchange, "#")
        self.here.queue_declare(self.source)
        self.here.queue_bind(self.source, "amq.direct", "own.key")
        self.here.basic_publish("amq.direct", "own.key", b"1")
        self.shovel(self.source, {"src-queue": self.source, "dest-exchange": exchange})
        self.assertEqual(self.get(self.there, self.target, auto_ack=True)[0].routing_key, "own.key")
        self.here.basic_publish("amq.direct", "own.key", b"2")
        self.shovel(self.source, {"src-queue": self.source, "dest-exchange": exchange, "dest-exchange-key": "other"})
        wait_until(lambda: self.depth(self.there, self.target) == 1, "the second")
        self.here.basic_publish("amq.direct", "own.key", b"3")
        keys = {self.get(self.there, self.target, auto_ack=True)[0].routing_key for _ in range(2)}
        self.assertIn("other", keys)

    def test_without_a_destination_a_message_goes_where_it_was_published(self):
        self.there.queue_declare(self.target)
        self.there.queue_bind(self.target, "amq.direct", "k")
        self.here.queue_declare(self.source)
        self.here.queue_bind(self.source, "amq.direct", "k")
        self.shovel(self.source, {"src-queue": self.source})
        self.here.basic_publish("amq.direct", "k", b"x")
        method, _, _ = self.get(self.there, self.target, auto_ack=True)
        self.assertEqual((method.exchange, method.routing_key), ("amq.direct", "k"))

    # --- what it writes on them ---
    def test_forward_headers_timestamp_and_properties(self):
        self.fill(1, headers={"mine": 1}, content_type="a/b", app_id="app")
        self.shovel(self.source, {
            "src-queue": self.source, "dest-queue": self.target, "dest-add-forward-headers": True,
            "dest-add-timestamp-header": True, "dest-publish-properties": {"delivery_mode": 1, "content_type": "c/d"}})
        wait_until(lambda: self.has_queue(self.other, self.target), "the queue is made")
        _, got, _ = self.get(self.there, self.target, auto_ack=True)
        self.assertEqual((got.delivery_mode, got.content_type, got.app_id, got.headers["mine"]), (1, "c/d", "app", 1))
        self.assertLess(abs(got.headers["x-shovelled-timestamp"] - time.time()), 60)
        entry = got.headers["x-shovelled"][0]
        self.assertEqual((entry["shovel-type"], entry["shovel-name"], entry["shovel-vhost"], entry["src-queue"],
                          entry["dest-queue"]), ("dynamic", self.source, "/", self.source, self.target))
        self.assertNotIn("guest", str(entry))
        # The newest in front, under the older name of the key.
        self.shovel("again", {"src-uri": self.other.url(), "src-queue": self.target, "dest-uri": "amqp://",
                              "dest-queue": self.source + ".2", "add-forward-headers": True})
        self.there.basic_publish("", self.target, b"", got)
        wait_until(lambda: self.has_queue(self.broker, self.source + ".2"), "the queue is made")
        _, got, _ = self.get(self.here, self.source + ".2", auto_ack=True)
        self.assertEqual([each["shovel-name"] for each in got.headers["x-shovelled"]], ["again", self.source])

    # --- how much, and until when ---
    def test_delete_after_the_queues_length(self):
        self.fill(20)
        self.shovel(self.source, {"src-queue": self.source, "dest-queue": self.target, "src-prefetch-count": 7,
                                  "src-delete-after": "queue-length"})
        wait_until(lambda: self.shovel_row(self.source) is None, "it is gone")
        self.api("GET", f"/parameters/shovel/%2F/{self.source}", expect=404)
        self.assertEqual((self.depth(self.there, self.target), self.depth(self.here, self.source)), (20, 0))

    def test_delete_after_the_length_of_an_empty_queue_is_at_once(self):
        self.fill(0)
        self.shovel(self.source, {"src-queue": self.source, "dest-queue": self.target, "delete-after": "queue-length"})
        wait_until(lambda: self.shovel_row(self.source) is None, "it is gone")

    def test_delete_after_so_many_leaves_the_others_where_they_were(self):
        for mode in "on-confirm", "on-publish":
            with self.subTest(mode):
                source, target = self.source + mode, self.target + mode
                self.fill(50, source)
                self.shovel(source, {"src-queue": source, "dest-queue": target, "src-delete-after": 30, "ack-mode": mode})
                wait_until(lambda name=source: self.shovel_row(name) is None, "it is gone")
                self.wait_depth(self.there, target, 30)
                self.wait_depth(self.here, source, 20)
                self.assertEqual(self.bodies(self.here, source), [str(n) for n in range(30, 50)])

    def test_all_ack_modes_move_all(self):
        for mode in "on-confirm", "on-publish", "no-ack":
            with self.subTest(mode):
                source, target = self.source + mode, self.target + mode
                self.fill(300, source)
                self.shovel(source, {"src-queue": source, "dest-queue": target, "ack-mode": mode, "prefetch-count": 10})
                wait_until(lambda name=target: self.has_queue(self.other, name), "the queue is made")
                self.wait_depth(self.there, target, 300)
                self.wait_depth(self.here, source, 0)

    def test_consumer_arguments_give_way_to_another_consumer(self):
        self.fill(0)
        self.shovel(self.source, {"src-queue": self.source, "dest-queue": self.target,
                                  "src-consumer-args": {"x-priority": -5}})
        self.wait_running(self.source)
        inbox = Inbox(self, self.channel(), self.source, auto_ack=True)
        self.fill(5)
        self.assertEqual(inbox.wait(5), [str(n) for n in range(5)])
        self.assertEqual(self.depth(self.there, self.target), 0)

    def test_arguments_of_the_queues_that_are_made(self):
        self.shovel(self.source, {"src-queue": self.source, "src-queue-args": {"x-max-length": 5},
                                  "dest-queue": self.target, "dest-queue-args": {"x-max-length": 3}})
        self.wait_running(self.source)
        self.assertEqual(self.api("GET", f"/queues/%2F/{self.source}")["arguments"], {"x-max-length": 5})
        # As declared: anything else would be refused.
        self.there.queue_declare(self.target, durable=True, arguments={"x-max-length": 3})

    # --- mistakes ---
    def test_mistakes_are_refused_with_what_is_wrong(self):
        good = {"src-uri": "amqp://", "src-queue": "q", "dest-uri": "amqp://", "dest-queue": "d"}
        for change, words in [
                ({"src-uri": None}, 'Key "src-uri" not found in shovel'),
                ({"dest-uri": None}, 'Key "dest-uri" not found in shovel'),
                ({"src-uri": "http://x"}, "src-uri: broker URL: the scheme is amqp or amqps"),
                ({"src-uri": "amqp://secret:hidden@host:0x"}, "src-uri: broker URL"),
                ({"src-uri": []}, "src-uri should be a URI or a list of them"),
                ({"src-uri": [5]}, "src-uri should be a URI or a list of them"),
                ({"src-uri": "embedded:"}, "src-uri: broker URL: the scheme is amqp or amqps"),
                ({"dest-uri": "amqps://h?verify=maybe"}, "dest-uri: broker URL: verify is"),
                ({"src-protocol": "amqp10"}, "src-protocol should be amqp091"),
                ({"src-queue": None}, "Must specify 'src-exchange' or 'src-queue'"),
                ({"src-exchange": "x"}, "Cannot specify 'src-exchange' and 'src-queue'"),
                ({"src-exchange-key": "x"}, "'src-exchange-key' is for 'src-exchange'"),
                ({"dest-exchange": "x"}, "Cannot specify 'dest-exchange' and 'dest-queue'"),
                ({"dest-exchange-key": "x"}, "'dest-exchange-key' is for 'dest-exchange'"),
                ({"src-prefetch-count": -1}, "src-prefetch-count should be a number from 0 to 65535, actually was -1"),
                ({"src-prefetch-count": 1, "prefetch-count": 1}, "'src-prefetch-count' and 'prefetch-count' are one key"),
                ({"src-delete-after": "soon"}, "src-delete-after should be never, queue-length or a number"),
                ({"src-delete-after": 5, "ack-mode": "no-ack"}, "'src-delete-after' wants an 'ack-mode'"),
                ({"ack-mode": "sometimes"}, "ack-mode should be on-confirm, on-publish or no-ack"),
                ({"reconnect-delay": "x"}, "reconnect-delay should be a number from 0 to 86400"),
                ({"dest-add-forward-headers": 1}, "dest-add-forward-headers should be true or false"),
                ({"dest-publish-properties": {"delivery_mode": 3}}, "delivery_mode should be 1 or 2"),
                ({"dest-publish-properties": {"colour": 3}}, "no property of a message has that name"),
                ({"src-consumer-args": 5}, "src-consumer-args should be an object"),
                ({"sorce": 5}, 'Unrecognised terms [<<"sorce">>] in shovel')]:
            with self.subTest(words):
                value = {key: text for key, text in {**good, **change}.items() if text is not None}
                told = self.api("PUT", "/parameters/shovel/%2F/bad", {"value": value}, expect=400)["reason"]
                self.assertIn(words, told)
                self.assertNotIn("hidden", told)
        self.api("GET", "/parameters/shovel/%2F/bad", expect=404)
        code, _, err = self.broker.control("set_parameter", "shovel", "bad", json.dumps({**good, "sorce": 5}))
        self.assertNotEqual(code, 0)
        self.assertIn("Unrecognised terms", err)
        self.api("PUT", "/parameters/shovels/%2F/bad", {"value": good}, expect=400)

    def test_only_a_policymaker_of_the_virtual_hosts_may(self):
        self.api("PUT", "/vhosts/closed")
        self.addCleanup(self.api, "DELETE", "/vhosts/closed")
        for name, tags in ("maker", "policymaker"), ("manager", "management"):
            self.api("PUT", f"/users/{name}", {"password": "pw", "tags": tags})
            self.addCleanup(self.api, "DELETE", f"/users/{name}")
            self.api("PUT", f"/permissions/%2F/{name}", {"configure": "", "write": "", "read": ""})
        body = {"value": {"src-uri": "amqp://", "src-queue": "q", "dest-uri": self.other.url(), "dest-queue": "d"}}
        path = f"/parameters/shovel/%2F/{self.source}"
        self.api("PUT", path, body, user="manager", password="pw", expect=401)
        self.api("PUT", "/parameters/shovel/closed/x", body, user="maker", password="pw", expect=401)
        reaching = {"value": {**body["value"], "src-uri": "amqp:///closed"}}
        told = self.api("PUT", path, reaching, user="maker", password="pw", expect=400)["reason"]
        self.assertIn('user "maker" may not connect to vhost "closed"', told)
        self.api("PUT", path, body, user="maker", password="pw", expect=201)
        self.api("PUT", path, body, user="maker", password="pw", expect=204)
        self.api("DELETE", f"/shovels/vhost/%2F/{self.source}", user="maker", password="pw", expect=204)
        limits = {"value": {"max-queues": 5}}
        self.api("PUT", "/parameters/vhost-limits/%2F/limits", limits, user="maker", password="pw", expect=401)

    def test_nobody_logs_in_as_what_bridges_are_here(self):
        self.fill(0)
        self.shovel(self.source, {"src-queue": self.source, "dest-queue": self.target})
        self.wait_running(self.source)
        for password in "", "wherry.bridge":
            with self.assertRaises(pika.exceptions.AMQPConnectionError):
                self.connect(user="wherry.bridge", password=password)

    # --- what an operator sees and does ---
    def test_the_operators_tool(self):
        self.fill(3)
        value = json.dumps({"src-uri": "amqp://", "src-queue": self.source, "dest-uri": self.other.url(),
                            "dest-queue": self.target})
        self.control("set_parameter", "shovel", self.source, value)
        listed = self.control("list_parameters", "-q").splitlines()
        self.assertEqual(listed[0], "component\tname\tvalue")
        self.assertIn(f"shovel\t{self.source}\t", listed[1])
        self.wait_running(self.source)
        status = json.loads(self.control("shovel_status", "--formatter", "json"))
        row = next(each for each in status if each["name"] == self.source)
        self.assertEqual((row["state"], row["source"], row["destination"]), ("running", self.source, self.target))
        self.control("restart_shovel", self.source)
        self.wait_running(self.source)
        self.control("delete_shovel", self.source)
        self.assertNotIn(self.source, self.control("shovel_status"))
        for command in ("restart_shovel", "x"), ("delete_shovel", "x"), ("clear_parameter", "shovel", "x"):
            self.assertNotEqual(self.broker.control(*command)[0], 0, command)
        self.control("set_parameter", "shovel", self.source, value)
        self.control("clear_parameter", "shovel", self.source)
        self.assertNotIn(self.source, self.control("list_parameters"))

    def test_definitions_carry_it(self):
        self.fill(0)
        self.shovel(self.source, {"src-queue": self.source, "dest-queue": self.target})
        exported = self.api("GET", "/definitions")
        row = next(each for each in exported["parameters"] if each["name"] == self.source)
        self.assertEqual((row["component"], row["vhost"], row["value"]["src-queue"]), ("shovel", "/", self.source))
        self.api("DELETE", f"/parameters/shovel/%2F/{self.source}")
        self.api("POST", "/definitions", {"parameters": [row]})
        self.wait_running(self.source)
        told = self.api("POST", "/definitions", {"parameters": [{**row, "value": {"x": 1}}]}, expect=400)["reason"]
        self.assertIn("src-uri", told)

    # --- what may go wrong ---
    def test_the_next_address_is_tried(self):
        self.fill(1)
        nobody = f"amqp://127.0.0.1:{brokers.free_port()}"
        wrong = f"amqp://guest:wrong@127.0.0.1:{self.other.port}"
        self.shovel(self.source, {"src-queue": self.source, "dest-queue": self.target,
                                  "dest-uri": [nobody, wrong, self.other.url()]})
        self.wait_running(self.source)
        self.assertIn(str(self.other.port), self.shovel_row(self.source)["dest_uri"])

    def test_what_fails_is_told_and_tried_again(self):
        self.fill(1)
        self.shovel(self.source, {"src-queue": self.source, "dest-exchange": self.name("nowhere"), "reconnect-delay": 1})
        row = wait_until(lambda: self.failed_row(self.source), "it has failed")
        self.assertIn("NOT_FOUND", row["reason"])
        self.there.exchange_declare(self._testMethodName)
        port = brokers.free_port()
        self.shovel("refused", {"src-queue": self.source, "dest-uri": f"amqp://u:secret@127.0.0.1:{port}",
                                "reconnect-delay": 0})
        row = wait_until(lambda: self.failed_row("refused"), "it has failed")
        self.assertIn("refused", row["reason"])
        self.assertNotIn("secret", json.dumps(row))

    def test_a_destination_queue_that_goes_costs_nothing(self):
        self.fill(0)
        self.shovel(self.source, {"src-queue": self.source, "dest-queue": self.target, "reconnect-delay": 1})
        self.wait_running(self.source)
        self.there.queue_delete(self.target)
        self.fill(10)
        wait_until(lambda: self.has_queue(self.other, self.target), "it is made again")
        self.wait_depth(self.there, self.target, 10)

    def test_what_the_destination_refuses_stays(self):
        self.there.queue_declare(self.target, durable=True, arguments={"x-max-length": 5, "x-overflow": "reject-publish"})
        self.fill(20)
        self.shovel(self.source, {"src-queue": self.source, "dest-queue": self.target})
        self.wait_depth(self.there, self.target, 5)
        seen = set()
        def take():
            seen.update(self.bodies(self.there, self.target))
            return len(seen) == 20
        wait_until(take, "all have come, in their turn", 60)
        self.wait_depth(self.here, self.source, 0)

    def test_a_virtual_host_takes_its_shovels_with_it(self):
        self.api("PUT", "/vhosts/brief")
        self.shovel("brief", {"src-queue": "q", "dest-queue": self.target}, vhost="brief")
        wait_until(lambda: self.shovel_row("brief"), "it is there")
        self.api("DELETE", "/vhosts/brief")
        wait_until(lambda: self.shovel_row("brief") is None, "it is gone")
        self.assertEqual([row for row in self.api("GET", "/parameters/shovel") if row["vhost"] == "brief"], [])


class Blocked(BridgeTest):
    """The other broker takes nothing: its disk is too full from the start."""

    other_config = "disk_free_limit: 900TB\n"

    def test_a_blocked_destination_stops_the_reading(self):
        here = self.channel()
        here.confirm_delivery()
        for mode in "on-confirm", "on-publish", "no-ack":
            with self.subTest(mode):
                queue = self.name(mode)
                here.queue_declare(queue, durable=True)
                self.shovel(queue, {"src-queue": queue, "dest-exchange": "amq.fanout", "ack-mode": mode,
                                    "src-prefetch-count": 50})
                self.wait_running(queue)
                for _ in range(600):
                    here.basic_publish("", queue, b"x" * 65536, PERSISTENT)
                wait_until(lambda name=queue: self.shovel_row(name)["blocked_status"] == "blocked", "it is blocked")
                # What is on its way is bounded, however much there is.
                state = lambda name=queue: self.api("GET", f"/queues/%2F/{name}")  # noqa: E731
                self.assertGreater(wait_until(lambda: state()["messages"], "some are left"), 300)
                self.assertLessEqual(state()["messages_unacknowledged"], 50)
                self.api("DELETE", f"/parameters/shovel/%2F/{queue}")
                here.queue_delete(queue)


class Secure(BridgeTest):
    """The other broker listens with TLS, and wants to know who comes."""

    @classmethod
    def setUpClass(cls):
        cls.authority = Authority()
        cls.addClassCleanup(cls.authority.folder.cleanup)
        certificate, key = cls.authority.issue("broker", "broker")
        cls.other_config = f"tls:\n  certificate: {certificate}\n  key: {key}\n  ca: {cls.authority.ca}\n  verify: required\n"
        cls.other_arguments = ["--amqps", "127.0.0.1:0"]
        super().setUpClass()
        ready = cls.other.program.wait_line("amqps=")
        cls.secure_port = int(ready.split("amqps=")[1].split()[0].rpartition(":")[2])

    def uri(self, name=None):
        uri = f"amqps://guest:guest@127.0.0.1:{self.secure_port}/%2F?cacertfile={self.authority.ca}"
        if name:
            certificate, key = self.authority.issue(name, name)
            uri += f"&certfile={certificate}&keyfile={key}"
        return uri

    def test_with_certificates_and_not_without(self):
        here, source = self.channel(), self.name()
        here.queue_declare(source, durable=True)
        here.basic_publish("", source, b"x")
        self.shovel(source, {"src-queue": source, "dest-uri": self.uri(), "dest-queue": source, "reconnect-delay": 0})
        wait_until(lambda: self.failed_row(source), "it is not let in")
        self.shovel(source, {"src-queue": source, "dest-uri": self.uri("bridge"), "dest-queue": source})
        self.wait_running(source)
        there = self.open_channel(self.other)
        self.wait_depth(there, source, 1)


class Killed(BridgeTest):
    """Either side dies at once, in the middle."""

    # So few at a time that there is a middle to be killed in.
    MESSAGES, PREFETCH = 6000, 5

    def setUp(self):
        super().setUp()
        self.mine = Restartable()
        self.addCleanup(self.mine.clean_up)
        self.port = brokers.free_port()

    def launch(self):
        self.mine.launch(listen=f"127.0.0.1:{self.port}").wait_line("amqp=", timeout=30)
        self.mine.port = self.port

    def move(self, source, target, source_uri, target_uri):
        """Sets it at the broker that dies; kills that three times while it moves."""
        value = json.dumps({"src-uri": source_uri, "src-queue": source, "dest-uri": target_uri, "dest-queue": target,
                            "src-prefetch-count": self.PREFETCH, "reconnect-delay": 1})
        code, _, err = self.mine.control("set_parameter", "shovel", "moving", value)
        self.assertEqual(code, 0, err)

    def check(self, there, target, kills):
        """Everything is there, and no more came twice than may."""
        bodies = []
        while (got := there.basic_get(target, auto_ack=True))[0] is not None:
            bodies.append(int(got[2]))
        self.assertEqual(sorted(set(bodies)), list(range(self.MESSAGES)))
        self.assertLessEqual(len(bodies) - self.MESSAGES, kills * self.PREFETCH)

    def fill(self, channel, queue):
        channel.queue_declare(queue, durable=True)
        # In one transaction: a confirm for each would take longer than what is tested.
        sender = channel.connection.channel()
        sender.tx_select()
        for number in range(self.MESSAGES):
            sender.basic_publish("", queue, str(number).encode(), PERSISTENT)
        sender.tx_commit()

    def test_the_shovels_broker_dies_as_the_source(self):
        self.launch()
        there, target = self.open_channel(self.other), self.name("target")
        self.fill(self.open_channel(self.mine), "source")
        self.move("source", target, "amqp://", self.other.url())
        there.queue_declare(target, durable=True)
        for kill in range(3):
            wait_until(lambda least=kill * 300: self.depth(there, target) > least, "some are there")
            self.assertGreater(self.depth(self.open_channel(self.mine), "source"), 0)
            self.mine.kill()
            self.launch()
        wait_until(lambda: self.depth(self.open_channel(self.mine), "source") == 0, "all are moved", 60)
        self.end()
        self.check(there, target, 3)

    def test_the_shovels_broker_dies_as_the_destination(self):
        self.launch()
        there, source = self.open_channel(self.other), self.name("source")
        self.fill(there, source)
        self.move(source, "target", self.other.url(), "amqp://")
        for kill in range(3):
            wait_until(lambda least=kill * 300: self.has_queue(self.mine, "target") and
                       self.depth(self.open_channel(self.mine), "target") > least, "some are there")
            self.assertGreater(self.depth(there, source), 0)
            self.mine.kill()
            self.launch()
        self.wait_depth(there, source, 0, 60)
        # What is on its way is confirmed, or came back.
        wait_until(lambda: self.unacknowledged(self.other_http, source) == 0, "nothing is on its way")
        self.check(self.open_channel(self.mine), "target", 3)

    def test_the_other_side_dies(self):
        self.launch()
        here, source, target = self.channel(), self.name("source"), "target"
        self.fill(here, source)
        self.shovel(source, {"src-queue": source, "dest-uri": f"amqp://127.0.0.1:{self.port}", "dest-queue": target,
                             "src-prefetch-count": self.PREFETCH, "reconnect-delay": 1})
        for kill in range(3):
            wait_until(lambda least=kill * 300: self.has_queue(self.mine, target) and
                       self.depth(self.open_channel(self.mine), target) > least, "some are there")
            self.assertGreater(self.depth(here, source), 0)
            self.mine.kill()
            self.launch()
        self.wait_depth(here, source, 0, 60)
        wait_until(lambda: self.unacknowledged(self.http, source) == 0, "nothing is on its way")
        self.check(self.open_channel(self.mine), target, 3)

    def end(self):
        self.assertEqual(self.mine.end(), 0)

    def test_a_connection_that_an_operator_closes(self):
        here, source, target = self.channel(), self.name("source"), self.name("target")
        self.fill(here, source)
        self.shovel(source, {"src-queue": source, "dest-queue": target, "src-prefetch-count": self.PREFETCH,
                             "reconnect-delay": 1})
        there = self.open_channel(self.other)
        wait_until(lambda: self.has_queue(self.other, target) and self.depth(there, target) > 100, "some are there")
        self.assertGreater(self.depth(here, source), 0)
        code, _, err = self.broker.control("close_all_connections", "-p", "/", "enough")
        self.assertEqual(code, 0, err)
        here = self.channel()
        self.wait_depth(here, source, 0, 60)
        wait_until(lambda: self.unacknowledged(self.http, source) == 0, "nothing is on its way")
        self.check(there, target, 1)

    def test_it_goes_on_after_a_stop_and_ends_cleanly(self):
        self.launch()
        there, target = self.open_channel(self.other), self.name("target")
        self.fill(self.open_channel(self.mine), "source")
        self.move("source", target, "amqp://", self.other.url())
        there.queue_declare(target, durable=True)
        wait_until(lambda: self.depth(there, target) > 0, "some are there")
        self.mine.program.process.send_signal(signal.SIGTERM)
        self.assertEqual(self.mine.program.wait_exit(30), 0)
        self.mine.program.stop()
        self.launch()
        wait_until(lambda: self.depth(self.open_channel(self.mine), "source") == 0, "all are moved", 60)
        self.end()
        self.check(there, target, 1)


def setUpModule():
    """For unittest to call: nothing to start."""


if __name__ == "__main__":
    main()

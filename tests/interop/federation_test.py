"""Federated exchanges between two Wherry: which messages come, which bindings are passed on, loops, and what becomes of it
when something goes away. bridges_rabbitmq_test.py has it with RabbitMQ on the other side."""

import json

import pika

import brokers
from bridging import FederationTest
from harness import main, wait_until
from restarts import Restartable

PERSISTENT = pika.BasicProperties(delivery_mode=2)


class Federated(FederationTest):
    """self.broker is downstream of self.other."""

    def setUp(self):
        super().setUp()
        self.here, self.there = self.channel(), self.open_channel(self.other)
        self.exchange = self.name("fed").replace(".", "-")

    def federate(self, upstream=None, kind="topic", policy=None, **declared):
        """An exchange, an upstream and a policy of its name."""
        self.here.exchange_declare(self.exchange, kind, durable=True, **declared)
        self.set_parameter("federation-upstream", self.exchange, {"uri": self.other.url(), "reconnect-delay": 1, **(upstream or {})})
        self.set_policy(self.exchange, policy or {"federation-upstream": self.exchange})

    def test_what_is_bound_here_comes_and_nothing_else(self):
        self.federate()
        self.wait_link(self.exchange)
        inbox = self.bound(self.here, self.exchange, "a.#")
        self.wait_bound(self.other_http, self.exchange, 1)
        self.there.basic_publish(self.exchange, "b", b"not for here")
        self.there.basic_publish(self.exchange, "a.b", b"one", pika.BasicProperties(headers={"mine": 1}, user_id="guest"))
        inbox.wait(1)
        method, properties, body = inbox.messages[0]
        self.assertEqual((method.exchange, method.routing_key, body), (self.exchange, "a.b", b"one"))
        entry = properties.headers["x-received-from"][0]
        self.assertEqual((entry["exchange"], entry["cluster-name"], entry["vhost"], entry["redelivered"]),
                         (self.exchange, "east", "/", False))
        self.assertEqual((properties.headers["mine"], properties.user_id), (1, None))
        self.assertNotIn("guest:guest", str(entry))
        # Counted when it is confirmed.
        wait_until(lambda: self.link(self.exchange)["messages"] == 1, "it is counted")
        row = self.link(self.exchange)
        self.assertEqual((row["upstream"], row["upstream_exchange"], row["type"]), (self.exchange, self.exchange, "exchange"))

    def test_bindings_follow_as_they_come_and_go(self):
        self.federate()
        self.wait_link(self.exchange)
        for number in range(3):
            self.here.queue_declare(f"{self.exchange}-{number}", durable=True)
            self.here.queue_bind(f"{self.exchange}-{number}", self.exchange, f"k{number}")
            # Alike at the upstream.
            self.here.queue_bind(f"{self.exchange}-{number}", self.exchange, "same")
        self.wait_bound(self.other_http, self.exchange, 4)
        self.here.queue_unbind(f"{self.exchange}-0", self.exchange, "k0")
        self.here.queue_unbind(f"{self.exchange}-0", self.exchange, "same")
        self.wait_bound(self.other_http, self.exchange, 3)
        self.here.queue_delete(f"{self.exchange}-1")
        self.here.queue_delete(f"{self.exchange}-2")
        self.wait_bound(self.other_http, self.exchange, 0)

    def test_bindings_that_went_while_the_link_was_down_are_gone(self):
        self.federate({"reconnect-delay": 0})
        self.wait_link(self.exchange)
        self.here.queue_declare(self.exchange, durable=True)
        for key in "old", "kept":
            self.here.queue_bind(self.exchange, self.exchange, key)
        self.wait_bound(self.other_http, self.exchange, 2)
        self.close_all(self.other)
        wait_until(lambda: self.link(self.exchange)["status"] == "error", "it is down")
        self.here.queue_unbind(self.exchange, self.exchange, "old")
        self.here.queue_bind(self.exchange, self.exchange, "new")
        # Its queue keeps meanwhile what was bound.
        self.there = self.open_channel(self.other)
        self.there.basic_publish(self.exchange, "kept", b"kept", PERSISTENT)
        self.control("restart_federation_link", self.link(self.exchange)["id"])
        self.wait_link(self.exchange)
        self.assertEqual(self.get(self.here, self.exchange, auto_ack=True)[2], b"kept")
        keys = {row["routing_key"] for row in self.upstream_bindings(self.other_http, self.exchange)}
        self.assertEqual(keys, {"kept", "new"})

    def test_an_upstream_exchange_of_another_name_is_made(self):
        self.federate({"exchange": self.exchange + "-there"}, kind="fanout")
        self.wait_link(self.exchange)
        inbox = self.bound(self.here, self.exchange, "")
        self.wait_bound(self.other_http, self.exchange + "-there", 1)
        self.there.basic_publish(self.exchange + "-there", "", b"x")
        self.assertEqual(inbox.wait(1), ["x"])

    def test_arguments_of_the_queue_at_the_upstream(self):
        self.federate({"expires": 3_600_000, "message-ttl": 60_000, "prefetch-count": 7})
        self.wait_link(self.exchange)
        queue = self.at(self.other_http, f"/queues/%2F/federation%3A%20{self.exchange}%20-%3E%20west")
        self.assertEqual((queue["arguments"]["x-expires"], queue["arguments"]["x-message-ttl"], queue["durable"]),
                         (3_600_000, 60_000, True))

    def test_a_trusted_user_id_is_kept(self):
        self.federate({"trust-user-id": True})
        self.wait_link(self.exchange)
        inbox = self.bound(self.here, self.exchange, "k")
        self.wait_bound(self.other_http, self.exchange, 1)
        self.there.basic_publish(self.exchange, "k", b"x", pika.BasicProperties(user_id="guest"))
        inbox.wait(1)
        self.assertEqual(inbox.messages[0][1].user_id, "guest")

    def test_a_set_and_all(self):
        self.set_parameter("federation-upstream-set", "mine",
                           [{"upstream": self.exchange, "exchange": self.exchange + "-there"}])
        self.federate(policy={"federation-upstream-set": "mine"})
        self.wait_link(self.exchange)
        self.assertEqual(self.link(self.exchange)["upstream_exchange"], self.exchange + "-there")
        self.set_policy(self.exchange, {"federation-upstream-set": "all"})
        wait_until(lambda: (self.link(self.exchange) or {}).get("upstream_exchange") == self.exchange, "it is another link")
        self.wait_link(self.exchange)

    def test_what_a_link_has_made_goes_with_its_policy(self):
        self.federate()
        self.wait_link(self.exchange)
        self.bound(self.here, self.exchange, "k")
        self.wait_bound(self.other_http, self.exchange, 1)
        self.api("DELETE", f"/policies/%2F/{self.exchange}")
        wait_until(lambda: self.link(self.exchange) is None, "there is no link")
        wait_until(lambda: not self.made_at(self.other_http, self.exchange), "all of it is gone")

    def test_what_a_link_has_made_goes_with_its_exchange(self):
        self.federate()
        self.wait_link(self.exchange)
        self.here.exchange_delete(self.exchange)
        wait_until(lambda: self.link(self.exchange) is None, "there is no link")
        wait_until(lambda: not self.made_at(self.other_http, self.exchange), "all of it is gone")

    def test_mistakes_are_refused(self):
        for component, value, words in [
                ("federation-upstream", {}, 'Key "uri" not found in federation-upstream'),
                ("federation-upstream", {"uri": "amqp://h", "max-hops": 0}, "max-hops should be a number from 1 to 255"),
                ("federation-upstream", {"uri": "amqp://h", "expires": 0}, "expires should be a number from 1"),
                ("federation-upstream", {"uri": "amqp://h", "trust-user-id": "yes"}, "trust-user-id should be true or false"),
                ("federation-upstream", {"uri": "amqp://h", "more": 1}, 'Unrecognised terms [<<"more">>]'),
                ("federation-upstream", [], "is an object"),
                ("federation-upstream-set", {}, "is a list of objects"),
                ("federation-upstream-set", [{}], 'Key "upstream" not found'),
                ("federation-upstream-set", [{"upstream": "u", "max-hops": "x"}], "max-hops should be a number")]:
            with self.subTest(words):
                told = self.api("PUT", f"/parameters/{component}/%2F/bad", {"value": value}, expect=400)["reason"]
                self.assertIn(words, told)
        self.api("PUT", "/policies/%2F/bad", {"pattern": "^x", "definition": {"federation-upstream": 5}}, expect=400)

    def test_a_link_that_cannot_is_told_so(self):
        port = brokers.free_port()
        self.federate({"uri": f"amqp://u:secret@127.0.0.1:{port}"})
        row = wait_until(lambda: next((r for r in self.links(self.exchange) if r["status"] == "error"), None), "it fails")
        self.assertIn("refused", row["error"])
        self.assertNotIn("secret", json.dumps(row))
        self.assertIn("error", self.control("federation_status"))


class BothWays(FederationTest):
    """Two exchanges of one name, each the other's upstream."""

    def federate(self, hops):
        exchange = self.name("both").replace(".", "-")
        here, there = self.channel(), self.open_channel(self.other)
        for channel in here, there:
            channel.exchange_declare(exchange, "topic", durable=True)
        for http, uri in (self.http, self.other.url()), (self.other_http, self.broker.url()):
            self.set_at(http, "federation-upstream", exchange, {"uri": uri, "max-hops": hops, "reconnect-delay": 1})
            self.set_policy_at(http, exchange, {"federation-upstream": exchange})
        inboxes = [self.bound(channel, exchange, "k") for channel in (here, there)]
        for http in self.http, self.other_http:
            wait_until(lambda at=http: any(row["destination"].startswith("federation:") and row["routing_key"] == "k"
                                           for row in self.bindings_of(at, exchange)), "it is bound both ways")
        return exchange, (here, there), inboxes

    def check_each_once(self, hops):
        self.check_each_comes_once(*self.federate(hops))

    def test_a_message_comes_once_to_each(self):
        self.check_each_once(1)

    def test_a_message_that_may_go_further_does_not_come_back(self):
        self.check_each_once(3)


class Death(FederationTest):
    """The broker with the link is killed while messages come."""

    MESSAGES, PREFETCH = 1500, 100

    def test_nothing_is_lost_and_little_comes_twice(self):
        mine = Restartable()
        self.addCleanup(mine.clean_up)
        mine.start()
        there = self.open_channel(self.other)
        there.exchange_declare("events", "topic", durable=True)
        there.confirm_delivery()
        here = self.open_channel(mine)
        here.exchange_declare("events", "topic", durable=True)
        here.queue_declare("kept", durable=True)
        here.queue_bind("kept", "events", "#")
        value = json.dumps({"uri": self.other.url(), "prefetch-count": self.PREFETCH, "reconnect-delay": 1})
        for command in (("set_cluster_name", "dying"), ("set_parameter", "federation-upstream", "east", value),
                        ("set_policy", "fed", "^events$", '{"federation-upstream": "east"}', "--apply-to", "exchanges")):
            self.assertEqual(mine.control(*command)[0], 0, command)
        self.wait_bound(self.other_http, "events", 1)
        for number in range(self.MESSAGES):
            there.basic_publish("events", f"k{number % 7}", str(number).encode(), PERSISTENT)
            if number % 500 == 250:
                mine.kill()
                mine.start()
        wait_until(lambda: self.at(self.other_http, "/queues/%2F/federation%3A%20events%20-%3E%20dying")["messages"] == 0,
                   "all have come", 60)
        here, bodies = self.open_channel(mine), []
        while (got := here.basic_get("kept", auto_ack=True))[0] is not None:
            bodies.append(int(got[2]))
        self.assertEqual(sorted(set(bodies)), list(range(self.MESSAGES)))
        self.assertLessEqual(len(bodies) - self.MESSAGES, 3 * self.PREFETCH)


def setUpModule():
    """For unittest to call: nothing to start."""


if __name__ == "__main__":
    main()

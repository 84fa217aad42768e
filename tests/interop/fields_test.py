"""The management API beside RabbitMQ's: the same things are made in both, and each path of docs/openapi.yaml that is read
must answer with the same fields, of the same JSON types; requests that are wrong, with the same status and the same
kind of error. What differs on purpose is listed in field_differences.py, with the reason, and a line there that nothing
needs any more is an error.
"""

import json
import os
import re

import pika
import yaml

import brokers
from brokers import wait_until
from field_differences import EXTRA, MISSING, OPAQUE, OTHER_STATUS, OTHER_TYPE, SOMETIMES
from harness import HERE, BrokerTest, main
from management import call, in_path

PROGRAM = "/usr/lib/rabbitmq/bin/rabbitmq-server"
VHOST, USER = "fields", "ann"
OPENAPI = HERE.parents[1] / "docs/openapi.yaml"


def setUpModule():
    pass


class Side:
    """One of the two brokers, its API and what was made in it."""

    def __init__(self, amqp, http):
        self.amqp, self.http = amqp, http

    def api(self, method, path, body=None, **options):
        # Some of RabbitMQ's paths take nothing else.
        return call(self.http, method, path, body, headers={"Content-Type": "application/json"}, **options)

    def make(self):
        """What there is to be read."""
        v = VHOST
        self.api("DELETE", f"/api/vhosts/{v}")
        for method, path, body in (
                ("PUT", f"/api/vhosts/{v}", {}),
                ("PUT", f"/api/permissions/{v}/guest", {"configure": ".*", "write": ".*", "read": ".*"}),
                ("PUT", f"/api/users/{USER}", {"password": "secret", "tags": "management"}),
                ("PUT", "/api/users/bob", {"password": "secret", "tags": ""}),
                ("PUT", f"/api/permissions/{v}/{USER}", {"configure": ".*", "write": ".*", "read": ".*"}),
                ("PUT", f"/api/topic-permissions/{v}/{USER}", {"exchange": "amq.topic", "write": ".*", "read": ".*"}),
                ("PUT", f"/api/exchanges/{v}/orders", {"type": "topic", "durable": True, "arguments": {"alternate-exchange": "amq.fanout"}}),
                ("PUT", f"/api/queues/{v}/work", {"durable": True, "arguments": {"x-max-length": 1000}}),
                ("POST", f"/api/bindings/{v}/e/orders/q/work", {"routing_key": "k.#", "arguments": {}}),
                ("POST", f"/api/bindings/{v}/e/orders/e/amq.fanout", {"routing_key": "all", "arguments": {}}),
                ("PUT", f"/api/policies/{v}/lazy", {"pattern": "^work", "definition": {"max-length-bytes": 1000000}, "apply-to": "queues"}),
                ("PUT", f"/api/operator-policies/{v}/cap", {"pattern": "^work", "definition": {"message-ttl": 3600000}, "apply-to": "queues"}),
                ("PUT", f"/api/vhost-limits/{v}/max-queues", {"value": 100}),
                ("PUT", f"/api/user-limits/{USER}/max-channels", {"value": 100}),
                ("PUT", f"/api/queues/{v}/parcels", {"durable": True}),
                ("POST", f"/api/exchanges/{v}/amq.default/publish", {
                    "routing_key": "parcels", "payload": "stays", "payload_encoding": "string", "properties": {"delivery_mode": 2}}),
                ("PUT", f"/api/parameters/shovel/{v}/carry", {"value": {
                    "src-uri": f"amqp:///{v}", "src-queue": "parcels", "dest-uri": f"amqp:///{v}", "dest-queue": "parcels.there"}}),
                ("PUT", f"/api/parameters/federation-upstream/{v}/east", {"value": {"uri": "amqp://127.0.0.1:1"}}),
                ("PUT", "/api/global-parameters/note", {"value": {"a": 1}})):
            answer = self.api(method, path, body)
            assert answer.status < 300, (method, path, answer.status, answer.text)
        self.connection = pika.BlockingConnection(pika.ConnectionParameters(
            "127.0.0.1", self.amqp, v, pika.PlainCredentials(USER, "secret"), heartbeat=0,
            client_properties={"connection_name": "fields"}))
        self.channel = self.connection.channel()
        self.channel.confirm_delivery()
        self.channel.basic_qos(prefetch_count=5)
        self.channel.basic_consume("work", lambda channel, method, *_: channel.basic_ack(method.delivery_tag), consumer_tag="tag")
        self.traffic()

    def traffic(self):
        for _ in range(10):
            self.channel.basic_publish("orders", "k.1", b"some", pika.BasicProperties(delivery_mode=2, headers={"h": 1}))
        self.connection.process_data_events(time_limit=0.2)

    def seen(self):
        """Whether the figures have come so far; RabbitMQ's are collected from time to time."""
        self.traffic()
        queue = self.api("GET", f"/api/queues/{VHOST}/work").json
        channels = [row for row in self.api("GET", "/api/channels").json if row["user"] == USER]
        shovels = self.api("GET", "/api/shovels").json
        carried = self.api("GET", f"/api/queues/{VHOST}/parcels.there").json
        overview = self.api("GET", "/api/overview").json
        exchange = self.api("GET", f"/api/exchanges/{VHOST}/orders").json
        return (queue.get("message_stats", {}).get("ack_details") and queue.get("consumers") == 1 and queue.get("consumer_details")
                and shovels and shovels[0]["state"] == "running" and carried.get("messages") == 1
                and channels and channels[0].get("message_stats", {}).get("ack_details")
                and overview.get("message_stats", {}).get("ack_details")
                and exchange.get("message_stats", {}).get("publish_in_details") is not None)

    def names(self):
        """What stands for the {names} of a path."""
        connection, channel = (next(row["name"] for row in self.api("GET", f"/api/{kind}").json if row["user"] == USER)
                               for kind in ("connections", "channels"))
        return {"/api/connections/": connection, "/api/channels/": channel, "node": self.api("GET", "/api/nodes").json[0]["name"]}

    def concrete(self, path, names):
        """The path with names in it that exist."""
        values = {"vhost": VHOST, "user": USER, "node": names["node"], "source": "orders", "kind": "q", "destination": "work",
                  "key": "k.%23", "component": "vhost-limits", "port": str(self.amqp), "protocol": "amqp", "exchange": "amq.topic"}
        by_place = {"/api/exchanges/": "orders", "/api/queues/": "work", "/api/vhosts/": VHOST, "/api/users/": USER,
                    "/api/global-parameters/": "note", "/api/policies/": "lazy", "/api/operator-policies/": "cap",
                    "/api/parameters/": "limits", "/api/shovels/": "carry", **names}

        def value(match):
            name = match.group(1)
            if name == "name":
                return in_path(next(value for place, value in by_place.items() if path.startswith(place)))
            return values[name] if name == "key" else in_path(values[name])
        return re.sub(r"\{(\w+)\}", value, path)


def kind(value):
    if isinstance(value, bool):
        return "boolean"
    if isinstance(value, (int, float)):
        return "number"
    return {str: "text", list: "list", dict: "object", type(None): "null"}[type(value)]


def shape(value, path=""):
    """{field: types}: "message_stats.ack_details.rate": {"number"}. All objects of a list together."""
    found = {}

    def add(field, kinds):
        found.setdefault(field, set()).update(kinds)

    name = path.rpartition(".")[2].removesuffix("[]")
    if isinstance(value, dict) and name not in OPAQUE:
        for key, each in value.items():
            if key in SOMETIMES:
                continue
            inner = f"{path}.{key}" if path else key
            add(inner, {kind(each)})
            for field, kinds in shape(each, inner).items():
                add(field, kinds)
    elif isinstance(value, list) and name not in OPAQUE:
        for each in value:
            add(f"{path}[]", {kind(each)})
            for field, kinds in shape(each, f"{path}[]").items():
                add(field, kinds)
    return found


class Listed:
    """The lines of field_differences.py, and which of them were needed."""

    def __init__(self, lines):
        self.lines, self.needed = lines, set()

    def covers(self, path, field):
        """A line is "PATH FIELD"; "*" stands for anything in either."""
        for line in self.lines:
            pattern, _, names = line.partition(" ")
            if matches(pattern, path) and any(matches(name, field) for name in names.split()):
                self.needed.add(line)
                return True
        return False

    def unneeded(self):
        return [line for line in self.lines if line not in self.needed]


def matches(pattern, text):
    return re.fullmatch(re.escape(pattern).replace(r"\*", ".*"), text) is not None


class Fields(BrokerTest):
    longest_s = 120

    @classmethod
    def setUpClass(cls):
        ports = os.environ.get("WHERRY_INTEROP_NODE", "").split(",")[:2]  # Of one that is running; see brokers.py.
        if len(ports) != 2:
            node = brokers.RabbitNode(settings="collect_statistics_interval = 1000\n")
            cls.addClassCleanup(node.stop)
            ports = node.amqp, node.http
        cls.broker = brokers.WherryBroker(None, ["--management", "127.0.0.1:0"])
        port = int(re.search(r" management=\S+:(\d+)", cls.broker.program.wait_line("management=")).group(1))
        cls.rabbit, cls.wherry = Side(*map(int, ports)), Side(cls.broker.port, port)
        for side in (cls.rabbit, cls.wherry):
            side.make()
        for side in (cls.rabbit, cls.wherry):
            wait_until(side.seen, "the figures", 30)

    @classmethod
    def tearDownClass(cls):
        for side in (cls.rabbit, cls.wherry):
            side.connection.close()
        super().tearDownClass()

    def both(self):
        """Each path that is read: (path, RabbitMQ's answer, Wherry's)."""
        paths = yaml.safe_load(OPENAPI.read_text(encoding="utf-8"))["paths"]
        names = self.rabbit.names(), self.wherry.names()
        for path, operations in paths.items():
            if "get" in operations and not path.startswith("/api/wherry/"):
                yield (path, *(side.api("GET", side.concrete(path, own)) for side, own in zip((self.rabbit, self.wherry), names)))

    def test_what_is_read_has_the_same_fields(self):
        missing, extra, other = Listed(MISSING), Listed(EXTRA), Listed(OTHER_TYPE)
        wrong = []
        for path, theirs, ours in self.both():
            if theirs.status != ours.status:
                wrong.append(f"{path}: {theirs.status} there, {ours.status} here: {ours.text[:200]}")
                continue
            left, right = shape(theirs.json), shape(ours.json)
            for field in sorted(left.keys() - right.keys()):
                # What is below something that is missing is missing too.
                parents = [field[:at] for at in (match.start() for match in re.finditer(r"\.|\[\]", field)) if at]
                if any(parent in left and parent not in right for parent in parents):
                    continue
                if not missing.covers(path, field):
                    wrong.append(f"{path}: {field} is not there ({'|'.join(sorted(left[field]))})")
            for field in sorted(right.keys() - left.keys()):
                parents = [field[:at] for at in (match.start() for match in re.finditer(r"\.|\[\]", field)) if at]
                if any(parent in right and parent not in left for parent in parents):
                    continue
                if not extra.covers(path, field):
                    wrong.append(f"{path}: {field} is not RabbitMQ's")
            for field in sorted(left.keys() & right.keys()):
                if left[field] != right[field] and not other.covers(path, field):
                    wrong.append(f"{path}: {field} is {'|'.join(sorted(left[field]))} there, {'|'.join(sorted(right[field]))} here")
        for what, listed in (("missing", missing), ("extra", extra), ("of another type", other)):
            wrong += [f"field_differences.py: nothing is {what} there any more: {line}" for line in listed.unneeded()]
        self.assertEqual(wrong, [], "\n" + "\n".join(wrong))

    BAD = [
        ("GET", "/api/queues/fields/nowhere", None),
        ("GET", "/api/queues/nowhere", None),
        ("GET", "/api/queues/nowhere/work", None),
        ("GET", "/api/exchanges/fields/nowhere", None),
        ("GET", "/api/vhosts/nowhere", None),
        ("GET", "/api/users/nobody", None),
        ("GET", "/api/permissions/fields/nobody", None),
        ("GET", "/api/permissions/nowhere/ann", None),
        ("GET", "/api/nodes/nowhere", None),
        ("GET", "/api/connections/nowhere", None),
        ("GET", "/api/channels/nowhere", None),
        ("GET", "/api/policies/fields/nothing", None),
        ("GET", "/api/global-parameters/nothing", None),
        ("GET", "/api/bindings/fields/e/orders/q/nowhere", None),
        ("GET", "/api/bindings/fields/e/orders/q/work/nothing", None),
        ("GET", "/api/nothing", None),
        ("DELETE", "/api/queues/fields/nowhere", None),
        ("DELETE", "/api/exchanges/fields/nowhere", None),
        ("DELETE", "/api/exchanges/fields/amq.topic", None),
        ("DELETE", "/api/vhosts/nowhere", None),
        ("DELETE", "/api/users/nobody", None),
        ("DELETE", "/api/connections/nowhere", None),
        ("DELETE", "/api/policies/fields/nothing", None),
        ("DELETE", "/api/global-parameters/nothing", None),
        ("POST", "/api/overview", {}),
        ("PUT", "/api/queues/fields/work", {"durable": False}),
        ("PUT", "/api/queues/fields/bad", {"arguments": {"x-max-length": -1}}),
        ("PUT", "/api/queues/fields/bad", {"arguments": {"x-max-length": "many"}}),
        ("PUT", "/api/queues/fields/amq.mine", {}),
        ("PUT", "/api/queues/nowhere/q", {}),
        ("PUT", "/api/exchanges/fields/orders", {"type": "direct"}),
        ("PUT", "/api/exchanges/fields/bad", {"type": "nothing"}),
        ("PUT", "/api/exchanges/fields/bad", {}),
        ("PUT", "/api/users/bad", {"password": "x"}),
        ("PUT", "/api/users/bad", {"tags": "", "password_hash": "no hash"}),
        ("PUT", "/api/permissions/fields/ann", {"configure": ".*", "write": ".*"}),
        ("PUT", "/api/permissions/fields/ann", {"configure": "[", "write": ".*", "read": ".*"}),
        ("PUT", "/api/permissions/fields/nobody", {"configure": ".*", "write": ".*", "read": ".*"}),
        ("PUT", "/api/topic-permissions/fields/ann", {"exchange": "amq.topic", "write": "[", "read": ".*"}),
        ("PUT", "/api/policies/fields/bad", {"pattern": "x"}),
        ("PUT", "/api/policies/fields/bad", {"pattern": "[", "definition": {"max-length": 1}}),
        ("PUT", "/api/policies/fields/bad", {"pattern": "x", "definition": {"no-such-key": 1}}),
        ("PUT", "/api/policies/fields/bad", {"pattern": "x", "definition": {"max-length": -1}}),
        ("PUT", "/api/vhost-limits/fields/no-such-limit", {"value": 1}),
        ("PUT", "/api/vhost-limits/fields/max-queues", {}),
        ("PUT", "/api/vhost-limits/fields/max-queues", {"value": "many"}),
        ("PUT", "/api/user-limits/ann/no-such-limit", {"value": 1}),
        ("PUT", "/api/parameters/nothing/fields/x", {"value": {}}),
        ("PUT", "/api/global-parameters/x", {}),
        ("POST", "/api/bindings/fields/e/nowhere/q/work", {}),
        ("POST", "/api/bindings/fields/e/orders/q/nowhere", {}),
        ("POST", "/api/bindings/fields/e/orders/x/work", {}),
        ("POST", "/api/queues/fields/work/get", {"count": 1}),
        ("POST", "/api/queues/fields/work/get", {"count": 1, "ackmode": "nothing", "encoding": "auto"}),
        ("POST", "/api/queues/fields/work/get", {"count": 1, "ackmode": "ack_requeue_true", "encoding": "nothing"}),
        ("POST", "/api/queues/fields/nowhere/get", {"count": 1, "ackmode": "ack_requeue_true", "encoding": "auto"}),
        ("POST", "/api/queues/fields/work/actions", {"action": "dance"}),
        ("POST", "/api/exchanges/fields/orders/publish", {"routing_key": "k"}),
        ("POST", "/api/exchanges/fields/orders/publish", {"routing_key": "k", "payload": "x", "payload_encoding": "nothing", "properties": {}}),
        ("POST", "/api/exchanges/fields/orders/publish", {"routing_key": "k", "payload": "!!", "payload_encoding": "base64", "properties": {}}),
        ("POST", "/api/exchanges/fields/nowhere/publish", {"routing_key": "k", "payload": "x", "payload_encoding": "string", "properties": {}}),
        ("POST", "/api/users/bulk-delete", {}),
        ("POST", "/api/definitions", {"queues": [{"vhost": "fields"}]}),
        ("GET", "/api/queues?page=0", None),
        ("GET", "/api/queues?page=x", None),
        ("GET", "/api/queues?page=100&page_size=1", None),
        ("GET", "/api/queues?page=1&page_size=100000", None),
        ("GET", "/api/queues?page=1&name=%5B&use_regex=true", None),
        ("GET", "/api/health/checks/port-listener/1", None),
        ("GET", "/api/health/checks/protocol-listener/smoke", None),
        ("GET", "/api/aliveness-test/nowhere", None),
    ]

    def test_what_is_wrong_is_refused_alike(self):
        other, wrong = Listed(OTHER_STATUS), []

        def hold(what, theirs, ours):
            if theirs.status != ours.status:
                if not other.covers(what, f"{theirs.status}->{ours.status}"):
                    wrong.append(f"{what}: {theirs.status} there, {ours.status} here: {theirs.text[:150]} | {ours.text[:150]}")
            elif theirs.status >= 400 and kinds_of(theirs) != kinds_of(ours):
                if not other.covers(what, "words"):
                    wrong.append(f"{what}: {kinds_of(theirs)} there, {kinds_of(ours)} here")

        for method, path, body in self.BAD:
            answers = [side.api(method, path, body) for side in (self.rabbit, self.wherry)]
            words = json.dumps(body, separators=(",", ":")).replace(" ", "") if body is not None else ""
            hold(f"{method}:{path}:{words}", *answers)
        for body in (b"{", b"[]", b"7", b"\xff\xfe", b"{\"a\":1,}", b"nothing"):
            answers = [side.api("PUT", "/api/queues/fields/other", raw=body) for side in (self.rabbit, self.wherry)]
            hold(f"PUT:raw:{body.decode('latin1')}", *answers)
        for user, password, path in (("ann", "wrong", "/api/overview"), (None, None, "/api/overview"), ("bob", "secret", "/api/whoami"),
                                     ("ann", "secret", "/api/users"), ("ann", "secret", "/api/nodes"),
                                     ("ann", "secret", "/api/parameters"), ("ann", "secret", "/api/definitions"),
                                     ("ann", "secret", "/api/queues/%2F")):
            answers = [side.api("GET", path, user=user, password=password) for side in (self.rabbit, self.wherry)]
            hold(f"login:{user}:{password}:{path}", *answers)
        wrong += [f"field_differences.py: nothing is refused otherwise any more: {line}" for line in other.unneeded()]
        self.assertEqual(wrong, [], "\n" + "\n".join(wrong))


def kinds_of(answer):
    """The kind of an error: its word, and which fields its body has."""
    try:
        body = answer.json
    except ValueError:
        return "no JSON"
    if not isinstance(body, dict):
        return kind(body)
    return f"{body.get('error', '')} with {', '.join(sorted(body))}"


if __name__ == "__main__":
    if not os.path.exists(PROGRAM):
        print("SKIPPED: there is no rabbitmq-server to compare with")
    else:
        main()

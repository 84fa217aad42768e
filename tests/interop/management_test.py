"""The management API: what it says of what is there, and what it changes; users and permissions at run time."""

import json
import os
import socket
import subprocess
import tempfile
import time

import pika
from pika import exceptions

import brokers
from brokers import wait_until
from harness import PYTHON, main, setUpModule, tearDownModule  # noqa: F401
from management import ManagementTest, call, in_path

RABBITMQADMIN = "/usr/lib/rabbitmq/lib/rabbitmq_server-3.10.8/plugins/rabbitmq_management-3.10.8/priv/www/cli/rabbitmqadmin"


class Topology(ManagementTest):
    def test_a_queue_is_declared_shown_and_deleted(self):
        name = self.name()
        path = f"/queues/%2F/{in_path(name)}"
        self.api("PUT", path, {"durable": True, "arguments": {"x-max-length": 5}}, expect=201)
        self.api("PUT", path, {"durable": True, "arguments": {"x-max-length": 5}}, expect=204)
        refused = self.api("PUT", path, {"durable": False}, expect=400)
        self.assertEqual(refused["error"], "bad_request")
        self.assertIn("inequivalent arg 'durable' for queue", refused["reason"])
        shown = self.api("GET", path)
        self.assertEqual((shown["name"], shown["vhost"], shown["durable"], shown["arguments"], shown["messages"]),
                         (name, "/", True, {"x-max-length": 5}, 0))
        self.api("DELETE", path, expect=204)
        self.assertEqual(self.api("GET", path, expect=404), {"error": "Object Not Found", "reason": "Not Found"})
        self.api("DELETE", path, expect=404)

    def test_counts_and_rates_are_those_of_the_clients(self):
        channel = self.channel()
        name = self.name()
        channel.queue_declare(name)
        channel.confirm_delivery()
        for _ in range(7):
            channel.basic_publish("", name, b"four", mandatory=True)
        self.get(channel, name)
        self.get(channel, name, auto_ack=True)
        path = f"/queues/%2F/{in_path(name)}"
        shown = self.api("GET", path)
        self.assertEqual((shown["messages"], shown["messages_ready"], shown["messages_unacknowledged"],
                          shown["message_bytes"]), (6, 5, 1, 24))
        stats = shown["message_stats"]
        self.assertEqual((stats["publish"], stats["get"], stats["get_no_ack"], stats["deliver_get"]), (7, 1, 1, 2))

        def busy():
            channel.basic_publish("", name, b"more")
            return self.api("GET", path)["message_stats"]["publish_details"]["rate"] > 0
        wait_until(busy, "a rate", 40)
        mine = [each for each in self.api("GET", "/channels") if each["message_stats"]["get_no_ack"] == 1]
        self.assertEqual(len(mine), 1)
        self.assertTrue(mine[0]["confirm"])
        self.assertEqual((mine[0]["messages_unacknowledged"], mine[0]["user"]), (1, "guest"))
        self.assertGreaterEqual(mine[0]["message_stats"]["confirm"], 7)

    def test_exchanges_and_bindings(self):
        exchange, queue = self.name("e"), self.name()
        self.api("PUT", f"/exchanges/%2F/{exchange}", {"type": "topic"}, expect=201)
        self.api("PUT", f"/queues/%2F/{queue}", {}, expect=201)
        path = f"/bindings/%2F/e/{exchange}/q/{queue}"
        answer = call(self.http, "POST", "/api" + path, {"routing_key": "a.*", "arguments": {}})
        self.assertEqual(answer.status, 201)
        self.assertEqual(answer.headers["Location"], f"{queue}/a.%2A")
        self.assertEqual([each["routing_key"] for each in self.api("GET", path)], ["a.*"])
        self.assertEqual(self.api("GET", path + "/a.%2A")["properties_key"], "a.*")
        self.assertEqual([each["source"] for each in self.api("GET", f"/queues/%2F/{queue}/bindings")], ["", exchange])
        self.assertEqual(len(self.api("GET", f"/exchanges/%2F/{exchange}/bindings/source")), 1)
        self.assertEqual(self.api("POST", f"/exchanges/%2F/{exchange}/publish",
                                  {"properties": {}, "routing_key": "a.b", "payload": "hello",
                                   "payload_encoding": "string"}), {"routed": True})
        self.assertEqual(self.api("POST", f"/exchanges/%2F/{exchange}/publish",
                                  {"properties": {}, "routing_key": "b", "payload": "", "payload_encoding": "string"}),
                         {"routed": False})
        self.api("DELETE", path + "/a.%2A", expect=204)
        self.api("DELETE", path + "/a.%2A", expect=404)
        self.api("DELETE", f"/exchanges/%2F/{exchange}", expect=204)
        self.api("DELETE", "/exchanges/%2F/amq.topic", expect=401)

    def test_messages_are_got_and_stay_or_go(self):
        queue = self.name()
        self.api("PUT", f"/queues/%2F/{queue}", {})
        properties = {"delivery_mode": 2, "content_type": "text/plain", "headers": {"n": 7}}
        for payload in ("one", "two"):
            self.api("POST", "/exchanges/%2F/amq.default/publish",
                     {"properties": properties, "routing_key": queue, "payload": payload, "payload_encoding": "string"})
        path = f"/queues/%2F/{queue}/get"
        looked = self.api("POST", path, {"count": 5, "ackmode": "ack_requeue_true", "encoding": "auto"})
        self.assertEqual([each["payload"] for each in looked], ["one", "two"])
        self.assertEqual(looked[0]["properties"], {"content_type": "text/plain", "headers": {"n": 7}, "delivery_mode": 2})
        self.assertFalse(looked[0]["redelivered"])
        taken = self.api("POST", path, {"count": 1, "ackmode": "ack_requeue_false", "encoding": "base64", "truncate": 2})
        self.assertEqual((taken[0]["payload"], taken[0]["payload_encoding"], taken[0]["redelivered"]),
                         ("b24=", "base64", True))
        self.api("DELETE", f"/queues/%2F/{queue}/contents", expect=204)
        self.assertEqual(self.api("GET", f"/queues/%2F/{queue}")["messages"], 0)

    def test_listings_come_in_pages_sorted_and_cut_down(self):
        names = sorted(self.name("page") for _ in range(5))
        for name in names:
            self.api("PUT", f"/queues/%2F/{name}", {})
        prefix = names[0].rpartition(".")[0]
        page = self.api("GET", f"/queues/%2F?page=2&page_size=2&name=%5E{prefix}&use_regex=true&columns=name&sort=name")
        self.assertEqual(page["items"], [{"name": names[2]}, {"name": names[3]}])
        self.assertEqual((page["page_count"], page["filtered_count"], page["item_count"]), (3, 5, 2))
        reverse = self.api("GET", f"/queues?sort=name&sort_reverse=true&columns=name,message_stats.publish_details.rate")
        listed = [each["name"] for each in reverse]
        self.assertEqual(listed, sorted(listed, reverse=True))
        self.api("GET", "/queues?page=99", expect=400)
        self.api("GET", "/queues?page=1&name=(&use_regex=true", expect=400)

    def test_connections_are_listed_and_closed(self):
        connection = self.connect(client_properties={"connection_name": "mine"})
        channel = connection.channel()
        queue = self.name()
        channel.queue_declare(queue, exclusive=True)
        channel.basic_qos(prefetch_count=3)
        channel.basic_consume(queue, lambda *_: None, consumer_tag="tag")
        mine = [each for each in self.api("GET", "/connections") if each.get("user_provided_name") == "mine"][0]
        self.assertEqual((mine["user"], mine["vhost"], mine["state"], mine["channels"]), ("guest", "/", "running", 1))
        self.assertGreater(mine["recv_oct"], 0)
        consumers = [each for each in self.api("GET", "/consumers/%2F") if each["queue"]["name"] == queue]
        self.assertEqual([(each["consumer_tag"], each["prefetch_count"], each["ack_required"], each["active"])
                          for each in consumers], [("tag", 3, True, True)])
        self.assertEqual(self.api("GET", f"/queues/%2F/{queue}")["consumer_details"][0]["consumer_tag"], "tag")
        self.api("DELETE", f"/connections/{in_path(mine['name'])}", expect=204, headers={"X-Reason": "go away"})
        with self.assertRaises(exceptions.ConnectionClosedByBroker) as closed:
            self.pump(connection, lambda: False, "the end")
        self.assertEqual((closed.exception.reply_code, closed.exception.reply_text), (320, "CONNECTION_FORCED - go away"))

    def test_bad_requests_say_what_to_do(self):
        name = self.name()
        for method, path, raw, status in (
                ("PUT", f"/queues/%2F/{name}", b"{", 400), ("PUT", f"/queues/%2F/{name}", b"[]", 400),
                ("PUT", f"/queues/%2F/{name}", b'{"durable":"yes"}', 400),
                ("PUT", f"/queues/%2F/{name}", b'{"arguments":{"x-max-length":-1}}', 400),
                ("PUT", "/queues/%2F/" + "x" * 256, b"{}", 400), ("PUT", f"/queues/nowhere/{name}", b"{}", 404),
                ("PUT", f"/exchanges/%2F/{name}", b'{"type":"odd"}', 400),
                ("POST", "/exchanges/%2F/amq.default/publish", b"{}", 400), ("GET", "/nothing", None, 404),
                ("PATCH", "/queues", b"{}", 405), ("POST", "/definitions", b'{"queues":[{"name":1}]}', 400),
                ("PUT", "/users/x", b'{"tags":"","password":"a","password_hash":"b"}', 400),
                ("PUT", f"/policies/%2F/{name}", b'{"pattern":"(","definition":{}}', 400)):
            answer = call(self.http, method, "/api" + path, raw=raw)
            self.assertEqual(answer.status, status, (method, path, raw, answer.text))
            self.assertTrue(answer.json["reason"], answer.text)
        self.assertNotIn(name, [each["name"] for each in self.api("GET", "/queues")])

    def test_a_request_without_a_body_is_not_waited_for(self):
        name = self.name("v")
        with socket.create_connection(("127.0.0.1", self.http), 20) as client:
            for method, status in (("PUT", b"201"), ("DELETE", b"204")):
                client.sendall(f"{method} /api/vhosts/{name} HTTP/1.1\r\nHost: x\r\n"
                               "Authorization: Basic Z3Vlc3Q6Z3Vlc3Q=\r\n\r\n".encode())
                began = time.monotonic()
                self.assertEqual(client.recv(4096).split()[1], status)
                self.assertLess(time.monotonic() - began, 4)


def bury(channel, queue, *ids, task="email.send"):
    """Dead letters as a worker leaves them."""
    channel.queue_declare("wherry.dead", durable=True)
    channel.confirm_delivery()
    for each in ids:
        channel.basic_publish("", "wherry.dead", b"[[], {}, {}]", pika.BasicProperties(delivery_mode=2, headers={
            "task": task, "id": each, "x-wherry-reason": "failed 4 times", "x-wherry-queue": queue,
            "x-wherry-dead-at": "2020-03-01T10:00:00+00:00"}))


class Letters(ManagementTest):
    def test_dead_letters_are_listed_shown_replayed_and_discarded(self):
        channel = self.channel()
        queue = self.name()
        channel.queue_declare(queue, durable=True)
        bury(channel, queue, "id-1", "id-2")
        bury(channel, queue, "id-3", task="sms.send")
        path = "/wherry/dead-letters/%2F"
        listed = self.api("GET", f"{path}?task=email.*&limit=1")
        self.assertEqual([row["id"] for row in listed], ["id-1"])
        self.assertEqual([row["id"] for row in self.api("GET", f"{path}?after={listed[0]['key']}")], ["id-2", "id-3"])
        self.assertEqual(self.api("GET", f"{path}/id-3")[0]["body"], "[[], {}, {}]")
        self.assertIn("id-9", self.api("GET", f"{path}/id-9", expect=404)["reason"])
        tried = self.api("POST", f"{path}/replay", {"task": "email.*", "dry_run": True})
        self.assertEqual((tried["matched"], tried["replayed"], tried["left"]), (2, 0, 3))
        done = self.api("POST", f"{path}/replay", {"ids": ["id-2"]})
        self.assertEqual((done["replayed"], done["left"]), (1, 2))
        self.assertEqual(self.get(channel, queue, auto_ack=True)[1].headers["id"], "id-2")
        self.assertEqual(self.api("POST", f"{path}/discard", {"all": True})["discarded"], 2)
        self.assertEqual(self.api("GET", path), [])

    def test_what_is_asked_wrongly_changes_nothing(self):
        channel = self.channel()
        bury(channel, "anywhere", "id-1")
        path = "/wherry/dead-letters/%2F"
        self.assertIn("say which", self.api("POST", f"{path}/discard", {}, expect=400)["reason"])
        self.assertIn("limit", self.api("GET", f"{path}?limit=many", expect=400)["reason"])
        self.assertIn("no such", self.api("GET", f"{path}?queue=no%20such", expect=404)["reason"])
        self.api("GET", "/wherry/dead-letters/nowhere", expect=404)
        # Who may read the queue may look and discard; a replay publishes.
        self.api("PUT", "/users/clerk", {"password": "clerk", "tags": "management"})
        clerk = {"user": "clerk", "password": "clerk"}
        self.api("PUT", "/permissions/%2F/clerk", {"configure": "", "write": "", "read": "^other$"})
        self.api("GET", path, expect=401, **clerk)
        self.api("PUT", "/permissions/%2F/clerk", {"configure": "", "write": "", "read": "^wherry[.]dead$"})
        self.assertEqual(len(self.api("GET", path, **clerk)), 1)
        self.api("POST", f"{path}/replay", {"all": True}, expect=401, **clerk)
        self.wait_depth(channel, "wherry.dead", 1)
        self.assertEqual(self.api("POST", f"{path}/discard", {"all": True}, **clerk)["discarded"], 1)


class Described(ManagementTest):
    def test_what_openapi_describes_is_there(self):
        """Each path that is read gives what the description says, without anything made for it but a queue and a user."""
        self.api("PUT", "/queues/%2F/described", {})
        self.api("PUT", "/topic-permissions/%2F/guest", {"exchange": "e", "write": "", "read": ""})
        self.api("PUT", "/policies/%2F/described", {"pattern": "^x", "definition": {"max-length": 1}})
        self.api("PUT", "/operator-policies/%2F/described", {"pattern": "^x", "definition": {"max-length": 1}})
        self.api("PUT", "/global-parameters/described", {"value": 1})
        connection = self.connect()
        bury(connection.channel(), "described", "described")
        channel = connection.channel()
        channel.exchange_declare("celeryev", "topic", durable=True)
        channel.basic_publish("celeryev", "task.received", json.dumps(
            {"type": "task-received", "hostname": "described", "timestamp": time.time(), "uuid": "described"}).encode(),
            pika.BasicProperties(content_type="application/json", content_encoding="utf-8"))
        wait_until(lambda: self.api("GET", "/wherry/tasks/%2F"), "the event")
        name = self.api("GET", "/connections")[0]["name"]
        node = self.api("GET", "/overview")["node"]
        samples = {"/wherry/queues/{vhost}/{name}": "described", "/connections/{name}": name, "/channels/{name}": f"{name} (1)", "/queues/{vhost}/{name}": "described",
                   "/exchanges/{vhost}/{name}": "amq.topic", "/vhosts/{name}": "/", "/users/{name}": "guest",
                   "/policies/{vhost}/{name}": "described", "/wherry/workers/{vhost}/{name}": "described", "/operator-policies/{vhost}/{name}": "described",
                   "/global-parameters/{name}": "described"}
        self.api("PUT", "/vhost-limits/%2F/max-queues", {"value": 9999})
        self.addCleanup(call, self.http, "DELETE", "/api/vhost-limits/%2F/max-queues")
        samples["/parameters/{component}/{vhost}/{name}"] = "limits"
        self.api("PUT", "/parameters/shovel/%2F/described", {"value": {
            "src-uri": "amqp://", "src-queue": "described", "dest-uri": "amqp://", "dest-queue": "described"}})
        self.addCleanup(call, self.http, "DELETE", "/api/parameters/shovel/%2F/described")
        samples["/shovels/vhost/{vhost}/{name}"] = "described"
        values = {"vhost": "/", "user": "guest", "node": node, "component": "vhost-limits", "source": "amq.default",
                  "kind": "q", "destination": "described", "key": "described", "id": "described", "port": str(self.broker.port),
                  "protocol": "amqp"}
        path, read = None, 0
        with open(brokers.TOP / "docs/openapi.yaml", encoding="utf-8") as file:
            for line in file:
                if line.startswith("  /api"):
                    path = line.strip().rstrip(":")[4:]
                if line != "    get:\n":
                    continue
                asked = path
                for pattern, value in samples.items():
                    if path.startswith(pattern):
                        asked = asked.replace("{name}", in_path(value))
                for name, value in values.items():
                    asked = asked.replace("{" + name + "}", in_path(value))
                self.assertNotIn("{", asked)
                self.api("GET", asked, expect=200)
                read += 1
        self.assertGreater(read, 50)


class Access(ManagementTest):
    def user(self, name, tags="", password="pw", **permission):
        self.api("PUT", f"/users/{name}", {"password": password, "tags": tags})
        self.addCleanup(call, self.http, "DELETE", f"/api/users/{name}")
        if permission:
            self.api("PUT", f"/permissions/%2F/{name}", {"configure": "", "write": "", "read": "", **permission})

    def test_a_new_user_logs_in_and_may_do_what_it_is_given(self):
        self.user("anna", configure="^anna-", write=".*", read="^anna-")
        channel = self.channel(user="anna", password="pw")
        channel.queue_declare("anna-q", auto_delete=True)
        with self.assertRaises(exceptions.ChannelClosedByBroker) as closed:
            channel.queue_declare("other")
        self.assertEqual(closed.exception.reply_code, 403)

    def test_permissions_change_under_an_open_channel(self):
        self.user("berta", configure=".*", write=".*", read=".*")
        channel = self.channel(user="berta", password="pw")
        queue = self.name()
        channel.queue_declare(queue)
        channel.confirm_delivery()
        channel.basic_publish("", queue, b"fine")
        self.api("PUT", "/permissions/%2F/berta", {"configure": ".*", "write": "^$", "read": ".*"}, expect=204)
        with self.assertRaises(exceptions.ChannelClosedByBroker) as closed:
            channel.basic_publish("", queue, b"refused")
        self.assertEqual(closed.exception.reply_code, 403)
        self.assertIn("access to exchange 'amq.default' in vhost '/' refused for user 'berta'", closed.exception.reply_text)

    def test_a_deleted_user_is_thrown_out(self):
        self.user("carl", configure=".*", write=".*", read=".*")
        connection = self.connect(user="carl", password="pw")
        self.api("DELETE", "/users/carl", expect=204)
        with self.assertRaises(exceptions.ConnectionClosedByBroker) as closed:
            self.pump(connection, lambda: False, "the end")
        self.assertEqual((closed.exception.reply_code, closed.exception.reply_text),
                         (320, "CONNECTION_FORCED - user 'carl' is deleted"))
        with self.assertRaises(exceptions.AMQPConnectionError):
            self.connect(user="carl", password="pw")

    def test_a_new_password_counts_for_the_next_login(self):
        self.user("dora", configure=".*", write=".*", read=".*")
        connection = self.connect(user="dora", password="pw")
        self.api("PUT", "/users/dora", {"password": "new", "tags": ""}, expect=204)
        with self.assertRaises(exceptions.AMQPConnectionError):
            self.connect(user="dora", password="pw")
        self.connect(user="dora", password="new")
        connection.channel()

    def test_topic_permissions_look_at_the_key(self):
        self.user("emil", configure=".*", write=".*", read=".*")
        self.api("PUT", "/topic-permissions/%2F/emil", {"exchange": "amq.topic", "write": "^{username}\\.", "read": "^a"})
        channel = self.channel(user="emil", password="pw")
        channel.confirm_delivery()
        channel.basic_publish("amq.topic", "emil.b", b"")
        with self.assertRaises(exceptions.ChannelClosedByBroker) as closed:
            channel.basic_publish("amq.topic", "other.b", b"")
        self.assertEqual(closed.exception.reply_code, 403)
        channel = self.channel(user="emil", password="pw")
        queue = channel.queue_declare("", exclusive=True).method.queue
        channel.queue_bind(queue, "amq.topic", "a.b")
        with self.assertRaises(exceptions.ChannelClosedByBroker):
            channel.queue_bind(queue, "amq.topic", "b.b")

    def test_tags_say_what_a_user_sees(self):
        for name, tags in (("nobody", ""), ("looker", "management"), ("watcher", "monitoring"), ("maker", "policymaker")):
            self.user(name, tags)
        self.assertEqual(call(self.http, "GET", "/api/overview", user=None).status, 401)
        answer = call(self.http, "GET", "/api/overview", user="guest", password="wrong")
        self.assertEqual((answer.status, answer.json["error"]), (401, "not_authorized"))
        self.assertIn("Basic", answer.headers["WWW-Authenticate"])

        def status(path, user, method="GET", body=None):
            return call(self.http, method, "/api" + path, body, user=user, password="pw").status
        self.assertEqual(status("/overview", "nobody"), 401)
        self.assertEqual([status("/overview", user) for user in ("looker", "watcher", "maker")], [200] * 3)
        self.assertEqual([status("/nodes", user) for user in ("looker", "watcher", "maker")], [401, 200, 401])
        self.assertEqual([status("/users", user) for user in ("looker", "watcher", "maker")], [401] * 3)
        # A virtual host that one is not let into does not show.
        self.assertEqual(call(self.http, "GET", "/api/queues", user="looker", password="pw").json, [])
        self.assertEqual(status("/queues/%2F", "looker"), 401)
        self.assertEqual(status("/queues/%2F", "watcher"), 200)
        self.assertEqual(status("/queues/%2F/q", "watcher", "PUT", {}), 401)

    def test_a_virtual_host_comes_and_goes_with_what_is_in_it(self):
        name = self.name("v")
        self.api("PUT", f"/vhosts/{name}", {"description": "mine", "tags": "a,b"}, expect=201)
        shown = self.api("GET", f"/vhosts/{name}")
        self.assertEqual((shown["description"], shown["tags"]), ("mine", ["a", "b"]))
        connection = self.connect(vhost=name)
        channel = connection.channel()
        channel.exchange_declare("e", "topic", durable=True)
        channel.queue_declare("q", durable=True)
        channel.queue_bind("q", "e", "#")
        channel.basic_publish("e", "k", b"lost", pika.BasicProperties(delivery_mode=2))
        self.api("PUT", f"/policies/{name}/p", {"pattern": "", "definition": {"max-length": 5}})
        self.api("DELETE", f"/vhosts/{name}", expect=204)
        with self.assertRaises(exceptions.ConnectionClosedByBroker) as closed:
            self.pump(connection, lambda: False, "the end")
        self.assertEqual(closed.exception.reply_text, f"CONNECTION_FORCED - vhost '{name}' is deleted")
        self.assertNotIn(name, [each["name"] for each in self.api("GET", "/vhosts")])
        self.api("PUT", f"/vhosts/{name}", expect=201)
        self.assertEqual(self.api("GET", f"/queues/{name}"), [])
        self.assertEqual(self.api("GET", f"/policies/{name}"), [])
        self.assertEqual([each["name"] for each in self.api("GET", f"/exchanges/{name}") if each["name"] == "e"], [])
        self.api("DELETE", f"/vhosts/{name}", expect=204)

    def test_who_guesses_passwords_is_held_back(self):
        # A broker of its own: all come from one address.
        broker = brokers.WherryBroker(None, ["--management", "127.0.0.1:0"])
        self.addCleanup(broker.stop)
        port = int(broker.program.wait_line("management=").rpartition(":")[2])
        for _ in range(10):
            self.assertEqual(call(port, "GET", "/api/whoami", password="wrong").status, 401)
        self.assertEqual(call(port, "GET", "/api/whoami").status, 429)

    def test_what_was_changed_is_logged_with_who_did_it(self):
        self.user("frieda")
        self.broker.wait_log("guest (from 127.0.0.1): added user 'frieda' with tags []")
        self.assertNotIn("pw", [line for line in self.broker.program.errors.splitlines() if "frieda" in line][-1])


class Settings(ManagementTest):
    def test_policies(self):
        queue = self.name()
        self.api("PUT", f"/queues/%2F/{queue}", {})
        self.api("PUT", "/policies/%2F/short", {"pattern": f"^{queue}$", "definition": {"max-length": 2},
                                                "priority": 3, "apply-to": "queues"}, expect=201)
        self.addCleanup(call, self.http, "DELETE", "/api/policies/%2F/short")
        self.assertEqual(self.api("GET", f"/queues/%2F/{queue}")["policy"], "short")
        shown = self.api("GET", "/policies/%2F/short")
        self.assertEqual((shown["apply-to"], shown["priority"], shown["definition"]), ("queues", 3, {"max-length": 2}))
        self.api("PUT", "/operator-policies/%2F/cap", {"pattern": f"^{queue}$", "definition": {"max-length": 1}}, expect=201)
        self.assertEqual(self.api("GET", f"/queues/%2F/{queue}")["effective_policy_definition"], {"max-length": 1})
        self.api("DELETE", "/operator-policies/%2F/cap", expect=204)
        self.api("DELETE", "/policies/%2F/short", expect=204)
        self.api("DELETE", "/policies/%2F/short", expect=404)

    def test_limits_and_parameters(self):
        self.api("PUT", "/vhost-limits/%2F/max-queues", {"value": 5000}, expect=204)
        self.api("PUT", "/vhost-limits/%2F/max-connections", {"value": 500}, expect=204)
        self.assertEqual(self.api("GET", "/vhost-limits/%2F")[0]["value"], {"max-queues": 5000, "max-connections": 500})
        self.api("DELETE", "/vhost-limits/%2F/max-queues", expect=204)
        self.assertEqual(self.api("GET", "/parameters/vhost-limits")[0]["value"], {"max-connections": 500})
        self.api("DELETE", "/vhost-limits/%2F/max-connections", expect=204)
        self.api("PUT", "/vhost-limits/%2F/odd", {"value": 1}, expect=400)
        self.api("PUT", "/user-limits/guest/max-channels", {"value": 900}, expect=204)
        self.assertEqual(self.api("GET", "/user-limits/guest")[0]["value"], {"max-channels": 900})
        self.api("DELETE", "/user-limits/guest/max-channels", expect=204)
        self.api("PUT", "/global-parameters/owner", {"value": {"team": "mail"}}, expect=201)
        self.assertEqual(self.api("GET", "/global-parameters/owner"), {"name": "owner", "value": {"team": "mail"}})
        self.api("DELETE", "/global-parameters/owner", expect=204)

    def test_overview_health_and_who_one_is(self):
        overview = self.api("GET", "/overview")
        self.assertGreaterEqual(overview["object_totals"]["exchanges"], 7)
        node = self.api("GET", "/nodes/" + overview["node"])
        self.assertTrue(node["running"])
        for field in ("mem_used", "mem_limit", "fd_used", "fd_total", "disk_free", "sockets_used", "uptime"):
            self.assertGreater(node[field], 0, field)
        self.assertEqual(self.api("GET", "/whoami"), {"name": "guest", "tags": ["administrator"]})
        self.assertEqual(self.api("GET", "/aliveness-test/%2F"), {"status": "ok"})
        self.assertEqual(self.api("GET", "/health/checks/alarms"), {"status": "ok"})
        self.assertEqual(self.api("GET", f"/health/checks/port-listener/{self.broker.port}"),
                         {"status": "ok", "port": self.broker.port})
        self.api("GET", "/health/checks/port-listener/1", expect=503)
        self.api("GET", "/health/checks/protocol-listener/amqp091")
        self.api("PUT", "/cluster-name", {"name": "mail"}, expect=204)
        self.assertEqual(self.api("GET", "/cluster-name"), {"name": "mail"})

    def test_a_task_is_sent_by_name(self):
        queue = self.name()
        self.api("PUT", f"/queues/%2F/{queue}", {"arguments": {"x-message-deduplication": True}})
        body = {"task": "tasks.add", "args": [1, 2], "kwargs": {"z": [None, True, 1.5]}, "queue": queue}
        first = self.api("POST", "/wherry/tasks/%2F", body, expect=202, headers={"Idempotency-Key": "k1"})
        again = self.api("POST", "/wherry/tasks/%2F", body, expect=202, headers={"Idempotency-Key": "k1"})
        self.assertEqual(first["id"], again["id"])
        channel = self.channel()
        self.wait_depth(channel, queue, 1)
        _, properties, content = self.get(channel, queue, auto_ack=True)
        self.assertEqual((properties.headers["task"], properties.headers["id"], properties.delivery_mode),
                         ("tasks.add", first["id"], 2))
        self.assertEqual(json.loads(content)[:2], [[1, 2], {"z": [None, True, 1.5]}])
        missing = self.api("POST", "/wherry/tasks/%2F", {"task": "t", "queue": "no such"}, expect=404)
        self.assertIn("no such", missing["reason"])
        self.api("POST", "/wherry/tasks/%2F", {"task": "t", "args": {}}, expect=400)
        self.api("POST", "/wherry/tasks/%2F", {"task": "t", "odd": 1}, expect=400)


class Admin(ManagementTest):
    """Debian's rabbitmqadmin, as it is."""

    def admin(self, *words):
        done = subprocess.run([PYTHON, RABBITMQADMIN, "--host", "127.0.0.1", "--port", str(self.http), *words],
                              capture_output=True, text=True, timeout=60, env={**os.environ, "HOME": "/nonexistent"},
                              check=False)
        self.assertEqual(done.returncode, 0, (words, done.stdout, done.stderr))
        return done.stdout

    def test_its_commands(self):
        self.admin("declare", "vhost", "name=va")
        self.admin("declare", "user", "name=ua", "password=pw", "tags=monitoring")
        self.admin("declare", "permission", "vhost=va", "user=ua", "configure=.*", "write=.*", "read=.*")
        self.admin("declare", "permission", "vhost=va", "user=guest", "configure=.*", "write=.*", "read=.*")
        v = ("--vhost", "va")
        self.admin(*v, "declare", "queue", "name=qa", "durable=true", 'arguments={"x-max-length":10}')
        self.admin(*v, "declare", "exchange", "name=ea", "type=direct")
        self.admin(*v, "declare", "binding", "source=ea", "destination=qa", "routing_key=k")
        self.admin(*v, "declare", "policy", "name=pa", "pattern=^x", 'definition={"max-length":3}', "apply-to=queues")
        self.assertIn("Message published", self.admin(*v, "publish", "exchange=ea", "routing_key=k", "payload=hello"))
        got = self.admin(*v, "get", "queue=qa", "count=1")
        self.assertIn("hello", got)
        self.assertIn("ea", got)
        for what in ("queues", "exchanges", "bindings", "policies", "users", "vhosts", "permissions", "connections",
                     "channels", "consumers", "nodes", "parameters"):
            self.admin("list", what)
        self.assertIn("qa", self.admin("list", "queues", "vhost", "name", "messages"))
        self.admin("show", "overview")
        exported = os.path.join(self.broker.folder, "exported.json")
        self.admin("export", exported)
        with open(exported, encoding="utf-8") as file:
            definitions = json.load(file)
        self.assertIn("qa", [each["name"] for each in definitions["queues"]])
        self.admin(*v, "purge", "queue", "name=qa")
        self.admin(*v, "delete", "binding", "source=ea", "destination_type=queue", "destination=qa", "properties_key=k")
        self.admin(*v, "delete", "policy", "name=pa")
        self.admin(*v, "delete", "queue", "name=qa")
        self.admin(*v, "delete", "exchange", "name=ea")
        self.admin("delete", "vhost", "name=va")
        self.admin("delete", "user", "name=ua")
        self.admin("import", exported)
        self.assertEqual(self.api("GET", "/queues/va/qa")["arguments"], {"x-max-length": 10})
        self.assertEqual(call(self.http, "GET", "/api/whoami", user="ua", password="pw").json["tags"], ["monitoring"])


class Restarts(ManagementTest):
    broker_config = """
users:
  - {name: guest, password: guest, tags: [administrator], permissions: [{vhost: /}]}
  - {name: file, password: first, tags: [monitoring]}
  - {name: gone, password: gone, tags: [monitoring]}
"""

    def restart(self):
        broker = self.broker.program
        broker.terminate()
        self.assertEqual(broker.wait_exit(30), 0, broker.errors)
        type(self).broker.program = brokers.Program(broker.command)
        self.find_ports(self.broker)

    def whoami(self, user, password):
        return call(self.http, "GET", "/api/whoami", user=user, password=password).status

    def test_what_was_changed_is_there_after_a_restart(self):
        self.api("PUT", "/users/made", {"password": "pw", "tags": "monitoring"})
        self.api("PUT", "/users/file", {"password": "second", "tags": "monitoring"})
        self.api("DELETE", "/users/gone")
        self.api("PUT", "/vhosts/kept", {"description": "d"})
        self.api("PUT", "/permissions/kept/made", {"configure": "a", "write": "b", "read": "c"})
        self.api("PUT", "/queues/kept/q", {})
        self.api("PUT", "/vhosts/dropped")
        self.api("PUT", "/queues/dropped/q", {})
        self.api("DELETE", "/vhosts/dropped")
        self.restart()
        self.assertEqual(self.whoami("made", "pw"), 200)
        # The file gives the first password alone.
        self.assertEqual([self.whoami("file", word) for word in ("first", "second")], [401, 200])
        self.assertEqual(self.whoami("gone", "gone"), 401)
        self.assertEqual(self.api("GET", "/permissions/kept/made")["write"], "b")
        self.assertEqual(self.api("GET", "/vhosts/kept")["description"], "d")
        self.assertEqual([(each["vhost"], each["name"]) for each in self.api("GET", "/queues")], [("kept", "q")])
        self.api("GET", "/vhosts/dropped", expect=404)


if __name__ == "__main__":
    main()

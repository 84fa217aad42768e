"""Ready messages in an operator's hands, by HTTP: looked at without being delivered, moved, discarded; queues that are
paused and resumed; and the console's files beside the API."""

import gzip
import http.client
import json
import time
import urllib.error
import urllib.request

import pika

from harness import Inbox, main, tearDownModule  # noqa: F401
from management import ManagementTest, call, in_path


class MessagesTest(ManagementTest):
    def setUp(self):
        super().setUp()
        self.sender = self.channel()
        self.sender.confirm_delivery()
        self.queue = self.declare("from")

    def declare(self, prefix, **arguments):
        queue = self.name(prefix)
        self.sender.queue_declare(queue, durable=True, arguments=arguments or None)
        return queue

    def fill(self, count, queue=None):
        for number in range(count):
            self.sender.basic_publish("", queue or self.queue, f"m{number}".encode(), pika.BasicProperties(
                delivery_mode=2, content_type="text/plain", priority=number % 3, headers={"n": number}))

    def path(self, what, queue=None):
        return f"/wherry/queues/%2F/{in_path(queue or self.queue)}/{what}"

    def seen(self, queue=None, query=""):
        return self.api("GET", self.path("messages", queue) + query)

    def take(self, queue, count):
        """What a consumer gets: (body, redelivered, properties)."""
        rows = []
        for _ in range(count):
            method, properties, body = self.get(self.sender, queue, auto_ack=True)
            rows.append((body.decode(), method.redelivered, properties))
        return rows

    # --- looking -----------------------------------------------------------------------------------------------------
    def test_looking_delivers_nothing(self):
        self.fill(5)
        rows = self.seen()
        self.assertEqual([row["payload"] for row in rows], [f"m{n}" for n in range(5)])
        self.assertEqual(rows[3]["properties"]["headers"], {"n": 3})
        self.assertEqual(rows[3]["properties"]["content_type"], "text/plain")
        self.assertEqual(rows[3]["routing_key"], self.queue)
        row = self.api("GET", f"/queues/%2F/{in_path(self.queue)}")
        self.assertEqual((row["messages_ready"], row["messages_unacknowledged"]), (5, 0))
        self.assertEqual(row["message_stats"]["deliver_get"], 0)
        self.assertEqual([(body, again) for body, again, _ in self.take(self.queue, 5)], [(f"m{n}", False) for n in range(5)])

    def test_a_long_queue_is_looked_through_in_pages(self):
        self.fill(7)
        first = self.seen(query="?limit=4")
        rest = self.seen(query=f"?limit=4&after={first[-1]['key']}")
        self.assertEqual([row["payload"] for row in first + rest], [f"m{n}" for n in range(7)])
        self.assertEqual(self.seen(query=f"?after={rest[-1]['key']}"), [])

    def test_bodies_are_text_or_base64_and_cut_where_one_says(self):
        self.sender.basic_publish("", self.queue, bytes([0xff, 0xfe, 0]))
        self.sender.basic_publish("", self.queue, "größer".encode())
        binary, text = self.seen()
        self.assertEqual((binary["payload"], binary["payload_encoding"], binary["payload_bytes"]), ("//4A", "base64", 3))
        self.assertEqual((text["payload"], text["payload_encoding"], text["payload_truncated"]), ("größer", "string", False))
        # A cut through a character leaves it out.
        cut = self.seen(query="?truncate=3")[1]
        self.assertEqual((cut["payload"], cut["payload_encoding"], cut["payload_truncated"], cut["payload_bytes"]), ("gr", "string", True, 8))

    # --- moving ------------------------------------------------------------------------------------------------------
    def test_moved_messages_are_as_they_were_in_order_and_kept(self):
        to = self.declare("to")
        self.fill(6)
        done = self.api("POST", self.path("move"), {"to": to, "limit": 4})
        self.assertEqual((done["moved"], done["left"], done["refused_count"]), (4, 2, 0))
        done = self.api("POST", self.path("move"), {"to": to, "next": done["next"], "end": done["end"]})
        self.assertEqual((done["moved"], done["left"], done["next"]), (2, 0, None))
        rows = self.take(to, 6)
        self.assertEqual([body for body, _, _ in rows], [f"m{n}" for n in range(6)])
        self.assertEqual([properties.headers["n"] for _, _, properties in rows], list(range(6)))
        self.assertEqual({(p.delivery_mode, p.content_type) for _, _, p in rows}, {(2, "text/plain")})

    def test_single_messages_are_moved_and_discarded_by_their_keys(self):
        to = self.declare("to")
        self.fill(6)
        keys = [row["key"] for row in self.seen()]
        done = self.api("POST", self.path("move"), {"to": to, "keys": [keys[1], keys[4]]})
        self.assertEqual(done["moved"], 2)
        self.assertEqual([row["payload"] for row in self.seen(to)], ["m1", "m4"])
        done = self.api("POST", self.path("discard"), {"keys": [keys[0], keys[1], keys[5]]})
        self.assertEqual(done["discarded"], 2, "one of them had gone before")
        self.assertEqual([row["payload"] for row in self.seen()], ["m2", "m3"])

    def test_what_its_new_queue_refuses_stays(self):
        to = self.declare("to", **{"x-max-length": 2, "x-overflow": "reject-publish"})
        self.fill(5)
        done = self.api("POST", self.path("move"), {"to": to})
        self.assertEqual((done["moved"], done["refused_count"], done["left"]), (2, 3, 3))
        self.assertIn("full", done["refused"][0]["why"])
        self.assertEqual([row["payload"] for row in self.seen()], ["m2", "m3", "m4"])

    def test_what_consumers_have_in_work_is_not_moved(self):
        to = self.declare("to")
        self.fill(3)
        worker = self.channel()
        worker.basic_qos(prefetch_count=1)
        inbox = Inbox(self, worker, self.queue)
        inbox.wait(1)
        self.assertEqual(self.api("POST", self.path("move"), {"to": to})["moved"], 2)
        worker.basic_ack(inbox.tags[0])
        self.wait_depth(self.sender, self.queue, 0)
        self.assertEqual(self.depth(self.sender, to), 2)

    # --- pausing -----------------------------------------------------------------------------------------------------
    def test_a_paused_queue_takes_and_does_not_deliver(self):
        channel = self.channel()
        inbox = Inbox(self, channel, self.queue, ack=True)
        self.api("POST", self.path("pause"), expect=204)
        self.assertEqual(self.api("GET", f"/queues/%2F/{in_path(self.queue)}")["state"], "paused")
        self.fill(3)
        inbox.settle()
        self.assertEqual(inbox.bodies, [])
        self.assertEqual(self.depth(self.sender, self.queue), 3)
        self.api("POST", self.path("resume"), expect=204)
        self.assertEqual(inbox.wait(3), ["m0", "m1", "m2"])
        self.assertEqual(self.api("GET", f"/queues/%2F/{in_path(self.queue)}")["state"], "running")

    # --- refusals ----------------------------------------------------------------------------------------------------
    def test_what_is_asked_wrongly_is_named(self):
        self.fill(1)
        for method, path, body, status, word in (
                ("GET", self.path("messages") + "?limit=-1", None, 400, "limit"),
                ("GET", self.path("messages") + "?limit=1001", None, 400, "limit"),
                ("GET", self.path("messages") + "?after=x", None, 400, "after"),
                ("GET", self.path("messages", "nothing"), None, 404, "nothing"),
                ("POST", self.path("move"), {}, 400, "to"),
                ("POST", self.path("move"), {"to": self.queue}, 400, "where they lie"),
                ("POST", self.path("move"), {"to": "nowhere"}, 404, "nowhere"),
                ("POST", self.path("move"), {"to": self.declare("to"), "limit": 0}, 400, "limit"),
                ("POST", self.path("move"), {"to": self.declare("to"), "keys": []}, 400, "keys"),
                ("POST", self.path("discard"), {}, 400, "keys"),
                ("POST", self.path("discard"), {"keys": ["x"]}, 400, "keys"),
                ("POST", self.path("pause", "nothing"), {}, 404, "nothing")):
            with self.subTest(path=path, body=body):
                self.assertIn(word, self.api(method, path, body, expect=status)["reason"])
        self.assertEqual(self.depth(self.sender, self.queue), 1)

    def test_who_may_not_read_neither_looks_nor_moves(self):
        self.fill(1)
        self.api("PUT", "/users/eve", {"password": "x", "tags": "management"})
        self.api("PUT", "/permissions/%2F/eve", {"configure": "", "write": ".*", "read": ""})
        for method, what, body in (("GET", "messages", None), ("POST", "move", {"to": self.declare("to")}),
                                   ("POST", "discard", {"keys": ["1"]}), ("POST", "pause", {}), ("POST", "resume", {})):
            with self.subTest(what=what):
                self.api(method, self.path(what), body, expect=401, user="eve", password="x")
        self.api("PUT", "/permissions/%2F/eve", {"configure": "", "write": "", "read": ".*"})
        self.assertEqual(len(self.api("GET", self.path("messages"), user="eve", password="x")), 1)
        self.api("POST", self.path("move"), {"to": self.declare("to")}, expect=401, user="eve", password="x")


class ConsoleFilesTest(ManagementTest):
    def fetch(self, path, method="GET", **headers):
        request = urllib.request.Request(f"http://127.0.0.1:{self.http}{path}", method=method, headers=headers)
        try:
            with urllib.request.urlopen(request, timeout=30) as answer:
                return answer.status, answer.headers, answer.read()
        except urllib.error.HTTPError as error:
            return error.code, error.headers, error.read()

    def test_the_page_needs_no_login_and_is_not_sent_twice(self):
        status, headers, page = self.fetch("/")
        self.assertEqual(status, 200)
        self.assertIn(b"Wherry", page)
        self.assertEqual(headers["Cache-Control"], "no-cache")
        self.assertIn("default-src 'none'", headers["Content-Security-Policy"])
        status, _, body = self.fetch("/", **{"If-None-Match": headers["ETag"]})
        self.assertEqual((status, body), (304, b""))
        status, head, body = self.fetch("/", "HEAD")
        self.assertEqual((status, body, head["Content-Length"]), (200, b"", str(len(page))))
        status, headers, zipped = self.fetch("/", **{"Accept-Encoding": "gzip, deflate, br"})
        if "Content-Encoding" in headers:
            self.assertEqual((headers.get_all("Content-Encoding"), gzip.decompress(zipped)), (["gzip"], page))
        self.assertEqual(self.fetch("/", "POST")[0], 405)

    def test_other_paths_are_the_apis(self):
        for path in ("/nothing", "/assets/nothing.js", "/assets/../../etc/passwd", "/%2e%2e/x"):
            self.assertEqual(self.fetch(path)[0], 401, path)
            self.assertEqual(call(self.http, "GET", path).status, 404)

    def test_a_script_is_refused_without_the_browsers_own_question(self):
        answer = call(self.http, "GET", "/api/whoami", user=None)
        self.assertEqual((answer.status, answer.headers["WWW-Authenticate"]), (401, 'Basic realm="Wherry Management"'))
        answer = call(self.http, "GET", "/api/whoami", user=None, headers={"X-Requested-With": "XMLHttpRequest"})
        self.assertEqual((answer.status, answer.headers["WWW-Authenticate"]), (401, None))
        self.assertEqual(json.loads(answer.text)["reason"], "Login failed")

    def test_pages_that_ask_again_and_again_hold_nobody_up(self):
        # More browsers than the API has threads: each keeps its connection as long as the broker lets it.
        script = {"Authorization": "Basic Z3Vlc3Q6Z3Vlc3Q=", "X-Requested-With": "XMLHttpRequest"}
        browsers = []
        for _ in range(30):
            browser = http.client.HTTPConnection("127.0.0.1", self.http, timeout=20)
            self.addCleanup(browser.close)
            browser.request("GET", "/api/whoami", headers=script)
            answer = browser.getresponse()
            self.assertEqual(answer.status, 200)
            answer.read()
            browsers.append(browser)
        self.api("GET", "/whoami")
        for browser in browsers:
            self.assertIsNotNone(browser.sock, "the connection is kept for the page's next request")
            browser.request("GET", "/api/whoami", headers=script)
            answer = browser.getresponse()
            self.assertEqual(answer.status, 200)
            answer.read()


class SwitchedOffTest(ManagementTest):
    broker_config = "console: false\n"

    def test_a_broker_without_the_console_still_has_its_api(self):
        self.assertEqual(call(self.http, "GET", "/", user=None).status, 401)
        self.assertEqual(call(self.http, "GET", "/").status, 404)
        self.api("GET", "/overview")


if __name__ == "__main__":
    main()

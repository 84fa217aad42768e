"""Dead letters looked at, replayed and discarded: wherryctl dead-letters, and the same as JSON over the control socket."""

import json
import re
import shlex
import socket
import subprocess
import threading

import pika

from brokers import BIN_DIR, TIME_SCALE, TOP
from harness import Inbox, main, tearDownModule, wait_until  # noqa: F401
from restarts import RestartTest

PAGE = TOP / "docs/dead-letters.md"


def letter(number, queue, task="email.send", reason="failed 4 times", **headers):
    """As a worker leaves it."""
    return pika.BasicProperties(delivery_mode=2, content_type="application/json", headers={
        "task": task, "id": f"id-{number}", "retries": 3, "eta": "2020-01-01T00:00:00+00:00",
        "x-wherry-history": [{"attempt": 4, "error": "OSError: Connection refused", "at": "2020-03-01T10:00:00+00:00",
                              "worker": "w@h"}],
        "x-wherry-reason": reason, "x-wherry-queue": queue, "x-wherry-dead-at": f"2020-03-{number % 28 + 1:02}T10:00:00+00:00",
        **headers})


class LettersTest(RestartTest):
    def setUp(self):
        super().setUp()
        self.broker.start()
        self.work, self.dead = self.name("work"), "wherry.dead"
        self.sender = self.channel()
        for queue in (self.work, self.dead):
            self.sender.queue_declare(queue, durable=True)

    def bury(self, count, queue=None, first=0, **options):
        channel = self.channel()
        channel.tx_select()
        for number in range(first, first + count):
            channel.basic_publish("", self.dead, f"[{number}]".encode(), letter(number, queue or self.work, **options))
        channel.tx_commit()
        channel.connection.close()

    def ctl(self, *arguments, code=0):
        done = subprocess.run([BIN_DIR / "wherryctl", "dead-letters", *map(str, arguments), "-d", self.broker.data], capture_output=True, text=True, timeout=60 * TIME_SCALE, check=False)
        self.assertEqual(done.returncode, code, done.stdout + done.stderr)
        return done.stdout if code == 0 else done.stdout + done.stderr

    def listed(self, *arguments):
        return json.loads(self.ctl("list", "--formatter", "json", *arguments))

    def ask(self, **request):
        """One request over the control socket."""
        with socket.socket(socket.AF_UNIX) as client:
            client.settimeout(60 * TIME_SCALE)
            client.connect(str(self.broker.data / "control.sock"))
            client.sendall(json.dumps(request).encode() + b"\n")
            answer = b""
            while not answer.endswith(b"\n"):
                answer += client.recv(1 << 20)
        return json.loads(answer)

    def replayed(self, count):
        inbox = Inbox(self, self.channel(), self.work, ack=True)
        inbox.wait(count)
        inbox.settle()
        return inbox


class Looking(LettersTest):
    def test_the_list_says_what_and_why_and_takes_nothing_away(self):
        self.bury(5)
        rows = self.listed()
        self.assertEqual([row["id"] for row in rows], [f"id-{number}" for number in range(5)])
        self.assertEqual((rows[0]["task"], rows[0]["queue"], rows[0]["reason"], rows[0]["attempts"], rows[0]["bytes"]),
                         ("email.send", self.work, "failed 4 times", 1, 3))
        self.assertEqual(rows[0]["error"], "OSError: Connection refused")
        self.assertIn("id-4\temail.send", self.ctl("list"))
        self.assertEqual(self.depth(self.sender, self.dead), 5)
        method, _, _ = self.get(self.channel(), self.dead)
        self.assertFalse(method.redelivered)

    def test_filters_and_pages(self):
        self.bury(3)
        self.bury(3, first=3, task="sms.send", reason="Dead: no such number")
        other = self.name("other")
        self.bury(3, first=6, queue=other)

        def ids(*arguments):
            return [int(row["id"][3:]) for row in self.listed(*arguments)]
        self.assertEqual(ids("--task", "sms.*"), [3, 4, 5])
        self.assertEqual(ids("--reason", "NO SUCH"), [3, 4, 5])
        self.assertEqual(ids("--source", other), [6, 7, 8])
        self.assertEqual(ids("--since", "2020-03-03", "--before", "2020-03-05T10:00:00Z"), [2, 3])
        self.assertEqual(ids("--since", "1d"), [])
        self.assertEqual(ids("--before", "1d", "--task", "email.*"), [0, 1, 2, 6, 7, 8])
        first = self.listed("--limit", 2)
        self.assertEqual([row["id"] for row in first], ["id-0", "id-1"])
        self.assertEqual(ids("--after", first[-1]["key"]), [2, 3, 4, 5, 6, 7, 8])

    def test_one_is_shown_whole(self):
        self.bury(1)
        self.sender.basic_publish("", self.dead, b"\xff\x00", letter(7, self.work))
        self.wait_depth(self.sender, self.dead, 2)
        page = self.ctl("show", "id-0")
        self.assertIn("attempt 4", page)
        self.assertIn("Connection refused", page)
        self.assertRegex(page, r"(?m)^body +\[0\]$")
        (shown,) = json.loads(self.ctl("show", "id-7", "--formatter", "json"))
        self.assertEqual(shown["body_base64"], "/wA=")
        self.assertIn("no dead letter 'nobody'", self.ctl("show", "nobody", code=69))

    def test_what_is_no_task_is_found_by_its_key(self):
        self.sender.basic_publish("", self.dead, b"?", pika.BasicProperties(delivery_mode=2))
        self.wait_depth(self.sender, self.dead, 1)
        (row,) = self.listed()
        self.assertEqual((row["id"], row["queue"]), ("", ""))
        self.assertIn("does not say which queue", self.ctl("replay", row["key"], code=1))
        self.assertEqual(self.depth(self.sender, self.dead), 1)
        self.assertIn("discarded: 1", self.ctl("discard", row["key"]))
        self.wait_depth(self.sender, self.dead, 0)


class Replaying(LettersTest):
    def test_one_goes_to_its_queue_with_all_its_attempts(self):
        self.bury(3)
        self.assertIn("replayed: 1", self.ctl("replay", "id-1"))
        inbox = self.replayed(1)
        _, properties, body = inbox.messages[0]
        headers = properties.headers
        self.assertEqual((body, headers["id"], headers["retries"], headers["eta"], headers["x-wherry-replays"]),
                         (b"[1]", "id-1", 0, None, 1))
        self.assertEqual(len(headers["x-wherry-history"]), 1)
        self.assertNotIn("x-wherry-reason", headers)
        self.assertEqual([row["id"] for row in self.listed()], ["id-0", "id-2"])

    def test_all_go_in_their_order(self):
        self.bury(1500)
        result = json.loads(self.ctl("replay", "--all", "--formatter", "json"))
        self.assertEqual((result["matched"], result["replayed"], result["refused"]), (1500, 1500, []))
        self.assertEqual(self.replayed(1500).bodies, [f"[{number}]" for number in range(1500)])
        self.wait_depth(self.sender, self.dead, 0)

    def test_what_dies_again_meanwhile_stays(self):
        # The queue refuses all, to the dead letters.
        dies = self.name("dies")
        self.sender.queue_declare(dies, durable=True, arguments={
            "x-message-ttl": 0, "x-dead-letter-exchange": "", "x-dead-letter-routing-key": self.dead})
        self.bury(700, queue=dies)
        self.assertIn("replayed: 700", self.ctl("replay", "--all"))
        self.wait_depth(self.sender, self.dead, 700)
        rows = self.listed("--limit", 1000)
        self.assertEqual((len(rows), rows[0]["replays"], rows[0]["reason"], rows[0]["queue"]), (700, 1, "expired", dies))

    def test_a_filter_and_a_dry_run(self):
        self.bury(4)
        self.bury(4, first=4, task="sms.send")
        self.assertIn("would be replayed: 4", self.ctl("replay", "--task", "sms.*", "--dry-run"))
        self.assertEqual(self.depth(self.sender, self.dead), 8)
        self.assertIn("replayed: 4", self.ctl("replay", "--task", "sms.*"))
        self.assertEqual(self.replayed(4).bodies, ["[4]", "[5]", "[6]", "[7]"])
        self.assertIn("would be discarded: 3", self.ctl("discard", "--since", "2020-03-02", "--dry-run"))
        self.assertIn("discarded: 3", self.ctl("discard", "--since", "2020-03-02"))
        self.assertEqual([row["id"] for row in self.listed()], ["id-0"])

    def test_what_its_queue_does_not_take_stays_and_is_named(self):
        full = self.name("full")
        self.sender.queue_declare(full, durable=True, arguments={"x-max-length": 2, "x-overflow": "reject-publish"})
        self.bury(3, queue=full)
        self.bury(1, first=3, queue="deleted")
        said = self.ctl("replay", "--all", code=1)
        self.assertIn("replayed: 2", said)
        self.assertRegex(said, "left: id-2: .*full")
        self.assertRegex(said, "left: id-3: .*no queue 'deleted'")
        self.assertEqual([row["id"] for row in self.listed()], ["id-2", "id-3"])
        self.assertIn("not there: 1 of 2", self.ctl("discard", "id-2", "id-9", code=1))

    def test_what_somebody_has_in_hands_is_theirs(self):
        self.bury(3)
        reader = Inbox(self, self.channel(), self.dead)
        reader.wait(3)
        reader.channel.basic_cancel(reader.tag)
        self.assertIn("replayed: 0", self.ctl("replay", "--task", "nothing.*"))
        reader.channel.basic_nack(reader.tags[0])
        self.wait_depth(self.sender, self.dead, 1)
        self.assertIn("replayed: 1", self.ctl("replay", "--all"))
        self.assertEqual(self.replayed(1).bodies, ["[0]"])

    def test_the_queue_of_any_dead_letter_exchange_is_replayed(self):
        source, graveyard = self.name("source"), self.name("graveyard")
        self.sender.queue_declare(graveyard, durable=True)
        self.sender.queue_declare(source, durable=True, arguments={
            "x-dead-letter-exchange": "", "x-dead-letter-routing-key": graveyard})
        self.sender.basic_publish("", source, b"a", pika.BasicProperties(message_id="m", delivery_mode=2))
        channel = self.channel()
        method, _, _ = self.get(channel, source)
        channel.basic_nack(method.delivery_tag, requeue=False)
        self.wait_depth(self.sender, graveyard, 1)
        (row,) = self.listed("--queue", graveyard)
        self.assertEqual((row["id"], row["reason"], row["queue"]), ("m", "rejected", source))
        self.assertIn("replayed: 1", self.ctl("replay", "--all", "--queue", graveyard))
        _, properties, _ = self.get(self.channel(), source)
        self.assertEqual(properties.headers, {"x-wherry-replays": 1})

    def test_a_backlog_on_the_disk_is_replayed_after_a_restart(self):
        self.bury(600)
        self.assertEqual(self.broker.end(), 0)
        self.broker.start()
        self.sender = self.channel()
        self.assertEqual(len(self.listed("--limit", 1000)), 600)
        self.assertIn("replayed: 599", self.ctl("replay", *[f"id-{number}" for number in range(599)]))
        self.assertEqual([row["id"] for row in self.listed()], ["id-599"])
        self.assertEqual(self.broker.end(), 0)
        self.broker.start()
        self.sender = self.channel()
        self.assertEqual([row["id"] for row in self.listed()], ["id-599"])
        self.assertEqual(self.replayed(599).bodies, [f"[{number}]" for number in range(599)])

    def test_a_kill_in_the_middle_of_a_replay_loses_nothing(self):
        self.bury(6000)
        replay = threading.Thread(target=lambda: subprocess.run(
            [BIN_DIR / "wherryctl", "dead-letters", "replay", "--all", "-d", self.broker.data], check=False,
            capture_output=True, timeout=60 * TIME_SCALE))
        replay.start()
        wait_until(lambda: self.depth(self.sender, self.work) > 0, "it has begun")
        self.broker.kill()
        replay.join()
        self.broker.start()
        self.sender = self.channel()
        self.ctl("replay", "--all")
        self.wait_depth(self.sender, self.dead, 0)
        count = self.depth(self.sender, self.work)
        self.assertGreaterEqual(count, 6000)
        self.assertEqual({int(body[1:-1]) for body in self.replayed(count).bodies}, set(range(6000)))


class Asking(LettersTest):
    def test_json_in_json_out(self):
        self.bury(5)
        answer = self.ask(verb="list_dead_letters", task="email.*", limit=1)
        self.assertEqual([row["id"] for row in answer["result"]], ["id-0"])
        first = self.ask(verb="replay_dead_letters", all=True, limit=2)["result"]
        self.assertEqual((first["matched"], first["replayed"], first["left"]), (2, 2, 3))
        rest = self.ask(verb="replay_dead_letters", all=True, next=first["next"], end=first["end"])["result"]
        self.assertEqual((rest["replayed"], rest["next"]), (3, None))
        for wrong in ({}, {"ids": []}, {"ids": "id-0"}, {"ids": [1]}, {"all": True, "limit": "x"}, {"all": True, "limit": -1},
                      {"task": 7}, {"since": "yesterday"}, {"all": True, "next": "x"}, {"all": True, "queue": "nosuch"},
                      {"all": True, "vhost": "nosuch"}, {"ids": ["x"] * 1001}):
            answer = self.ask(verb="replay_dead_letters", **wrong)
            self.assertFalse(answer["ok"], wrong)
            self.assertTrue(answer["error"], wrong)
        self.assertFalse(self.ask(verb="show_dead_letter")["ok"])
        self.assertFalse(self.ask(verb="list_dead_letters", limit=5000)["ok"])

    def test_a_wrong_command_line_says_what_is_wrong(self):
        for arguments, said in ((("lst",), "did you mean 'list'"), (("replay",), "say which"), (("show",), "one ID"),
                                (("list", "id"), "no ID"), (("replay", "--al"), "--al"),
                                (("list", "--formatter", "xml"), "table or json")):
            self.assertIn(said, self.ctl(*arguments, code=64))
        for command in ("list", "show", "replay", "discard"):
            self.assertIn(f"Usage: wherryctl dead-letters {command}", self.ctl(command, "--help"))

    def test_the_pages_commands_run(self):
        self.bury(3)
        commands = re.findall(r"^\$ wherryctl (dead-letters .*)$", PAGE.read_text(encoding="utf-8"), re.M)
        self.assertGreater(len(commands), 4)
        for command in commands:
            words = shlex.split(command)
            code = 69 if words[1] == "show" else 0  # It shows one that is not there.
            self.ctl(*words[1:], code=code)

    def test_every_key_of_the_page_is_there(self):
        self.bury(1)
        text = PAGE.read_text(encoding="utf-8").split("## As JSON")[1]
        page = [json.loads(line) for line in re.findall(r"^(\{.*\})$", text, re.M)]
        listed = self.ask(verb="list_dead_letters")["result"][0]
        self.assertEqual(set(listed), set(page[1]["result"][0]))
        shown = self.ask(verb="show_dead_letter", id="id-0")["result"][0]
        named = set(re.findall(r"`(\w+)`", re.search(r"`show_dead_letter` adds (.*?)\n-", text, re.S).group(1)))
        self.assertLessEqual(set(shown) - set(listed), named)
        self.assertEqual(set(self.ask(verb="replay_dead_letters", ids=["id-0"])["result"]), set(page[3]["result"]))


if __name__ == "__main__":
    main()

"""Tasks as operators see them: what the management API and wherryctl know of tasks, workers and schedules."""

import json
import pathlib
import time
import urllib.parse
import uuid

import pika

import brokers
from brokers import BIN_DIR, TIME_SCALE
from harness import main, tearDownModule, wait_until  # noqa: F401
from management import ManagementTest, in_path
from workers_test import LIBRARY, WorkersTest


class TasksTest(WorkersTest):
    broker_config = None

    @classmethod
    def start_broker(cls):
        broker = brokers.WherryBroker(cls.broker_config, ["--management", "127.0.0.1:0", "--metrics", "127.0.0.1:0"])
        ManagementTest.find_ports.__func__(cls, broker)
        return broker

    api = ManagementTest.api

    def tasks(self, **query):
        return self.api("GET", "/wherry/tasks/%2F?" + urllib.parse.urlencode(query))

    def task(self, id_):
        return self.api("GET", f"/wherry/tasks/%2F/{in_path(id_)}")

    def wait_state(self, id_, state):
        """The whole of a task, once it is in that state."""
        def there():
            found = [each for each in self.tasks() if each["id"] == id_ and each["state"] == state]
            return self.task(id_) if found else None
        return wait_until(there, f"{id_} is {state}", 30)

    def ctl(self, *arguments, code=0):
        done, said, errors = self.broker.control(*arguments)
        self.assertEqual(done, code, said + errors)
        return said if code == 0 else errors

    def ctl_json(self, *arguments):
        return json.loads(self.ctl(*arguments, "--formatter", "json"))

    def wherry_node(self, *options):
        """A worker of Wherry's: (name, program, queue)."""
        name, queue = f"w{uuid.uuid4().hex[:8]}@test", self.name("tasks")
        program = self.start([BIN_DIR / "wherry-worker", "--load", LIBRARY, "-b", self.broker.url(), "-Q", queue, "-c", "2",
                              "-n", name, *options], env={"LEDGER": str(self.ledger)}, cwd=self.folder.name)
        program.wait_line("wherry-worker ready", timeout=30)
        return name, program, queue

    def gate(self):
        path = pathlib.Path(self.folder.name) / f"gate-{uuid.uuid4().hex}"
        self.addCleanup(path.touch)
        return path

    def wait_worker(self, name, **fields):
        def there():
            for each in self.api("GET", "/wherry/workers/%2F"):
                if each["name"] == name and all(each[key] == value for key, value in fields.items()):
                    return each
            return None
        return wait_until(there, f"{name} is {fields}", 30)


class WherrysWorker(TasksTest):
    @classmethod
    def setUpClass(cls):
        super().setUpClass()
        cls.app.conf.task_send_sent_event = True

    def test_a_tasks_whole_life_is_seen(self):
        name, _, queue = self.wherry_node("-E")
        sent = self.send("flaky", 2, queue=queue)
        whole = self.wait_state(sent.id, "SUCCESS")
        self.assertEqual((whole["name"], whole["worker"], whole["queue"]), ("tasks.flaky", name, queue))
        self.assertEqual((whole["args"], whole["result"], whole["error"]), ("(2,)", "2", None))
        self.assertEqual([each["outcome"] for each in whole["attempts"]], ["RETRY", "RETRY", "SUCCESS"])
        self.assertEqual([each["attempt"] for each in whole["attempts"]], [1, 2, 3])
        self.assertIn("attempt 1", whole["attempts"][0]["error"])
        self.assertIsNone(whole["attempts"][2]["error"])
        self.assertEqual(whole["retries"], 2)
        self.assertGreaterEqual(whole["runtime"], 0)
        self.assertLessEqual(whole["sent"], whole["received"])
        self.assertLessEqual(whole["received"], whole["ended"])
        self.assertEqual(whole["steps"][0]["type"], "task-sent")
        self.assertEqual(whole["steps"][-1]["type"], "task-succeeded")
        (named,) = [each for each in self.api("GET", "/wherry/task-names/%2F") if each["name"] == "tasks.flaky"]
        self.assertEqual((named["succeeded"], named["retried"], named["states"]["SUCCESS"]), (1, 2, 1))
        self.assertEqual(named["runtime"]["buckets"][-1], {"le": None, "count": 1})
        overview = self.api("GET", "/wherry/task-overview/%2F")
        self.assertTrue(overview["observing"])
        self.assertEqual((overview["refused"], overview["missed"]), (0, 0))

    def test_a_failure_is_seen_listed_and_tried_again(self):
        _, _, queue = self.wherry_node("-E")
        sent = self.send("fail", "no such mailbox", queue=queue)
        whole = self.wait_state(sent.id, "FAILURE")
        self.assertIn("no such mailbox", whole["error"])
        self.assertIn("no such mailbox", whole["attempts"][0]["error"])
        self.assertEqual([each["id"] for each in self.tasks(state="FAILURE", task="tasks.f*", worker=whole["worker"])], [sent.id])
        self.assertEqual(self.tasks(state="SUCCESS", worker=whole["worker"]), [])
        (row,) = [each for each in self.ctl_json("tasks", "--state", "failure") if each["id"] == sent.id]
        self.assertEqual(row["name"], "tasks.fail")
        self.assertIn(sent.id, self.ctl("tasks", "--task", "tasks.fail"))
        self.wait_depth(self.channel(), "wherry.dead", 1)
        self.assertEqual(self.api("POST", f"/wherry/tasks/%2F/{sent.id}/retry")["replayed"], 1)

        def again():
            attempts = self.task(sent.id)["attempts"]
            return [each["outcome"] for each in attempts] == ["FAILURE", "FAILURE"]
        wait_until(again, "it has failed again", 30)
        self.wait_depth(self.channel(), "wherry.dead", 1)
        (replayed,) = self.ctl_json("retry", sent.id)
        self.assertEqual(replayed["replayed"], 1)
        wait_until(lambda: len(self.task(sent.id)["attempts"]) == 3, "the third attempt", 30)
        self.channel().queue_purge("wherry.dead")
        self.assertIn("no dead letter", self.api("POST", f"/wherry/tasks/%2F/{uuid.uuid4()}/retry", expect=404)["reason"])

    def test_children_are_found_by_their_parent(self):
        _, _, queue = self.wherry_node("-E")
        first = self.app.signature("tasks.add", args=(1, 2), queue=queue)
        second = self.app.signature("tasks.add", args=(3,), queue=queue)
        result = (first | second).apply_async()
        self.wait_state(result.id, "SUCCESS")
        parent = wait_until(lambda: self.task(result.parent.id)["children"] and self.task(result.parent.id), "a child", 20)
        self.assertEqual(parent["children"], [{"id": result.id, "name": "tasks.add", "state": "SUCCESS"}])
        child = self.task(result.id)
        self.assertEqual(child["parent"], {"id": result.parent.id, "name": "tasks.add", "state": "SUCCESS"})
        self.assertEqual({each["id"] for each in self.tasks(root=result.parent.id)}, {result.id, result.parent.id})

    def test_a_running_task_is_revoked(self):
        name, _, queue = self.wherry_node("-E")
        running = self.send("until_stopped", "revoked by http", queue=queue)
        self.wait_state(running.id, "STARTED")
        answers = self.api("POST", f"/wherry/tasks/%2F/{running.id}/revoke", {"terminate": True})["answers"]
        self.assertIn("ok", answers[name])
        whole = self.wait_state(running.id, "REVOKED")
        self.assertEqual(whole["attempts"][0]["outcome"], "REVOKED")
        self.api("POST", f"/wherry/tasks/%2F/{running.id}/revoke", {"kill": True}, expect=400)
        later = self.send("until_stopped", "revoked by wherryctl", queue=queue)
        self.wait_state(later.id, "STARTED")
        rows = self.ctl_json("revoke", later.id, "--terminate")
        self.assertIn(name, [each["worker"] for each in rows])
        self.wait_state(later.id, "REVOKED")

    def test_a_worker_is_seen_and_told(self):
        name, program, queue = self.wherry_node()
        row = self.wait_worker(name, online=True)
        self.assertEqual((row["software"], row["pid"], row["task_events"]), ("wherry", program.process.pid, False))
        path = f"/wherry/workers/%2F/{name}"
        whole = self.api("GET", path)
        self.assertTrue(whole["answered"])
        self.assertEqual(whole["stats"]["pool"]["max-concurrency"], 2)
        self.assertEqual([each["name"] for each in whole["queues"]], [queue])
        self.assertIn("tasks.add", whole["registered"])
        self.assertEqual(whole["active"], [])
        self.assertIn("ok", self.api("POST", f"{path}/pool_grow", {"n": 3})["answers"][name])
        wait_until(lambda: self.api("GET", path)["stats"]["pool"]["max-concurrency"] == 5, "the pool has grown")
        self.assertIn("ok", self.api("POST", f"{path}/enable_events")["answers"][name])
        self.wait_state(self.send("add", 1, 2, queue=queue).id, "SUCCESS")
        self.wait_worker(name, task_events=True)
        (told,) = self.ctl_json("tell_worker", name, "rate_limit", '{"task_name": "tasks.add", "rate_limit": "10/m"}')
        self.assertEqual(told["worker"], name)
        self.assertIn("workers are not told 'dance'", self.api("POST", f"{path}/dance", expect=400)["reason"])
        self.assertIn("wants queue", self.api("POST", f"{path}/add_consumer", expect=400)["reason"])
        self.assertIn("has no argument 'm'", self.api("POST", f"{path}/pool_grow", {"m": 1}, expect=400)["reason"])
        self.api("POST", "/wherry/workers/%2F/nobody@test/ping", expect=404)
        self.api("GET", "/wherry/workers/%2F/nobody@test", expect=404)
        self.assertIn(name, self.ctl("workers"))
        self.api("POST", f"{path}/shutdown", expect=202)
        self.assertEqual(program.wait_exit(30), 0)
        self.wait_worker(name, online=False)

    def test_a_task_sent_by_wherryctl_is_known_before_a_worker_comes(self):
        queue = self.name()
        self.channel().queue_declare(queue, durable=True)
        (sent,) = self.ctl_json("enqueue", "tasks.add", "--args", "[1, 2]", "--queue", queue)
        whole = self.task(sent["id"])
        self.assertEqual((whole["state"], whole["queue"], whole["args"]), ("PENDING", queue, "(1, 2)"))
        self.assertEqual(json.loads(self.get(self.channel(), queue, auto_ack=True)[2])[0], [1, 2])
        self.assertIn("args is a list", self.ctl("enqueue", "tasks.add", "--args", "7", "--queue", queue, code=69))
        self.assertIn("no event told", self.ctl("task", "unknown", code=69))
        shown = {each["key"]: each["value"] for each in self.ctl_json("task", sent["id"])}
        self.assertEqual(shown["name"], "tasks.add")


class CelerysWorker(TasksTest):
    @classmethod
    def setUpClass(cls):
        super().setUpClass()
        cls.worker = cls.start_worker("py", "-c", "2", "-Q", "celery", "-E")

    @classmethod
    def tearDownClass(cls):
        try:
            cls.worker.terminate()
            cls.worker.check_success(40)
        finally:
            cls.worker.stop()
            super().tearDownClass()

    def test_its_tasks_and_its_worker_are_seen(self):
        sent = self.send("flaky", 1)
        whole = self.wait_state(sent.id, "SUCCESS")
        self.assertEqual((whole["name"], whole["worker"]), ("tasks.flaky", "py@test"))
        self.assertEqual([each["outcome"] for each in whole["attempts"]], ["RETRY", "SUCCESS"])
        failed = self.send("fail", "on purpose")
        whole = self.wait_state(failed.id, "FAILURE")
        self.assertIn("ValueError", whole["error"])
        self.assertIn("Traceback", whole["attempts"][0]["traceback"])
        row = self.wait_worker("py@test", online=True)
        self.assertEqual((row["software"], row["task_events"]), ("py-celery", True))
        whole = self.api("GET", "/wherry/workers/%2F/py@test")
        self.assertEqual(whole["stats"]["pool"]["max-concurrency"], 2)
        self.assertIn("tasks.add", whole["registered"])
        self.assertIn("ok", self.api("POST", "/wherry/workers/%2F/py@test/pool_grow", {"n": 1})["answers"]["py@test"])
        pings = self.api("POST", "/wherry/workers/%2F/*/ping")["answers"]
        self.assertEqual(pings, {"py@test": {"ok": "pong"}})

    def test_its_running_task_is_revoked(self):
        gate = self.gate()
        running = self.send("noted", "revoked at celery", str(gate))
        self.wait_state(running.id, "STARTED")
        answers = self.api("POST", f"/wherry/tasks/%2F/{running.id}/revoke", {"terminate": True, "signal": "KILL"})
        self.assertIn("ok", answers["answers"]["py@test"])
        self.wait_state(running.id, "REVOKED")


class Hostile(TasksTest):
    broker_config = "tasks:\n  most: 50\n  most_bytes: 1MiB\n"

    def publish_events(self, *bodies, type_="application/json"):
        channel = self.channel()
        channel.exchange_declare("celeryev", "topic", durable=True)
        for body in bodies:
            channel.basic_publish("celeryev", "task.multi", body if isinstance(body, bytes) else json.dumps(body).encode(),
                                  pika.BasicProperties(content_type=type_, content_encoding="utf-8"))

    def overview(self):
        return self.api("GET", "/wherry/task-overview/%2F")

    def test_what_is_no_event_costs_a_counter(self):
        overview = self.overview()
        before, workers = overview["refused"], overview["workers"]
        self.publish_events(b"{", b"\xff\xfe", [], [7, {}], {"type": "task-started"}, b"[" * 5000)
        self.publish_events(b"cos\nsystem", type_="application/x-python-serialize")
        wait_until(lambda: self.overview()["refused"] == before + 7, "all are refused")
        self.assertEqual(self.overview()["workers"], workers)

    def test_a_flood_stays_within_its_bounds(self):
        def event(number):
            return {"type": "task-failed", "hostname": f"w{number % 7}", "timestamp": time.time(), "uuid": f"flood-{number}",
                    "exception": "x" * 2000, "traceback": "y" * 10000}
        for batch in range(20):
            self.publish_events([event(batch * 100 + number) for number in range(100)])
        wait_until(lambda: self.overview()["events"] >= 2000, "all are read", 60)
        overview = self.overview()
        self.assertLessEqual(overview["tasks"], 50)
        self.assertLessEqual(overview["bytes"], 1 << 20)
        self.assertGreaterEqual(overview["forgotten"], 1950)
        self.assertEqual(self.tasks(limit=1)[0]["error"], "x" * 1021 + "...")

    def test_who_may_not_read_events_sees_no_arguments(self):
        self.publish_events({"type": "task-received", "hostname": "w", "timestamp": time.time(), "uuid": "secret",
                             "name": "tasks.login", "args": "('password',)"})
        wait_until(lambda: [each for each in self.tasks() if each["id"] == "secret"], "the task")
        self.api("PUT", "/users/clerk", {"password": "pw", "tags": "management"})
        clerk = {"user": "clerk", "password": "pw"}
        self.api("GET", "/wherry/tasks/%2F", expect=401, **clerk)
        self.api("PUT", "/permissions/%2F/clerk", {"configure": "", "write": "", "read": ""})
        for row in (self.api("GET", "/wherry/tasks/%2F/secret", **clerk), self.api("GET", "/wherry/tasks/%2F?task=tasks.login", **clerk)[0]):
            self.assertEqual(row["name"], "tasks.login")
            self.assertNotIn("args", row)
        self.api("POST", "/wherry/tasks/%2F/secret/revoke", {}, expect=401, **clerk)
        self.api("POST", "/wherry/workers/%2F/*/shutdown", {}, expect=401, **clerk)
        self.api("GET", "/wherry/schedules/%2F", expect=401, **clerk)
        self.api("PUT", "/permissions/%2F/clerk", {"configure": "", "write": "", "read": "^celeryev$"})
        self.assertEqual(self.api("GET", "/wherry/tasks/%2F/secret", **clerk)["args"], "('password',)")

    def test_what_is_asked_wrongly_is_refused_with_its_reason(self):
        self.assertIn("is no state", self.api("GET", "/wherry/tasks/%2F?state=LOST", expect=400)["reason"])
        self.assertIn("limit is 1 to", self.api("GET", "/wherry/tasks/%2F?limit=0", expect=400)["reason"])
        self.api("GET", "/wherry/tasks/nowhere", expect=404)
        self.assertIn("no worker answered", self.api("POST", "/wherry/tasks/%2F/x/revoke", expect=404)["reason"])
        paged = self.api("GET", "/wherry/tasks/%2F?page=1&page_size=5")
        self.assertEqual((paged["page"], paged["page_size"]), (1, 5))


class NotWatched(TasksTest):
    broker_config = "tasks:\n  observe: false\n"

    def test_it_is_said_that_tasks_are_not_watched(self):
        overview = self.api("GET", "/wherry/task-overview/%2F")
        self.assertEqual((overview["observing"], overview["tasks"]), (False, 0))
        self.assertIn("tasks.observe", overview["why"])
        self.assertIn("tasks.observe", self.ctl("tasks", code=69))


class Schedules(TasksTest):
    def start_scheduler(self, entries):
        name = self.name("schedule")
        path = pathlib.Path(self.folder.name) / f"{name}.yaml"
        path.write_text(json.dumps({"name": name, "beat_schedule": entries}), encoding="utf-8")
        program = self.start([BIN_DIR / "wherry-worker", "--schedule", path, "--schedule-only", "-b", self.broker.url()])
        program.wait_error(": active", timeout=30 * TIME_SCALE)
        return name, program

    def entries_of(self, name):
        return [each for each in self.api("GET", "/wherry/schedules/%2F") if each["schedule"] == name]

    def test_entries_are_listed_and_run_now(self):
        queue = self.name()
        name, _ = self.start_scheduler({"yearly": {"task": "tasks.add", "cron": "0 3 1 1 *", "args": [1, 2],
                                                   "options": {"queue": queue, "serializer": "json"}},
                                        "other": {"task": "tasks.total", "every": "1h"}})
        # Active, it may be asked a moment later.
        wait_until(lambda: len(self.entries_of(name)) == 2, "both entries", 20)
        entry = [each for each in self.entries_of(name) if each["name"] == "yearly"][0]
        self.assertEqual((entry["task"], entry["queue"], entry["args"]), ("tasks.add", queue, "(1, 2)"))
        self.assertEqual(len(entry["next"]), 3)
        self.assertIn("-01-01T03:00:00", entry["next"][0])
        self.assertIn("0 3 1 1 *", entry["times"])
        ran = self.api("POST", f"/wherry/schedules/%2F/{name}/yearly/run", expect=202)
        self.assertTrue(ran["id"].startswith("yearly:now:"), ran)
        _, properties, body = self.get(self.channel(), queue, auto_ack=True)
        self.assertEqual((properties.headers["id"], json.loads(body)[0]), (ran["id"], [1, 2]))
        (again,) = self.ctl_json("run_schedule", "yearly", "--schedule", name)
        self.assertNotEqual(again["id"], ran["id"])
        self.assertEqual(self.get(self.channel(), queue, auto_ack=True)[1].headers["id"], again["id"])
        self.assertIn("no entry 'none'", self.api("POST", f"/wherry/schedules/%2F/{name}/none/run", expect=404)["reason"])
        self.assertIn("yearly", self.ctl("list_schedules"))
        self.api("POST", "/wherry/schedules/%2F/no-such-schedule/yearly/run", expect=404)


if __name__ == "__main__":
    main()

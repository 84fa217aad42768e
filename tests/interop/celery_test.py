"""Celery, all in Python, over the broker: what its users do all day, with a worker process of Debian's celery."""

import os
import pathlib
import sys
import tempfile
import time

from harness import HERE, PYTHON, BrokerTest, Program, main, tearDownModule, wait_until  # noqa: F401

import celery
from celery import chain, group

sys.path.insert(0, str(HERE / "celeryapp"))


class CeleryTest(BrokerTest):
    """A broker, and the application whose tasks are sent by this process."""

    backend = "rpc://"

    @classmethod
    def setUpClass(cls):
        super().setUpClass()
        cls.folder = tempfile.TemporaryDirectory(prefix="wherry-celery-")
        cls.ledger = pathlib.Path(cls.folder.name) / "ledger"
        cls.app = celery.Celery("client", broker=cls.broker.url(), backend=cls.backend)

    @classmethod
    def tearDownClass(cls):
        cls.app.close()
        super().tearDownClass()
        cls.folder.cleanup()

    @classmethod
    def start_worker(cls, name, *options, env=None):
        """A worker process, to be stopped by the caller; ready when this returns."""
        worker = Program([PYTHON, "-B", "-m", "celery", "-A", "tasks", "worker", "-l", "info", "-n", f"{name}@test",
                          *options], cwd=cls.folder.name,
                         env={"AMQP_URL": cls.broker.url(), "PYTHONPATH": str(HERE / "celeryapp"),
                              "RESULT_BACKEND": cls.backend, "LEDGER": str(cls.ledger), "C_FORCE_ROOT": "1", **(env or {})})
        try:
            worker.wait_error(f"{name}@test ready.", 60)
        except BaseException:
            worker.kill()
            raise
        return worker

    def worker_for_this_test(self, *arguments, **options):
        worker = self.start_worker(*arguments, **options)
        self.addCleanup(worker.stop)
        return worker

    def send(self, task, *args, **options):
        return self.app.send_task(task if "." in task else f"tasks.{task}", args, **options)

    @classmethod
    def noted(cls):
        return cls.ledger.read_text(encoding="utf-8").splitlines() if cls.ledger.exists() else []


class Celery(CeleryTest):
    @classmethod
    def setUpClass(cls):
        super().setUpClass()
        cls.worker = cls.start_worker("one", "-c", "2")

    @classmethod
    def tearDownClass(cls):
        try:
            cls.worker.terminate()
            cls.worker.check_success(40)
            if "Connection to broker lost" in cls.worker.errors:
                raise AssertionError("the worker lost its connection:\n" + cls.worker.errors)
        finally:
            cls.worker.stop()
            super().tearDownClass()

    def test_tasks_run_and_results_come_back(self):
        results = [self.send("add", number, number) for number in range(40)]
        self.assertEqual([result.get(timeout=20) for result in results], [2 * number for number in range(40)])
        fields = {"text": "ü", "number": 7, "real": 0.5, "none": None, "list": [1, {"a": []}], "yes": True}
        self.assertEqual(self.app.send_task("tasks.describe", kwargs=fields).get(timeout=20), {
            "text": "str ü", "number": "int 7", "real": "float 0.5", "none": "NoneType None",
            "list": "list [1, {'a': []}]", "yes": "bool True"})
        sent = self.app.send_task("email.send", kwargs={"to": "a@b.c", "subject": "Hi"}, compression="zlib")
        self.assertEqual(sent.get(timeout=20), {"to": "a@b.c", "subject": "Hi", "attempts": 1})

    def test_a_failure_comes_back_as_its_exception(self):
        result = self.send("fail", "on purpose")
        with self.assertRaisesRegex(Exception, "on purpose"):
            result.get(timeout=20)
        self.assertEqual(result.state, "FAILURE")

    def test_retries_come_back_in_time(self):
        self.assertEqual(self.send("flaky", 3).get(timeout=20), 3)

    def test_a_countdown_is_waited_for(self):
        sent = time.time()
        self.assertGreaterEqual(self.send("when", countdown=1).get(timeout=20) - sent, 0.95)

    def test_many_countdowns_do_not_stop_what_is_due_now(self):
        # Each held task raises the worker's prefetch by basic.qos on its running consumer.
        later = [self.send("add", number, 0, countdown=3) for number in range(30)]
        self.assertEqual(self.send("add", 1, 1).get(timeout=20), 2)
        self.assertEqual([result.get(timeout=30) for result in later], list(range(30)))

    def test_an_expired_task_is_not_run(self):
        result = self.send("noted", "expired", expires=-1)
        self.send("noted", "after expired").get(timeout=20)
        self.worker.wait_error(f"Discarding revoked task: tasks.noted[{result.id}]")
        self.assertNotIn("began expired", "\n".join(self.noted()))

    def test_chains_and_groups(self):
        def add(*args):
            return self.app.signature("tasks.add", args=args)
        self.assertEqual(chain(add(1, 2), add(3), add(4)).apply_async().get(timeout=20), 10)
        self.assertEqual(group(add(n, n) for n in range(10)).apply_async().get(timeout=20),
                         [2 * n for n in range(10)])

    def test_links_are_called_with_the_result(self):
        noted = self.app.signature("tasks.noted")
        self.send("add", 20, 22, link=noted)
        wait_until(lambda: any(line.startswith("ended 42") for line in self.noted()), "the link ran")

    def test_inspect_and_control(self):
        inspect = self.app.control.inspect(timeout=5, limit=1)
        self.assertEqual(inspect.ping(), {"one@test": {"ok": "pong"}})
        self.assertIn("tasks.add", self.app.control.inspect(timeout=5, limit=1).registered()["one@test"])
        stats = self.app.control.inspect(timeout=5, limit=1).stats()["one@test"]
        self.assertEqual(stats["broker"]["transport"], "amqp")
        queues = self.app.control.inspect(timeout=5, limit=1).active_queues()["one@test"]
        self.assertEqual([queue["name"] for queue in queues], ["celery"])
        reply = self.app.control.add_consumer("other", reply=True, timeout=5, limit=1)
        self.assertIn("ok", reply[0]["one@test"])
        self.assertEqual(self.send("add", 2, 3, queue="other").get(timeout=20), 5)
        self.app.control.cancel_consumer("other", reply=True, timeout=5, limit=1)
        grown = self.app.control.pool_grow(1, reply=True, timeout=5, limit=1)
        self.assertIn("ok", grown[0]["one@test"])
        self.assertEqual(self.send("add", 1, 1).get(timeout=20), 2)

    def test_a_revoked_task_is_not_run(self):
        result = self.send("noted", "revoked", countdown=2)
        wait_until(lambda: any(task["request"]["id"] == result.id for task in (
            self.app.control.inspect(timeout=5, limit=1).scheduled() or {}).get("one@test", ())), "it is scheduled", 30)
        self.app.control.revoke(result.id, reply=True, timeout=5, limit=1)
        with self.assertRaises(celery.exceptions.TaskRevokedError):
            result.get(timeout=30)
        self.assertNotIn("began revoked", "\n".join(self.noted()))

    def test_events_tell_what_happens(self):
        seen = []
        with self.app.connection_for_read() as connection:
            receiver = self.app.events.Receiver(connection, handlers={"*": lambda event: seen.append(event)})
            consumer = receiver.itercapture(limit=None, timeout=None, wakeup=True)
            next(consumer)
            result = self.send("add", 1, 2)

            def step():
                next(consumer)
                return any(event["type"] == "task-succeeded" and event["uuid"] == result.id for event in seen)

            wait_until(step, "task-succeeded")
        kinds = [event["type"] for event in seen if event.get("uuid") == result.id]
        self.assertEqual(kinds, ["task-received", "task-started", "task-succeeded"])


class SeveralWorkers(CeleryTest):
    def test_each_task_runs_once_on_some_worker(self):
        workers = [self.worker_for_this_test(f"w{number}", "-c", "1", env={"PREFETCH": "1", "ACKS_LATE": "1"})
                   for number in range(3)]
        results = [self.send("noted", f"task{number}") for number in range(60)]
        self.assertEqual([result.get(timeout=60) for result in results], [f"task{number}" for number in range(60)])
        ended = [line.split() for line in self.noted() if line.startswith("ended")]
        self.assertEqual(sorted(words[1] for words in ended), sorted(f"task{number}" for number in range(60)))
        self.assertEqual(len({words[2] for words in ended}), 3, "every worker had some")
        replies = self.app.control.ping(timeout=3)
        self.assertEqual(sorted(name for reply in replies for name in reply), [f"w{n}@test" for n in range(3)])
        self.assertIn("sync with 2 nodes", workers[2].errors)

    def test_the_task_of_a_killed_worker_is_run_by_another(self):
        late = {"PREFETCH": "1", "ACKS_LATE": "1", "CELERY_QUEUE": "late"}
        gate = os.path.join(self.folder.name, "gate")
        first = self.worker_for_this_test("killed", "-P", "solo", env=late)
        result = self.send("noted", "precious", gate, queue="late")
        wait_until(lambda: any("began precious" in line for line in self.noted()), "it began")
        self.worker_for_this_test("saviour", "-P", "solo", env=late)
        first.kill()
        wait_until(lambda: sum("began precious" in line for line in self.noted()) == 2, "it began again")
        pathlib.Path(gate).touch()
        self.assertEqual(result.get(timeout=20), "precious")
        self.assertEqual(sum("ended precious" in line for line in self.noted()), 1)
        self.wait_depth(self.channel(), "late", 0)


if __name__ == "__main__":
    main()

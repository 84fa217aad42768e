"""Celery and Wherry on one broker: each sends tasks that the other's workers run, and gets the results back."""

import os
import pathlib
import re
import time
import uuid

from brokers import BIN_DIR
from celery_test import CeleryTest
from harness import KIND, Program, main, tearDownModule, wait_until  # noqa: F401

LIBRARY = BIN_DIR.parent / "lib" / "libinterop-tasks.so"


class WorkersTest(CeleryTest):
    result_backend = "rpc"  # As Wherry's programs write it.

    @classmethod
    def start_wherry_worker(cls, *queues, concurrency=1):
        worker = Program([BIN_DIR / "wherry-worker", "--load", LIBRARY, "-b", cls.broker.url(), "-Q", ",".join(queues),
                          "-c", str(concurrency), "--result-backend", cls.result_backend],
                         env={"LEDGER": str(cls.ledger)}, cwd=cls.folder.name)
        try:
            worker.wait_line("wherry-worker ready", timeout=30)
        except BaseException:
            worker.stop()
            raise
        return worker

    @classmethod
    def stop_wherry_worker(cls, worker):
        try:
            worker.terminate()
            worker.check_success(40)
            if cls.sanitized(worker):
                raise AssertionError(worker.errors)
        finally:
            worker.stop()

    @staticmethod
    def sanitized(program):
        return re.search(r"(Address|Thread|Leak|UndefinedBehavior)Sanitizer|runtime error:", program.errors)

    def wherry(self, queue, *command, serializer="msgpack", code=0, url=None):
        """What a Wherry client prints that sends to the queue."""
        program = self.start([BIN_DIR / "interop-client", url or self.broker.url(), queue, serializer,
                              *(str(word) for word in command)], env={"RESULT_BACKEND": self.result_backend})
        self.assertEqual(program.wait_exit(90), code, f"{program.lines} {program.errors}")
        self.assertFalse(self.sanitized(program), program.errors)
        return program.lines

    @classmethod
    def in_ledger(cls, text):
        return [line for line in cls.noted() if line.startswith(text)]


class CelerySendsWherryRuns(WorkersTest):
    @classmethod
    def setUpClass(cls):
        super().setUpClass()
        cls.worker = cls.start_wherry_worker("celery", "other", concurrency=2)

    @classmethod
    def tearDownClass(cls):
        try:
            cls.stop_wherry_worker(cls.worker)
        finally:
            super().tearDownClass()

    def test_email_send_by_name_with_json(self):
        sent = self.app.send_task("email.send", kwargs={"to": "a@b.c", "subject": "Hällo"}, serializer="json")
        self.assertEqual(sent.get(timeout=30), {"to": "a@b.c", "subject": "Hällo", "attempts": 1})
        self.assertEqual(sent.state, "SUCCESS")

    def test_positional_arguments_and_many_results(self):
        results = [self.send("add", number, 1) for number in range(200)]
        self.assertEqual([result.get(timeout=30) for result in results], list(range(1, 201)))

    def test_a_failure_comes_back_with_its_reason(self):
        result = self.send("fail", "no such mailbox")
        with self.assertRaisesRegex(Exception, "no such mailbox"):
            result.get(timeout=30)
        self.assertEqual(result.state, "FAILURE")
        self.worker.wait_error("no such mailbox")

    def test_retries_are_made_by_wherry(self):
        self.assertEqual(self.send("flaky", 2).get(timeout=30), 2)

    def test_a_wrong_argument_is_named(self):
        result = self.app.send_task("email.send", kwargs={"too": "a@b.c", "subject": "x"})
        with self.assertRaises(Exception) as caught:
            result.get(timeout=30)
        self.assertRegex(str(caught.exception), r"\bto{1,2}\b")
        channel = self.channel()
        wait_until(lambda: b"a@b.c" in self.get(channel, "wherry.dead", auto_ack=True)[2], "the dead letter")

    def test_progress_is_heard_by_who_waits(self):
        gate = os.path.join(self.folder.name, "steps-gate")
        heard = []

        def hear(meta):
            heard.append((meta["status"], meta["result"]))
            pathlib.Path(gate).touch()
        self.assertEqual(self.send("steps", gate).get(timeout=30, on_message=hear), 2)
        self.assertEqual(heard[0], ("PROGRESS", {"done": 1, "of": 2}))

    def test_countdowns_are_kept(self):
        sent = time.time()
        self.assertGreaterEqual(self.send("when", countdown=1).get(timeout=30) - sent, 0.95)


class WherrySendsCeleryRuns(WorkersTest):
    @classmethod
    def setUpClass(cls):
        super().setUpClass()
        cls.worker = cls.start_worker("one", "-c", "2")

    @classmethod
    def tearDownClass(cls):
        try:
            cls.worker.terminate()
            cls.worker.check_success(40)
        finally:
            cls.worker.stop()
            super().tearDownClass()

    def test_results_come_back_from_python(self):
        self.assertEqual(self.wherry("celery", "add", 20, 22, serializer="json"), ["sum 42"])
        self.assertEqual(self.wherry("celery", "adds", 100, serializer="json"), ["100 jobs, sum 9900"])

    def test_a_struct_is_keyword_arguments(self):
        self.assertEqual(self.wherry("celery", "email", "a@b.c", "Hi", serializer="json"), ["receipt a@b.c Hi 1"])

    def test_types_arrive_as_pythons(self):
        self.assertEqual(self.wherry("celery", "describe", serializer="json"), [
            "list=list [1, 2]", "number=int 7", "real=float 0.5", "table=dict {'a': 1}", "text=str ü",
            "yes=bool True"])

    def test_a_python_exception_is_a_failure_with_its_type(self):
        self.assertEqual(self.wherry("celery", "fail", "on purpose", serializer="json", code=2),
                         ["failed ValueError: on purpose"])

    def test_progress_is_heard(self):
        gate = os.path.join(self.folder.name, "python-steps-gate")
        client = self.start([BIN_DIR / "interop-client", self.broker.url(), "celery", "json", "steps", gate])
        client.wait_line("progress integer 1", timeout=30)
        pathlib.Path(gate).touch()
        client.wait_line("steps 2", timeout=30)

    def test_the_result_of_a_task_that_has_children(self):
        self.assertEqual(self.wherry("celery", "text", "tasks.parent", serializer="json"), ['string "has a child"'])

    def test_python_retries(self):
        self.assertEqual(self.wherry("celery", "flaky", 2, serializer="json"), ["retries 2"])

    def test_a_countdown_is_kept(self):
        self.assertGreaterEqual(float(self.wherry("celery", "when", 1000, serializer="json")[0].split()[1]), 0.95)


class WherrySendsWherryRuns(WorkersTest):
    def test_every_command_of_the_client(self):
        worker = self.start_wherry_worker("work", concurrency=4)
        try:
            for serializer in ("msgpack", "json"):
                self.assertEqual(self.wherry("work", "adds", 300, serializer=serializer), ["300 jobs, sum 89700"])
                self.assertEqual(self.wherry("work", "email", "a@b.c", "Hi", serializer=serializer),
                                 ["receipt a@b.c Hi 1"])
                self.assertEqual(self.wherry("work", "flaky", 2, serializer=serializer), ["retries 2"])
            self.assertGreaterEqual(float(self.wherry("work", "when", 1000)[0].split()[1]), 0.95)
            self.assertIn("on purpose", self.wherry("work", "fail", "on purpose", code=2)[0])
        finally:
            self.stop_wherry_worker(worker)

    def test_clients_say_what_is_wrong(self):
        line = self.wherry("work", "connect", url=self.broker.url(password="wrong"), code=3)[0]
        self.assertRegex(line, r"^error denied \d+: .*ACCESS_REFUSED")
        line = self.wherry("work", "connect", url=self.broker.url(vhost="mars"), code=3)[0]
        self.assertRegex(line, r"^error denied \d+: .*vhost mars not found")
        line = self.wherry("work", "connect", url="amqp://guest:guest@127.0.0.1:1/", code=3)[0]
        self.assertRegex(line, r"^error (disconnected|timed_out) 0: .*[Cc]onnection refused")


class Kills(WorkersTest):
    def test_a_task_of_a_killed_worker_is_run_by_another_and_nothing_acked_again(self):
        queue = f"kill.{uuid.uuid4()}"
        gate = os.path.join(self.folder.name, "gate")
        first = self.start_wherry_worker(queue)
        self.addCleanup(first.stop)
        done = [self.send("noted", f"before{number}", "", queue=queue) for number in range(20)]
        results = [self.send("noted", "precious", gate, queue=queue)]
        results += [self.send("noted", f"after{number}", "", queue=queue) for number in range(20)]
        # One at a time: when this one has begun, all before it are acknowledged.
        wait_until(lambda: self.in_ledger("began precious"), "it began")
        first.kill()
        for result in done:
            result.get(timeout=30)
        second = self.start_wherry_worker(queue)
        wait_until(lambda: len(self.in_ledger("began precious")) == 2, "it began again")
        pathlib.Path(gate).touch()
        for result in results:
            result.get(timeout=30)
        counts = {}
        for line in self.in_ledger("began"):
            counts[line.split()[1]] = counts.get(line.split()[1], 0) + 1
        expected = {f"{when}{number}": 1 for when in ("before", "after") for number in range(20)}
        self.assertEqual(counts, {**expected, "precious": 2})
        self.stop_wherry_worker(second)
        self.wait_depth(self.channel(), queue, 0)

    def test_a_worker_that_is_told_to_stop_finishes_what_runs_and_returns_the_rest(self):
        queue = f"stop.{uuid.uuid4()}"
        gate = os.path.join(self.folder.name, "stop-gate")
        worker = self.start_wherry_worker(queue)
        self.addCleanup(worker.stop)
        running = self.send("noted", "running", gate, queue=queue)
        waiting = [self.send("noted", f"waiting{number}", "", queue=queue) for number in range(5)]
        wait_until(lambda: self.in_ledger("began running"), "it began")
        worker.terminate()
        self.wait_consumers(self.channel(), queue, 0)
        pathlib.Path(gate).touch()
        worker.check_success(40)
        self.assertEqual(running.get(timeout=30), "running")
        self.assertEqual(self.in_ledger("began waiting"), [])
        self.wait_depth(self.channel(), queue, 5)
        other = self.start_wherry_worker(queue, concurrency=3)
        self.assertEqual([result.get(timeout=30) for result in waiting], [f"waiting{number}" for number in range(5)])
        self.stop_wherry_worker(other)


if __name__ == "__main__":
    main()

"""Results in a store that Python's Celery and Wherry share: what one writes the other reads, while it is written and later.

Each store is this test's own, in a temporary folder.
"""

import contextlib
import gc
import json
import os
import pathlib
import types
import unittest
import uuid

from authority import Authority
from brokers import BIN_DIR
from harness import Program, main, tearDownModule, wait_until  # noqa: F401
from stores import PostgresStore, RedisStore, RedisTlsStore, SqliteStore
from workers_test import WorkersTest

import celery
from celery import group


class StoredResults(WorkersTest):
    """A store, an application that reads from it, a Wherry worker on one queue and a Python one on another."""

    store_class = None

    @classmethod
    def setUpClass(cls):
        if cls.store_class is None:
            raise unittest.SkipTest("the base of the others")
        cls.store = cls.store_class()
        cls.addClassCleanup(cls.store.stop)
        cls.backend, cls.result_backend = cls.store.celery_url, cls.store.wherry_url
        # Celery makes its tables once in a process, for whichever database comes first: for this one somebody else does.
        Program([BIN_DIR / "interop-results", cls.result_backend, "get", "nothing"]).check_success(60)
        super().setUpClass()
        cls.addClassCleanup(super().tearDownClass)
        cls.app.conf.update(result_expires=600)
        cls.wherry_worker = cls.start_wherry_worker("wherry", concurrency=4)
        cls.addClassCleanup(cls.wherry_worker.stop)
        cls.python_worker = cls.start_worker("one", "-c", "2", env={"CELERY_QUEUE": "python"})
        cls.addClassCleanup(cls.python_worker.stop)

    @classmethod
    def tearDownClass(cls):
        cls.stop_wherry_worker(cls.wherry_worker)
        gc.collect()  # Results say goodbye to the store when they go.

    def gate(self):
        return os.path.join(self.folder.name, f"gate-{uuid.uuid4()}")

    def tool(self, *words, code=0):
        program = self.start([BIN_DIR / "interop-results", self.result_backend, *(str(word) for word in words)])
        self.assertEqual(program.wait_exit(90), code, f"{program.lines} {program.errors}")
        return json.loads(program.lines[0])

    # --- a Wherry worker's results, read in Python -------------------------------------------------------------------
    def test_python_reads_what_a_wherry_worker_returned(self):
        results = [self.send("add", number, 1, queue="wherry") for number in range(50)]
        self.assertEqual([result.get(timeout=30) for result in results], list(range(1, 51)))
        sent = self.app.send_task("email.send", kwargs={"to": "a@b.c", "subject": "Hällo"}, queue="wherry")
        self.assertEqual(sent.get(timeout=30), {"to": "a@b.c", "subject": "Hällo", "attempts": 1})
        other = celery.Celery("other", broker=self.broker.url(), backend=self.backend)
        self.addCleanup(other.close)
        read = other.AsyncResult(sent.id)
        self.assertEqual((read.state, read.get(timeout=20)["subject"]), ("SUCCESS", "Hällo"))
        self.assertIsNotNone(read.date_done)

    def test_python_reads_why_a_wherry_worker_failed(self):
        result = self.send("fail", "no such mailbox", queue="wherry")
        with self.assertRaisesRegex(Exception, "no such mailbox"):
            result.get(timeout=30)
        self.assertEqual(result.state, "FAILURE")

    def test_python_reads_the_result_of_a_task_that_was_retried(self):
        self.assertEqual(self.send("flaky", 2, queue="wherry").get(timeout=30), 2)

    def test_python_sees_a_wherry_workers_progress(self):
        gate = self.gate()
        result = self.send("steps", gate, queue="wherry")
        wait_until(lambda: result.state == "PROGRESS", "its progress")
        self.assertEqual(result.info, {"done": 1, "of": 2})
        pathlib.Path(gate).touch()
        self.assertEqual(result.get(timeout=30), 2)

    def test_an_ignored_result_is_not_stored(self):
        ignored = self.send("noted", "ignored", "", queue="wherry", ignore_result=True)
        quiet = self.send("quiet", "by its registration", queue="wherry")
        wait_until(lambda: self.in_ledger("ended ignored") and self.in_ledger("quiet"), "they ran")
        self.assertEqual(self.send("add", 1, 1, queue="wherry").get(timeout=20), 2)
        self.assertEqual((ignored.state, quiet.state), ("PENDING", "PENDING"))

    def test_a_group_over_both_kinds_of_workers(self):
        parts = [self.app.signature("tasks.add", args=(number, number), queue=queue)
                 for number in range(10) for queue in ("wherry", "python")]
        result = group(parts, app=self.app).apply_async()
        self.assertEqual(result.get(timeout=30), [2 * number for number in range(10) for _ in range(2)])

    def test_python_forgets_a_result(self):
        result = self.send("add", 1, 1, queue="wherry")
        self.assertEqual(result.get(timeout=30), 2)
        result.forget()
        self.assertIsNone(self.tool("get", result.id))

    # --- a Python worker's results, read by Wherry -------------------------------------------------------------------
    def test_wherry_reads_what_a_python_worker_returned(self):
        self.assertEqual(self.wherry("python", "add", 20, 22, serializer="json"), ["sum 42"])
        self.assertEqual(self.wherry("python", "adds", 100, serializer="json"), ["100 jobs, sum 9900"])
        self.assertEqual(self.wherry("python", "email", "a@b.c", "Hi", serializer="json"), ["receipt a@b.c Hi 1"])

    def test_wherry_reads_why_a_python_worker_failed(self):
        self.assertEqual(self.wherry("python", "fail", "on purpose", serializer="json", code=2),
                         ["failed ValueError: on purpose"])

    def test_wherry_hears_the_progress_of_either_worker(self):
        for queue in ("python", "wherry"):
            gate = self.gate()
            client = self.start([BIN_DIR / "interop-client", self.broker.url(), queue, "json", "steps", gate],
                                env={"RESULT_BACKEND": self.result_backend})
            client.wait_line("progress integer 1", timeout=30)
            pathlib.Path(gate).touch()
            client.wait_line("steps 2", timeout=30)
            self.assertEqual(client.wait_exit(30), 0)

    def test_another_process_reads_a_result_by_its_id_and_forgets_it(self):
        for queue in ("python", "wherry"):
            task = self.wherry(queue, "send", 3, 4, serializer="json")[0]
            self.assertEqual(self.wherry("nowhere", "result", task), ["sum 7"])
            self.assertEqual(self.wherry("nowhere", "result", task), ["sum 7"])
        sent = self.send("add", 20, 3, queue="python")
        self.assertEqual(self.wherry("nowhere", "result", sent.id), ["sum 23"])
        self.wherry("nowhere", "forget", sent.id)
        wait_until(lambda: self.tool("get", sent.id) is None, "it is gone")

    def test_all_that_python_stores_is_read(self):
        fields = {"text": "ü", "number": 7, "real": 0.5, "none": None, "list": [1, {"a": []}], "yes": True}
        described = self.app.send_task("tasks.describe", kwargs=fields, queue="python")
        described.get(timeout=30)
        meta = self.tool("get", described.id)
        self.assertEqual((meta["status"], meta["result"]["list"]), ("SUCCESS", "list [1, {'a': []}]"))
        self.assertEqual(meta["task_id"], described.id)

    # --- the store is away -------------------------------------------------------------------------------------------
    def test_while_the_store_is_away_no_result_is_lost_and_no_task_runs_twice(self):
        if not self.store.can_restart:
            self.skipTest("there is no server to stop")
        names = [f"away-{number}" for number in range(8)]
        waiting = self.start([BIN_DIR / "interop-client", self.broker.url(), "wherry", "json", "steps",
                              gate := self.gate()], env={"RESULT_BACKEND": self.result_backend})
        waiting.wait_line("progress", timeout=30)
        self.store.kill()
        # Celery's own client does not send while its result backend is away; one without can.
        sender = celery.Celery("sender", broker=self.broker.url())
        self.addCleanup(sender.close)
        sent = [sender.send_task("tasks.noted", (name, ""), queue="wherry") for name in names]
        pathlib.Path(gate).touch()
        # Three beside the one that waits: as many as it may have in its hands.
        wait_until(lambda: len(self.in_ledger("ended away-")) >= 3, "it works on")
        self.store.start()
        reader = celery.Celery("reader", broker=self.broker.url(), backend=self.backend)
        self.addCleanup(reader.close)
        self.assertEqual([reader.AsyncResult(task.id).get(timeout=60) for task in sent], names)
        waiting.wait_line("steps 2", timeout=60)
        self.assertEqual(sorted(line.split()[1] for line in self.in_ledger("began away-")), names)


class RedisResults(StoredResults):
    store_class = RedisStore

    def test_results_expire(self):
        result = self.send("add", 1, 2, queue="wherry")
        self.assertEqual(result.get(timeout=30), 3)
        left = self.store.client().ttl(f"celery-task-meta-{result.id}")
        self.assertTrue(86_000 < left <= 86_400, left)

    def test_a_result_is_said_again_for_who_came_a_little_late(self):
        # As Celery's client may, which does not wait for its subscription. Who comes much later hears nothing: once is enough.
        sender = celery.Celery("sender", broker=self.broker.url(), set_as_current=False)
        self.addCleanup(sender.close)
        client = self.store.client()
        heard = client.pubsub()
        self.addCleanup(heard.close)

        def is_heard():
            key = f"celery-task-meta-{sender.send_task('tasks.add', (1, 2), queue='wherry').id}"
            wait_until(lambda: client.exists(key), "the result is stored")
            heard.subscribe(key)
            message = heard.get_message(timeout=20)
            while message and message["type"] != "message":
                message = heard.get_message(timeout=1)
            return message and json.loads(message["data"])["result"] == 3
        self.assertTrue(any(is_heard() for _ in range(20)))

    def test_a_stored_result_has_celerys_members(self):
        signature = self.app.signature("tasks.add", args=(1, 2), queue="wherry")
        results = group([signature, signature], app=self.app).apply_async()
        self.assertEqual(results.get(timeout=30), [3, 3])
        meta = json.loads(self.store.client().get(f"celery-task-meta-{results.results[0].id}"))
        self.assertEqual({key: meta[key] for key in ("status", "result", "traceback", "task_id", "group_id")},
                         {"status": "SUCCESS", "result": 3, "traceback": None, "task_id": results.results[0].id,
                          "group_id": results.id})

    def test_children_of_a_python_task_are_kept(self):
        sent = self.send("parent", queue="python")
        self.assertEqual(sent.get(timeout=30), "has a child")
        children = self.tool("get", sent.id)["children"]
        self.assertEqual([child[0][0] for child in children], [sent.children[0].id])

    # --- chords: one side's parts are counted by the other ---------------------------------------------------------
    def python_part(self, gid, index, value, body=None):
        request = types.SimpleNamespace(id=str(uuid.uuid4()), group=gid, group_index=index, chord=body)
        self.app.backend.on_chord_part_return(request, "SUCCESS", value)

    def test_python_finishes_a_chord_whose_parts_wherry_returned(self):
        gid, body_id = str(uuid.uuid4()), str(uuid.uuid4())
        self.app.backend.set_chord_size(gid, 4)
        for index in (2, 0, 3):
            self.assertEqual(self.tool("part", gid, index, uuid.uuid4(), index * 10)[0], (2, 0, 3).index(index) + 1)
        body = self.app.signature("tasks.total", queue="python", task_id=body_id)
        self.python_part(gid, 1, 10, body)
        self.assertEqual(self.app.AsyncResult(body_id).get(timeout=30), 60)

    def test_wherry_finishes_a_chord_whose_parts_python_returned(self):
        gid = str(uuid.uuid4())
        self.tool("size", gid, 4)
        for index in (3, 1, 0):
            self.python_part(gid, index, {"part": index})
        self.assertEqual(self.tool("part", gid, 2, uuid.uuid4(), '"mine"'),
                         [4, 4, [{"part": 0}, {"part": 1}, "mine", {"part": 3}]])

    def test_a_part_that_python_added_is_waited_for(self):
        gid = str(uuid.uuid4())
        self.app.backend.set_chord_size(gid, 1)
        self.app.backend.add_to_chord(gid, None)
        self.assertEqual(self.tool("part", gid, 0, uuid.uuid4(), 1), [1, 2, None])
        returned, size, results = self.tool("part", gid, 0, uuid.uuid4(), 2)
        self.assertEqual((returned, size, sorted(results)), (2, 2, [1, 2]))


class RedisTlsResults(RedisResults):
    """The same over TLS, with certificates on both sides, as Celery's own backend reads and writes it."""

    store_class = RedisTlsStore

    def test_a_server_that_cannot_be_trusted_gets_no_result(self):
        other = Authority()
        self.addCleanup(other.folder.cleanup)
        url = self.result_backend.replace(self.store.authority.ca, other.ca)
        tool = Program([BIN_DIR / "interop-results", url, "get", "nothing"])
        self.addCleanup(tool.stop)
        tool.wait_error("no connection to the result backend")
        self.assertIn("certificate", tool.errors)

    def test_files_that_are_not_there_are_named_at_once(self):
        tool = Program([BIN_DIR / "interop-results", self.result_backend.replace(".pem", ".missing"), "get", "nothing"])
        self.addCleanup(tool.stop)
        self.assertNotEqual(tool.wait_exit(30), 0)
        self.assertIn("result backend:", tool.errors)
        self.assertIn(".missing", tool.errors)


class DatabaseResults(StoredResults):
    def test_results_can_be_queried(self):
        wherry, python = (self.send("add", 40, 2, queue=queue) for queue in ("wherry", "python"))
        self.assertEqual((wherry.get(timeout=30), python.get(timeout=30)), (42, 42))
        with contextlib.closing(self.store.connect()) as database:
            cursor = database.cursor()
            cursor.execute("SELECT task_id, result_json FROM celery_taskmeta WHERE status = 'SUCCESS'")
            rows = dict(cursor.fetchall())
        self.assertEqual((str(rows[wherry.id]), rows[python.id]), ("42", None))


class SqliteResults(DatabaseResults):
    store_class = SqliteStore


class PostgresResults(DatabaseResults):
    store_class = PostgresStore


if __name__ == "__main__":
    main()

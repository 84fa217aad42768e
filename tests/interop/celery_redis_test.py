"""Celery with its tasks over the broker and its results in Redis, as many run it: chords need such a backend.

The redis-server is this test's own, on a socket in a temporary folder.
"""

import datetime
import gc
import os
import tempfile

from celery_test import CeleryTest
from harness import Program, main, tearDownModule, wait_until  # noqa: F401

import celery
from celery import chain, chord, group
from celery.canvas import chunks, xmap


class RedisResults(CeleryTest):
    @classmethod
    def setUpClass(cls):
        cls.redis_folder = tempfile.TemporaryDirectory(prefix="wherry-redis-")
        path = os.path.join(cls.redis_folder.name, "redis.sock")
        cls.backend = f"redis+socket://{path}"
        cls.redis = Program(["redis-server", "--port", "0", "--unixsocket", path, "--save", "", "--daemonize", "no"],
                            cwd=cls.redis_folder.name)
        cls.addClassCleanup(cls.redis_folder.cleanup)
        cls.addClassCleanup(cls.redis.stop)
        cls.redis.wait_line("eady to accept connections")
        super().setUpClass()
        cls.addClassCleanup(super().tearDownClass)
        cls.worker = cls.start_worker("one", "-c", "2")
        cls.addClassCleanup(cls.worker.stop)

    @classmethod
    def tearDownClass(cls):
        cls.worker.terminate()
        cls.worker.check_success(40)
        gc.collect()  # Results of workflows are in cycles, and say goodbye to Redis when they go.

    def task(self, name, *args, **options):
        return self.app.signature(f"tasks.{name}", args=args, **options)

    def doubled(self, count):
        return [self.task("add", number, number) for number in range(count)]

    # --- results -----------------------------------------------------------------------------------------------------
    def test_another_application_reads_the_result(self):
        result = self.send("add", 40, 2)
        self.assertEqual(result.get(timeout=20), 42)
        other = celery.Celery("other", broker=self.broker.url(), backend=self.backend)
        self.addCleanup(other.close)
        read = other.AsyncResult(result.id)
        self.assertEqual((read.state, read.get(timeout=20)), ("SUCCESS", 42))
        failed = self.send("fail", "on purpose")
        with self.assertRaisesRegex(Exception, "on purpose"):
            other.AsyncResult(failed.id).get(timeout=20)
        self.assertEqual(other.AsyncResult(failed.id).state, "FAILURE")

    def test_an_ignored_result_is_not_kept(self):
        ignored = self.send("noted", "ignored", ignore_result=True)
        wait_until(lambda: any(line.startswith("ended ignored") for line in self.noted()), "it ran")
        self.assertEqual(self.send("add", 1, 1).get(timeout=20), 2)
        self.assertEqual(self.app.AsyncResult(ignored.id).state, "PENDING")

    # --- workflows ---------------------------------------------------------------------------------------------------
    def test_a_chord_calls_its_body_with_all_the_results(self):
        self.assertEqual(chord(self.doubled(20), self.task("total")).apply_async().get(timeout=30), 380)
        self.assertEqual(chord(self.doubled(1), self.task("total")).apply_async().get(timeout=30), 0)

    def test_many_chords_at_once_each_have_their_own_results(self):
        started = [chord([self.task("add", base, number) for number in range(5)], self.task("total")).apply_async()
                   for base in range(20)]
        self.assertEqual([result.get(timeout=60) for result in started], [5 * base + 10 for base in range(20)])

    def test_chains_of_groups_and_chords_nest(self):
        whole = chain(self.task("add", 1, 1), group(self.task("add", number) for number in range(3)),
                      self.task("total"), self.task("add", 100))
        self.assertEqual(whole.apply_async().get(timeout=30), 109)
        inner = [chord(self.doubled(count), self.task("total")) for count in (2, 3)]
        self.assertEqual(chord(inner, self.task("total")).apply_async().get(timeout=30), 2 + 6)

    def test_a_retried_task_of_a_chord_counts_once(self):
        header = [self.task("flaky", failures) for failures in (0, 1, 2)]
        self.assertEqual(chord(header, self.task("total")).apply_async().get(timeout=30), 3)

    def test_a_failed_task_fails_the_chord_and_the_body_is_not_called(self):
        body = self.task("noted", immutable=True, kwargs={"text": "body of a failed chord"})
        result = chord([self.task("add", 1, 1), self.task("fail", "one of many")], body).apply_async()
        with self.assertRaisesRegex(celery.exceptions.ChordError, "one of many"):
            self.app.AsyncResult(result.id).get(timeout=30)
        self.assertFalse([line for line in self.noted() if "body of a failed chord" in line])

    def test_groups_tell_how_many_are_done(self):
        result = group(self.doubled(10)).apply_async()
        result.save()
        self.assertEqual(result.get(timeout=30), [2 * number for number in range(10)])
        restored = celery.result.GroupResult.restore(result.id, app=self.app)
        self.assertEqual((restored.completed_count(), restored.successful()), (10, True))

    def test_chunks_and_maps(self):
        pairs = [(number, number) for number in range(6)]
        self.assertEqual(chunks(self.task("add"), pairs, 2, app=self.app).apply_async().get(timeout=30),
                         [[0, 2], [4, 6], [8, 10]])
        self.assertEqual(xmap(self.task("total"), [[1, 2], [3, 4]], app=self.app).apply_async().get(timeout=30), [3, 7])

    # --- time and control --------------------------------------------------------------------------------------------
    def test_an_eta_is_waited_for(self):
        eta = datetime.datetime.now(datetime.timezone.utc) + datetime.timedelta(seconds=1.5)
        ran = self.send("when", eta=eta).get(timeout=20)
        self.assertGreaterEqual(ran, eta.timestamp() - 0.05)

    def test_a_running_task_is_terminated(self):
        gate = os.path.join(self.folder.name, "never")
        result = self.send("noted", "endless", gate)
        wait_until(lambda: any(line.startswith("began endless") for line in self.noted()), "it began")
        self.app.control.revoke(result.id, terminate=True, signal="SIGKILL")
        with self.assertRaises(celery.exceptions.TaskRevokedError):
            result.get(timeout=30)
        self.assertEqual(self.send("add", 1, 1).get(timeout=20), 2)

    def test_a_rate_limit_that_is_set_from_afar_holds(self):
        def limit(rate):
            reply = self.app.control.rate_limit("tasks.when", rate, reply=True, timeout=5, limit=1)
            self.assertIn("ok", reply[0]["one@test"])
        limit("4/s")
        self.addCleanup(limit, "0")
        results = [self.send("when") for _ in range(8)]
        times = sorted(result.get(timeout=30) for result in results)
        # A token bucket of one: the second comes a quarter of a second after the first, and so on.
        self.assertGreaterEqual(times[-1] - times[0], 1.5)

    def test_a_worker_shuts_down_when_it_is_told_to(self):
        worker = self.worker_for_this_test("told", "-P", "solo", env={"CELERY_QUEUE": "elsewhere"})
        self.app.control.shutdown(destination=["told@test"])
        worker.check_success(40)
        self.assertEqual(self.app.control.ping(timeout=5, limit=1), [{"one@test": {"ok": "pong"}}])


if __name__ == "__main__":
    main()

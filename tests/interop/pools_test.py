"""Tasks in processes of their own: what crashes, leaks or hangs there takes only itself along. Sent and watched by Celery."""

import json
import os
import pathlib
import signal
import unittest

import pika

from brokers import TIME_SCALE
from control_test import ControlTest
from harness import main, tearDownModule, wait_until  # noqa: F401

WITHOUT_SANITIZER = unittest.skipIf(TIME_SCALE > 1, "a sanitizer maps more memory than any limit allows")


def alive(pid):
    """Whether that process is there; one that nobody has waited for yet is not."""
    try:
        with open(f"/proc/{pid}/stat", encoding="utf-8") as file:
            return file.read().rsplit(")", 1)[1].split()[0] != "Z"
    except OSError:
        return False


class PoolsTest(ControlTest):
    def fails(self, result, pattern, state="FAILURE"):
        with self.assertRaisesRegex(Exception, pattern):
            result.get(timeout=60)
        self.assertEqual(result.state, state)
        return result

    def pid_of(self, text):
        """Of the process that noted that it began."""
        return int(wait_until(lambda: self.in_ledger(f"began {text}"), f"'{text}' begins")[0].split()[-1])


class Isolated(PoolsTest):
    """A worker with threads, and tasks that say `isolate`."""

    def test_a_crash_takes_only_its_own_process_along(self):
        name, program, queue = self.node(concurrency=2)
        gate = self.gate()
        beside = self.send("noted_apart", "beside", gate, queue=queue)
        other = self.pid_of("beside")
        self.assertNotEqual(other, program.process.pid)
        crashed = self.fails(self.send("crash", "segv", queue=queue), r"signal 11 \(SIGSEGV")
        self.assertIn("libinterop-tasks.so", crashed.traceback)
        self.assertTrue(alive(other))
        pathlib.Path(gate).touch()
        self.assertEqual(beside.get(timeout=30), "beside")
        # Three processes are its budget, whatever its retries.
        _, properties, _ = self.get(self.channel(), "wherry.dead", auto_ack=True)
        self.assertEqual([entry["attempt"] for entry in properties.headers["x-wherry-history"]], [1, 2, 3])
        self.assertIn("crash budget", properties.headers["x-wherry-reason"])
        self.assertEqual(self.inspect(name).ping()[name], {"ok": "pong"})

    def test_how_it_ended_is_told(self):
        _, _, queue = self.node()
        self.fails(self.send("crash", "abort", queue=queue), r"signal 6 \(SIGABRT")
        self.fails(self.send("crash", "exit", queue=queue), "exited with 3")
        self.fails(self.send("crash", "kill", queue=queue), r"signal 9 \(SIGKILL")
        self.fails(self.send("crash", "throw", queue=queue), "an exception is no crash")

    def test_a_hard_time_limit_is_kept(self):
        _, _, queue = self.node()
        result = self.send("hang", "too long", queue=queue, time_limit=0.5)
        pid = self.pid_of("too long")
        self.fails(result, "longer than its time limit")
        wait_until(lambda: not alive(pid), "its process is gone")
        self.assertNotEqual(self.send("pid", queue=queue).get(timeout=30), pid)

    def test_a_soft_time_limit_sets_the_stop_token(self):
        _, _, queue = self.node()
        self.send("until_stopped_apart", "softly", queue=queue, soft_time_limit=0.2).get(timeout=30)
        self.assertTrue(self.in_ledger("stopped softly"))

    def test_terminate_ends_what_does_not_listen(self):
        name, _, queue = self.node()
        for number, how in enumerate(("KILL", "TERM")):  # To the second it is deaf, and it gets some seconds.
            result = self.send("hang", f"deaf {number}", queue=queue)
            pid = self.pid_of(f"deaf {number}")
            self.assertEqual(self.tell(name, "revoke", task_id=result.id, terminate=True, signal=how),
                             {"ok": f"terminate: {result.id}"})
            self.fails(result, "terminated", "REVOKED")
            wait_until(lambda: not alive(pid), "its process is gone")
        polite = self.send("until_stopped_apart", "polite", queue=queue)
        pid = self.pid_of("polite")
        self.tell(name, "revoke", task_id=polite.id, terminate=True)
        wait_until(lambda: self.in_ledger("stopped polite"), "it stops by itself")
        self.assertTrue(alive(pid))

    def test_progress_and_coroutines_work_there_too(self):
        _, program, queue = self.node()
        seen = []
        result = self.send("steps_apart", 3, queue=queue)
        pid = result.get(timeout=30, on_message=lambda meta: seen.append(meta["result"]) if meta["status"] == "PROGRESS" else None)
        self.assertNotEqual(pid, program.process.pid)
        self.assertEqual(seen, [1, 2, 3])

    @WITHOUT_SANITIZER
    def test_what_allocates_too_much_fails_and_its_process_is_replaced(self):
        os.environ["WHERRY_MEMORY_LIMIT"] = "64MiB"
        self.addCleanup(os.environ.pop, "WHERRY_MEMORY_LIMIT")
        _, _, queue = self.node(concurrency=1)
        self.assertEqual(self.send("hog", 16, queue=queue).get(timeout=30), 16)
        before = self.send("pid", queue=queue).get(timeout=30)
        self.fails(self.send("hog", 256, queue=queue), "bad_alloc")
        self.assertNotEqual(self.send("pid", queue=queue).get(timeout=30), before)

    def test_a_worker_that_is_killed_leaves_no_process_behind(self):
        _, program, queue = self.node()
        self.send("hang", "orphan", queue=queue)
        pid = self.pid_of("orphan")
        os.kill(program.process.pid, signal.SIGKILL)
        wait_until(lambda: not alive(pid), "its process is gone")


class Processes(PoolsTest):
    """Workers whose every task runs in a process."""

    def test_a_process_is_kept_for_so_many_tasks(self):
        name, program, queue = self.node("-P", "processes", "--max-tasks-per-child", "2", concurrency=1)
        pids = [self.send("pid_anywhere", queue=queue).get(timeout=30) for _ in range(6)]
        self.assertEqual(pids[0::2], pids[1::2])
        self.assertEqual(len(set(pids)), 3)
        self.assertNotIn(program.process.pid, pids)
        self.assertEqual(self.inspect(name).stats()[name]["pool"]["max-tasks-per-child"], 2)

    def test_children_wait_before_there_is_work_and_their_number_changes(self):
        name, _, queue = self.node("-P", "processes", concurrency=2)

        def pids():
            return set(self.inspect(name).stats()[name]["pool"]["processes"])
        first = wait_until(lambda: len(pids()) == 2 and 0 not in pids() and pids(), "two processes")
        self.tell(name, "pool_grow", n=1)
        wait_until(lambda: len(pids()) == 3, "a third")
        self.tell(name, "pool_shrink", n=2)
        wait_until(lambda: len(pids()) == 1, "one is left")
        self.assertEqual(self.tell(name, "pool_restart"), {"ok": "reload started"})
        wait_until(lambda: pids() and 0 not in pids() and not pids() & first, "a new one")
        self.assertEqual(self.send("add", 1, 2, queue=queue).get(timeout=30), 3)

    def test_a_clean_stop_waits_for_them(self):
        _, program, queue = self.node("-P", "processes")
        result, gate = self.begin(queue, "finished apart")
        # As systemd and a terminal do: to all of them at once.
        os.killpg(program.process.pid, signal.SIGTERM)
        program.wait_error("stopping: 1 task(s) to finish")
        gate.touch()
        self.assertEqual(result.get(timeout=30), "finished apart")
        self.assertEqual(program.wait_exit(30), 0)
        self.assertFalse(self.sanitized(program), program.errors)

    def test_a_worker_without_its_fork_server_ends(self):
        _, program, queue = self.node("-P", "processes")
        result, _ = self.begin(queue, "without")
        child = self.pid_of("without")
        with open(f"/proc/{child}/stat", encoding="utf-8") as file:
            server = int(file.read().rsplit(")", 1)[1].split()[1])
        os.kill(server, signal.SIGKILL)
        program.wait_error("the process that forks children is gone")
        self.assertEqual(program.wait_exit(40), 2)
        self.assertFalse(alive(child))

    def test_many_tasks_through_few_processes(self):
        _, _, queue = self.node("-P", "processes", "-p", "50", concurrency=2)
        results = [self.send("add", number, 1, queue=queue) for number in range(500)]
        self.assertEqual([result.get(timeout=60) for result in results], list(range(1, 501)))


class Coroutines(PoolsTest):
    def test_ten_thousand_tasks_wait_on_one_thread(self):
        count = 10_000
        name, program, queue = self.node("-p", "20000", concurrency=1)

        def status(key):
            with open(f"/proc/{program.process.pid}/status", encoding="utf-8") as file:
                return int(next(line for line in file if line.startswith(key)).split()[1])
        threads = status("Threads:")
        gate = self.gate()
        channel = self.channel()
        channel.queue_declare("waited")
        for number in range(count):
            channel.basic_publish("", queue, json.dumps([[str(number), gate], {}, {}]).encode(), pika.BasicProperties(
                content_type="application/json", content_encoding="utf-8", reply_to="waited",
                headers={"task": "tasks.waits", "id": f"waits-{number}"}))
        wait_until(lambda: len(self.inspect(name).active(safe=True)[name]) == count, "all of them wait", 60)
        self.assertEqual(status("Threads:"), threads)
        if TIME_SCALE == 1:
            self.assertLess(status("VmRSS:"), 100_000)
        # One more, that does not wait, is not kept from its turn.
        self.assertEqual(self.send("add", 1, 2, queue=queue).get(timeout=60), 3)
        pathlib.Path(gate).touch()
        self.wait_depth(channel, "waited", count, 60)


if __name__ == "__main__":
    main()

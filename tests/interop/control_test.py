"""Celery's own tools ask Wherry's workers, and tell them what to do: inspect, control, status, events."""

import json
import os
import pathlib
import subprocess
import threading
import time
import uuid

from brokers import BIN_DIR, TIME_SCALE
from harness import PYTHON, Program, main, tearDownModule, wait_until  # noqa: F401
from workers_test import LIBRARY, WorkersTest

from celery.events import EventReceiver
from celery.events.state import State


class ControlTest(WorkersTest):
    def setUp(self):
        super().setUp()
        self.gates = 0
        self.addCleanup(self.open_gates)

    def node(self, *options, queue=None, name=None, concurrency=2):
        """A worker for this test: (node name, program, its queue)."""
        name = name or f"w{uuid.uuid4().hex[:8]}@test"
        queue = queue or self.name("tasks")
        program = Program([BIN_DIR / "wherry-worker", "--load", LIBRARY, "-b", self.broker.url(), "-Q", queue,
                           "-c", str(concurrency), "-n", name, *options],
                          env={"LEDGER": str(self.ledger)}, cwd=self.folder.name)
        self.addCleanup(program.stop)
        program.wait_line("wherry-worker ready", timeout=30)
        return name, program, queue

    def finish(self, program):
        program.terminate()
        program.check_success(40)
        self.assertFalse(self.sanitized(program), program.errors)

    def inspect(self, name):
        return self.app.control.inspect([name], timeout=20 * TIME_SCALE)

    def tell(self, name, command, **arguments):
        """The answer of that node to a control command."""
        answers = self.app.control.broadcast(command, arguments=arguments, destination=[name], reply=True,
                                             timeout=20 * TIME_SCALE)
        self.assertEqual(len(answers), 1, answers)
        return answers[0][name]

    def command(self, *arguments, code=0):
        """Runs the program `celery` against the broker; returns what it prints."""
        done = subprocess.run([PYTHON, "-B", "-m", "celery", "-b", self.broker.url(), *arguments], capture_output=True,
                              text=True, timeout=60 * TIME_SCALE, check=False, stdin=subprocess.DEVNULL,
                              env={**os.environ, "C_FORCE_ROOT": "1", "NO_COLOR": "1"})
        self.assertEqual(done.returncode, code, done.stdout + done.stderr)
        return done.stdout

    def gate(self):
        self.gates += 1
        return str(pathlib.Path(self.folder.name) / f"gate-{self._testMethodName}-{self.gates}")

    def open_gates(self):
        for number in range(1, self.gates + 1):
            (pathlib.Path(self.folder.name) / f"gate-{self._testMethodName}-{number}").touch()

    def begin(self, queue, text):
        """A task that runs until its gate is opened: (result, gate), once it runs."""
        gate = self.gate()
        result = self.send("noted", text, gate, queue=queue)
        wait_until(lambda: self.in_ledger(f"began {text}"), f"'{text}' begins")
        return result, pathlib.Path(gate)


class Inspecting(ControlTest):
    def test_the_celery_program_asks_and_is_answered(self):
        name, program, queue = self.node()
        wait = ("-t", str(10 * TIME_SCALE), "-d", name)
        self.assertIn(f"{name}: OK", self.command("status", *wait))
        self.assertIn("pong", self.command("inspect", "ping", *wait))

        def ask(what, *more):
            # Its last line is the JSON.
            return json.loads(self.command("inspect", what, *wait, "-j", *more).strip().splitlines()[-1])[name]
        self.assertIn("tasks.add", ask("registered"))
        self.assertEqual([each["name"] for each in ask("active_queues")], [queue])
        self.assertEqual(ask("active"), [])
        self.assertEqual(ask("stats")["pid"], program.process.pid)
        self.assertEqual(ask("conf")["worker_concurrency"], 2)
        self.assertIn("wherry", ask("report")["ok"])
        self.assertEqual(ask("query_task", str(uuid.uuid4())), {})
        self.assertIn("clock", ask("clock"))
        self.assertIn("MB", ask("memsample"))
        self.command("control", "rate_limit", *wait, "tasks.add", "10/m")
        self.assertIn("tasks.add [rate_limit=10/m]", ask("registered"))
        self.command("control", "shutdown", *wait)
        self.assertEqual(program.wait_exit(30), 0)

    def test_tasks_are_seen_where_they_are(self):
        name, _, queue = self.node()
        running, gate = self.begin(queue, "seen")
        later = self.app.send_task("tasks.add", (1, 2), queue=queue, countdown=600)
        # The broker holds what is delayed by its own means; Celery's client leaves it to the worker.
        inspect = self.inspect(name)
        wait_until(lambda: inspect.scheduled()[name], "the scheduled task")
        (active,), (scheduled,) = inspect.active()[name], inspect.scheduled()[name]
        self.assertEqual((active["id"], active["name"], active["args"]), (running.id, "tasks.noted", ["seen", str(gate)]))
        self.assertEqual(active["delivery_info"]["routing_key"], queue)
        self.assertLess(abs(active["time_start"] - time.time()), 60 * TIME_SCALE)
        self.assertEqual(inspect.active(safe=True)[name][0]["kwargs"], "{}")
        self.assertEqual((scheduled["request"]["id"], scheduled["request"]["args"]), (later.id, [1, 2]))
        self.assertEqual(inspect.query_task(running.id)[name][running.id][0], "active")
        gate.touch()
        running.get(timeout=30)
        wait_until(lambda: inspect.active()[name] == [], "the task is over")
        self.assertEqual(inspect.stats()[name]["total"], {"tasks.noted": 1})

    def test_a_task_that_waits_for_a_slot_is_reserved(self):
        name, _, queue = self.node("-p", "2", concurrency=1)
        _, gate = self.begin(queue, "in front")
        waiting = self.send("noted", "behind", "", queue=queue)
        (reserved,) = wait_until(lambda: self.inspect(name).reserved()[name], "the reserved task")
        self.assertEqual(reserved["id"], waiting.id)
        gate.touch()
        waiting.get(timeout=30)

    def test_everybody_answers_and_a_pattern_chooses(self):
        names = {self.node()[0] for _ in range(3)}
        answers = self.app.control.ping(timeout=20 * TIME_SCALE, limit=3)
        self.assertEqual({name for answer in answers for name in answer}, names)
        chosen = sorted(names)[0]
        for pattern, matcher in ((chosen[:6] + "*", "glob"), (chosen[:6] + ".*@te", "pcre")):
            answers = self.app.control.broadcast("ping", reply=True, pattern=pattern, matcher=matcher, limit=1,
                                                 timeout=20 * TIME_SCALE)
            self.assertEqual(answers, [{chosen: {"ok": "pong"}}])

    def test_two_workers_of_one_name_both_hear(self):
        name, one, queue = self.node()
        _, two, _ = self.node(name=name, queue=queue)
        two.wait_error("another worker is called")
        answers = self.app.control.broadcast("ping", reply=True, limit=2, timeout=20 * TIME_SCALE)
        self.assertEqual(answers, [{name: {"ok": "pong"}}] * 2)

    def test_what_is_not_known_or_wrong_is_an_error_in_the_answer(self):
        name, _, _ = self.node()
        self.assertIn("no such control command", self.tell(name, "explode")["error"])
        self.assertEqual(self.tell(name, "rate_limit", task_name="no.such", rate_limit="1/s"), {"error": "unknown task"})
        self.assertIn("Invalid rate limit", self.tell(name, "rate_limit", task_name="tasks.add", rate_limit="often")["error"])
        self.assertIn("Autoscale not enabled", self.tell(name, "autoscale", max=3, min=1)["error"])
        self.assertIn("is no signal", self.tell(name, "revoke", task_id="x", terminate=True, signal="SIGNONE")["error"])


class Revoking(ControlTest):
    def test_what_has_not_begun_is_dropped(self):
        name, _, queue = self.node(concurrency=1)
        _, gate = self.begin(queue, "before the revoked")
        ids = [str(uuid.uuid4()) for _ in range(3)]
        self.assertIn(ids[0], self.tell(name, "revoke", task_id=ids)["ok"])
        results = [self.send("noted", f"revoked {id}", "", queue=queue, task_id=id) for id in ids]
        gate.touch()
        for result in results:
            with self.assertRaisesRegex(Exception, "revoked"):
                result.get(timeout=30)
            self.assertEqual(result.state, "REVOKED")
        self.assertEqual(self.in_ledger("began revoked"), [])
        self.assertEqual(sorted(self.inspect(name).revoked()[name]), sorted(ids))

    def test_what_is_held_for_its_time_is_dropped_at_once(self):
        name, _, queue = self.node()
        result = self.send("noted", "never", "", queue=queue, countdown=600)
        wait_until(lambda: self.inspect(name).scheduled()[name], "the scheduled task")
        result.revoke()
        with self.assertRaisesRegex(Exception, "revoked"):
            result.get(timeout=30)
        self.assertEqual(self.inspect(name).scheduled()[name], [])

    def test_what_runs_goes_on_without_terminate_and_is_told_to_stop_with_it(self):
        name, _, queue = self.node()
        result = self.send("until_stopped", "long", queue=queue)
        wait_until(lambda: self.in_ledger("began long"), "it begins")
        self.tell(name, "revoke", task_id=result.id)
        self.assertEqual(self.inspect(name).active()[name][0]["id"], result.id)
        self.assertEqual(self.tell(name, "revoke", task_id=result.id, terminate=True), {"ok": f"terminate: {result.id}"})
        with self.assertRaisesRegex(Exception, "terminated"):
            result.get(timeout=30)
        self.assertEqual(result.state, "REVOKED")
        wait_until(lambda: self.in_ledger("stopped long"), "it was stopped")
        self.assertEqual(self.tell(name, "terminate", task_id=[result.id], signal="KILL"), {"ok": "terminate: tasks unknown"})

    def test_a_worker_that_starts_later_learns_it_from_its_peers(self):
        first, _, _ = self.node()
        id = str(uuid.uuid4())
        self.tell(first, "revoke", task_id=id)
        queue = self.name("later")
        result = self.send("noted", "learned", "", queue=queue, task_id=id)
        self.wait_depth(self.channel(), queue, 1)
        second, program, _ = self.node(queue=queue)
        with self.assertRaisesRegex(Exception, "revoked"):
            result.get(timeout=30)
        self.assertEqual(self.inspect(second).revoked()[second], [id])
        self.assertEqual(self.in_ledger("began learned"), [])
        program.wait_error(f"{first} is there too")

    def test_python_and_wherry_tell_each_other(self):
        id, other = str(uuid.uuid4()), str(uuid.uuid4())
        first, _, _ = self.node()
        self.tell(first, "revoke", task_id=id)
        python = self.worker_for_this_test("peer", "-c", "1", "-Q", self.name("python"))
        wait_until(lambda: self.inspect("peer@test").revoked()["peer@test"] == [id], "Python knows")
        self.tell("peer@test", "revoke", task_id=other)
        second, _, _ = self.node()
        wait_until(lambda: sorted(self.inspect(second).revoked()[second]) == sorted([id, other]), "Wherry knows")

    def test_a_state_file_survives_a_kill(self):
        state = os.path.join(self.folder.name, "worker.state")
        name, program, queue = self.node("--statedb", state)
        ids = [str(uuid.uuid4()) for _ in range(5)]
        for id in ids:
            self.tell(name, "revoke", task_id=id)
        program.kill()
        result = self.send("noted", "from the file", "", queue=queue, task_id=ids[3])
        self.node("--statedb", state, name=name, queue=queue)
        with self.assertRaisesRegex(Exception, "revoked"):
            result.get(timeout=30)
        self.assertEqual(self.inspect(name).revoked()[name], ids)

    def test_stamps_name_tasks_too(self):
        name, _, queue = self.node()
        self.tell(name, "revoke_by_stamped_headers", headers={"customer": ["7"]})
        stamps = {"stamped_headers": ["customer"], "stamps": {"customer": ["7", "8"]}}
        result = self.app.send_task("tasks.noted", ("stamped", ""), queue=queue, headers=stamps)
        self.send("noted", "not stamped", "", queue=queue).get(timeout=30)
        with self.assertRaisesRegex(Exception, "revoked"):
            result.get(timeout=30)


class Changing(ControlTest):
    def test_a_rate_limit_holds_tasks_back_and_is_lifted(self):
        name, _, queue = self.node("-p", "10")
        self.assertEqual(self.tell(name, "rate_limit", task_name="tasks.noted", rate_limit="1/h"),
                         {"ok": "new rate limit set successfully"})
        results = [self.send("noted", f"slow {number}", "", queue=queue) for number in range(3)]
        results[0].get(timeout=30)
        wait_until(lambda: len(self.inspect(name).reserved()[name]) == 2, "two wait")
        self.assertEqual(self.send("add", 1, 2, queue=queue).get(timeout=30), 3)  # Another task's rate is its own.
        self.assertEqual(len(self.in_ledger("began slow")), 1)
        self.assertEqual(self.tell(name, "rate_limit", task_name="tasks.noted", rate_limit=""),
                         {"ok": "rate limit disabled successfully"})
        for result in results:
            result.get(timeout=30)

    def test_what_expires_while_its_rate_holds_it_back_is_not_run(self):
        name, _, queue = self.node("-p", "10")
        self.tell(name, "rate_limit", task_name="tasks.noted", rate_limit="1/h")
        self.send("noted", "in time", "", queue=queue).get(timeout=30)
        late = self.send("noted", "too late", "", queue=queue, expires=1)
        wait_until(lambda: len(self.inspect(name).reserved()[name]) == 1, "it waits")
        expired = time.time() + 1
        wait_until(lambda: time.time() > expired, "it has expired")
        self.tell(name, "rate_limit", task_name="tasks.noted", rate_limit="0")
        with self.assertRaisesRegex(Exception, "expired"):
            late.get(timeout=30)
        self.assertEqual(self.in_ledger("began too late"), [])

    def test_a_soft_time_limit_that_was_set_is_kept(self):
        name, _, queue = self.node()
        self.assertEqual(self.tell(name, "time_limit", task_name="tasks.until_stopped", soft=0.1),
                         {"ok": "time limits set successfully"})
        self.send("until_stopped", "limited", queue=queue).get(timeout=30)

    def test_the_pool_grows_and_shrinks(self):
        name, _, queue = self.node(concurrency=1)
        _, one = self.begin(queue, "grow 1")
        self.assertEqual(self.tell(name, "pool_grow", n=2), {"ok": "pool will grow"})
        _, two = self.begin(queue, "grow 2")
        _, three = self.begin(queue, "grow 3")
        self.assertEqual(self.inspect(name).stats()[name]["pool"]["max-concurrency"], 3)
        self.assertEqual(self.inspect(name).stats()[name]["prefetch_count"], 3)
        self.assertEqual(self.tell(name, "pool_shrink", n=2), {"ok": "pool will shrink"})
        self.assertIn("cannot shrink", self.tell(name, "pool_shrink", n=1)["error"])
        for gate in (one, two, three):
            gate.touch()
        wait_until(lambda: self.inspect(name).active()[name] == [], "all are done")
        _, gate = self.begin(queue, "shrunk")
        behind = self.send("noted", "behind the shrunk", "", queue=queue)
        self.assertEqual(self.inspect(name).stats()[name]["prefetch_count"], 1)
        gate.touch()
        behind.get(timeout=30)

    def test_autoscale_follows_the_work(self):
        name, _, queue = self.node("--autoscale", "3,1")
        self.assertEqual(self.inspect(name).stats()[name]["autoscaler"], {"max": 3, "min": 1, "current": 1, "qty": 0})
        for number in range(3):
            self.begin(queue, f"scaled {number}")
        self.assertEqual(self.inspect(name).stats()[name]["autoscaler"], {"max": 3, "min": 1, "current": 3, "qty": 3})
        self.assertEqual(self.tell(name, "autoscale", max=4, min=2), {"ok": "autoscale now max=4 min=2"})
        self.begin(queue, "scaled 3")
        self.assertIn("not supported with autoscale", self.tell(name, "pool_grow", n=1)["error"])

    def test_queues_are_added_and_cancelled(self):
        name, _, queue = self.node()
        other = self.name("other")
        self.assertEqual(self.tell(name, "add_consumer", queue=other), {"ok": f"add consumer {other}"})
        self.assertEqual(self.send("add", 1, 1, queue=other).get(timeout=30), 2)
        self.assertEqual([each["name"] for each in self.inspect(name).active_queues()[name]], [queue, other])
        self.assertEqual(self.tell(name, "cancel_consumer", queue=other), {"ok": f"no longer consuming from {other}"})
        channel = self.channel()
        self.wait_consumers(channel, other, 0)
        self.send("add", 1, 1, queue=other)
        self.wait_depth(channel, other, 1)
        self.assertEqual(self.send("add", 2, 2, queue=queue).get(timeout=30), 4)
        self.assertEqual([each["name"] for each in self.inspect(name).active_queues()[name]], [queue])

    def test_shutdown_finishes_what_runs(self):
        name, program, queue = self.node()
        result, gate = self.begin(queue, "before shutdown")
        self.app.control.shutdown(destination=[name])
        program.wait_error("stopping: 1 task(s) to finish")
        gate.touch()
        result.get(timeout=30)
        self.assertEqual(program.wait_exit(30), 0)


class Listening(ControlTest):
    """Events, as Celery's Receiver gets them and as its State puts them together."""

    def listen(self):
        """Collects events on a thread: (list, State). Ready when the queue is bound."""
        events, state, ready = [], State(), threading.Event()

        def on_event(event):
            events.append(event)
            state.event(event)

        class Receiver(EventReceiver):
            def on_consume_ready(self, *arguments, **options):
                super().on_consume_ready(*arguments, **options)
                ready.set()

        def receive():
            with self.app.connection_for_read() as connection:
                receiver = self.receiver = Receiver(connection, handlers={"*": on_event}, app=self.app)
                for _ in receiver.consume(limit=None):  # Until should_stop.
                    pass
        thread = threading.Thread(target=receive, daemon=True)
        thread.start()
        self.addCleanup(thread.join, 10)
        self.addCleanup(lambda: setattr(self.receiver, "should_stop", True))
        self.assertTrue(ready.wait(20 * TIME_SCALE))
        return events, state

    def of(self, events, id):
        return [event["type"] for event in events if event.get("uuid") == id]

    def test_a_worker_says_that_it_is_there_and_that_it_goes(self):
        events, state = self.listen()
        name, program, _ = self.node()
        mine = lambda kind: [each for each in events if each["hostname"] == name and each["type"] == kind]
        online = wait_until(lambda: mine("worker-online"), "worker-online")[0]
        beat = wait_until(lambda: mine("worker-heartbeat"), "a heartbeat")[0]
        self.assertEqual((online["sw_ident"], online["pid"], beat["freq"]), ("wherry", program.process.pid, 2.0))
        self.assertEqual(len(beat["loadavg"]), 3)
        self.assertTrue(state.workers[name].alive)
        self.finish(program)
        wait_until(lambda: mine("worker-offline"), "worker-offline")
        wait_until(lambda: not state.workers[name].alive, "Celery's state knows")

    def test_the_life_of_a_task_is_told(self):
        events, state = self.listen()
        name, _, queue = self.node("-E")
        done = self.send("add", 20, 22, queue=queue)
        failed = self.send("fail", "told", queue=queue)
        retried = self.send("flaky", 1, queue=queue)
        done.get(timeout=30)
        wait_until(lambda: self.of(events, done.id) == ["task-received", "task-started", "task-succeeded"], "a success")
        wait_until(lambda: self.of(events, failed.id) == ["task-received", "task-started", "task-failed"], "a failure")
        wait_until(lambda: self.of(events, retried.id) == ["task-received", "task-started", "task-retried",
                                                           "task-received", "task-started", "task-succeeded"], "a retry")
        task = state.tasks[done.id]
        self.assertEqual((task.state, task.name, task.args, task.result, task.worker.hostname),
                         ("SUCCESS", "tasks.add", "(20, 22)", "42", name))
        self.assertGreaterEqual(task.runtime, 0)
        self.assertIn("told", state.tasks[failed.id].exception)
        clocks = [event["clock"] for event in events if event["hostname"] == name]
        self.assertEqual(clocks, sorted(clocks))

    def test_revoked_and_expired_tasks_are_told(self):
        events, _ = self.listen()
        name, _, queue = self.node("-E")
        id = str(uuid.uuid4())
        self.tell(name, "revoke", task_id=id)
        self.send("add", 1, 1, queue=queue, task_id=id)
        running = self.send("until_stopped", "told", queue=queue)
        wait_until(lambda: self.in_ledger("began told"), "it begins")
        self.tell(name, "revoke", task_id=running.id, terminate=True, signal="KILL")
        told = lambda id: [each for each in events if each.get("uuid") == id and each["type"] == "task-revoked"]
        event = wait_until(lambda: told(id), "the revoked task")[0]
        self.assertEqual((event["terminated"], event["signum"], event["expired"]), (False, None, False))
        event = wait_until(lambda: told(running.id), "the terminated task")[0]
        self.assertEqual((event["terminated"], event["signum"]), (True, 9))

    def test_tasks_are_told_only_when_somebody_asked(self):
        events, _ = self.listen()
        name, _, queue = self.node()
        quiet = self.send("add", 1, 1, queue=queue)
        quiet.get(timeout=30)
        self.assertEqual(self.tell(name, "enable_events"), {"ok": "task events enabled"})
        self.assertEqual(self.tell(name, "enable_events"), {"ok": "task events already enabled"})
        told = self.send("add", 2, 2, queue=queue)
        wait_until(lambda: "task-succeeded" in self.of(events, told.id), "events")
        self.assertEqual(self.of(events, quiet.id), [])
        self.assertEqual(self.tell(name, "disable_events"), {"ok": "task events disabled"})
        self.send("add", 3, 3, queue=queue).get(timeout=30)

    def test_a_client_tells_what_it_sends(self):
        events, state = self.listen()
        _, _, queue = self.node("-E")
        program = self.start([BIN_DIR / "interop-client", self.broker.url(), queue, "json", "add", "20", "22"],
                             env={"TASK_SENT_EVENT": "1"})
        self.assertEqual(program.check_success(60), ["sum 42"])
        sent = wait_until(lambda: [each for each in events if each["type"] == "task-sent"], "task-sent")[0]
        self.assertEqual((sent["name"], sent["args"], sent["queue"], sent["routing_key"]), ("tasks.add", "(20, 22)", queue, queue))
        wait_until(lambda: self.of(events, sent["uuid"])[-1:] == ["task-succeeded"], "the rest of it")
        self.assertEqual(state.tasks[sent["uuid"]].state, "SUCCESS")

    def test_the_celery_program_prints_them(self):
        printer = Program([PYTHON, "-B", "-m", "celery", "-b", self.broker.url(), "events", "--dump"],
                          env={"C_FORCE_ROOT": "1"})
        self.addCleanup(printer.stop)
        name, _, queue = self.node("-E")
        printer.wait_line(f"{name} [", timeout=40)
        result = self.send("add", 1, 1, queue=queue)
        result.get(timeout=30)
        printer.wait_line(result.id, timeout=40)


if __name__ == "__main__":
    main()

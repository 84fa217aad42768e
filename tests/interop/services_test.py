"""Programs as services: what they tell systemd, what signals do to them, what Prometheus reads, logs as JSON."""

import json
import os
import pathlib
import re
import shutil
import signal
import socket
import subprocess
import tempfile
import threading
import unittest
import urllib.error
import urllib.request

from authority import Authority
from brokers import BIN_DIR, SANITIZER_REPORT, TIME_SCALE, TOP, Program, WherryBroker, fault_of, free_port
from control_test import ControlTest
from harness import main, only_wherry, tearDownModule, wait_until  # noqa: F401
from pools_test import alive
from schedule_test import Schedules, tick_of
from workers_test import LIBRARY


class Manager:
    """systemd's end of NOTIFY_SOCKET: all that was said, in order."""

    def __init__(self, watchdog=None):
        self.folder = tempfile.mkdtemp(prefix="wherry-notify-")
        self.path = os.path.join(self.folder, "notify")
        self.socket = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)
        self.socket.bind(self.path)
        self.said = []
        self.environment = {"NOTIFY_SOCKET": self.path}
        if watchdog:
            self.environment["WATCHDOG_USEC"] = str(int(watchdog * 1e6))
        threading.Thread(target=self._read, daemon=True).start()

    def _read(self):
        while data := self.socket.recv(65536):
            self.said.append(data.decode())

    def count(self, what):
        return sum(what in each.split("\n") for each in list(self.said))

    def wait(self, what, count=1, timeout=30):
        wait_until(lambda: self.count(what) >= count, f"'{what}' {count} time(s) in {self.said}", timeout)

    def wait_status(self, text, timeout=30):
        wait_until(lambda: any(text in each for each in list(self.said)), f"'{text}' in {self.said}", timeout)

    def close(self):
        # A word of its own ends the reader.
        with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as own:
            own.sendto(b"", self.path)
        shutil.rmtree(self.folder, ignore_errors=True)


class ServicesTest(ControlTest):
    def manager(self, **options):
        manager = Manager(**options)
        self.addCleanup(manager.close)
        return manager

    def worker(self, *options, env=None, queue=None, url=None, concurrency=2, ready=True):
        """A worker of its own; (program, queue)."""
        queue = queue or self.name("tasks")
        program = Program([BIN_DIR / "wherry-worker", "--load", LIBRARY, "-b", url or self.broker.url(), "-Q", queue,
                           "-c", str(concurrency), *options], env={"LEDGER": str(self.ledger), **(env or {})},
                          cwd=self.folder.name)
        self.addCleanup(program.stop)
        if ready:
            program.wait_line("wherry-worker ready", timeout=30)
        return program, queue

    def quiet_since(self, manager):
        """How many pings there are once there are no more: three times a ping's time without one."""
        before = -1
        while before != (now := manager.count("WATCHDOG=1")):
            before = now
            threading.Event().wait(1.5 * TIME_SCALE)
        return now


class Notices(ServicesTest):
    def test_a_worker_is_ready_when_tasks_are_taken_and_not_before(self):
        manager = self.manager()
        port = free_port()
        program, queue = self.worker(env=manager.environment, url=f"amqp://127.0.0.1:{port}", ready=False)
        manager.wait_status("no connection to the broker")
        self.assertEqual(manager.count("READY=1"), 0)
        broker = WherryBroker(listen=f"127.0.0.1:{port}")
        self.addCleanup(broker.stop)
        manager.wait("READY=1", timeout=60)
        manager.wait_status(f"takes tasks from {queue}")
        program.terminate()
        manager.wait("STOPPING=1")
        self.assertEqual(program.wait_exit(30), 0)
        self.assertFalse(SANITIZER_REPORT.search(program.errors), program.errors)

    def test_the_watchdog_hears_of_a_worker_with_long_tasks(self):
        manager = self.manager(watchdog=0.9)
        program, queue = self.worker(env=manager.environment, concurrency=1)
        result, gate = self.begin(queue, "long")
        behind = self.send("add", 1, 2, queue=queue)
        before = manager.count("WATCHDOG=1")
        # Longer than the watchdog's time.
        manager.wait("WATCHDOG=1", before + 6)
        gate.touch()
        self.assertEqual(result.get(timeout=30), "long")
        self.assertEqual(behind.get(timeout=30), 3)
        self.finish(program)

    def test_the_watchdog_hears_nothing_of_a_worker_that_hangs(self):
        fault, trigger = fault_of("stuck", self.folder.name)
        manager = self.manager(watchdog=0.9)
        program, _ = self.worker("--metrics", "127.0.0.1:0", env={**manager.environment, **fault})
        manager.wait("WATCHDOG=1", 3)
        self.assertEqual(get(program, "/healthz")[0], 200)
        trigger.touch()
        self.addCleanup(trigger.unlink, missing_ok=True)
        pings = self.quiet_since(manager)
        self.assertEqual(get(program, "/healthz"), (503, "the worker does not answer\n"))
        self.assertEqual(get(program, "/metrics")[0], 503)
        self.assertEqual(manager.count("WATCHDOG=1"), pings)
        trigger.unlink()
        manager.wait("WATCHDOG=1", pings + 1)
        self.finish(program)

    @only_wherry
    def test_a_broker_tells_of_itself(self):
        fault, trigger = fault_of("stuck", self.folder.name)
        manager = self.manager(watchdog=0.9)
        os.environ.update(fault, **manager.environment)
        try:
            broker = WherryBroker("policies: []\n")
        finally:
            for name in (*fault, *manager.environment):
                os.environ.pop(name, None)
        try:
            manager.wait("READY=1")
            manager.wait_status(f"serves AMQP on 127.0.0.1:{broker.port}")
            manager.wait("WATCHDOG=1", 3)
            broker.program.process.send_signal(signal.SIGHUP)
            wait_until(lambda: any("RELOADING=1" in each for each in manager.said), "it reloads")
            manager.wait("READY=1", 2)
            trigger.touch()
            pings = self.quiet_since(manager)
            trigger.unlink()
            manager.wait("WATCHDOG=1", pings + 1)
        finally:
            trigger.unlink(missing_ok=True)
            broker.stop()
        manager.wait("STOPPING=1")


class Signals(ServicesTest):
    def test_quit_gives_up_what_runs_and_gives_it_back(self):
        program, queue = self.worker("--metrics", "127.0.0.1:0", concurrency=1)
        self.send("hang", "given up", queue=queue)
        child = int(wait_until(lambda: self.in_ledger("began given up"), "it begins")[0].split()[-1])
        gate = self.gate()
        result = self.send("noted", "after", gate, queue=queue)
        # As a terminal does: to the children as well.
        os.killpg(program.process.pid, signal.SIGQUIT)
        self.assertEqual(program.wait_exit(20), 1)
        self.assertFalse(SANITIZER_REPORT.search(program.errors), program.errors)
        wait_until(lambda: not alive(child), "its process is gone")
        self.wait_depth(self.channel(), queue, 2)
        pathlib.Path(gate).touch()
        _, _ = self.worker(queue=queue)
        self.assertEqual(result.get(timeout=30), "after")
        wait_until(lambda: len(self.in_ledger("began given up")) == 2, "it is run again")

    def test_quit_after_term_does_not_wait_any_longer(self):
        program, queue = self.worker("-P", "processes")
        self.send("hang", "stubborn", queue=queue)
        wait_until(lambda: self.in_ledger("began stubborn"), "it begins")
        program.terminate()
        program.wait_error("stopping: 1 task(s) to finish")
        program.process.send_signal(signal.SIGQUIT)
        self.assertEqual(program.wait_exit(20), 1)
        self.wait_depth(self.channel(), queue, 1)

    def write(self, folder, name, text):
        """As an editor saves: the file is there as a whole or not at all."""
        path = pathlib.Path(folder) / name
        path.with_suffix(".new").write_text(text, encoding="utf-8")
        path.with_suffix(".new").rename(path)
        return path

    def reload(self, program, text):
        program.process.send_signal(signal.SIGHUP)
        program.wait_error(text)

    def test_hangup_reads_the_files_again(self):
        folder = tempfile.mkdtemp(prefix="wherry-reload-")
        self.addCleanup(shutil.rmtree, folder, ignore_errors=True)
        queue = self.name("tasks")
        app = f"broker: {{url: '{self.broker.url()}'}}\ndefault_queue: {queue}\n"
        self.write(folder, "app.yaml", app + "task_retries: {tasks.fail*: {max_retries: 0}}\n")
        worker = f"app: app.yaml\nload: [{LIBRARY}]\n"
        config = self.write(folder, "worker.yaml", worker + "concurrency: 1\n")
        manager = self.manager()
        program = Program([BIN_DIR / "wherry-worker", "-C", config, "-L", "info"],
                          env={"LEDGER": str(self.ledger), **manager.environment}, cwd=self.folder.name)
        self.addCleanup(program.stop)
        program.wait_line("wherry-worker ready", timeout=30)
        result, gate = self.begin(queue, "through it all")
        behind = self.send("pid_anywhere", queue=queue)

        # A mistake: told with its place, and nothing is changed.
        self.write(folder, "worker.yaml", worker + "concurrency: 2\ntask_limits:\n  a: {rate_limit: often}\n")
        self.reload(program, f"nothing is changed: {config}:5:19: 'often' is no rate")
        self.assertFalse(behind.ready())
        self.assertFalse(result.ready())

        # A second slot: what waited is taken beside what runs.
        self.write(folder, "worker.yaml", worker + "concurrency: 2\nqueues: [others]\n"
                   "task_limits:\n  tasks.add: {rate_limit: 1000/s}\n")
        self.reload(program, "the settings that were read again are in use")
        self.assertEqual(behind.get(timeout=30), program.process.pid)
        self.assertIn("'queues' has changed, which takes a restart", program.errors)
        self.assertFalse(result.ready())
        gate.touch()
        self.assertEqual(result.get(timeout=30), "through it all")
        self.assertIn("tasks.add [rate_limit=1000/s]", str(self.app.control.inspect(timeout=5 * TIME_SCALE).registered()))

        # More lines of the log, and never another connection.
        self.write(folder, "worker.yaml", worker + "concurrency: 2\nlog_format: json\n")
        program.process.send_signal(signal.SIGHUP)
        wait_until(lambda: manager.count("READY=1") >= 4, f"ready again: {manager.said}")
        self.assertEqual(sum("RELOADING=1" in each for each in manager.said), 3)
        self.assertNotIn("connected again", program.errors)
        self.finish(program)
        self.assertIn('"message":"SIGTERM"', program.errors)

    def test_without_a_file_hangup_ends_a_program_as_ever(self):
        program, _ = self.worker()
        program.process.send_signal(signal.SIGHUP)
        self.assertEqual(program.wait_exit(20), -signal.SIGHUP)


class Reschedules(Schedules, ServicesTest):
    def test_hangup_changes_a_schedule_without_losing_a_tick(self):
        kept, fresh = self.name("kept"), self.name("fresh")
        channel = self.channel()
        for queue in (kept, fresh):
            channel.queue_declare(queue, durable=True)
        name, path = self.schedule({"kept": {"task": "t", "every": 1, "options": {"queue": kept}}})
        manager = self.manager()
        scheduler = Program([BIN_DIR / "wherry-worker", "--schedule", path, "--schedule-only", "-b", self.broker.url()],
                            env=manager.environment)
        self.addCleanup(scheduler.stop)
        manager.wait("READY=1")
        ticks = [self.get(channel, kept, auto_ack=True, timeout=60)[1] for _ in range(2)]

        def rewrite(text):
            path.with_suffix(".new").write_text(text, encoding="utf-8")
            path.with_suffix(".new").rename(path)
            scheduler.process.send_signal(signal.SIGHUP)
        rewrite(json.dumps({"name": name, "beat_schedule": {"kept": {"task": "t", "evry": 1}}}))
        scheduler.wait_error("unknown key 'evry'; did you mean 'every'?")
        rewrite(json.dumps({"name": "another", "beat_schedule": {}}))
        scheduler.wait_error(f"the schedule's name has changed from '{name}' to 'another', which takes a restart")
        rewrite(json.dumps({"name": name, "beat_schedule": {
            "fresh": {"task": "t", "every": 1, "options": {"queue": fresh}},
            "kept": {"task": "t", "every": 1, "options": {"queue": kept}}}}))
        scheduler.wait_error("2 entries, as they were read again")
        for _ in range(2):
            self.get(channel, fresh, auto_ack=True, timeout=60)
        ticks += [self.get(channel, kept, auto_ack=True, timeout=60)[1] for _ in range(2)]
        self.check_every_second_once([tick_of(each) for each in ticks])
        self.assertNotIn("not active any more", scheduler.errors)
        self.end_scheduler(scheduler)
        manager.wait("STOPPING=1")


def get(program, path, tls=None, **headers):
    """What a worker's endpoint answers: (status, text)."""
    address = re.search(r"metrics=(\S+)", program.wait_line("metrics=")).group(1)
    request = urllib.request.Request(f"{'https' if tls else 'http'}://{address}{path}", headers=headers)
    try:
        with urllib.request.urlopen(request, timeout=20 * TIME_SCALE, context=tls) as answer:
            return answer.status, answer.read().decode()
    except urllib.error.HTTPError as error:
        return error.code, error.read().decode()


def samples(text):
    return {line.rpartition(" ")[0]: float(line.rpartition(" ")[2]) for line in text.splitlines() if not line.startswith("#")}


class Metrics(ServicesTest):
    def test_tasks_are_counted_by_name_and_outcome(self):
        program, queue = self.worker("--metrics", "127.0.0.1:0", concurrency=2)
        self.assertEqual([self.send("add", n, 1, queue=queue).get(timeout=30) for n in range(5)], [1, 2, 3, 4, 5])
        with self.assertRaises(Exception):
            self.send("fail", "no", queue=queue).get(timeout=30)
        self.send("flaky", 1, queue=queue).get(timeout=30)
        self.app.send_task("tasks.unheard_of", queue=queue)
        with self.assertRaises(Exception):
            self.send("crash", "exit", queue=queue).get(timeout=30)
        self.wherry(queue, "add", 2, 3)
        result, gate = self.begin(queue, "now")

        def now():
            return samples(get(program, "/metrics")[1])
        def state(task, name):
            return now()[f'wherry_worker_tasks_total{{task="{task}",state="{name}"}}']
        wait_until(lambda: state("tasks.noted", "started") == 1, "it is counted")
        seen = now()
        self.assertEqual(state("tasks.add", "succeeded"), 6)
        self.assertEqual(state("tasks.add", "received"), 6)
        self.assertEqual(state("tasks.fail", "failed"), 1)
        self.assertEqual(state("tasks.fail", "dead"), 1)
        self.assertEqual((state("tasks.flaky", "retried"), state("tasks.flaky", "succeeded")), (1, 1))
        self.assertEqual(state("other", "dead"), 1)
        self.assertNotIn("unheard_of", get(program, "/metrics")[1])
        self.assertEqual(seen['wherry_worker_task_run_seconds_count{task="tasks.add"}'], 6)
        # Celery does not say when it sent a task; Wherry's client does.
        self.assertEqual(seen['wherry_worker_task_queue_seconds_count{task="tasks.add"}'], 1)
        self.assertEqual(seen['wherry_worker_tasks_running{task="tasks.noted"}'], 1)
        self.assertEqual((seen["wherry_worker_slots"], seen["wherry_worker_connected"]), (2, 1))
        self.assertGreaterEqual(seen["wherry_worker_pool_crashes_total"], 1)
        self.assertGreater(seen["process_resident_memory_bytes"], 1e6)
        gate.touch()
        self.assertEqual(result.get(timeout=30), "now")
        self.finish(program)

    def test_the_text_is_as_prometheus_wants_it(self):
        program, queue = self.worker("--metrics", "127.0.0.1:0")
        self.send("add", 1, 2, queue=queue).get(timeout=30)
        text = get(program, "/metrics")[1]
        families = re.findall(r"^# TYPE (\S+) (\S+)$", text, re.M)
        self.assertEqual(len(families), len({name for name, _ in families}))
        for line in text.splitlines():
            self.assertRegex(line, r'^(# (HELP|TYPE) \w+ .+|[a-z_]+(\{(\w+="[^"]*",?)*\})? [-+0-9.einfa]+)$')
        open_text = get(program, "/metrics", Accept="application/openmetrics-text; version=1.0.0")[1]
        self.assertTrue(open_text.endswith("# EOF\n"))
        self.assertIn("# TYPE wherry_worker_tasks counter\n", open_text)
        self.assertEqual(get(program, "/nowhere")[0], 404)
        if promtool := shutil.which("promtool"):
            done = subprocess.run([promtool, "check", "metrics"], input=text, capture_output=True, text=True, check=False)
            self.assertEqual((done.returncode, done.stdout + done.stderr), (0, ""))
        self.finish(program)

    def test_over_tls_for_those_who_show_a_certificate(self):
        authority = Authority()
        self.addCleanup(authority.folder.cleanup)
        certificate, key = authority.issue("worker", "worker")
        settings = pathlib.Path(self.folder.name) / "tls-worker.yaml"
        settings.write_text(f'metrics: 127.0.0.1:0\nmetrics_tls: {{certificate: "{certificate}", key: "{key}", ca: "{authority.ca}"}}\n',
                            encoding="utf-8")
        program, _ = self.worker("--config", str(settings))
        known = authority.context(authority.issue("prometheus", "prometheus"))
        self.assertIn("wherry_worker_tasks", get(program, "/metrics", tls=known)[1])
        wait_until(lambda: get(program, "/readyz", tls=known)[0] == 200, "it takes tasks")
        with self.assertRaises(OSError):
            get(program, "/metrics", tls=authority.context())
        with self.assertRaises(OSError):
            get(program, "/metrics")
        # Renewed, without a restart.
        fresh = Authority()
        self.addCleanup(fresh.folder.cleanup)
        for name, path in zip(("worker.pem", "worker.key"), fresh.issue("worker", "worker")):
            pathlib.Path(authority.path(name)).write_bytes(pathlib.Path(path).read_bytes())
        program.process.send_signal(signal.SIGHUP)
        program.wait_error("the settings that were read again are in use")
        renewed = fresh.context((authority.path("prometheus.pem"), authority.path("prometheus.key")))
        self.assertEqual(get(program, "/healthz", tls=renewed)[0], 200)
        self.finish(program)

    def test_a_certificate_that_cannot_be_used_is_named(self):
        settings = pathlib.Path(self.folder.name) / "bad-worker.yaml"
        settings.write_text("metrics: 127.0.0.1:0\nmetrics_tls: {certificate: missing.pem}\n", encoding="utf-8")
        program, _ = self.worker("--config", str(settings), ready=False)
        self.assertNotEqual(program.wait_exit(30), 0)
        self.assertRegex(program.errors, r"metrics_tls: .*/missing\.pem")

    def test_ready_is_who_takes_tasks(self):
        port = free_port()
        program, _ = self.worker("--metrics", f"127.0.0.1:{free_port()}", url=f"amqp://127.0.0.1:{port}", ready=False)
        program.wait_error("no connection to the broker")
        address = program.command[program.command.index("--metrics") + 1]

        def ready():
            try:
                with urllib.request.urlopen(f"http://{address}/readyz", timeout=20) as answer:
                    return answer.status, answer.read().decode()
            except urllib.error.HTTPError as error:
                return error.code, error.read().decode()
        self.assertEqual(ready(), (503, "no connection to the broker\n"))
        broker = WherryBroker(listen=f"127.0.0.1:{port}")
        self.addCleanup(broker.stop)
        wait_until(lambda: ready() == (200, "ready\n"), "it is ready", 60)
        self.assertEqual(get(program, "/healthz"), (200, "lives\n"))
        # A second one does not share the port without a word.
        other, _ = self.worker("--metrics", address, ready=False)
        self.assertEqual(other.wait_exit(20), 2)
        self.assertIn(f"metrics: cannot listen on {address}: Address already in use", other.errors)
        self.finish(program)


class Logs(ServicesTest):
    def lines(self, program):
        return [json.loads(line) for line in program.errors.splitlines() if line.startswith("{")]

    def test_lines_as_json_say_which_task_they_are_about(self):
        for pool in ("threads", "processes"):
            program, queue = self.worker("--log-format", "json", "-P", pool)
            trace = "4bf92f3577b34da6a3ce929d0e0e4736"
            result = self.app.send_task("tasks.says", ("good \"news\"",), queue=queue,
                                        headers={"traceparent": f"00-{trace}-00f067aa0ba902b7-01"})
            result.get(timeout=30)
            said = wait_until(lambda: [each for each in self.lines(program) if each["room"] == "task"],
                              f"its line: {program.errors}")[0]
            self.assertEqual({key: said[key] for key in said if key != "ts"}, {
                "level": "warning", "room": "task", "message": "good \"news\"", "task_id": result.id, "task": "tasks.says",
                "attempt": 1, "queue": queue, "trace_id": trace})
            self.assertRegex(said["ts"], r"^\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{3}Z$")
            failed = self.send("fail", "no", queue=queue)
            with self.assertRaises(Exception):
                failed.get(timeout=30)
            about = [each for each in self.lines(program) if each.get("task_id") == failed.id and each["level"] == "error"]
            self.assertTrue(about and about[0]["task"] == "tasks.fail", program.errors)
            self.finish(program)
            self.assertEqual(len(self.lines(program)), len(program.errors.splitlines()), program.errors)

    def test_lines_as_text_name_the_task(self):
        program, queue = self.worker()
        result = self.app.send_task("tasks.says", ("good news",), queue=queue)
        result.get(timeout=30)
        program.wait_error(f"warning task: tasks.says [{result.id}] good news")
        self.finish(program)


class Files(unittest.TestCase):
    """wherryctl config check and --print-effective: the programs, and what they say."""

    def setUp(self):
        self.folder = pathlib.Path(tempfile.mkdtemp(prefix="wherry-files-"))
        self.addCleanup(shutil.rmtree, self.folder, ignore_errors=True)

    def write(self, name, text):
        (self.folder / name).write_text(text, encoding="utf-8")

    def run_program(self, name, *arguments, env=None):
        done = subprocess.run([BIN_DIR / name, *arguments], capture_output=True, text=True, check=False, timeout=60,
                              cwd=self.folder, env={**os.environ, **(env or {})})
        return done.returncode, done.stdout, done.stderr

    def test_settings_are_checked_before_anything_is_started(self):
        self.write("app.yaml", "default_queue: jobs\n")
        self.write("worker.yaml", "app: app.yaml\n")
        self.assertEqual(self.run_program("wherryctl", "config", "check", "worker.yaml"),
                         (0, "worker.yaml: worker settings, fine\napp.yaml: app settings, fine\n", ""))
        self.write("app.yaml", "default_queu: jobs\n")
        code, said, _ = self.run_program("wherryctl", "config", "check", "worker.yaml")
        self.assertEqual(code, 1)
        self.assertIn("app.yaml:1:1: unknown key 'default_queu'; did you mean 'default_queue'?\n", said)
        code, said, _ = self.run_program("wherryctl", "config", "check", "--json", "worker.yaml")
        answer = json.loads(said)
        self.assertEqual((code, answer["fine"]), (1, False))
        self.assertEqual([each["kind"] for each in answer["files"]], ["worker", "app"])
        self.assertEqual(answer["files"][1]["mistakes"][0]["line"], 1)

    def test_a_warning_counts_when_it_is_to(self):
        self.write("app.yaml", "queues: [email]\ntask_routes: {a: emial}\n")
        self.assertEqual(self.run_program("wherryctl", "config", "check", "app.yaml")[0], 0)
        code, said, _ = self.run_program("wherryctl", "config", "check", "--strict", "app.yaml")
        self.assertEqual(code, 1)
        self.assertIn("app.yaml:2:18: warning: queue 'emial' is not among the app's 'queues'; did you mean 'email'?", said)

    def test_a_wrong_command_line_says_how(self):
        for words in ((), ("chek",), ("check",), ("check", "--kind", "x", "f"), ("check", "--nothing")):
            code, _, errors = self.run_program("wherryctl", "config", *words)
            self.assertEqual(code, 2, words)
            self.assertIn("wherryctl config --help", errors)
        self.assertIn("Examples:", self.run_program("wherryctl", "config", "--help")[1])

    def test_the_files_of_the_repository_are_fine(self):
        names = ["broker.yaml", "app.yaml", "worker.yaml", "schedule.yaml"]
        code, said, _ = self.run_program("wherryctl", "config", "check", *(str(TOP / "config" / name) for name in names))
        self.assertEqual(code, 0, said)
        self.assertEqual(said.count(" settings, "), 4, said)
        self.assertNotIn("mistake", said)

    def test_what_comes_out_is_shown_with_where_it_is_from(self):
        self.write("app.yaml", "broker: {url: 'amqp://me:hunter2@there'}\n")
        self.write("worker.yaml", "app: app.yaml\nconcurrency: 2\nprefetch: 9\n")
        code, said, _ = self.run_program("wherry-worker", "-C", "worker.yaml", "-c", "4", "-Q", "a,b", "--print-effective",
                                         env={"WHERRY_PREFETCH": "7"})
        self.assertEqual(code, 0)
        shown = [re.sub(r" +#", " #", line) for line in said.splitlines()]
        self.assertIn("concurrency: 4 # --concurrency", shown)
        self.assertIn("prefetch: 7 # WHERRY_PREFETCH", shown)
        self.assertIn("queues: [a, b] # --queues", shown)
        self.assertIn("app: app.yaml # worker.yaml:1:6", shown)
        self.assertIn("graceful_timeout: 30s # default", shown)
        self.assertIn('  url: ["amqp://me:********@there"] # app.yaml:1:15', shown)
        self.assertNotIn("hunter2", said)
        # Each part is a file again, which the next program takes.
        for number, part in enumerate(said.split("---\n")[:2]):
            self.write(("worker.yaml", "app.yaml")[number], part.replace(":********", ""))
        self.assertEqual(self.run_program("wherryctl", "config", "check", "worker.yaml")[0], 0)
        code, said, _ = self.run_program("wherry-broker", "--print-effective", "--shards", "2")
        self.assertEqual(code, 0)
        self.assertRegex(said, r"(?m)^shards: 2 +# --shards$")
        self.write("broker.yaml", said)
        self.assertEqual(self.run_program("wherryctl", "config", "check", "broker.yaml")[:2],
                         (0, "broker.yaml: broker settings, fine\n"))
        self.assertEqual(self.run_program("wherry-broker", "--print-effective", "-c", "gone.yaml")[0], 2)


@unittest.skipUnless(shutil.which("systemd-analyze"), "systemd is not installed here")
class Units(unittest.TestCase):
    FOLDER = TOP / "config/systemd"

    def test_units_are_hardened(self):
        units = sorted(self.FOLDER.glob("*.service"))
        self.assertEqual(len(units), 3)
        for unit in units:
            done = subprocess.run(["systemd-analyze", "security", "--offline=true", "--threshold=29", "--no-pager", unit],
                                  capture_output=True, text=True, check=False, timeout=60)
            self.assertEqual(done.returncode, 0, f"{unit.name}: {done.stdout[-2000:]}{done.stderr}")

    def test_units_are_valid_and_their_commands_are_what_the_programs_take(self):
        for unit in self.FOLDER.glob("*.service"):
            with tempfile.TemporaryDirectory(prefix="wherry-units-") as folder:
                text = unit.read_text(encoding="utf-8").replace("/usr/bin/wherry-", f"{BIN_DIR}/wherry-")
                copy = pathlib.Path(folder) / unit.name.replace("@", "@example")
                copy.write_text(text, encoding="utf-8")
                done = subprocess.run(["systemd-analyze", "verify", "--man=no", copy], capture_output=True, text=True,
                                      check=False, timeout=60)
                complaints = [line for line in done.stderr.splitlines() if "wherry" in line]
                self.assertEqual(complaints, [])
            command = re.search(r"^ExecStart=(\S+)(.*)$", text, re.M)
            known = subprocess.run([command.group(1), "--help"], capture_output=True, text=True, check=True, timeout=60).stdout
            for option in re.findall(r"--[a-z-]+", command.group(2)):
                self.assertIn(option, known)


if __name__ == "__main__":
    main()

"""What Flower asks of a broker and of workers, request by request (Flower itself is in no package here), and what KEDA's
scaler for RabbitMQ asks before it starts more of them. As Flower 2 does it: its broker page reads the management API, its
workers page inspects, its tasks come from events that are captured into a State, its buttons are control commands."""

import re
import threading
import urllib.parse

from brokers import TIME_SCALE
from control_test import ControlTest
from harness import main, only_wherry, tearDownModule, wait_until  # noqa: F401
from management import call

from celery.events import EventReceiver
from celery.events.state import State

WITH_API = 'listen: {management: "127.0.0.1:0"}\n'


class WithApi(ControlTest):
    broker_config = WITH_API

    def api(self, path):
        ready = self.broker.program.wait_line("management=")
        answer = call(int(re.search(r" management=\S+:(\d+)", ready).group(1)), "GET", "/api" + path)
        self.assertEqual(answer.status, 200, answer.text)
        return answer.json


@only_wherry
class FlowersBrokerPage(WithApi):
    def test_the_queues_of_the_virtual_host_with_its_columns(self):
        name = self.name("flower")
        channel = self.channel()
        channel.queue_declare(name)
        for _ in range(3):
            channel.basic_publish("", name, b"x")
        self.wait_depth(channel, name, 3)
        channel.basic_get(name)
        rows = [row for row in self.api("/queues/" + urllib.parse.quote("/", "")) if row["name"] == name]
        self.assertEqual([{key: row.get(key) for key in ("name", "messages", "messages_ready", "messages_unacknowledged", "consumers")}
                          for row in rows],
                         [{"name": name, "messages": 3, "messages_ready": 2, "messages_unacknowledged": 1, "consumers": 0}])


@only_wherry
class FlowersWorkersPage(WithApi):
    METHODS = ("stats", "active_queues", "registered", "scheduled", "active", "reserved", "revoked", "conf")

    def pages(self, name):
        """As its inspector asks: each of them, of one worker; an answer with an error is no answer to it."""
        seen = {}
        for method in self.METHODS:
            answers = getattr(self.app.control.inspect(timeout=20 * TIME_SCALE, destination=[name]), method)()
            self.assertIn(name, answers or {}, method)
            if isinstance(answers[name], dict):
                self.assertNotIn("error", answers[name], method)
            seen[method] = answers[name]
        return seen

    def test_every_tab_of_a_workers_page(self):
        name, program, queue = self.node(concurrency=1)
        _, gate = self.begin(queue, "flower runs")
        held = self.send("add", 1, 2, queue=queue, countdown=3600)
        waits = self.send("add", 3, 4, queue=queue)
        gone = self.send("add", 5, 6, queue=queue, countdown=3600)
        self.app.control.revoke(gone.id)
        wait_until(lambda: gone.id in self.inspect(name).revoked()[name], "it is revoked")
        seen = self.pages(name)
        stats = seen["stats"]
        # Pool, broker and system, as the page's tables have them.
        self.assertEqual((stats["pid"], stats["pool"]["max-concurrency"], stats["prefetch_count"]), (program.process.pid, 1, 1))
        self.assertEqual(stats["broker"]["transport"], "amqp")
        self.assertTrue({"hostname", "port", "userid", "virtual_host"} <= stats["broker"].keys())
        self.assertTrue({"utime", "stime", "maxrss"} <= stats["rusage"].keys())
        self.assertIsInstance(stats["total"], dict)
        queues = seen["active_queues"]
        self.assertEqual([(each["name"], each["exchange"]["type"]) for each in queues], [(queue, "direct")])
        self.assertTrue({"routing_key", "durable", "exclusive", "auto_delete", "no_ack", "alias", "binding_arguments",
                         "queue_arguments"} <= queues[0].keys())
        self.assertIn("tasks.add", seen["registered"])
        self.assertEqual([task["name"] for task in seen["active"]], ["tasks.noted"])
        self.assertTrue({"id", "args", "kwargs", "time_start", "acknowledged", "worker_pid", "hostname"} <= seen["active"][0].keys())
        self.assertIn(gone.id, seen["revoked"])
        self.assertEqual(seen["conf"]["worker_concurrency"], 1)
        for each in seen["scheduled"]:
            self.assertTrue({"eta", "priority", "request"} <= each.keys())
        self.assertIsInstance(seen["reserved"], list)
        gate.touch()
        self.assertEqual(waits.get(timeout=30), 7)
        self.app.control.revoke(held.id)


@only_wherry
class FlowersButtons(WithApi):
    def pressed(self, name, answers):
        """Flower takes the first answer, and it is fine when the worker's has an "ok" in it."""
        self.assertTrue(answers)
        self.assertIn("ok", answers[0][name])
        return answers[0][name]["ok"]

    def test_pool_consumers_and_limits(self):
        name, program, queue = self.node(concurrency=1)
        to = {"destination": [name], "reply": True, "timeout": 20 * TIME_SCALE}
        control = self.app.control
        self.pressed(name, control.pool_grow(n=2, **to))
        self.assertEqual(self.inspect(name).stats()[name]["pool"]["max-concurrency"], 3)
        self.pressed(name, control.pool_shrink(n=1, **to))
        self.assertEqual(self.inspect(name).stats()[name]["pool"]["max-concurrency"], 2)
        other = self.name("other")
        self.pressed(name, control.broadcast("add_consumer", arguments={"queue": other}, **to))
        self.assertEqual(self.send("add", 1, 1, queue=other).get(timeout=30), 2)
        self.pressed(name, control.broadcast("cancel_consumer", arguments={"queue": other}, **to))
        self.pressed(name, control.rate_limit("tasks.add", "10/m", **to))
        self.pressed(name, control.rate_limit("tasks.add", 0, **to))
        self.pressed(name, control.time_limit("tasks.noted", soft=30, hard=60, **to))
        control.broadcast("shutdown", destination=[name])
        self.assertEqual(program.wait_exit(30), 0)

    def test_autoscale(self):
        name, _, _ = self.node("--autoscale", "3,1")
        self.pressed(name, self.app.control.broadcast("autoscale", arguments={"min": 2, "max": 4}, destination=[name],
                                                      reply=True, timeout=20 * TIME_SCALE))
        self.assertEqual(self.inspect(name).stats()[name]["autoscaler"]["max"], 4)

    def test_a_task_is_revoked_and_terminated(self):
        name, _, queue = self.node("-P", "processes", concurrency=1)
        result, _ = self.begin(queue, "flower terminates")
        self.app.control.revoke(result.id, terminate=True, signal="SIGTERM")
        wait_until(lambda: self.inspect(name).active()[name] == [], "it is gone")
        wait_until(lambda: result.id in self.inspect(name).revoked()[name], "it is revoked")


@only_wherry
class FlowersTasks(WithApi):
    def test_events_are_captured_into_a_state(self):
        """Its thread: a Receiver's capture() that wakes the workers up, into a State."""
        state, connected = State(), threading.Event()

        class Receiver(EventReceiver):
            def on_consume_ready(self, *arguments, **options):
                super().on_consume_ready(*arguments, **options)
                connected.set()

        def run():
            with self.app.connection() as connection:
                receiver = self.receiver = Receiver(connection, handlers={"*": state.event}, app=self.app)
                receiver.capture(limit=None, timeout=None, wakeup=True)
        thread = threading.Thread(target=run, daemon=True)
        thread.start()
        self.addCleanup(thread.join, 10)
        self.addCleanup(lambda: setattr(self.receiver, "should_stop", True))
        self.assertTrue(connected.wait(20 * TIME_SCALE))
        name, program, queue = self.node()
        # It asks for them every few seconds.
        self.app.control.enable_events()
        wait_until(lambda: name in state.workers and state.workers[name].alive, "the worker's heartbeat")
        fine = self.send("add", 20, 22, queue=queue)
        self.assertEqual(fine.get(timeout=30), 42)
        failed = self.send("fail", "on purpose", queue=queue)
        with self.assertRaises(Exception):
            failed.get(timeout=30)
        wait_until(lambda: (state.tasks.get(fine.id) and state.tasks[fine.id].state == "SUCCESS"
                            and state.tasks.get(failed.id) and state.tasks[failed.id].state == "FAILURE"), "both are told")
        task = state.tasks[fine.id]
        # The columns of its table of tasks, and of a task's page.
        self.assertEqual((task.name, task.worker.hostname, task.result, task.retries), ("tasks.add", name, "42", 0))
        self.assertIn("20", task.args)
        self.assertTrue(task.received <= task.started <= task.succeeded, task)
        self.assertGreaterEqual(task.runtime, 0)
        self.assertIn("on purpose", state.tasks[failed.id].exception)
        self.assertTrue(state.tasks[failed.id].traceback is not None)
        worker = state.workers[name]
        self.assertEqual((worker.pid, worker.active), (program.process.pid, 0))
        self.assertTrue(worker.sw_ident and worker.sw_ver and worker.sw_sys)
        self.assertEqual(len(worker.loadavg), 3)
        self.finish(program)
        wait_until(lambda: not state.workers[name].alive, "it has gone offline")


@only_wherry
class Keda(WithApi):
    """keda/pkg/scalers/rabbitmq_scaler: protocol http."""

    def test_one_queue_by_length_and_by_rate(self):
        name = self.name("keda")
        channel = self.channel()
        channel.queue_declare(name)
        channel.confirm_delivery()
        for _ in range(5):
            channel.basic_publish("", name, b"x")
        channel.basic_get(name)
        path = f"/queues/{urllib.parse.quote('/', '')}/{urllib.parse.quote(name, '')}"
        wait_until(lambda: self.api(path).get("messages") == 5, "all are counted")
        row = self.api(path)
        self.assertEqual((row["name"], row["messages"], row["messages_unacknowledged"]), (name, 5, 1))

        # The rate is over some seconds, in which something has come.
        def rises():
            channel.basic_publish("", name, b"x")
            return self.api(path)["message_stats"]["publish_details"]["rate"] > 0
        wait_until(rises, "a rate", 30)

    def test_queues_by_a_pattern(self):
        channel = self.channel()
        names = [self.name(f"keda-{kind}") for kind in ("a", "b")]
        for name in (*names, self.name("another")):
            channel.queue_declare(name)
            channel.basic_publish("", name, b"x")
            self.wait_depth(channel, name, 1)
        # It reads "items", whatever "pagination" says.
        rows = self.api("/queues/%2F?page=1&use_regex=true&pagination=false&name=%5Ekeda-.%5C.&page_size=100")["items"]
        self.assertEqual(sorted(row["name"] for row in rows), sorted(names))
        for row in rows:
            self.assertEqual((row["messages"], row["messages_unacknowledged"]), (1, 0))
            self.assertIsInstance(row["message_stats"]["publish_details"]["rate"], (int, float))


if __name__ == "__main__":
    main()

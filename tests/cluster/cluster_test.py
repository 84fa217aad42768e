"""SDK, workers, schedules and workflows on a RabbitMQ cluster of three nodes with quorum queues, of which one is killed.

Nothing of Wherry's broker runs here but where tasks are carried from it to the cluster and back.
"""

import collections
import functools
import json
import os
import pathlib
import re
import sys
import time

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parents[1] / "interop"))

import celery  # noqa: E402
import kombu  # noqa: E402
import pika  # noqa: E402
from brokers import BIN_DIR  # noqa: E402
from harness import Inbox, close_quietly, main, wait_until  # noqa: E402
from nodes import Cluster, name_of  # noqa: E402
from restarts import Restartable  # noqa: E402
from schedule_test import Schedules, tick_of  # noqa: E402
from stores import RedisStore  # noqa: E402
from workers_test import LIBRARY, WorkersTest  # noqa: E402

# As an app.yaml says it: queue_type: quorum.
QUORUM = {"WHERRY_QUEUE_TYPE": "quorum", "QUEUE_TYPE": "quorum"}
IN_HAND = 500
ENTRIES = int(os.environ.get("WHERRY_CLUSTER_TASKS", "20000"))


ONE = {}


def tearDownModule():
    if "cluster" in ONE:
        ONE["cluster"].end()


class ClusterTest(WorkersTest):
    """One cluster for all tests; what a test kills is there again when the next begins."""

    longest_s = 300

    @classmethod
    def setUpClass(cls):
        super().setUpClass()
        cls.cluster = cls.broker

    @classmethod
    def start_broker(cls):
        if "cluster" not in ONE:
            ONE["cluster"] = Cluster()
        return ONE["cluster"]

    def setUp(self):
        super().setUp()
        self.addCleanup(self.all_nodes)

    def all_nodes(self):
        for node in self.cluster.nodes:
            if node not in self.cluster.living:
                self.cluster.start_again(node)

    def send_to(self, queue, task, *args, **options):
        """As Celery sends to a quorum queue: its client says so, as it would make a classic one."""
        where = kombu.Queue(queue, kombu.Exchange(queue), routing_key=queue, queue_arguments={"x-queue-type": "quorum"})
        return self.app.send_task(f"tasks.{task}", args, queue=where, **options)

    def worker(self, *queues, name, concurrency=4, options=()):
        worker = self.start([BIN_DIR / "wherry-worker", "--load", LIBRARY, "-b", self.cluster.url(), "-Q",
                             ",".join(queues), "-c", concurrency, "-n", name, *options],
                            env={"LEDGER": str(self.ledger), **QUORUM})
        worker.wait_line("wherry-worker ready", timeout=60)
        return worker

    def client(self, queue, *command, code=0):
        program = self.begin_client(queue, *command)
        self.assertEqual(program.wait_exit(300), code, f"{program.lines} {program.errors}")
        return program.lines

    def begin_client(self, queue, *command, url=None):
        return self.start([BIN_DIR / "interop-client", url or self.cluster.url(), queue, "json",
                           *(str(word) for word in command)], env=QUORUM)

    def end(self, worker):
        worker.terminate()
        worker.check_success(60)

    def leader(self, queue):
        return self.cluster.node_named(self.cluster.queue(queue)["leader"])

    def wait_leaders(self):
        """Every quorum queue has a leader on a node that lives."""
        living = {name_of(node) for node in self.cluster.living}

        def led():
            queues = self.cluster.ask("/api/queues")
            return all(each.get("leader") in living for each in queues if each.get("type") == "quorum")
        wait_until(led, "new leaders", 60)

    def connected_to(self, text):
        """The node of the connection whose name has this text, when there is one."""
        for connection in self.cluster.ask("/api/connections"):
            if text in connection.get("client_properties", {}).get("connection_name", ""):
                return self.cluster.node_named(connection["node"])
        return None


class AllNodesLive(ClusterTest):
    """What differs from a single broker is that queues are quorum queues, and that nothing is built in."""

    @classmethod
    def setUpClass(cls):
        super().setUpClass()
        cls.addClassCleanup(super().tearDownClass)
        cls.redis = RedisStore()
        cls.addClassCleanup(cls.redis.stop)

    @classmethod
    def tearDownClass(cls):
        pass  # By its clean-up, after that of the workers.

    def test_queues_that_are_made_are_quorum_queues_on_all_nodes(self):
        queue = self.name()
        worker = self.worker(queue, name="types")
        self.assertEqual(self.client(queue, "add", 20, 22), ["sum 42"])
        for each in (queue, "wherry.dead"):
            found = self.cluster.queue(each)
            self.assertEqual((found["type"], len(found["members"])), ("quorum", 3), each)
        self.end(worker)

    def test_delays_are_held_by_celerys_queues_of_delays(self):
        queue = self.name()
        worker = self.worker(queue, name="delays")
        client = self.begin_client(queue, "when", 6000)
        channel = self.channel()

        def held():
            # Levels that are not there yet cost the channel.
            nonlocal channel
            try:
                return sum(self.depth(channel, f"celery_delayed_{level}") for level in range(3)) == 1
            except Exception:  # noqa: BLE001
                channel = self.channel()
                return False
        wait_until(held, "a level of the delays holds the task", 30)
        self.assertEqual(self.app.control.inspect(["delays"], timeout=20).scheduled(), {"delays": []})
        self.assertEqual(client.wait_exit(60), 0, client.errors)
        self.assertGreaterEqual(float(client.lines[0].split()[1]), 5.99)
        self.assertEqual(self.cluster.queue("celery_delayed_27")["type"], "quorum")
        self.end(worker)

    def test_a_retry_goes_through_the_delays_again_and_again(self):
        queue = self.name()
        worker = self.worker(queue, name="retries")
        began = time.monotonic()
        self.assertEqual(self.send_to(queue, "patient", 3).get(timeout=60), 3)
        self.assertGreaterEqual(time.monotonic() - began, 3 * 1.49)
        self.end(worker)

    def test_workflows_come_to_their_results(self):
        # Celery's own worker before 5.5 cannot take tasks from quorum queues: both of the queues are for a worker of ours.
        url = self.redis.wherry_url
        worker = self.worker("cpp", "celery", name="workflows", options=("--result-backend", url))

        def workflow(*command):
            program = self.start([BIN_DIR / "interop-workflows", self.cluster.url(), "json", *map(str, command)],
                                 env={"RESULT_BACKEND": url, **QUORUM})
            self.assertEqual(program.wait_exit(60), 0, f"{program.lines} {program.errors}")
            return program.lines
        self.assertEqual(workflow("chain", "start"), ["start>cpp>cpp>cpp>cpp"])
        self.assertEqual(workflow("group", 40), ["sum 1560", "completed 40 of 40", "both 3 two>cpp"])
        self.assertEqual(workflow("chord", 20), ["total 380", "total 380", "within 136"])
        self.end(worker)

    def test_a_unique_task_is_refused_as_nobody_looks_for_duplicates(self):
        self.assertIn("this broker does not look for duplicates", self.client(self.name(), "unique", "k", code=3)[0])

    def test_remote_control_and_revokes(self):
        queue = self.name()
        workers = [self.worker(queue, name=f"control{number}") for number in range(2)]
        answers = self.app.control.ping(timeout=20, limit=2)
        self.assertEqual(sorted(name for answer in answers for name in answer), ["control0", "control1"])
        later = self.send_to(queue, "noted", "revoked", "", countdown=3)
        self.app.control.revoke(later.id, reply=True, timeout=20, limit=2)
        with self.assertRaises(celery.exceptions.TaskRevokedError):
            later.get(timeout=60)
        self.assertEqual(self.in_ledger("began revoked"), [])
        for worker in workers:
            self.end(worker)


class OneNodeDies(ClusterTest):
    def test_a_load_of_tasks_is_done_and_none_is_lost(self):
        queue = "load"
        self.end(self.worker(queue, name="first"))
        # The worker and the client are connected to the node that leads the queue.
        node = self.leader(queue)
        self.place(node, first=True)
        # So many that the pool is busy while the nodes agree on each acknowledgement.
        worker = self.worker(queue, name="loaded", options=("-p", IN_HAND))
        self.assertIs(wait_until(lambda: self.connected_to("loaded"), "the worker's connection", 60), node)
        client = self.begin_client(queue, "entries", ENTRIES)
        wait_until(lambda: len(self.in_ledger("entry ")) >= ENTRIES // 4, "a quarter is done", 200)
        self.cluster.kill(node)
        self.assertEqual(client.wait_exit(200), 0, client.errors)
        self.assertEqual(client.lines, [f"enqueued {ENTRIES}"])

        def done():
            return len({line.split()[1] for line in self.in_ledger("entry ")}) == ENTRIES
        wait_until(done, "all are done", 200)
        channel = self.channel()
        self.wait_depth(channel, queue, 0, 60)
        self.assertEqual(self.depth(channel, "wherry.dead"), 0)
        self.end(worker)
        counts = collections.Counter(line.split()[1] for line in self.in_ledger("entry "))
        self.assertEqual(set(counts), {str(number) for number in range(ENTRIES)})
        twice = sum(counts.values()) - ENTRIES
        print(f"{ENTRIES} tasks, {twice} ran twice")
        # What the client had not heard of as confirmed, at most 2,000, and what the worker had in hand.
        self.assertLessEqual(twice, 2000 + IN_HAND)

    def test_a_result_arrives_that_is_sent_the_moment_the_node_of_worker_and_client_dies(self):
        self.check_result_of_the_moment(worker_there=True, client_there=True)

    def test_a_result_arrives_that_is_sent_the_moment_the_node_of_its_worker_dies(self):
        self.check_result_of_the_moment(worker_there=True, client_there=False)

    def test_a_result_arrives_that_is_sent_the_moment_the_node_of_its_client_dies(self):
        # Its reply queue has no leader when the worker publishes there for the first time.
        self.check_result_of_the_moment(worker_there=False, client_there=True)

    def check_result_of_the_moment(self, worker_there, client_there):
        """A task whose queue is led by the node that dies; worker and client are connected there or elsewhere."""
        queue, gate = self.name(), pathlib.Path(self.folder.name) / "result-gate"
        self.end(self.worker(queue, name="making"))
        node = self.leader(queue)
        self.place(node, worker_there)
        worker = self.worker(queue, name="resulting")
        self.place(node, client_there)
        client = self.begin_client(queue, "noted", "resulting", gate)
        wait_until(lambda: self.in_ledger("began resulting"), "it began", 60)
        self.cluster.kill(node)
        gate.touch()
        self.assertEqual(client.wait_exit(120), 0, f"{client.lines} {client.errors} {worker.errors}")
        self.assertEqual(client.lines, ["noted resulting"])
        # Asked on a connection of its own: those in Celery's pool, which is one for all, may be of a node that died.
        asking = celery.Celery("asking", broker=self.cluster.url())
        asking.conf.broker_transport_options = {"client_properties": {"asked_for": queue}}
        self.addCleanup(asking.close)
        self.assertEqual(asking.control.ping(timeout=20, limit=1), [{"resulting": {"ok": "pong"}}])
        self.end(worker)

    def place(self, node, first):
        """Who connects from now on is connected to this node, or to another."""
        self.cluster.nodes.remove(node)
        self.cluster.nodes.insert(0 if first else len(self.cluster.nodes), node)

    def test_a_task_that_is_enqueued_while_its_queue_has_no_leader_is_done(self):
        queue = self.name()
        self.end(self.worker(queue, name="making"))
        node = self.leader(queue)
        self.place(node, first=False)
        worker = self.worker(queue, name="leaderless")
        self.cluster.kill(node)
        node.program.process.wait()
        # Their first publish is nacked, and so is all that they publish on the same channel.
        clients = [self.begin_client(queue, "add", number, 1) for number in range(4)]
        for number, client in enumerate(clients):
            self.assertEqual(client.wait_exit(120), 0, f"{client.lines} {client.errors}")
            self.assertEqual(client.lines, [f"sum {number + 1}"])
        self.end(worker)

    def test_a_delay_and_a_dead_letter_outlive_the_node(self):
        queue = self.name()
        worker = self.worker(queue, name="lasting")
        self.client(queue, "when", 1000)  # The levels are there.
        self.send_to(queue, "impossible", "buried")
        channel = self.channel()
        self.wait_depth(channel, "wherry.dead", 1, 60)
        client = self.begin_client(queue, "when", 20_000)
        wait_until(lambda: self.depth(channel, "celery_delayed_4") == 1, "the level holds it", 30)
        self.cluster.kill(self.leader("celery_delayed_4"))
        self.assertEqual(client.wait_exit(120), 0, client.errors)
        self.assertGreaterEqual(float(client.lines[0].split()[1]), 19.99)
        _, properties, _ = self.get(self.channel(), "wherry.dead", auto_ack=True)
        self.assertIn("buried", properties.headers["x-wherry-reason"])
        self.end(worker)


class SchedulersOfACluster(Schedules, ClusterTest):
    def start_scheduler(self, path, *options):
        scheduler = self.start([BIN_DIR / "wherry-worker", "--schedule", path, "--schedule-only", "-b",
                                self.cluster.url(), *options], env=QUORUM)
        scheduler.wait_line("wherry-worker ready", timeout=60)
        return scheduler

    def test_ticks_go_on_when_the_node_of_the_active_scheduler_dies_and_then_the_scheduler(self):
        queue = self.name()
        name, path = self.schedule({"a": {"task": "t", "every": 1, "options": {"queue": queue}}})
        first = self.start_scheduler(path, "-n", "one")
        self.wait_active([first])
        second = self.start_scheduler(path, "-n", "two")
        self.assertEqual(self.cluster.queue(name)["type"], "quorum")
        node = self.leader(name)
        inbox = self.inbox_elsewhere(queue, node)
        inbox.wait(3)
        self.cluster.kill(node)
        seen = len(inbox.messages)
        inbox.wait(seen + 4, 90)
        # Whoever enqueued the last tick is active.
        max((first, second), key=lambda each: re.findall(r"info schedule: a:(\S+)", each.errors)[-1:]).kill()
        seen = len(inbox.messages)
        inbox.wait(seen + 3, 90)
        ticks = [tick_of(properties) for _, properties, _ in inbox.messages]
        # RabbitMQ does not look for duplicates: a tick whose confirm died with the node comes twice.
        self.check_every_second_once(sorted(set(ticks)))
        self.assertLessEqual(len(ticks) - len(set(ticks)), 3)

    def inbox_elsewhere(self, queue, node):
        """A consumer on a node that stays."""
        class There:
            host = "127.0.0.1"
            port = next(each.amqp for each in self.cluster.nodes if each is not node)
        kept, self.broker = self.broker, There()
        try:
            return Inbox(self, self.channel(), queue, ack=True)
        finally:
            self.broker = kept


class CarriedOver(ClusterTest):
    """Tasks that wait in Wherry's broker go to the cluster by RabbitMQ's shovel, and back."""

    def setUp(self):
        super().setUp()
        self.one = Restartable().start()
        self.addCleanup(self.one.clean_up)

    def at(self, broker):
        connection = pika.BlockingConnection(pika.ConnectionParameters("127.0.0.1", broker.port, heartbeat=0))
        self.addCleanup(close_quietly, connection)
        channel = connection.channel()
        channel.confirm_delivery()
        return channel

    def shovel(self, name, source, target, queue):
        """As docs/migrating.md has it."""
        node = self.cluster.living[0]
        self.cluster.run(node, "set_parameter", "shovel", name, json.dumps({
            "src-protocol": "amqp091", "src-uri": source, "src-queue": queue,
            "dest-protocol": "amqp091", "dest-uri": target, "dest-queue": queue,
            "ack-mode": "on-confirm", "src-prefetch-count": 500, "reconnect-delay": 1}))
        clear = functools.partial(self.cluster.run, node, "clear_parameter", "shovel", name)
        self.addCleanup(lambda: name in self.cluster.run(node, "list_parameters") and clear())
        return clear

    def cluster_uri(self):
        return f"amqp://guest:guest@127.0.0.1:{self.cluster.port}/%2f"

    def fill(self, channel, queue, count, **arguments):
        channel.queue_declare(queue, durable=True, arguments=arguments)
        # One commit for all, and not a confirm for each.
        filling = channel.connection.channel()
        filling.tx_select()
        for number in range(count):
            filling.basic_publish("", queue, b"%d" % number, pika.BasicProperties(
                delivery_mode=2, content_type="application/json", correlation_id=str(number), reply_to="r",
                headers={"id": str(number), "task": "t", "retries": number % 3}))
        filling.tx_commit()
        filling.close()

    def drained(self, channel, queue, count):
        bodies = []
        for method, properties, body in channel.consume(queue, auto_ack=True, inactivity_timeout=60):
            if method is None:
                break
            number = int(body)
            bodies.append(number)
            self.assertEqual((properties.delivery_mode, properties.content_type, properties.correlation_id,
                              properties.reply_to), (2, "application/json", str(number), "r"))
            self.assertEqual({name: properties.headers[name] for name in ("id", "task", "retries")},
                             {"id": str(number), "task": "t", "retries": number % 3})
            if len(set(bodies)) == count:
                break
        channel.cancel()
        return bodies

    def test_a_shovel_carries_all_in_their_order_and_back(self):
        queue = self.name("carried")
        here, there = self.at(self.one), self.channel()
        self.fill(here, queue, 2000)
        there.queue_declare(queue, durable=True, arguments={"x-queue-type": "quorum"})
        clear = self.shovel("over", self.one.url(), self.cluster_uri(), queue)
        self.wait_depth(there, queue, 2000, 60)
        self.assertEqual(self.depth(here, queue), 0)
        self.assertEqual(self.drained(there, queue, 2000), list(range(2000)))
        clear()
        self.fill(there, queue, 500, **{"x-queue-type": "quorum"})
        self.shovel("back", self.cluster_uri(), self.one.url(), queue)
        self.wait_depth(here, queue, 500, 60)
        self.assertEqual(self.drained(here, queue, 500), list(range(500)))

    def test_a_shovel_loses_nothing_when_the_broker_it_drains_is_killed(self):
        queue = self.name("killed")
        port = self.one.port
        self.fill(self.at(self.one), queue, 20_000)
        there = self.channel()
        there.queue_declare(queue, durable=True, arguments={"x-queue-type": "quorum"})
        self.shovel("killed", self.one.url(), self.cluster_uri(), queue)
        wait_until(lambda: self.depth(there, queue) > 1000, "it carries", 60)
        self.one.kill()
        self.one.launch(listen=f"127.0.0.1:{port}").wait_line("amqp=", timeout=30)
        bodies = self.drained(there, queue, 20_000)
        self.assertEqual(set(bodies), set(range(20_000)))
        # What was under way and not acknowledged comes twice.
        self.assertLessEqual(len(bodies) - 20_000, 500)

    def test_the_way_back_loses_nothing_when_the_broker_that_it_fills_is_killed(self):
        queue = self.name("back")
        port = self.one.port
        self.at(self.one).queue_declare(queue, durable=True)
        there = self.channel()
        self.fill(there, queue, 20_000, **{"x-queue-type": "quorum"})
        self.shovel("back-killed", self.cluster_uri(), self.one.url(), queue)
        channel = self.at(self.one)
        wait_until(lambda: self.depth(channel, queue) > 1000, "it carries", 60)
        self.one.kill()
        self.one.launch(listen=f"127.0.0.1:{port}").wait_line("amqp=", timeout=30)
        bodies = self.drained(self.at(self.one), queue, 20_000)
        self.assertEqual(set(bodies), set(range(20_000)))
        self.assertLessEqual(len(bodies) - 20_000, 500)


if __name__ == "__main__":
    main()

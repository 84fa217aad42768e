"""Metrics as Prometheus sees them: the names that RabbitMQ's dashboards join, a real Prometheus that scrapes them."""

import json
import os
import subprocess
import tempfile
import threading
import urllib.request

import pika

import brokers
from brokers import wait_until
from harness import main, setUpModule, tearDownModule  # noqa: F401
from management import ManagementTest, call

OVERVIEW = """identity_info build_info erlang_uptime_seconds connections channels queues global_publishers
global_consumers queue_messages_ready queue_messages_unacked process_resident_memory_bytes resident_memory_limit_bytes
disk_space_available_bytes disk_space_available_limit_bytes process_open_fds process_max_fds connections_opened_total
connections_closed_total channels_opened_total channels_closed_total queues_declared_total queues_created_total
queues_deleted_total global_messages_received_total global_messages_received_confirm_total
global_messages_confirmed_total global_messages_routed_total global_messages_unroutable_dropped_total
global_messages_unroutable_returned_total global_messages_delivered_total global_messages_redelivered_total
global_messages_delivered_consume_auto_ack_total global_messages_delivered_consume_manual_ack_total
global_messages_delivered_get_auto_ack_total global_messages_delivered_get_manual_ack_total
global_messages_get_empty_total global_messages_acknowledged_total global_messages_dead_lettered_confirmed_total
global_messages_dead_lettered_delivery_limit_total global_messages_dead_lettered_expired_total
global_messages_dead_lettered_maxlen_total global_messages_dead_lettered_rejected_total message_size_bytes_bucket
message_size_bytes_sum message_size_bytes_count""".split()


class MetricsTest(ManagementTest):
    def scrape(self, path="/metrics"):
        answer = call(self.metrics, "GET", path, user=None)
        self.assertEqual(answer.status, 200, answer.text)
        self.assertTrue(answer.headers["Content-Type"].startswith("text/plain; version=0.0.4"))
        return answer.text

    def values(self, path="/metrics"):
        """Series by name and labels."""
        found = {}
        for line in self.scrape(path).splitlines():
            if not line.startswith("#"):
                series, _, value = line.rpartition(" ")
                found[series] = float(value)
        return found

    def value(self, name, path="/metrics"):
        return sum(value for series, value in self.values(path).items() if series.partition("{")[0] == "rabbitmq_" + name)


class Metrics(MetricsTest):
    def test_every_series_of_the_overview_dashboard_is_there(self):
        names = {series.partition("{")[0] for series in self.values()}
        self.assertEqual([name for name in OVERVIEW if "rabbitmq_" + name not in names], [])

    def test_what_clients_do_is_counted(self):
        before = self.values()
        channel = self.channel()
        queue = self.name()
        channel.queue_declare(queue, arguments={"x-max-length": 2, "x-dead-letter-exchange": "amq.fanout"})
        channel.confirm_delivery()
        for _ in range(3):
            channel.basic_publish("", queue, b"four", mandatory=True)
        channel.basic_publish("", "nowhere", b"")
        method, _, _ = self.get(channel, queue)
        channel.basic_nack(method.delivery_tag)
        method, _, _ = self.get(channel, queue)
        channel.basic_ack(method.delivery_tag)
        self.get(channel, queue, auto_ack=True)
        channel.basic_get(queue)
        after = self.values()

        def grown(name):
            total = lambda all: sum(value for series, value in all.items() if series.partition("{")[0] == "rabbitmq_" + name)
            return total(after) - total(before)
        self.assertEqual({name: grown(name) for name in (
            "global_messages_received_total", "global_messages_received_confirm_total", "global_messages_confirmed_total",
            "global_messages_routed_total", "global_messages_unroutable_dropped_total",
            "global_messages_delivered_get_manual_ack_total", "global_messages_delivered_get_auto_ack_total",
            "global_messages_get_empty_total", "global_messages_redelivered_total", "global_messages_acknowledged_total",
            "global_messages_dead_lettered_maxlen_total", "message_size_bytes_sum", "message_size_bytes_count",
            "queues_created_total", "connections_opened_total", "channels_opened_total", "queues", "connections")},
            {"global_messages_received_total": 4, "global_messages_received_confirm_total": 4,
             "global_messages_confirmed_total": 4, "global_messages_routed_total": 3,
             "global_messages_unroutable_dropped_total": 1, "global_messages_delivered_get_manual_ack_total": 2,
             "global_messages_delivered_get_auto_ack_total": 1, "global_messages_get_empty_total": 1,
             "global_messages_redelivered_total": 1, "global_messages_acknowledged_total": 1,
             "global_messages_dead_lettered_maxlen_total": 1, "message_size_bytes_sum": 12, "message_size_bytes_count": 4,
             "queues_created_total": 1, "connections_opened_total": 1, "channels_opened_total": 1, "queues": 1,
             "connections": 1})
        # What a channel has counted stays counted when it is gone.
        channel.connection.close()
        wait_until(lambda: self.value("connections_closed_total") > sum(
            value for series, value in before.items() if "connections_closed_total" in series), "the end")
        self.assertEqual(self.value("global_messages_received_total"),
                         sum(value for series, value in after.items() if "messages_received_total" in series))

    def test_objects_one_by_one_and_by_family(self):
        channel = self.channel()
        queue = self.name('q"x\\')
        channel.queue_declare(queue)
        channel.basic_publish("", queue, b"x")
        self.wait_depth(channel, queue, 1)
        escaped = queue.replace("\\", "\\\\").replace('"', '\\"')
        labels = f'{{vhost="/",queue="{escaped}"}}'
        self.assertEqual(self.values("/metrics/per-object")["rabbitmq_queue_messages_ready" + labels], 1)
        detailed = self.values("/metrics/detailed?family=queue_coarse_metrics&vhost=%2F")
        self.assertEqual(detailed["rabbitmq_detailed_queue_messages_ready" + labels], 1)
        self.assertFalse([series for series in detailed if "consumers" in series])
        self.assertEqual(self.values("/metrics/detailed?family=queue_coarse_metrics&vhost=other"), {})
        self.assertEqual(call(self.metrics, "GET", "/metrics/detailed?family=odd", user=None).status, 400)
        self.assertEqual(call(self.metrics, "GET", "/odd", user=None).status, 404)

    def test_promtool_finds_nothing_to_say(self):
        channel = self.channel()
        channel.queue_declare(self.name())
        for path in ("/metrics", "/metrics/per-object",
                     "/metrics/detailed?family=queue_metrics&family=channel_metrics&family=vhost_status"):
            done = subprocess.run(["promtool", "check", "metrics"], input=self.scrape(path), capture_output=True,
                                  text=True, timeout=60, check=False)
            self.assertEqual((done.returncode, done.stdout + done.stderr), (0, ""), path)

    def test_prometheus_scrapes_it(self):
        folder = tempfile.mkdtemp(prefix="wherry-prometheus-")
        port = brokers.free_port()
        with open(f"{folder}/prometheus.yml", "w", encoding="utf-8") as file:
            file.write("global: {scrape_interval: 1s}\nscrape_configs:\n- job_name: wherry\n  static_configs:\n"
                       f"  - targets: ['127.0.0.1:{self.metrics}']\n")
        self.start(["prometheus", f"--config.file={folder}/prometheus.yml", f"--storage.tsdb.path={folder}/data",
                    f"--web.listen-address=127.0.0.1:{port}"])
        # As the dashboards join.
        query = "rabbitmq_queues*on(instance)group_left(rabbitmq_cluster)rabbitmq_identity_info"

        def found():
            try:
                with urllib.request.urlopen(f"http://127.0.0.1:{port}/api/v1/query?query={query}", timeout=5) as answer:
                    return json.load(answer)["data"]["result"]
            except OSError:
                return None
        self.assertIn("rabbitmq_cluster", wait_until(found, "a sample", 60)[0]["metric"])


class StalledDisk(MetricsTest):
    broker_config = "disk_stall_warning: 50ms\n"

    @classmethod
    def setUpClass(cls):
        folder = tempfile.TemporaryDirectory(prefix="wherry-stalled-")
        cls.addClassCleanup(folder.cleanup)
        cls.broker_environment, cls.fault = brokers.fault_of("stalled", folder.name)
        super().setUpClass()

    def setUp(self):
        super().setUp()
        # Before the broker is stopped, which waits for its disk.
        self.addCleanup(self.fault.unlink, missing_ok=True)

    def status(self):
        code, out, err = self.broker.control("status", "--formatter", "json")
        self.assertEqual(code, 0, err)
        return {row["key"]: json.loads(str(row["value"]).lower()) for row in json.loads(out) if "stall" in row["key"]}

    def told(self):
        node = self.api("GET", "/nodes")[0]
        status = self.status()
        return [(one["disk_stalled"], one["disk_stalls"]) for one in (node, status)], self.value("disk_stalled")

    def test_a_disk_that_does_not_answer_is_seen_while_others_go_on(self):
        channel, queue = self.channel(), self.name()
        channel.queue_declare(queue, durable=True)
        publisher = self.channel()
        publisher.confirm_delivery()
        publishing = threading.Thread(target=publisher.basic_publish, args=(
            "", queue, b"kept", pika.BasicProperties(delivery_mode=2)))
        self.assertEqual(self.told(), ([(False, 0)] * 2, 0))
        self.fault.touch()
        publishing.start()
        self.addCleanup(publishing.join)
        wait_until(lambda: self.told() == ([(True, 1)] * 2, 1), "the stall is told")
        # What needs no disk goes on.
        other = self.channel()
        transient = other.queue_declare("", exclusive=True).method.queue
        other.basic_publish("", transient, b"x")
        self.assertEqual(self.get(other, transient, auto_ack=True)[2], b"x")
        self.assertTrue(publishing.is_alive())
        self.fault.unlink()
        publishing.join()
        wait_until(lambda: self.told() == ([(False, 1)] * 2, 0), "the disk answers again")
        self.assertEqual(self.value("disk_stalls_total"), 1)


if __name__ == "__main__":
    main()

"""wherry-perf against a real broker: what it counts is what was there, and what it says when something is wrong."""

import json
import os
import pathlib
import pty
import re
import signal
import subprocess
import tempfile
import unittest
import xml.etree.ElementTree

import pika

from brokers import BIN_DIR, TIME_SCALE, free_port
from harness import BrokerTest, main, only_wherry, start_broker, tearDownModule, wait_until  # noqa: F401

PERF = BIN_DIR / "wherry-perf"


class PerfTest(BrokerTest):
    def setUp(self):
        super().setUp()
        folder = tempfile.TemporaryDirectory(prefix="wherry-perf-")
        self.addCleanup(folder.cleanup)
        self.folder = pathlib.Path(folder.name)
        self.prefix = self.name("perf")

    def command(self, words, uri=None, json_lines=True, prefix=True):
        command = [PERF, *words.split(), "--uri", uri or self.broker.url()]
        command += ["--json"] if json_lines else []
        return command + (["--prefix", self.prefix] if prefix else [])

    def run_perf(self, words, code=0, **options):
        """Runs it to its end; its JSON lines, or its text. Standard error is kept in self.errors."""
        program = self.start(self.command(words, **options))
        self.assertEqual(program.wait_exit(60), code, program.errors)
        self.errors = program.errors
        if options.get("json_lines", True):
            return [json.loads(line) for line in program.lines]
        return "\n".join(program.lines)

    def run_one(self, words, **options):
        (line,) = self.run_perf(words, **options)
        return line

    def exists(self, queue):
        try:
            self.channel().queue_declare(queue, passive=True)
            return True
        except pika.exceptions.ChannelClosedByBroker:
            return False

    def assert_picture(self, path):
        root = xml.etree.ElementTree.parse(path).getroot()
        self.assertTrue(root.tag.endswith("svg"))
        self.assertNotIn("nothing was measured", path.read_text())


class Messages(PerfTest):
    def test_every_message_is_published_and_delivered(self):
        line = self.run_one("throughput --count 3000 --label first")
        self.assertEqual((line["published"], line["delivered"], line["returned"]), (3000, 3000, 0))
        self.assertEqual((line["command"], line["label"], line["interrupted"]), ("throughput", "first", False))
        self.assertGreater(line["delivered_per_s"], 0)
        self.assertGreater(line["own_cpu_us_per_message"], 0)
        self.assertNotIn("cpu_us_per_message", line, "without --pid nothing is claimed about the broker")
        self.assertFalse(self.exists(f"{self.prefix}-q0"))

    def test_persistent_confirmed_acknowledged_one_by_one(self):
        line = self.run_one("throughput --count 3000 --size 1KiB --persistent --confirm 100 --ack each --prefetch 10")
        self.assertEqual((line["published"], line["confirmed"], line["delivered"]), (3000, 3000, 3000))
        self.assertLessEqual(line["confirm_p50_us"], line["confirm_p99_us"])

    def test_several_producers_publish_exactly_the_count(self):
        line = self.run_one("throughput --count 501 --size 300KiB --producers 3 --consumers 2 --queues 4 --ack multiple "
                            "--in-flight 20 --ack-every 5")
        self.assertEqual((line["published"], line["delivered"]), (501, 501))

    def test_a_fan_out_delivers_to_every_queue(self):
        line = self.run_one("throughput --exchange fanout --queues 10 --count 500")
        self.assertEqual((line["published"], line["delivered"]), (500, 5000))

    def test_topic_and_direct_exchanges_deliver_each_message_once(self):
        for exchange in ("topic", "direct"):
            line = self.run_one(f"throughput --exchange {exchange} --bindings 50 --queues 4 --count 1000")
            self.assertEqual((line["published"], line["delivered"], line["returned"]), (1000, 1000, 0), exchange)

    def test_a_run_by_time_ends_and_draws_its_rates(self):
        picture = self.folder / "rates.svg"
        line = self.run_one(f"throughput --seconds 1 --in-flight 1000 --svg {picture}")
        self.assertEqual(line["published"], line["delivered"])
        self.assertGreater(line["seconds"], 0.9)
        self.assert_picture(picture)

    def test_the_broker_s_refusals_are_counted(self):
        line = self.run_one("throughput --consumers 0 --count 200 --confirm 50 --queue-argument x-max-length=10 "
                            "--queue-argument x-overflow=reject-publish")
        self.assertEqual((line["confirmed"], line["refused"]), (200, 190))

    def test_latencies_at_each_rate(self):
        lines = self.run_perf(f"latency --rate 200,400 --seconds 1 --warm 0 --svg {self.folder / 'l.svg'}")
        self.assertEqual([line["rate"] for line in lines], [200, 400])
        for line in lines:
            # A machine without time for it sends the last ones late, or no more.
            self.assertGreater(line["published"], line["rate"] / 2)
            self.assertLessEqual(line["published"], line["rate"])
            self.assertEqual(line["published"], line["delivered"])
            quantiles = [line[f"end_to_end_{q}_us"] for q in ("p50", "p90", "p99", "p999", "max")]
            self.assertEqual(quantiles, sorted(quantiles))
            self.assertGreater(quantiles[0], 0)
            self.assert_picture(self.folder / f"l-{line['rate']}.svg")

    def test_ping_has_one_message_on_its_way(self):
        line = self.run_one("ping --count 200")
        self.assertEqual((line["published"], line["delivered"], line["most_in_flight"]), (200, 200, 1))
        self.assertGreater(line["end_to_end_p50_us"], 0)

    def test_text_for_people(self):
        text = self.run_perf("throughput --count 1000 --confirm 100", json_lines=False)
        for word in ("1 producer, 1 consumer, 1 queue", "published", "confirmed", "delivered", "1,000 messages", "µs/message"):
            self.assertIn(word, text)

    @only_wherry
    def test_the_broker_s_processor_time_and_memory(self):
        pid = self.broker.program.process.pid
        line = self.run_one(f"throughput --count 20000 --pid {pid}")
        self.assertGreater(line["cpu_us_per_message"], 0)
        self.assertGreater(line["memory_mib"], 1)
        self.assertGreaterEqual(line["threads"], 1)


class Others(PerfTest):
    def test_a_backlog_is_filled_awaited_and_drained(self):
        queue = f"{self.prefix}-q0"
        fill = self.run_one("backlog --count 2000 --phase fill --settle 0")
        self.assertEqual((fill["phase"], fill["confirmed"]), ("fill", 2000))
        self.assertEqual(self.depth(self.channel(), queue), 2000)
        there = self.run_one("backlog --count 2000 --phase await")
        self.assertEqual(there["messages"], 2000)
        self.assertLessEqual(there["accepted_s"], there["ready_s"])
        drain = self.run_one("backlog --phase drain")
        self.assertEqual((drain["phase"], drain["delivered"]), ("drain", 2000))
        self.assertFalse(self.exists(queue))

    @only_wherry
    def test_both_phases_in_one_call(self):
        pid = self.broker.program.process.pid
        picture = self.folder / "memory.svg"
        fill, drain = self.run_perf(
            f"backlog --count 3000 --settle 0 --pid {pid} --data-dir {self.folder} --svg {picture}")
        self.assertIn("memory_grown_mib", fill)
        self.assertIn("disk_for_bodies", fill)
        self.assertEqual((fill["published"], drain["delivered"]), (3000, 3000))
        self.assert_picture(picture)

    def test_nothing_to_drain(self):
        self.assertEqual(self.run_perf("backlog --phase drain", code=1), [])
        self.assertIn("fill them with --phase fill", self.errors)
        self.assertIn("404 NOT_FOUND", self.errors)

    def test_connections(self):
        idle, churn = self.run_perf("connections --idle 30 --hold 0.2 --churn 40 --parallel 3", prefix=False)
        self.assertEqual((idle["part"], idle["connections"]), ("idle", 30))
        self.assertEqual((churn["part"], churn["connections"]), ("churn", 40))
        self.assertGreater(churn["connections_per_s"], 0)
        self.assertGreater(churn["cycle_p50_us"], 0)

    def test_declares(self):
        for words in ("--outstanding 20", "--outstanding 1", "--kind transient", "--kind exclusive"):
            picture = self.folder / "d.svg"
            line = self.run_one(f"declares --count 150 {words} --svg {picture}")
            self.assertEqual(line["queues"], 150, words)
            self.assertGreater(line["declares_per_s"], 0)
            self.assertFalse(self.exists(f"{self.prefix}-d0"), words)
            self.assertTrue(picture.exists())


class Ends(PerfTest):
    def test_an_interrupt_ends_the_run_and_its_figures_are_printed(self):
        for which in (signal.SIGINT, signal.SIGTERM):
            program = self.start(self.command(self.ENDLESS))
            self.wait_flow(program)
            program.process.send_signal(which)
            self.assertEqual(program.wait_exit(), 130, program.errors)
            (line,) = map(json.loads, program.lines)
            self.assertTrue(line["interrupted"])
            self.assertGreater(line["published"], 0)
            self.assertEqual(line["published"], line["delivered"])
            self.assertFalse(self.exists(f"{self.prefix}-q0"), "its queues are removed")

    ENDLESS = "throughput --seconds 600 --in-flight 100 --exchange fanout"

    def wait_flow(self, program, broker=None):
        """Until a message of the run has come by."""
        connection = pika.BlockingConnection(pika.URLParameters((broker or self.broker).url()))
        channel = None

        def flows():
            nonlocal channel
            self.assertIsNone(program.process.poll(), program.errors)
            try:
                if channel is None or channel.is_closed:
                    channel = connection.channel()
                    channel.queue_declare(f"{self.prefix}-seen", exclusive=True, arguments={"x-max-length": 1})
                    channel.queue_bind(f"{self.prefix}-seen", f"{self.prefix}-x")
                return channel.queue_declare(f"{self.prefix}-seen", passive=True).method.message_count > 0
            except pika.exceptions.ChannelClosedByBroker:
                return False

        wait_until(flows, "a message of the run")
        connection.close()

    def test_no_broker(self):
        self.assertEqual(self.run_perf("throughput", code=1, uri=f"amqp://127.0.0.1:{free_port()}"), [])
        self.assertIn("refuses connections", self.errors)
        self.assertIn("--uri amqp://", self.errors)

    def test_refusals_have_the_broker_s_own_words(self):
        self.run_perf("ping", code=1, uri=self.broker.url(password="wrong"))
        self.assertIn("403 ACCESS_REFUSED", self.errors)
        self.assertNotIn("wrong", self.errors)
        self.run_perf("ping", code=1, uri=self.broker.url(vhost="nowhere"))
        self.assertIn("530 NOT_ALLOWED - ", self.errors)
        self.run_perf("ping --queue-argument x-message-ttl=soon", code=1)
        self.assertIn("queue.declare", self.errors)
        self.assertIn("406 PRECONDITION_FAILED", self.errors)

    def test_mistakes_in_the_command_line(self):
        for words, says in (("throughput --nonsense", "--nonsense"), ("throughputs", "did you mean throughput?"),
                            ("ping --size 3", "8 bytes at least"), ("ping --uri http://x", "--uri")):
            program = self.start([PERF, *words.split()])
            self.assertEqual(program.wait_exit(), 2)
            self.assertIn(says, program.errors)
            self.assertEqual(program.lines, [])

    def test_a_process_that_is_not_there(self):
        self.assertEqual(self.run_perf(f"ping --pid {1 << 23}", code=1), [])
        self.assertIn("no such process", self.errors)

    def test_a_picture_that_cannot_be_written(self):
        (line,) = self.run_perf("ping --count 10 --svg /nowhere/at/all.svg", code=1)
        self.assertEqual(line["delivered"], 10, "what was measured is not lost")
        self.assertIn("cannot write /nowhere/at/all.svg", self.errors)

    @only_wherry
    def test_a_broker_that_dies_fails_the_run(self):
        broker = start_broker()
        try:
            program = self.start(self.command(self.ENDLESS, uri=broker.url()))
            self.wait_flow(program, broker)
            broker.program.kill()
            self.assertEqual(program.wait_exit(), 1)
            (line,) = map(json.loads, program.lines)
            self.assertRegex(line["error"], "connection")
            self.assertIn("connection", program.errors)
        finally:
            broker.program.stop()

    def test_a_line_shows_how_it_goes_on_a_terminal_only(self):
        master, slave = pty.openpty()
        self.addCleanup(os.close, master)
        command = [str(word) for word in self.command("throughput --seconds 1 --in-flight 1000")]
        with subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=slave) as process:
            os.close(slave)
            shown = b""
            while not re.search(rb"published [\d,]+/s.*delivered [\d,]+/s", shown):
                shown += os.read(master, 4096)
            self.assertEqual(process.wait(60 * TIME_SCALE), 0)
        self.run_perf("throughput --count 100")
        self.assertEqual(self.errors, "")


if __name__ == "__main__":
    main()

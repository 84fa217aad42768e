"""wherryctl top: a frame as text and as JSON, live on a terminal, over the control socket and from elsewhere."""

import json
import os
import pty
import re
import select
import subprocess
import threading
import time

import pika

import management
import remote_test
from brokers import BIN_DIR, TIME_SCALE
from harness import main, only_wherry, setUpModule, tearDownModule, wait_until  # noqa: F401


class Looks:
    """What holds whichever way the broker is asked."""

    def frame(self, *options):
        code, out, err = self.broker.control("top", "--formatter", "json", *options)
        self.assertEqual(code, 0, err)
        return json.loads(out)

    def row(self, frame, kind, name):
        return next(row for row in frame[kind] if row["name"] == name)

    def test_one_frame_as_text_where_there_is_no_terminal(self):
        channel, queue = self.channel(), self.name("shown")
        channel.queue_declare(queue)
        channel.basic_publish("", queue, b"x")
        self.wait_depth(channel, queue, 1)
        code, out, err = self.broker.control("top")
        self.assertEqual(code, 0, err)
        self.assertRegex(out, r"(?m)^queues \(\d+\) +ready +unacked +in/s +out/s +ack/s +consumers$")
        self.assertRegex(out, rf"(?m)^{queue} +1 +0 +0 +0 +0 +0$")
        self.assertRegex(out, r"(?m)^tasks \(\d+\) +runs/s +run time +fails/s")
        self.assertRegex(out, r"(?m)^connections \(\d+\) .*\n127\.0\.0\.1:\d+ -> \S+ +guest +running ")
        self.assertNotIn("\x1b", out)

    def test_rates_are_of_the_time_between_two_looks(self):
        queue = self.name("busy")
        self.channel().queue_declare(queue)
        stop = threading.Event()
        connection = pika.BlockingConnection(self.connect_parameters())
        self.addCleanup(connection.close)

        def publish():
            channel = connection.channel()
            while not stop.is_set():
                channel.basic_publish("", queue, b"x" * 100)
                connection.sleep(0.01)
        thread = threading.Thread(target=publish)
        thread.start()
        try:
            wait_until(lambda: self.depth(self.channel(), queue) > 0, "messages come")
            frame = self.frame("--interval", "2")
        finally:
            stop.set()
            thread.join()
        self.assertGreaterEqual(frame["seconds"], 2)
        row = self.row(frame, "queues", queue)
        # At most 100 a second, and some.
        self.assertTrue(0 < row["publish_rate"] <= 110, row)
        self.assertEqual(row["deliver_rate"], 0)
        self.assertGreater(max(row["receive_rate"] for row in frame["connections"]), 0)

    def test_the_sort_key(self):
        channel = self.channel()
        deep, flat = self.name("zz-deep"), self.name("aa-flat")
        for queue in (deep, flat):
            channel.queue_declare(queue)
        for _ in range(5):
            channel.basic_publish("", deep, b"x")
        self.wait_depth(channel, deep, 5)

        def order(sort):
            names = [row["name"] for row in self.frame("--sort", sort)["queues"]]
            return names.index(deep) < names.index(flat)
        self.assertEqual((order("depth"), order("name")), (True, False))
        code, _, err = self.broker.control("top", "--sort", "colour")
        self.assertEqual((code, "--sort is depth, rate or name" in err), (64, True))

    def test_names_that_a_terminal_would_obey_are_shown_harmless(self):
        self.channel().queue_declare("evil\x1b[2J\x9b2Jname")
        code, out, _ = self.broker.control("top")
        self.assertEqual(code, 0)
        self.assertIn("evil?[2J?2Jname", out)
        self.assertNotRegex(out, "[\x1b\x9b]")

    def connect_parameters(self):
        return pika.ConnectionParameters("127.0.0.1", self.broker.port, heartbeat=0)


@only_wherry
class Here(management.ManagementTest, Looks):
    def live(self):
        """wherryctl top on a terminal of its own: the process, and the terminal's other end."""
        ours, theirs = pty.openpty()
        self.addCleanup(os.close, ours)
        command, env = self.broker.control_command()
        process = subprocess.Popen([*command, "top"], stdin=theirs, stdout=theirs, stderr=theirs, env={**os.environ, **env})
        self.addCleanup(process.wait)
        self.addCleanup(process.kill)
        os.close(theirs)
        return process, ours

    def read_until(self, terminal, condition, what):
        seen = b""
        deadline = time.monotonic() + 20 * TIME_SCALE
        while not condition(seen):
            self.assertLess(time.monotonic(), deadline, f"{what}: {seen[-2000:]!r}")
            if not select.select([terminal], [], [], 1)[0]:
                continue
            try:
                seen += os.read(terminal, 65536)
            except OSError:  # The other end is closed.
                self.assertTrue(condition(seen), f"{what}: {seen[-2000:]!r}")
        return seen

    def test_live_until_q(self):
        channel, queue = self.channel(), "live"
        channel.queue_declare(queue)
        process, terminal = self.live()
        self.read_until(terminal, lambda seen: queue.encode() in seen, "the queue is shown")
        # Again, by itself.
        channel.basic_publish("", queue, b"x")
        self.read_until(terminal, lambda seen: re.search(rb"live +1 ", seen), "drawn again")
        os.write(terminal, b"n")
        self.read_until(terminal, lambda seen: b"queues (" in seen, "drawn for the key")
        os.write(terminal, b"q")
        end = self.read_until(terminal, lambda seen: b"\x1b[?1049l" in seen, "the terminal as it was")
        self.assertIn(b"\x1b[?25h", end)
        self.assertEqual(process.wait(20 * TIME_SCALE), 0)

    def test_ended_by_a_signal_it_leaves_the_terminal_as_it_was(self):
        process, terminal = self.live()
        self.read_until(terminal, lambda seen: b"queues (" in seen, "drawn")
        process.terminate()
        self.read_until(terminal, lambda seen: b"\x1b[?1049l" in seen, "the terminal as it was")
        self.assertEqual(process.wait(20 * TIME_SCALE), 0)

    def test_a_virtual_host_that_is_not_there(self):
        code, _, err = self.broker.control("top", "-p", "nowhere")
        self.assertEqual(code, 69)
        self.assertIn("'nowhere' does not exist", err)


@only_wherry
class Elsewhere(remote_test.Elsewhere, Looks):
    def test_an_unreachable_broker(self):
        code, _, err = self.there("top", url="https://127.0.0.1:1")
        self.assertEqual(code, 69)
        self.assertIn("cannot reach", err)


if __name__ == "__main__":
    main()

"""wherryctl on the data directory of a broker that was killed: it sees what is there, finds damage, repairs it, and says
exactly what the broker then misses."""

import hashlib
import json
import pathlib
import re
import shutil
import subprocess
import tempfile

import pika

import brokers
from harness import BrokerTest, Program, main, only_wherry, tearDownModule  # noqa: F401

MESSAGES = 300


def digest(folder):
    return {str(path.relative_to(folder)): hashlib.sha256(path.read_bytes()).hexdigest()
            for path in sorted(pathlib.Path(folder).rglob("*")) if path.is_file()}


class Restarted(brokers.Broker):
    """A broker that may be killed and started again on what it left."""

    def __init__(self, folder):
        self.data = pathlib.Path(folder) / "data"
        self.program = None

    def start(self):
        self.program = Program([brokers.BIN_DIR / "wherry-broker", "--amqp", "127.0.0.1:0", "--data-dir", self.data])
        ready = self.program.wait_line("amqp=", timeout=30)
        self.port = int(re.search(r"\bamqp=\S+:(\d+)", ready)[1])

    def kill(self):
        self.program.kill()
        self.program.wait_exit()

    def stop(self):
        if self.program:
            self.program.stop()


@only_wherry
class StoreTools(BrokerTest):
    @classmethod
    def setUpClass(cls):
        """Each test has a broker of its own."""

    @classmethod
    def tearDownClass(cls):
        pass

    def setUp(self):
        super().setUp()
        folder = tempfile.mkdtemp(prefix="wherry-store-tools-")
        self.addCleanup(shutil.rmtree, folder, ignore_errors=True)
        self.broker = Restarted(folder)
        self.addCleanup(self.broker.stop)
        self.broker.start()
        self.queue = self.name("jobs")

    @property
    def data(self):
        return self.broker.data

    def ctl(self, *words, status=0):
        done = subprocess.run([brokers.BIN_DIR / "wherryctl", "store", *words, "--data-dir", self.data],
                              capture_output=True, text=True, timeout=60, check=False)
        self.assertEqual(done.returncode, status, done.stdout + done.stderr)
        return done.stdout

    def fill(self):
        channel = self.channel()
        channel.queue_declare(self.queue, durable=True)
        channel.confirm_delivery()
        for number in range(MESSAGES):
            channel.basic_publish("", self.queue, f"number {number} ".encode() + b"x" * 200,
                                  pika.BasicProperties(delivery_mode=2, message_id=str(number)))
        return channel

    def numbers(self, channel):
        found = []
        while True:
            method, properties, _ = channel.basic_get(self.queue, auto_ack=True)
            if method is None:
                return found
            found.append(int(properties.message_id))

    def test_a_running_broker_is_left_alone(self):
        done = subprocess.run([brokers.BIN_DIR / "wherryctl", "store", "repair", "--data-dir", self.data],
                              capture_output=True, text=True, timeout=60, check=False)
        self.assertEqual(done.returncode, 3)
        self.assertIn("a broker uses it (process", done.stderr)

    def test_a_killed_broker_has_left_what_it_confirmed_and_looking_changes_nothing(self):
        self.fill()
        self.broker.kill()
        before = digest(self.data)
        verified = json.loads(self.ctl("verify", "--json"))
        self.assertEqual(verified["findings"], [])
        counted = json.loads(self.ctl("stats", "--json"))
        self.assertEqual([(each["queue"], each["messages"]) for each in counted["queues"]], [(self.queue, MESSAGES)])
        dumped = [json.loads(line) for line in self.ctl("dump", "--json", "--queue", self.queue).splitlines()]
        self.assertEqual([int(each["properties"]["message_id"]) for each in dumped], list(range(MESSAGES)))
        self.assertEqual([each["position"] for each in dumped], list(range(1, MESSAGES + 1)))
        self.assertEqual(len(self.ctl("dump", "--records").splitlines()), verified["records"])
        self.assertEqual(digest(self.data), before)

    def test_what_a_repair_says_is_lost_is_what_the_broker_misses(self):
        self.fill()
        self.broker.kill()
        log = sorted((self.data / "shard-0" / "log").glob("*.log"))[0]
        hit = log.read_bytes().index(b"number 100 ")
        with log.open("r+b") as file:
            file.seek(hit)
            file.write(b"Number")
        found = json.loads(self.ctl("verify", "--json", status=1))["findings"]
        self.assertEqual(len(found), 1)
        self.assertLessEqual(found[0]["begin"], hit)
        self.assertLess(hit, found[0]["end"])
        self.assertEqual(found[0]["first_lsn"], found[0]["last_lsn"])
        self.assertIn("lost: one unknown record", found[0]["text"])
        before = digest(self.data)
        self.ctl("repair", "--dry-run", status=1)
        self.assertEqual(digest(self.data), before)
        repaired = json.loads(self.ctl("repair", "--json"))
        self.assertEqual(repaired["findings"], found)
        self.assertEqual(repaired["damage_left"], 0)
        self.assertIn(b"Number 100 ", (self.data / repaired["copies"][0]).read_bytes())
        self.assertEqual(json.loads(self.ctl("verify", "--json"))["findings"], [])
        self.broker.start()
        self.assertEqual(self.numbers(self.channel()), [each for each in range(MESSAGES) if each != 100])


if __name__ == "__main__":
    main()

#!/usr/bin/env python3
"""soak_test.py [--seconds N] [--seed N]: a broker, two workers, a client and Redis under a mixed load, for as long as one likes.

The client sends plain tasks, some that fail a few times first, some that are delayed, chords, and some whose result it
waits for. Meanwhile the broker and one of the workers are ended at random moments, kindly or with SIGKILL, and started
again. The other worker and the client live all the time, over every reconnect. Then:

  the ledger is exact   every task that was confirmed was run, none was invented, no queue holds anything, nothing is dead;
                        how many ran twice is printed (only kills and lost connections make some)
  memory is flat        of client, worker and broker at most BOUND_MIB more is resident at the end than after the first
                        quarter. Each time nothing is under way, and the broker was started again and then had as much load:
                        what it takes up from its forerunner, and keeps, depends on both
  descriptors are flat  at the end as many are open as before the load, give or take SLACK

The same seed makes the same choices; how far each gets is up to the machine. ctest -L soak runs a minute. By hand:

    python3 -B tests/soak/soak_test.py --seconds 3600
"""

import argparse
import collections
import json
import os
import pathlib
import random
import subprocess
import sys
import tempfile
import threading
import time

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parents[1] / "interop"))

import pika  # noqa: E402
from brokers import BIN_DIR, SANITIZER_REPORT, Program, free_port, wait_until  # noqa: E402
from stores import RedisStore  # noqa: E402

LIBRARY = BIN_DIR.parent / "lib" / "libinterop-tasks.so"
QUEUE = "soak"
BOUND_MIB = 16
SLACK = 4
PATIENCE_S = 120


class Disconnected(Exception):
    """An enqueue that may or may not have come through."""


class Producer:
    """interop-producer, told what to send."""

    def __init__(self, url, store):
        self.process = subprocess.Popen([BIN_DIR / "interop-producer", url, "msgpack"], text=True, stdin=subprocess.PIPE,
                                        stdout=subprocess.PIPE, stderr=subprocess.DEVNULL,
                                        env={**os.environ, "RESULT_BACKEND": store})
        self.pid = self.process.pid

    def ask(self, **request):
        self.process.stdin.write(json.dumps(request) + "\n")
        self.process.stdin.flush()
        answer = json.loads(self.process.stdout.readline())
        if "error" in answer:
            if answer["error"] in ("timed_out", "disconnected", "closed"):
                raise Disconnected(answer["message"])
            raise AssertionError(f"{request}: {answer}")
        return answer

    def end(self):
        self.process.stdin.close()
        return self.process.wait(30)


class Soak:
    def __init__(self, seconds, seed):
        self.seconds = seconds
        # One each for what is sent and what is ended: how far the one gets does not change what the other does.
        self.random, self.fate = random.Random(seed), random.Random(seed + 1)
        self.folder = tempfile.TemporaryDirectory(prefix="wherry-soak-")
        self.ledger = pathlib.Path(self.folder.name) / "ledger"
        self.port = free_port()
        self.url = f"amqp://guest:guest@127.0.0.1:{self.port}/"
        self.store = RedisStore()
        self.broker = self.steady = self.other = self.producer = None
        self.next_number = 0
        self.sent, self.perhaps = set(), set()  # Numbers: confirmed; of an enqueue that did not end well.
        self.kinds = collections.Counter()
        self.kills = collections.Counter()
        self.over = threading.Event()
        self.trouble = []

    # --- processes ---------------------------------------------------------------------------------------------------
    def start_broker(self):
        self.broker = Program([BIN_DIR / "wherry-broker", "--amqp", f"127.0.0.1:{self.port}", "--data-dir",
                               os.path.join(self.folder.name, "data")])
        self.broker.wait_line("amqp=", timeout=60)

    def start_worker(self, name):
        worker = Program([BIN_DIR / "wherry-worker", "--load", LIBRARY, "-b", self.url, "-Q", QUEUE, "-c", 4, "-n", name,
                          "--result-backend", self.store.wherry_url, "-L", "error"], env={"LEDGER": str(self.ledger)})
        return worker

    def end(self, program, what):
        """One way or the other."""
        kind = self.fate.choice(("SIGKILL", "SIGTERM"))
        self.kills[f"{what} {kind}"] += 1
        if kind == "SIGKILL":
            program.kill()
        else:
            program.terminate()
            program.check_success(60)
        if SANITIZER_REPORT.search(program.errors):
            raise AssertionError(program.errors[-20000:])
        program.stop()

    def disturb(self):
        """Ends and starts again, until the load is over."""
        try:
            while not self.over.wait(self.fate.uniform(1, 5)):
                if self.fate.random() < 0.4:
                    self.end(self.broker, "broker")
                    self.over.wait(self.fate.uniform(0, 1))
                    self.start_broker()
                else:
                    self.end(self.other, "worker")
                    self.other = self.start_worker("other")
        except BaseException as error:  # noqa: BLE001  (said by the one who waits)
            self.trouble.append(error)
            self.over.set()

    # --- load --------------------------------------------------------------------------------------------------------
    def numbers(self, count=1):
        first = self.next_number
        self.next_number += count
        return list(range(first, first + count))

    def send(self, numbers, **request):
        """Sends what makes these entries; returns the answer, none when it is not known whether it went."""
        request["options"] = {"queue": QUEUE, **request.get("options", {})}
        try:
            answer = self.producer.ask(**request)
        except Disconnected:
            self.perhaps.update(numbers)
            return None
        self.sent.update(numbers)
        return answer

    def send_one(self):
        kind = self.random.choices(("plain", "retry", "delay", "chord", "result"), (60, 10, 15, 5, 10))[0]
        self.kinds[kind] += 1
        numbers = self.numbers(self.random.randint(2, 12) if kind == "chord" else 1)
        if kind == "chord":
            *parts, body = numbers
            header = [signature("tasks.counted", number) for number in parts]
            whole = {"task": "celery.chord", "args": [], "options": {}, "subtask_type": "chord", "immutable": False,
                     "kwargs": {"header": header, "body": signature("tasks.counted_all", body),
                                "kwargs": {}}}
            answer = self.send(numbers, op="workflow", signature=whole)
        elif kind == "retry":
            answer = self.send(numbers, op="send", task="tasks.counted_after", args=[numbers[0], self.random.randint(1, 3)])
        elif kind == "delay":
            answer = self.send(numbers, op="send", task="tasks.counted", args=numbers,
                               options={"countdown": self.random.uniform(0.2, 3)})
        elif kind == "result":
            answer = self.send(numbers, op="send", task="tasks.counted", args=numbers)
            if answer and (got := self.producer.ask(op="get", id=answer["id"])) != {"result": numbers[0]}:
                raise AssertionError(f"task {numbers[0]} came to {got}")
            return
        else:
            answer = self.send(numbers, op="send", task="tasks.entry", args=numbers, options={"ignore_result": True})
        if answer:
            self.producer.ask(op="forget", id=answer["id"])

    def load(self, seconds):
        ends = time.monotonic() + seconds
        while time.monotonic() < ends and not self.trouble:
            self.send_one()
            time.sleep(0.002)

    # --- measures ----------------------------------------------------------------------------------------------------
    def settled(self):
        """Nothing is under way: what is in the ledger when no queue holds anything."""
        def empty():
            try:
                with pika.BlockingConnection(pika.URLParameters(self.url)) as connection:
                    channel = connection.channel()
                    return channel.queue_declare(QUEUE, passive=True).method.message_count == 0
            except pika.exceptions.AMQPError:
                return False
        wait_until(lambda: not self.sent - self.entries().keys(), "every confirmed task has run", PATIENCE_S)
        wait_until(empty, "the queue is empty", PATIENCE_S)

    def entries(self):
        lines = self.ledger.read_text(encoding="ascii").splitlines() if self.ledger.exists() else ()
        return collections.Counter(int(line.split()[1]) for line in lines)

    def living(self):
        return {"client": self.producer.pid, "worker": self.steady.process.pid, "broker": self.broker.process.pid}

    def measured(self):
        """What each has, in the same state each time."""
        self.settled()
        self.broker.terminate()
        self.broker.check_success(60)
        self.broker.stop()
        self.start_broker()
        self.load(self.seconds / 8)
        self.settled()
        return {name: (resident_mib(pid), descriptors(pid)) for name, pid in self.living().items()}

    # --- the run -----------------------------------------------------------------------------------------------------
    def run(self):
        self.start_broker()
        self.steady, self.other = self.start_worker("steady"), self.start_worker("other")
        for worker in (self.steady, self.other):
            worker.wait_line("wherry-worker ready", timeout=60)
        self.producer = Producer(self.url, self.store.wherry_url)
        self.load(self.seconds / 4)
        before = self.measured()
        chaos = threading.Thread(target=self.disturb)
        chaos.start()
        try:
            self.load(self.seconds / 2)
        finally:
            self.over.set()
            chaos.join()
        if self.trouble:
            raise self.trouble[0]
        after = self.measured()
        self.check_ledger()
        self.check_flat(before, after)
        for program in (self.steady, self.other, self.broker):
            program.terminate()
            program.check_success(60)
        if self.producer.end() != 0:
            raise AssertionError("the client ended badly")

    def check_ledger(self):
        entries = self.entries()
        if invented := entries.keys() - self.sent - self.perhaps:
            raise AssertionError(f"never sent, and run: {sorted(invented)[:10]}")
        if lost := self.sent - entries.keys():
            raise AssertionError(f"confirmed, and not run: {sorted(lost)[:10]}")
        with pika.BlockingConnection(pika.URLParameters(self.url)) as connection:
            method, properties, _ = connection.channel().basic_get("wherry.dead")
            if method:
                raise AssertionError(f"a dead letter: {properties.headers}")
        print(f"{len(self.sent)} tasks confirmed ({dict(self.kinds)}), {len(self.perhaps)} perhaps, "
              f"{sum(entries.values()) - len(entries)} runs beyond the first; {dict(self.kills)}")

    @staticmethod
    def check_flat(before, after):
        for name, (mib, files) in after.items():
            mib_before, files_before = before[name]
            print(f"{name}: {mib_before:.1f} MiB and {files_before} descriptors before, {mib:.1f} MiB and {files} after")
            if mib > mib_before + BOUND_MIB:
                raise AssertionError(f"the {name} has {mib - mib_before:.1f} MiB more in memory than before")
            if abs(files - files_before) > SLACK:
                raise AssertionError(f"the {name} has {files} descriptors open, and had {files_before}")

    def clean_up(self):
        self.over.set()
        for program in (self.steady, self.other, self.broker):
            if program:
                program.stop()
        if self.producer and self.producer.process.poll() is None:
            self.producer.process.kill()
        self.store.stop()
        self.folder.cleanup()


def signature(task, number):
    return {"task": task, "args": [number], "kwargs": {}, "options": {"queue": QUEUE}, "subtask_type": None,
            "immutable": False}


def resident_mib(pid):
    with open(f"/proc/{pid}/statm", encoding="ascii") as statm:
        return int(statm.read().split()[1]) * os.sysconf("SC_PAGE_SIZE") / 2**20


def descriptors(pid):
    return len(os.listdir(f"/proc/{pid}/fd"))


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--seconds", type=float, default=60, help="of load (default 60)")
    parser.add_argument("--seed", type=int, default=None, help="of its choices (default: a new one, which is printed)")
    given = parser.parse_args()
    seed = given.seed if given.seed is not None else random.randrange(1 << 32)
    print(f"seed {seed}, {given.seconds:g} s", flush=True)
    soak, began = Soak(given.seconds, seed), time.monotonic()
    try:
        soak.run()
    except AssertionError as error:
        print(f"FAILED with --seconds {given.seconds:g} --seed {seed}: {error}")
        return 1
    finally:
        soak.clean_up()
    print(f"Ran 1 test in {time.monotonic() - began:.1f}s\n\nOK")
    return 0


if __name__ == "__main__":
    sys.exit(main())

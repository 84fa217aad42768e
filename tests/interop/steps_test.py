"""Workers and relays killed at each step that has a name (docs/testing.md lists them): whatever was confirmed is done at
least once. A step that is never reached is a failure: the list is the program's own.
"""

import os
import signal
import sqlite3
import subprocess
import tempfile
import unittest

from brokers import BIN_DIR, KIND, SANITIZER_REPORT, TIME_SCALE
from celery_test import CeleryTest
from harness import Inbox, main, tearDownModule, wait_until  # noqa: F401
from outbox_test import OutboxTest, statements
from stores import ResultsInRedis

from celery import chain, chord

PROGRAM = BIN_DIR / "interop-steps"
# The first one of each kind declares what the others use; the second is in the middle of the work.
OCCURRENCE = 2
TASKS = 3


def steps(prefix):
    done = subprocess.run([PROGRAM, "list"], capture_output=True, text=True, check=True, timeout=60 * TIME_SCALE)
    return [name for name in done.stdout.split() if name.startswith(prefix + ".")]


class Killing:
    """What killing a worker and killing a relay have in common."""

    def run_program(self, *words, kill_at=None, ready):
        environment = {"LEDGER": str(self.ledger)}
        if kill_at:
            environment["WHERRY_KILL_AT"] = f"{kill_at}:{OCCURRENCE}"
        program = self.start([PROGRAM, *words], env=environment)
        program.wait_line(ready, timeout=30)
        return program

    def check_killed(self, program, step):
        self.assertEqual(program.wait_exit(30), -signal.SIGKILL, program.errors)
        self.assertEqual(program.lines[-1], f"killed at {step}")

    def end(self, program):
        program.terminate()
        program.check_success(40)
        self.assertIsNone(SANITIZER_REPORT.search(program.errors), program.errors)


class Workers(Killing, ResultsInRedis, CeleryTest):
    def sig(self, queue, task, *arguments, **options):
        return self.app.signature(f"steps.{task}", args=arguments, queue=queue, **options)

    def kill_at_each(self, kind, send, done):
        """send(queue, text) sends one piece of work and returns what done(piece, text) knows it by, which says whether it
        is done."""
        for step in steps(kind):
            with self.subTest(step):
                queue = self.name(step)
                texts = [f"{step}-{number}" for number in range(TASKS)]
                command = ("worker", self.broker.url(), queue, self.store.wherry_url)
                victim = self.run_program(*command, kill_at=step, ready="ready")
                pieces = [send(queue, text) for text in texts]
                self.check_killed(victim, step)
                heir = self.run_program(*command, ready="ready")
                def wait_done(piece, text):
                    wait_until(lambda: done(piece, text), f"{text} is done", 30)
                for piece, text in zip(pieces, texts):
                    wait_done(piece, text)
                # What the heir does twice may still be on its way, a retry in the broker's hands. The worker does one thing
                # at a time and delays are equal, so it has come when a last one is done.
                wait_done(send(queue, f"{step}-last"), f"{step}-last")
                try:
                    self.wait_depth(self.channel(), queue, 0)
                except AssertionError as error:
                    raise AssertionError(f"{error}; the heir ({heir.process.poll()}) said: {heir.errors}") from None
                self.end(heir)
                # Nothing that the heir had in its hands came back.
                self.wait_depth(self.channel(), queue, 0)

    def test_retries(self):
        self.kill_at_each("retry", lambda queue, text: self.sig(queue, "flaky", text).apply_async(),
                          lambda _, text: f"flaky {text}" in self.noted())

    def test_chords(self):
        def send(queue, text):
            parts = [self.sig(queue, "done", f"{text}/{part}") for part in range(2)]
            return chord(parts, self.sig(queue, "body")).apply_async()

        def done(result, text):
            whole = f"{text}/0,{text}/1"
            return f"body {whole}" in self.noted() and result.get(timeout=30 * TIME_SCALE) == whole
        self.kill_at_each("chord", send, done)

    def test_chains(self):
        def done(result, text):
            return f"after {text}" in self.noted() and result.get(timeout=30 * TIME_SCALE) == text
        self.kill_at_each("next", lambda queue, text: chain(self.sig(queue, "done", text),
                                                            self.sig(queue, "after")).apply_async(), done)

    def test_dead_letters(self):
        channel = self.channel()
        channel.queue_declare("wherry.dead", durable=True)
        dead = Inbox(self, channel, "wherry.dead", ack=True)

        def done(result, _):
            dead.step()
            return result.id in [properties.headers["id"] for _, properties, _ in dead.messages]
        self.kill_at_each("dead", lambda queue, text: self.sig(queue, "dies", text).apply_async(), done)


class Relays(Killing, OutboxTest):
    def setUp(self):
        super().setUp()
        folder = tempfile.TemporaryDirectory(prefix="wherry-steps-")
        self.addCleanup(folder.cleanup)
        self.folder, self.ledger = folder.name, os.path.join(folder.name, "ledger")

    def test_outboxes(self):
        for step in steps("outbox"):
            with self.subTest(step):
                queue, path = self.name(step), os.path.join(self.folder, f"{step}.db")
                with sqlite3.connect(path, isolation_level=None) as database:
                    for statement in statements("sqlite", queue, TASKS):
                        database.execute(statement)
                    command = ("relay", self.broker.url(), f"sqlite:{path}")
                    victim = self.run_program(*command, kill_at=step, ready="wherry-worker ready")
                    self.check_killed(victim, step)
                    heir = self.run_program(*command, ready="wherry-worker ready")
                    wait_until(lambda db=database: db.execute("SELECT count(*) FROM wherry_outbox").fetchone()[0] == 0,
                               "the outbox is empty", 30)
                    self.end(heir)
                database.close()
                inbox = Inbox(self, self.channel(), queue, ack=True)
                inbox.wait(TASKS)
                inbox.settle()
                numbers = self.numbers(inbox)
                self.assertEqual(sorted(set(numbers)), list(range(TASKS)))
                if KIND == "wherry":
                    self.assertEqual(numbers, list(range(TASKS)))


class Names(unittest.TestCase):
    def test_every_step_belongs_to_a_kind_that_is_tried(self):
        kinds = ("retry", "chord", "next", "dead", "outbox")
        listed = subprocess.run([PROGRAM, "list"], capture_output=True, text=True, check=True).stdout.split()
        self.assertEqual(sorted(name for kind in kinds for name in steps(kind)), sorted(listed))


if __name__ == "__main__":
    main()

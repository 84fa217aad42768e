#!/usr/bin/env python3
"""examples/single, broker, worker and client in one process, killed with SIGKILL while it works: what it said it had
enqueued is done when it is started again, and what it did not say may be.

usage: WHERRY_BIN_DIR=build/release/bin single_test.py
"""
import os
import signal
import subprocess
import sys
import tempfile
import time
import unittest
from pathlib import Path

PROGRAM = Path(os.environ["WHERRY_BIN_DIR"]) / "example-single"
PATIENCE = 60 * float(os.environ.get("WHERRY_TIME_SCALE", "1"))


def start(folder, *arguments):
    return subprocess.Popen([PROGRAM, folder, *arguments], stdout=subprocess.PIPE, text=True)


def done_in(folder):
    path = Path(folder) / "done.txt"
    # The kill may have cut the last line.
    return [line for line in path.read_text().split("\n")[:-1]] if path.exists() else []


class SingleTest(unittest.TestCase):
    def wait_until(self, condition, what):
        deadline = time.monotonic() + PATIENCE
        while not condition():
            self.assertLess(time.monotonic(), deadline, what())
            time.sleep(0.01)

    def read_until(self, process, wanted):
        lines = []
        for line in process.stdout:
            lines.append(line.strip())
            if lines[-1] == wanted:
                return lines
        self.fail(f"it ended before it said {wanted!r}: {lines[-3:]}")

    def test_what_was_enqueued_is_done_after_a_kill(self):
        with tempfile.TemporaryDirectory() as folder:
            # The first task outlasts the kill: none of the others can be done before it.
            process = start(folder, "300", str(int(PATIENCE * 1000)))
            said = self.read_until(process, "enqueued 150")
            process.kill()
            # It may have said more than was read.
            said += [line.strip() for line in process.stdout]
            process.wait()
            process.stdout.close()
            enqueued = {line.split()[1] for line in said if line.startswith("enqueued ")}
            self.assertEqual(done_in(folder), [])

            process = start(folder)
            try:
                self.wait_until(lambda: enqueued <= set(done_in(folder)), lambda: enqueued - set(done_in(folder)))
            finally:
                process.send_signal(signal.SIGTERM)
                self.assertEqual(process.wait(PATIENCE), 0)
                process.stdout.close()

            # Nothing else was, but for the one that was not confirmed yet.
            self.assertLessEqual(len(set(done_in(folder)) - enqueued), 1)

    def test_a_second_process_is_told_who_has_the_folder(self):
        with tempfile.TemporaryDirectory() as folder:
            first = start(folder)
            try:
                self.read_until(first, "all enqueued")
                second = subprocess.run([PROGRAM, folder], capture_output=True, text=True, timeout=PATIENCE)
                self.assertEqual(second.returncode, 1)
                self.assertIn(f"another broker uses it (process {first.pid})", second.stderr)
            finally:
                first.send_signal(signal.SIGTERM)
                self.assertEqual(first.wait(PATIENCE), 0)
                first.stdout.close()


if __name__ == "__main__":
    sys.exit(unittest.main())

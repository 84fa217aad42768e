#!/usr/bin/env python3
"""quickstart_test.py BIN: the README's program, run as the README says, prints what the README says."""
import subprocess
import sys
import tempfile
import unittest
from pathlib import Path

TOP = Path(__file__).parents[2]
sys.path.insert(0, str(TOP / "scripts/lib"))
from processes import Processes  # noqa: E402

BIN = None


class QuickstartTest(unittest.TestCase):
    def test_it_prints_the_result_of_its_task(self):
        with tempfile.TemporaryDirectory() as folder, Processes(Path(folder)) as processes:
            broker = processes.start(
                "broker",
                [BIN / "wherry-broker", "--amqp", "127.0.0.1:0", "--data-dir", Path(folder) / "data"],
                ready=r"ready amqp=(\S+)",
            ).group(1)
            run = subprocess.run(
                [BIN / "example-quickstart", f"amqp://guest:guest@{broker}/"], capture_output=True, text=True, timeout=60
            )
            self.assertEqual(run.returncode, 0, run.stderr)
            self.assertEqual(run.stdout, "Hello, world!\n", run.stderr)
            self.assertIn("it prints `Hello, world!`", (TOP / "README.md").read_text())


if __name__ == "__main__":
    BIN = Path(sys.argv.pop(1))
    unittest.main()

"""The broker that is killed: one data directory, and as many lives as a test wants."""

import os
import pathlib
import re
import shutil
import signal
import sys
import tempfile

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parents[1] / "interop"))

from brokers import BIN_DIR, SANITIZER_REPORT, SHARDS, Program  # noqa: E402

# Small enough that a few thousand messages go all the ways that millions go by default.
SMALL_STORE = "store: {log_budget: 1MiB, log_file_size: 256KiB, memory_budget: 512KiB, garbage_limit: 512KiB}\n"


class Subject:
    def __init__(self, config=SMALL_STORE, data=None, env=None, shards=SHARDS):
        self.folder = tempfile.mkdtemp(prefix="wherry-crash-")
        self.data = data or os.path.join(self.folder, "data")
        self.config = os.path.join(self.folder, "broker.yaml")
        pathlib.Path(self.config).write_text(config, encoding="utf-8")
        self.env, self.shards, self.program, self.port = env or {}, shards, None, 0

    def launch(self):
        """Starts the process, and does not wait for it."""
        self.program = Program([BIN_DIR / "wherry-broker", "--amqp", "127.0.0.1:0", "--shards", str(self.shards),
                                "--data-dir", self.data, "--config", self.config], env=self.env)

    def start(self):
        self.launch()
        self.port = int(re.search(r"\bamqp=\S+:(\d+)", self.program.wait_line("amqp=", timeout=30)).group(1))

    def kill(self):
        self.program.kill()
        self.program.wait_exit()
        self._end()

    def stop(self, clients=()):
        """As an operator does; its clients notice."""
        self.program.terminate()
        for client in clients:
            client.drain()
        code = self.program.wait_exit(30)
        if code != 0:
            raise AssertionError(self.program._said(f"ended with {code} after SIGTERM"))
        self._end()

    def refuses(self):
        """Starts it, holds it to giving up by itself with exit code 1, and returns what it said."""
        self.launch()
        code = self.program.wait_exit(30)
        errors = self.program.errors
        if code != 1 or self.program.lines:
            raise AssertionError(self.program._said(f"was to refuse to start, and ended with {code}"))
        self._end()
        return errors

    def wait_failure(self):
        """It ends by itself, with exit code 1; what it said."""
        code = self.program.wait_exit(30)
        errors = self.program.errors
        if code != 1:
            raise AssertionError(self.program._said(f"ended with {code}"))
        self._end()
        return errors

    def _end(self):
        if SANITIZER_REPORT.search(self.program.errors) or self.program.process.returncode == -signal.SIGABRT:
            raise AssertionError(self.program._said("has a bug"))
        self.program.stop()

    def remove(self, keep=False):
        if self.program is not None:
            self.program.stop()
        if not keep:
            shutil.rmtree(self.folder, ignore_errors=True)

"""Brokers that a test kills and starts again over one data directory."""

import pathlib
import re
import shutil
import tempfile

from brokers import BIN_DIR, SHARDS, Broker, Program, wherryctl
from harness import BrokerTest


class Restartable(Broker):
    """One data directory, and as many lives of a broker as a test wants. config: of every life that is not given its own."""

    def __init__(self, config=None):
        self.folder = tempfile.mkdtemp(prefix="wherry-restarts-")
        self.data = pathlib.Path(self.folder) / "data"
        self.config = pathlib.Path(self.folder) / "broker.yaml"
        self.configured = config is not None
        if self.configured:
            self.config.write_text(config, encoding="utf-8")
        self.program = None

    def launch(self, config=None, shards=SHARDS, listen="127.0.0.1:0"):
        """Starts the process, and does not wait for it."""
        command = [BIN_DIR / "wherry-broker", "--amqp", listen, "--shards", shards, "--data-dir", self.data]
        if config is not None:
            self.config.write_text(config, encoding="utf-8")
        if config is not None or self.configured:
            command += ["--config", self.config]
        self.program = Program(command)
        return self.program

    def start(self, config=None, shards=SHARDS):
        ready = self.launch(config, shards).wait_line("amqp=", timeout=30)
        self.port = int(re.search(r"\bamqp=\S+:(\d+)", ready).group(1))
        return self

    def kill(self):
        self.program.kill()
        self.program.stop()

    def end(self):
        """As an operator does; the exit code."""
        self.program.terminate()
        code = self.program.wait_exit(30)
        self.program.stop()
        return code

    def control_command(self):
        return wherryctl(self.data), {}

    def clean_up(self):
        if self.program is not None:
            self.program.stop()
        shutil.rmtree(self.folder, ignore_errors=True)


class RestartTest(BrokerTest):
    """Each test has a data directory of its own, and starts its brokers itself."""

    @classmethod
    def setUpClass(cls):
        pass

    @classmethod
    def tearDownClass(cls):
        pass

    def setUp(self):
        super().setUp()
        self.broker = Restartable(self.broker_config)
        self.addCleanup(self.broker.clean_up)

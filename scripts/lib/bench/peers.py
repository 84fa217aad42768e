"""The brokers that are measured: each on a free port of the loopback, with its data in one folder, started and stopped as
often as a workload wants it fresh."""
import os
import shutil
import signal
import subprocess
import time

from processes import Failed, accepts, die_with_parent, free_ports, tail, wait_for


class Peer:
    """One broker. start() returns when it lets clients in; everything of it is below folder."""

    name = ""
    durability = ""  # What it does before it confirms a persistent message.

    def __init__(self, folder):
        self.folder = folder
        self.log = folder / "log.txt"
        (self.port,) = free_ports(1)
        self.process = None
        folder.mkdir(parents=True)

    @property
    def uri(self):
        return f"amqp://guest:guest@127.0.0.1:{self.port}/"

    @property
    def data(self):
        return self.folder / "data"

    def spawn(self):
        """Starts it without waiting: for measuring how long that takes."""
        with open(self.log, "ab") as log:
            self.process = subprocess.Popen(
                [str(word) for word in self.command()],
                stdin=subprocess.DEVNULL, stdout=log, stderr=log, cwd=self.folder, env={**os.environ, **self.environment()},
                start_new_session=True, preexec_fn=die_with_parent,
            )

    def start(self):
        self.spawn()
        wait_for(f"{self.name} to start (its log: {self.log})", self.ready, 120)

    def ready(self):
        if self.process.poll() is not None:
            raise Failed(f"{self.name} ended at once with status {self.process.returncode}:\n{tail(self.log)}")
        return accepts(self.port)

    def running(self):
        return self.process is not None and self.process.poll() is None

    def kill(self):
        """The power of a machine gone: nothing is said goodbye to."""
        if self.process is None:
            return
        try:
            os.killpg(self.process.pid, signal.SIGKILL)
        except ProcessLookupError:
            pass
        self.process.wait()
        # Its children take a moment to die, and would accept whoever comes for its successor.
        wait_for(f"{self.name} to end", lambda: not accepts(self.port), 60)
        self.process = None

    def stop(self):
        self.kill()

    def restart_empty(self):
        """As if it had never run: what memory is measured from."""
        self.stop()
        shutil.rmtree(self.data, ignore_errors=True)
        self.start()

    def command(self):
        raise NotImplementedError

    def environment(self):
        return {}


class Wherry(Peer):
    name = "Wherry"
    durability = "synced to disk before each confirm"

    def __init__(self, folder, program, config, with_http=False):
        super().__init__(folder)
        self.program, self.config = program, config
        self.http_ports = free_ports(2) if with_http else []  # Of the management API and the metrics.

    def command(self):
        words = [self.program, "--amqp", f"127.0.0.1:{self.port}", "--data-dir", self.data]
        for option, port in zip(("--management", "--metrics"), self.http_ports):
            words += [option, f"127.0.0.1:{port}"]
        return words + (["--config", self.config] if self.config else [])

    def stop(self):
        if self.running():
            self.process.terminate()
            try:
                self.process.wait(timeout=15)
            except subprocess.TimeoutExpired:
                pass
        self.kill()


class RabbitMQ(Peer):
    """Debian's package, as root or as anybody: its own node name, directories, cookie and port mapper."""

    name = "RabbitMQ"
    durability = "written to its files before each confirm, synced in batches (classic queues)"
    PROGRAM = "/usr/lib/rabbitmq/bin/rabbitmq-server"

    def __init__(self, folder):
        super().__init__(folder)
        self.distribution, self.mapper_port = free_ports(2)
        (folder / "rabbitmq.conf").write_text(f"listeners.tcp.1 = 127.0.0.1:{self.port}\n")
        (folder / "enabled_plugins").write_text("[].\n")
        self.mapper = None

    def command(self):
        return [self.PROGRAM]

    def environment(self):
        return {
            "HOME": str(self.folder),
            "ERL_EPMD_PORT": str(self.mapper_port),
            "ERL_EPMD_ADDRESS": "127.0.0.1",
            "RABBITMQ_CONF_ENV_FILE": "/dev/null",
            "RABBITMQ_CONFIG_FILE": str(self.folder / "rabbitmq"),
            "RABBITMQ_ENABLED_PLUGINS_FILE": str(self.folder / "enabled_plugins"),
            "RABBITMQ_NODENAME": f"bench{self.port}@localhost",
            "RABBITMQ_NODE_PORT": str(self.port),
            "RABBITMQ_DIST_PORT": str(self.distribution),
            "RABBITMQ_MNESIA_BASE": str(self.data),
            "RABBITMQ_LOG_BASE": str(self.folder / "log"),
        }

    def spawn(self):
        if self.mapper is None:
            # Its own port mapper: one that the node started would stay behind.
            self.mapper = subprocess.Popen(
                ["epmd", "-port", str(self.mapper_port), "-address", "127.0.0.1"],
                stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL, cwd=self.folder,
                start_new_session=True, preexec_fn=die_with_parent,
            )
            time.sleep(0.2)
        super().spawn()

    def end(self):
        self.stop()
        if self.mapper is not None:
            self.mapper.kill()
            self.mapper.wait()
            self.mapper = None


class Peers:
    """Context manager over the brokers: whatever happens, none is left, nor its data."""

    def __init__(self, peers, folder):
        self.peers, self.folder = peers, folder

    def __enter__(self):
        return self.peers

    def __exit__(self, *_):
        for peer in reversed(self.peers):
            (peer.end if hasattr(peer, "end") else peer.stop)()
        shutil.rmtree(self.folder, ignore_errors=True)

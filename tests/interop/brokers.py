"""The broker under test: Wherry's own program, or RabbitMQ as the judge of what the tests claim.

    WHERRY_INTEROP_BROKER   wherry (default) or rabbitmq
    WHERRY_BIN_DIR          where wherry-broker and wherry-worker are (default: build/release/bin of this tree)
    WHERRY_SHARDS           number of shards that wherry-broker is told to run (default 1)
    WHERRY_INTEROP_NODE     AMQP,HTTP,EPMD ports and the folder of a RabbitMQ that `brokers.py` keeps running, to spare
                            its slow start

    python3 brokers.py      runs a private RabbitMQ until interrupted, and prints what to set WHERRY_INTEROP_NODE to
"""

import json
import os
import pathlib
import re
import shutil
import signal
import socket
import subprocess
import sys
import tempfile
import threading
import time
import urllib.parse
import urllib.request

TOP = pathlib.Path(__file__).resolve().parents[2]
BIN_DIR = pathlib.Path(os.environ.get("WHERRY_BIN_DIR") or TOP / "build/release/bin")
KIND = os.environ.get("WHERRY_INTEROP_BROKER", "wherry")
SHARDS = int(os.environ.get("WHERRY_SHARDS", "1"))
# A program that runs under a sanitizer is several times slower; every wait is scaled by this.
TIME_SCALE = float(os.environ.get("WHERRY_TIME_SCALE", "1"))
SANITIZER_REPORT = re.compile(r"(AddressSanitizer|ThreadSanitizer|LeakSanitizer|UndefinedBehaviorSanitizer|runtime error:)")


def wait_until(condition, what, timeout=20.0):
    """Returns the first true value of condition(); fails when there is none in time."""
    deadline = time.monotonic() + timeout * TIME_SCALE
    while True:
        value = condition()
        if value:
            return value
        if time.monotonic() > deadline:
            raise AssertionError(f"not within {timeout * TIME_SCALE:g} s: {what}")
        time.sleep(0.01)


class Program:
    """A child process whose output is collected line by line, so that a test can wait for what it says."""

    def __init__(self, command, env=None, cwd=None):
        self.command = [str(word) for word in command]
        self.name = os.path.basename(self.command[0])
        self._output = {"out": [], "err": []}
        self._seen = threading.Condition()
        self.process = subprocess.Popen(
            self.command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True,
            errors="replace", bufsize=1, cwd=cwd, env={**os.environ, "PYTHONUNBUFFERED": "1", **(env or {})},
            start_new_session=True)
        self._readers = [threading.Thread(target=self._read, args=pair, daemon=True)
                         for pair in (("out", self.process.stdout), ("err", self.process.stderr))]
        for reader in self._readers:
            reader.start()

    def _read(self, which, stream):
        for line in stream:
            with self._seen:
                self._output[which].append(line.rstrip("\n"))
                self._seen.notify_all()

    @property
    def lines(self):
        with self._seen:
            return list(self._output["out"])

    @property
    def errors(self):
        with self._seen:
            return "\n".join(self._output["err"])

    def wait_line(self, text, count=1, timeout=20.0):
        """Waits until `count` lines of standard output contain text; returns the last of them."""
        deadline = time.monotonic() + timeout * TIME_SCALE
        with self._seen:
            while True:
                found = [line for line in self._output["out"] if text in line]
                if len(found) >= count:
                    return found[count - 1]
                left = deadline - time.monotonic()
                if left <= 0 or self.process.poll() is not None and not any(r.is_alive() for r in self._readers):
                    raise AssertionError(self._said(f"did not say {text!r} {count} time(s)"))
                self._seen.wait(min(left, 0.2))

    def wait_error(self, text, timeout=20.0):
        """Waits until standard error contains text."""
        try:
            wait_until(lambda: text in self.errors, text, timeout)
        except AssertionError:
            raise AssertionError(self._said(f"did not log {text!r}")) from None

    def say(self, line):
        self.process.stdin.write(line + "\n")
        self.process.stdin.flush()

    def wait_exit(self, timeout=20.0):
        """Waits for the end of the process and of its output; returns the exit code."""
        try:
            code = self.process.wait(timeout * TIME_SCALE)
        except subprocess.TimeoutExpired:
            raise AssertionError(self._said("did not end")) from None
        for reader in self._readers:
            reader.join(5)
        return code

    def check_success(self, timeout=20.0):
        code = self.wait_exit(timeout)
        if code != 0:
            raise AssertionError(self._said(f"ended with {code}"))
        return self.lines

    def terminate(self):
        """Asks it to end, as an operator does."""
        if self.process.poll() is None:
            self.process.terminate()

    def kill(self):
        """Ends it at once, with the processes that it started: the power of a machine gone. When this returns it has ended."""
        try:
            os.killpg(self.process.pid, signal.SIGKILL)
        except ProcessLookupError:
            pass
        self.process.wait()

    def stop(self, timeout=20.0):
        """Ends it whatever its state: for clean-up, where how it ends is not the question."""
        self.terminate()
        try:
            self.process.wait(timeout)
        except subprocess.TimeoutExpired:
            pass
        self.kill()
        for reader in self._readers:
            reader.join(5)
        for stream in (self.process.stdin, self.process.stdout, self.process.stderr):
            try:
                stream.close()
            except OSError:
                pass

    def _said(self, problem):
        tail = "\n".join(self.lines[-30:]), "\n".join(self.errors.splitlines()[-60:])
        return f"{self.name} {problem}\n--- standard output\n{tail[0]}\n--- standard error\n{tail[1]}"


def fault_of(name, folder):
    """A fault, tests/interop/NAME.c, loaded into a program: its environment, and the file in folder that brings it about."""
    source = pathlib.Path(__file__).with_name(f"{name}.c")
    shim, trigger = pathlib.Path(folder) / f"{name}.so", pathlib.Path(tempfile.mkdtemp(prefix=name, dir=folder)) / "now"
    if not shim.exists():
        subprocess.run(["cc", "-shared", "-fPIC", "-O1", "-o", shim, source, "-ldl"], check=True)
    return {"LD_PRELOAD": str(shim), "WHERRY_FAULT": str(trigger),
            "ASAN_OPTIONS": "verify_asan_link_order=0:detect_leaks=0"}, trigger


class Broker:
    """What the tests know about a broker: where it is, and how it is started and stopped."""

    host = "127.0.0.1"
    port = 0

    def url(self, user="guest", password="guest", vhost="/"):
        return f"amqp://{user}:{password}@{self.host}:{self.port}/{urllib.parse.quote(vhost, safe='')}"

    def wait_log(self, text):
        """Waits until the broker's log has text; only Wherry's log is ours to make claims about."""

    def control(self, *arguments):
        """Runs wherryctl, or rabbitmqctl, with these arguments: exit code, standard output, standard error."""
        command, env = self.control_command()
        done = subprocess.run([*command, *arguments], env={**os.environ, **env}, stdin=subprocess.DEVNULL,
                              capture_output=True, text=True, timeout=60 * TIME_SCALE, check=False)
        return done.returncode, done.stdout, done.stderr


def wherryctl(data):
    """wherryctl for the broker of that data directory. The directory is no argument that rabbitmqctl has: it is first."""
    return ["sh", "-c", 'program=$1 data=$2; shift 2; exec "$program" "$@" --data-dir "$data"', "sh",
            BIN_DIR / "wherryctl", data]


class WherryBroker(Broker):
    def __init__(self, config=None, arguments=(), listen="127.0.0.1:0", environment=None):
        self.folder = tempfile.mkdtemp(prefix="wherry-interop-")
        command = [BIN_DIR / "wherry-broker", "--amqp", listen, "--shards", str(SHARDS), "--data-dir",
                   os.path.join(self.folder, "data")]
        if config is not None:
            path = os.path.join(self.folder, "broker.yaml")
            with open(path, "w", encoding="utf-8") as file:
                file.write(config)
            command += ["--config", path]
        try:
            self.program = Program(command + list(arguments), env=environment)
            ready = self.program.wait_line("amqp=", timeout=30)
            self.host, port = re.search(r"\bamqp=(\S+):(\d+)", ready).groups()
            self.port = int(port)
        except BaseException:
            if hasattr(self, "program"):
                self.program.stop()
            shutil.rmtree(self.folder, ignore_errors=True)
            raise

    def wait_log(self, text):
        self.program.wait_error(text)

    def control_command(self):
        return wherryctl(os.path.join(self.folder, "data")), {}

    def stop(self):
        """Stops it as an operator does, and holds it to a clean end."""
        try:
            if (early := self.program.process.poll()) is not None:
                raise AssertionError(self.program._said(f"ended by itself with {early}"))
            self.program.terminate()
            if (code := self.program.wait_exit(30)) != 0:
                raise AssertionError(self.program._said(f"ended with {code} after SIGTERM"))
            if SANITIZER_REPORT.search(self.program.errors):
                raise AssertionError("sanitizer report:\n" + self.program.errors[-20000:])
        finally:
            self.program.stop()
            shutil.rmtree(self.folder, ignore_errors=True)


def free_port():
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return probe.getsockname()[1]


class RabbitNode:
    """A RabbitMQ of our own: private ports, private epmd, nothing outside a temporary folder."""

    # What Wherry has built in and RabbitMQ brings along as plugins.
    PLUGINS = ("rabbitmq_management", "rabbitmq_consistent_hash_exchange", "rabbitmq_random_exchange",
               "rabbitmq_shovel_management", "rabbitmq_federation_management")

    def __init__(self, listen=None, beside=None, plugins=PLUGINS, settings=""):
        """beside: another node, whose epmd and cookie it shares, so that the two can be one cluster. settings: more lines of
        rabbitmq.conf."""
        self.folder = tempfile.mkdtemp(prefix="wherry-rabbitmq-")
        self.home = beside.home if beside else self.folder
        self.amqp, self.http, distribution, own_epmd = (free_port() for _ in range(4))
        self.epmd_port = beside.epmd_port if beside else own_epmd
        listen = listen or f"127.0.0.1:{self.amqp}"
        self.amqp = int(listen.rpartition(":")[2])
        with open(f"{self.folder}/enabled_plugins", "w", encoding="utf-8") as file:
            file.write(f"[{','.join(plugins)}].")
        with open(f"{self.folder}/rabbitmq.conf", "w", encoding="utf-8") as file:
            file.write(f"management.tcp.port = {self.http}\nmanagement.tcp.ip = 127.0.0.1\n"
                       f"listeners.tcp.1 = {listen.replace('[', '').replace(']', '')}\n{settings}")
        self.env = {
            **self.tool_env(self.amqp, self.epmd_port, self.home), "RABBITMQ_CONFIG_FILE": f"{self.folder}/rabbitmq",
            "RABBITMQ_DIST_PORT": str(distribution),
            "RABBITMQ_MNESIA_BASE": f"{self.folder}/mnesia", "RABBITMQ_LOG_BASE": f"{self.folder}/log",
            "RABBITMQ_ENABLED_PLUGINS_FILE": f"{self.folder}/enabled_plugins", "RABBITMQ_NODE_PORT": str(self.amqp),
        }
        self.epmd = None if beside else Program(["epmd", "-port", str(self.epmd_port), "-address", "127.0.0.1"])
        self.start()

    def start(self):
        """Also again, after its process has ended, on what it had."""
        self.program = Program(["/usr/lib/rabbitmq/bin/rabbitmq-server"], env=self.env)
        self.program.wait_line("Starting broker...", timeout=120)
        wait_until(self._answers, "RabbitMQ answers", 120)

    @property
    def text(self):
        """What another process needs to use it: WHERRY_INTEROP_NODE."""
        return f"{self.amqp},{self.http},{self.epmd_port},{self.home}"

    @staticmethod
    def tool_env(amqp, epmd, home):
        """The environment in which RabbitMQ's programs find this node."""
        return {"HOME": home, "ERL_EPMD_PORT": str(epmd), "ERL_EPMD_ADDRESS": "127.0.0.1",
                "RABBITMQ_CONF_ENV_FILE": "/dev/null", "RABBITMQ_NODENAME": f"judge{amqp}@localhost"}

    def _answers(self):
        try:
            with urllib.request.urlopen(api_request(self.http, "GET", "/api/overview"), timeout=5):
                pass
            with socket.create_connection(("127.0.0.1", self.amqp), 5):
                return True
        except OSError:
            return False

    def stop(self):
        self.program.stop(60)
        if self.epmd:
            self.epmd.stop()
        shutil.rmtree(self.folder, ignore_errors=True)


def api_request(port, method, path, body=None):
    request = urllib.request.Request(f"http://127.0.0.1:{port}{path}", method=method,
                                     data=None if body is None else json.dumps(body).encode())
    request.add_header("Authorization", "Basic Z3Vlc3Q6Z3Vlc3Q=")
    request.add_header("Content-Type", "application/json")
    return request


class RabbitBroker(Broker):
    """One vhost's worth of RabbitMQ: the node is shared by all tests of a process, and emptied between classes."""

    _node = None

    def __init__(self, config=None, arguments=(), listen=None):
        node = os.environ.get("WHERRY_INTEROP_NODE")
        if not node:
            if RabbitBroker._node is None:
                RabbitBroker._node = RabbitNode(listen)
            node = RabbitBroker._node.text
        *ports, self.home = node.split(",", 3)
        self.port, self.http, self.epmd_port = (int(port) for port in ports)
        self.reset_vhost("/", "guest")

    def reset_vhost(self, vhost, *users):
        name = urllib.parse.quote(vhost, safe="")
        self.call("DELETE", f"/api/vhosts/{name}", missing_ok=True)
        self.call("PUT", f"/api/vhosts/{name}", {})
        for user in users:
            self.call("PUT", f"/api/permissions/{name}/{user}", {"configure": ".*", "write": ".*", "read": ".*"})

    def control_command(self):
        return ["/usr/lib/rabbitmq/bin/rabbitmqctl"], RabbitNode.tool_env(self.port, self.epmd_port, self.home)

    def call(self, method, path, body=None, missing_ok=False):
        try:
            with urllib.request.urlopen(api_request(self.http, method, path, body), timeout=30) as answer:
                return answer.read()
        except urllib.error.HTTPError as error:
            if not (missing_ok and error.code == 404):
                raise AssertionError(f"{method} {path}: {error} {error.read()!r}") from None

    def stop(self):
        pass

    @classmethod
    def stop_node(cls):
        if cls._node is not None:
            cls._node.stop()
            cls._node = None


def start_broker(config=None, arguments=(), **options):
    return (RabbitBroker if KIND == "rabbitmq" else WherryBroker)(config, arguments, **options)


if __name__ == "__main__":
    own = RabbitNode()
    try:
        print(f"WHERRY_INTEROP_BROKER=rabbitmq WHERRY_INTEROP_NODE={own.text}", flush=True)
        signal.signal(signal.SIGTERM, lambda *_: sys.exit())
        signal.pause()
    except KeyboardInterrupt:
        pass
    finally:
        own.stop()

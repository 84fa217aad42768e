"""Starting programs so that each is found ready, and all are stopped again whatever happens."""
import ctypes
import os
import re
import select
import signal
import socket
import subprocess
import time

PR_SET_PDEATHSIG = 1


class Failed(Exception):
    """Something did not work; the text is for the person who runs the script."""


def die_with_parent():
    # Even when the script itself is killed in a way it cannot handle, nothing of it stays behind.
    ctypes.CDLL(None).prctl(PR_SET_PDEATHSIG, signal.SIGTERM)


def free_ports(count):
    """Ports that are free now. Programs that can bind port 0 should do that instead."""
    sockets = [socket.socket() for _ in range(count)]
    for each in sockets:
        each.bind(("127.0.0.1", 0))
    ports = [each.getsockname()[1] for each in sockets]
    for each in sockets:
        each.close()
    return ports


def wait_for(what, condition, timeout=15.0):
    """The first true value of condition(), asked again and again until timeout."""
    end = time.monotonic() + timeout
    while True:
        value = condition()
        if value:
            return value
        if time.monotonic() > end:
            raise Failed(f"{what}: not within {timeout:.0f} s")
        time.sleep(0.05)


def accepts(port):
    try:
        with socket.create_connection(("127.0.0.1", port), timeout=1):
            return True
    except OSError:
        return False


class Processes:
    """Context manager: stops what it started, the last first."""

    def __init__(self, log_folder):
        self.log_folder = log_folder
        self.running = []

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.stop_all()

    def start(self, name, command, env=None, ready=None, timeout=20.0):
        """Starts command with its output in NAME.log. With ready, a pattern, waits for a line of its standard output
        that matches and gives back the match."""
        log_path = self.log_folder / f"{name}.log"
        log = open(log_path, "ab", buffering=0)
        process = subprocess.Popen(
            [str(part) for part in command],
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE if ready else log,
            stderr=log,
            env={**os.environ, **(env or {})},
            cwd=self.log_folder,
            start_new_session=True,
            preexec_fn=die_with_parent,
        )
        process.name, process.log_path = name, log_path
        self.running.append(process)
        return self.wait_for_line(process, ready, log, timeout) if ready else None

    def wait_for_line(self, process, pattern, log, timeout):
        end = time.monotonic() + timeout
        text = b""
        while time.monotonic() < end:
            readable, _, _ = select.select([process.stdout], [], [], 0.1)
            if readable:
                chunk = os.read(process.stdout.fileno(), 4096)
                log.write(chunk)
                text += chunk
                match = re.search(pattern, text.decode(errors="replace"))
                if match:
                    # What it prints from now on is nobody's; a full pipe must not stop it.
                    self.drain(process, log)
                    return match
                if not chunk:
                    process.wait()
            if process.poll() is not None:
                raise Failed(f"{process.name} ended at once with status {process.returncode}:\n{tail(process.log_path)}")
        raise Failed(f"{process.name} was not ready within {timeout:.0f} s:\n{tail(process.log_path)}")

    def drain(self, process, log):
        import threading

        def copy():
            for chunk in iter(lambda: os.read(process.stdout.fileno(), 65536), b""):
                log.write(chunk)

        threading.Thread(target=copy, daemon=True).start()

    def check(self):
        for process in self.running:
            if process.poll() is not None:
                raise Failed(f"{process.name} ended by itself ({process.returncode}):\n{tail(process.log_path)}")

    def stop_all(self):
        """Stops everything, in the reverse order; names those that had to be killed."""
        killed = []
        for process in reversed(self.running):
            if process.poll() is None:
                process.terminate()
                try:
                    process.wait(timeout=15)
                except subprocess.TimeoutExpired:
                    process.kill()
                    process.wait()
                    killed.append(process.name)
        self.running = []
        return killed


def tail(path, lines=15):
    try:
        return "\n".join("    " + line for line in path.read_text(errors="replace").splitlines()[-lines:])
    except OSError:
        return ""

"""A Debian 12 of its own in a folder: made by debootstrap from the mirror that this machine uses, with a network of its own
while programs run in it, so that ports and other brokers of this machine are out of reach.

Needs root. Unavailable says why there can be none.
"""

import os
import pathlib
import re
import shlex
import shutil
import signal
import subprocess
import tempfile
import time

RELEASE = "bookworm"


class Unavailable(Exception):
    """There can be no root here, and why."""


def mirror():
    """Where this machine has Debian's packages from."""
    done = subprocess.run(["apt-get", "indextargets", "--format", "$(RELEASE) $(REPO_URI)", "Created-By: Packages"],
                          capture_output=True, text=True, check=False)
    for line in done.stdout.splitlines():
        release, _, uri = line.partition(" ")
        if release == RELEASE:
            return uri
    return "http://deb.debian.org/debian/"


class Root:
    def __init__(self, log):
        if os.geteuid() != 0:
            raise Unavailable("a root of its own needs root")
        if not shutil.which("debootstrap"):
            raise Unavailable("debootstrap is not installed")
        self.log = open(log, "w", encoding="utf-8")  # Everything that runs says it here.
        self.path = pathlib.Path(tempfile.mkdtemp(prefix="wherry-root-"))
        self.path.chmod(0o755)  # Its users have to get in.
        self.holder = None
        uri = mirror()
        if self.host("debootstrap", "--variant=minbase", RELEASE, self.path, uri) != 0:
            words = pathlib.Path(log).read_text(encoding="utf-8")[-500:]
            self.close()
            raise Unavailable(f"debootstrap from {uri}: {words}")
        # Debian's tools ask here whether services may be started: there is nothing that could.
        policy = self.path / "usr/sbin/policy-rc.d"
        policy.write_text("#!/bin/sh\nexit 101\n", encoding="utf-8")
        policy.chmod(0o755)
        shutil.copy("/etc/resolv.conf", self.path / "etc/resolv.conf")

    def host(self, *command):
        return subprocess.run(command, stdout=self.log, stderr=self.log, stdin=subprocess.DEVNULL, check=False).returncode

    def apt(self, *arguments):
        """apt-get in the root, on the machine's network."""
        done = subprocess.run(["chroot", self.path, "env", "DEBIAN_FRONTEND=noninteractive", "LC_ALL=C", "apt-get", "-y", "-q",
                               "--no-install-recommends", *arguments],
                              stdout=subprocess.PIPE, stderr=subprocess.STDOUT, stdin=subprocess.DEVNULL, text=True, check=False)
        self.log.write(done.stdout)
        self.log.flush()
        if done.returncode != 0:
            raise AssertionError(f"apt-get {' '.join(arguments)}: {done.stdout[-3000:]}")
        return done.stdout

    def enter(self):
        """The command that runs another one in the root, with loopback as its only network and processes of its own."""
        if self.holder is None:
            script = f"ip link set lo up && mount -t proc proc {shlex.quote(str(self.path))}/proc && echo up && exec sleep infinity"
            self.holder = subprocess.Popen(
                ["unshare", "--net", "--mount", "--pid", "--ipc", "--fork", "--kill-child", "sh", "-c", script],
                stdout=subprocess.PIPE, stderr=self.log, text=True)
            if self.holder.stdout.readline() != "up\n":
                raise Unavailable("no namespaces of one's own may be made here")
        children = pathlib.Path(f"/proc/{self.holder.pid}/task/{self.holder.pid}/children").read_text(encoding="ascii")
        return ["nsenter", "-t", children.split()[0], "-n", "-m", "-p", "-i", "chroot", str(self.path),
                "env", "-i", "PATH=/usr/bin:/bin:/usr/sbin:/sbin", "HOME=/"]

    def run(self, *command, timeout=120):
        """Runs in the root: (exit status, what it said on both)."""
        done = subprocess.run([*self.enter(), *command], stdout=subprocess.PIPE, stderr=subprocess.STDOUT,
                              stdin=subprocess.DEVNULL, text=True, check=False, timeout=timeout)
        self.log.write(f"$ {' '.join(map(str, command))}\n{done.stdout}")
        self.log.flush()
        return done.returncode, done.stdout

    def check(self, *command, timeout=120):
        code, said = self.run(*command, timeout=timeout)
        if code != 0:
            raise AssertionError(f"{' '.join(map(str, command))}: exit status {code}: {said}")
        return said

    def has(self, path):
        return os.path.lexists(self.path / path.lstrip("/"))

    def close(self):
        if self.holder is not None:
            self.holder.kill()
            self.holder.wait()
            self.holder.stdout.close()
        self.log.close()
        shutil.rmtree(self.path, ignore_errors=True)


class Service:
    """What a unit's ExecStart runs, as systemd would: its user, its folders, its umask; %i is the instance."""

    def __init__(self, root, unit, instance=""):
        text = (root.path / "lib/systemd/system" / unit).read_text(encoding="utf-8")

        def get(key, default=""):
            found = re.search(rf"^{key}=(.*)$", text, re.M)
            value = found.group(1) if found else default
            return value.replace("%i", instance).replace("%H", "here").replace("%S", "/var/lib")
        user = get("User")
        state = f"/var/lib/{get('StateDirectory')}" if get("StateDirectory") else ""
        if state:
            root.check("install", "-d", "-o", user, "-g", user, "-m", get("StateDirectoryMode", "0755"), state)
        # PID 1 of systemd would be told when it is ready; here its output says so.
        shell = f"umask {get('UMask', '0022')}; cd {get('WorkingDirectory', '/')}; exec {get('ExecStart')}"
        self.output = tempfile.TemporaryFile(mode="w+", encoding="utf-8", errors="replace")
        self.name = unit
        self.process = subprocess.Popen(
            [*root.enter(), "setpriv", f"--reuid={user}", f"--regid={user}", "--init-groups", "--no-new-privs", "sh", "-c", shell],
            stdout=self.output, stderr=subprocess.STDOUT, stdin=subprocess.DEVNULL)
        self.root = root

    def said(self):
        self.output.seek(0)
        return self.output.read()

    def wait_for(self, words, seconds=120):
        deadline = time.monotonic() + seconds
        while words not in self.said():
            if self.process.poll() is not None or time.monotonic() > deadline:
                self.process.kill()
                raise AssertionError(f"{self.name} did not say {words!r}: {self.said()}")
            time.sleep(0.05)
        return self

    def stop(self):
        """SIGTERM, as systemd stops it: the exit status."""
        # nsenter forks for the processes' namespace: the service is its child.
        children = pathlib.Path(f"/proc/{self.process.pid}/task/{self.process.pid}/children")
        for child in children.read_text(encoding="ascii").split():
            os.kill(int(child), signal.SIGTERM)
        status = self.process.wait(timeout=120)
        self.root.log.write(f"--- {self.name}\n{self.said()}")
        self.output.close()
        return status

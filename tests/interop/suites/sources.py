"""Fetches other projects' sources as their publishers give them, and verifies them.

A Debian source comes through apt itself with lists of its own: the release's signature covers the index, the index has
the SHA-256 of each tarball. /etc/apt and the machine's lists are neither read nor changed. An npm package is held
against the integrity that the registry published with it, which stands in suites.py.

What was fetched stays in the cache and is verified again at each use. Unavailable says that there is nothing to run: no
network, or an archive that does not have the file. Any number of processes may use one cache.
"""

import base64
import fcntl
import hashlib
import os
import pathlib
import re
import subprocess
import urllib.error
import urllib.request

DEBIAN = "http://deb.debian.org/debian"
KEYRING = "/usr/share/keyrings/debian-archive-keyring.gpg"
NPM = "https://registry.npmjs.org"
TIMEOUT_S = 60


class Unavailable(Exception):
    """The source could not be fetched, and why."""


class Cache:
    def __init__(self, folder):
        self.folder = pathlib.Path(folder)
        self.folder.mkdir(parents=True, exist_ok=True)
        self._lock = open(self.folder / "lock", "w", encoding="utf-8")

    def __enter__(self):
        fcntl.flock(self._lock, fcntl.LOCK_EX)
        return self

    def __exit__(self, *_):
        fcntl.flock(self._lock, fcntl.LOCK_UN)

    # --- Debian ------------------------------------------------------------------------------------------------------
    def debian(self, release, package, version):
        """The upstream tarball of a source package; version is upstream's, without Debian's revision."""
        lists = Apt(self.folder / f"apt-{release}", release)
        found = lists.find(package, version)
        if found is None:
            lists.update()
            found = lists.find(package, version)
        if found is None:
            raise Unavailable(f"Debian's {release} has no {package} {version}")
        uri, name, digest = found
        target = self.folder / name
        if not (target.exists() and hashlib.sha256(target.read_bytes()).hexdigest() == digest):
            run(["/usr/lib/apt/apt-helper", *lists.options, "download-file", uri, target, f"SHA256:{digest}"])
        return target

    # --- npm ---------------------------------------------------------------------------------------------------------
    def npm(self, name, version, integrity):
        """A package's tarball; integrity is "sha512-..." as the registry and package-lock.json spell it."""
        target = self.folder / f"{name}-{version}.tgz"
        if not (target.exists() and intact(target.read_bytes(), integrity)):
            uri = f"{NPM}/{name}/-/{name}-{version}.tgz"
            try:
                with urllib.request.urlopen(uri, timeout=TIMEOUT_S) as answer:
                    data = answer.read()
            except OSError as error:
                raise Unavailable(f"{uri}: {error}") from None
            if not intact(data, integrity):
                raise AssertionError(f"{uri} is not what the registry published: its SHA-512 differs")
            target.write_bytes(data)
        return target


def intact(data, integrity):
    return "sha512-" + base64.b64encode(hashlib.sha512(data).digest()).decode() == integrity


class Apt:
    """apt on one release's source index, in a folder of its own."""

    def __init__(self, folder, release):
        for part in ("lists/partial", "cache/archives/partial", "state"):
            (folder / part).mkdir(parents=True, exist_ok=True)
        (folder / "state/status").touch()
        sources = folder / "sources.list"
        sources.write_text(f"deb-src [signed-by={KEYRING}] {DEBIAN} {release} main\n", encoding="utf-8")
        settings = {
            "Dir::Etc::SourceList": sources, "Dir::Etc::SourceParts": "/dev/null", "Dir::State": folder / "state",
            "Dir::State::Lists": folder / "lists", "Dir::State::Status": folder / "state/status",
            "Dir::Cache": folder / "cache", "APT::Update::Error-Mode": "any", "Acquire::http::Timeout": TIMEOUT_S,
            "Acquire::Retries": 2, "Acquire::Languages": "none",
        }
        if os.geteuid() == 0:
            # apt would hand the download to its own user, who cannot write here.
            settings["APT::Sandbox::User"] = "root"
        self.options = [word for key, value in settings.items() for word in ("-o", f"{key}={value}")]

    def update(self):
        run(["apt-get", *self.options, "-q", "update"])

    def find(self, package, version):
        """(URI, file name, SHA-256) of the tarball, from the lists as they are; None when they do not have it."""
        done = subprocess.run(["apt-get", *self.options, "-q", "source", "--print-uris", "--download-only",
                               "--only-source", package], capture_output=True, text=True, check=False)
        tarball = re.compile(rf"'(\S+)' ({re.escape(package)}_{re.escape(version)}\.orig\.tar\.\w+) \d+ SHA256:(\w+)")
        found = tarball.search(done.stdout)
        return found.groups() if found else None


def run(command):
    done = subprocess.run([str(word) for word in command], stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True,
                          errors="replace", check=False)
    if done.returncode != 0:
        said = [line for line in done.stdout.splitlines() if re.match(r"(E|Err|W):", line)] or done.stdout.splitlines()
        raise Unavailable("\n".join(said[-5:]))


def unpack(tarball, folder):
    """The tarball's contents, without the folder that they are in."""
    folder.mkdir(parents=True, exist_ok=True)
    subprocess.run(["tar", "-xf", str(tarball), "-C", str(folder), "--strip-components=1", "--no-same-owner"], check=True)

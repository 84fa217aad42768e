"""Result stores for tests: each a real server (or file) of its own in a temporary folder.

A store has celery_url and wherry_url, kill() and start() for one that can be stopped with its data kept, and stop().
"""

import gc
import os
import pathlib
import shutil
import signal
import socket
import sqlite3
import tempfile

from authority import Authority
from brokers import Program

import psycopg2
import redis


def free_port():
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return probe.getsockname()[1]


class SqliteStore:
    can_restart = False

    def __init__(self):
        self.folder = tempfile.TemporaryDirectory(prefix="wherry-sqlite-")
        self.path = f"{self.folder.name}/results.db"
        self.celery_url, self.wherry_url = f"db+sqlite:///{self.path}", f"sqlite:///{self.path}"

    def connect(self):
        return sqlite3.connect(self.path)

    def stop(self):
        self.folder.cleanup()


class PostgresStore:
    can_restart = True

    def __init__(self):
        self.folder = tempfile.TemporaryDirectory(prefix="wherry-postgres-")
        self.port = free_port()
        self.wherry_url = f"postgresql://wherry:secret@127.0.0.1:{self.port}/postgres"
        self.celery_url = "db+" + self.wherry_url
        password = pathlib.Path(self.folder.name) / "password"
        password.write_text("secret\n", encoding="ascii")
        # PostgreSQL does not run as root: then it is the user of Debian's package.
        self.user = []
        if os.getuid() == 0:
            self.user = ["setpriv", "--reuid=postgres", "--regid=postgres", "--clear-groups"]
            for path in self.folder.name, password:
                shutil.chown(path, "postgres", "postgres")
        self.programs = sorted(pathlib.Path("/usr/lib/postgresql").glob("*/bin"))[-1]
        self.data = f"{self.folder.name}/data"
        made = Program([*self.user, self.programs / "initdb", "-D", self.data, "-U", "wherry", "-A", "scram-sha-256",
                        "-E", "UTF8", "--locale=C.UTF-8", "--no-sync", "--pwfile", password], cwd=self.folder.name)
        made.check_success(60)
        self.server = None
        self.start()

    def start(self):
        self.server = Program([*self.user, self.programs / "postgres", "-D", self.data, "-p", self.port,
                               "-c", "listen_addresses=127.0.0.1", "-c", "unix_socket_directories=", "-c", "fsync=off"],
                              cwd=self.folder.name)
        self.server.wait_error("database system is ready to accept connections")

    def connect(self):
        return psycopg2.connect(self.wherry_url)

    def kill(self):
        self.server.process.send_signal(signal.SIGINT)  # At once, but in good order.
        self.server.wait_exit()

    def stop(self):
        self.server.stop()
        self.folder.cleanup()


class RedisStore:
    can_restart = True

    def __init__(self):
        self.folder = tempfile.TemporaryDirectory(prefix="wherry-redis-")
        self.port = free_port()
        self.celery_url = self.wherry_url = f"redis://:secret@127.0.0.1:{self.port}/2"
        self.server = None
        self.start()

    def start(self):
        # Without syncs of its own: a busy disk would hold up every command.
        self.server = Program(["redis-server", *self.options(), "--bind", "127.0.0.1", "--requirepass", "secret",
                               "--save", "", "--appendonly", "yes", "--appendfsync", "no",
                               "--dir", self.folder.name], cwd=self.folder.name)
        self.server.wait_line("eady to accept connections")

    def options(self):
        return ["--port", self.port]

    def client(self):
        return redis.Redis(port=self.port, db=2, password="secret")

    def kill(self):
        """Stops it; what was stored is there again after start()."""
        self.server.terminate()
        self.server.wait_exit()

    def stop(self):
        self.server.stop()
        self.folder.cleanup()


class RedisTlsStore(RedisStore):
    """Over TLS alone, and only for clients that show a certificate."""

    def __init__(self):
        self.authority = Authority()
        self.server_files = self.authority.issue("redis", "redis")
        self.client_files = self.authority.issue("client", "client")
        super().__init__()
        certificate, key = self.client_files
        self.celery_url = self.wherry_url = (
            f"rediss://:secret@127.0.0.1:{self.port}/2?ssl_cert_reqs=CERT_REQUIRED&ssl_ca_certs={self.authority.ca}"
            f"&ssl_certfile={certificate}&ssl_keyfile={key}")

    def options(self):
        certificate, key = self.server_files
        return ["--port", 0, "--tls-port", self.port, "--tls-cert-file", certificate, "--tls-key-file", key,
                "--tls-ca-cert-file", self.authority.ca, "--tls-auth-clients", "yes"]

    def client(self):
        certificate, key = self.client_files
        return redis.Redis(port=self.port, db=2, password="secret", ssl=True, ssl_ca_certs=self.authority.ca,
                           ssl_certfile=certificate, ssl_keyfile=key)

    def stop(self):
        super().stop()
        self.authority.folder.cleanup()


class ResultsInRedis:
    """For a test class of workers, before the class that starts them: their results go to a Redis of its own."""

    @classmethod
    def setUpClass(cls):
        cls.store = RedisStore()
        cls.addClassCleanup(cls.store.stop)
        cls.backend, cls.result_backend = cls.store.celery_url, cls.store.wherry_url
        super().setUpClass()

    @classmethod
    def tearDownClass(cls):
        super().tearDownClass()
        gc.collect()  # Results of workflows are in cycles, and say goodbye to Redis when they go.

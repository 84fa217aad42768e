"""Outboxes: tasks in the application's own transactions, and relays that are killed at every step."""

import json
import os
import pathlib
import random
import shutil
import sqlite3
import subprocess
import tempfile
import time
import unittest

from brokers import BIN_DIR, SANITIZER_REPORT, TIME_SCALE, Program, free_port
from harness import BrokerTest, Inbox, main, only_wherry, tearDownModule, wait_until  # noqa: F401

POSTGRES = sorted(pathlib.Path("/usr/lib/postgresql").glob("*/bin"))


def statements(kind, queue, count):
    """The SQL that the SDK gives: the table's, and one for each task."""
    done = subprocess.run([BIN_DIR / "interop-outbox", kind, queue, str(count)], capture_output=True, text=True, check=True,
                          timeout=60 * TIME_SCALE)
    return done.stdout.splitlines()


class OutboxTest(BrokerTest):
    def start_relay(self, url, ready=True):
        relay = self.start([BIN_DIR / "wherry-worker", "--outbox", url, "-b", self.broker.url()])
        if ready:
            relay.wait_line("wherry-worker ready outbox=wherry_outbox", timeout=30)
        return relay

    def end_relay(self, relay):
        relay.terminate()
        relay.check_success(40)
        self.assertFalse(SANITIZER_REPORT.search(relay.errors), relay.errors)

    @staticmethod
    def numbers(inbox):
        """The first argument of each task that came."""
        return [json.loads(body)[0][0] for body in inbox.bodies]


class Sqlite(OutboxTest):
    def setUp(self):
        super().setUp()
        folder = tempfile.TemporaryDirectory(prefix="wherry-outbox-")
        self.addCleanup(folder.cleanup)
        self.path = os.path.join(folder.name, "shop.db")
        # Transactions are begun and ended by the test alone.
        self.database = sqlite3.connect(self.path, isolation_level=None, timeout=20 * TIME_SCALE)
        self.addCleanup(self.database.close)

    def rows(self):
        return self.database.execute("SELECT count(*) FROM wherry_outbox WHERE failed IS NULL").fetchone()[0]

    def wait_empty(self):
        wait_until(lambda: self.rows() == 0, "the outbox is empty", 60)

    def test_what_is_committed_is_sent_in_order_and_what_is_rolled_back_is_not(self):
        queue = self.name()
        create, *inserts = statements("sqlite", queue, 30)
        self.database.execute(create)
        relay = self.start_relay(f"sqlite:{self.path}")
        for transaction, end in ((inserts[:10], "COMMIT"), (inserts[10:20], "ROLLBACK"), (inserts[20:], "COMMIT")):
            self.database.execute("BEGIN")
            for insert in transaction:
                self.database.execute(insert)
            self.database.execute(end)
        self.wait_empty()
        inbox = Inbox(self, self.channel(), queue, ack=True)
        inbox.wait(20)
        self.assertEqual(self.numbers(inbox), [*range(10), *range(20, 30)])
        properties = inbox.messages[0][1]
        self.assertEqual(properties.headers["task"], "tasks.add")
        self.assertEqual(properties.headers["x-deduplication-header"], properties.headers["id"])
        self.end_relay(relay)
        self.assertEqual(inbox.bodies[20:], [])

    @only_wherry
    def test_sent_but_not_deleted_is_not_doubled(self):
        """Killed between the broker's confirm and the row's end, which a writer holds up."""
        queue = self.name()
        create, *inserts = statements("sqlite", queue, 5)
        self.database.execute(create)
        for insert in inserts:
            self.database.execute(insert)
        self.database.execute("BEGIN IMMEDIATE")
        channel = self.channel()
        channel.queue_declare(queue, durable=True)
        inbox = Inbox(self, channel, queue, ack=True)
        relay = self.start_relay(f"sqlite:{self.path}")
        inbox.wait(5)
        relay.kill()
        self.database.execute("COMMIT")
        self.assertEqual(self.rows(), 5)
        relay = self.start_relay(f"sqlite:{self.path}")
        self.wait_empty()
        self.database.execute(statements("sqlite", queue, 1)[1])
        inbox.wait(6)
        self.end_relay(relay)
        inbox.settle()
        self.assertEqual(self.numbers(inbox), [0, 1, 2, 3, 4, 0])

    @only_wherry
    def test_kills_at_any_moment_lose_and_double_nothing(self):
        queue = self.name()
        create, *inserts = statements("sqlite", queue, 2000)
        self.database.execute(create)
        relay = self.start_relay(f"sqlite:{self.path}")
        for begin in range(0, 2000, 200):
            self.database.execute("BEGIN")
            for insert in inserts[begin:begin + 200]:
                self.database.execute(insert)
            self.database.execute("COMMIT")
            time.sleep(random.uniform(0, 0.05))
            relay.kill()
            relay = self.start_relay(f"sqlite:{self.path}")
        self.wait_empty()
        self.end_relay(relay)
        inbox = Inbox(self, self.channel(), queue, ack=True)
        inbox.wait(2000, timeout=60)
        inbox.settle()
        self.assertEqual(self.numbers(inbox), list(range(2000)))

    def test_a_second_relay_waits_for_the_first(self):
        queue = self.name()
        create, insert = statements("sqlite", queue, 1)
        self.database.execute(create)
        first = self.start_relay(f"sqlite:{self.path}")
        second = self.start_relay(f"sqlite:{self.path}", ready=False)
        second.wait_error("another relay is at wherry_outbox")
        first.kill()
        second.wait_line("wherry-worker ready")
        self.database.execute(insert)
        self.wait_empty()
        self.end_relay(second)

    def test_what_the_broker_refuses_is_marked_and_left(self):
        good, full = self.name(), self.name()
        self.channel().queue_declare(full, durable=True, arguments={"x-max-length": 0, "x-overflow": "reject-publish"})
        create, insert = statements("sqlite", full, 1)
        self.database.execute(create)
        self.database.execute(insert)
        self.database.execute("INSERT INTO wherry_outbox (task_id, message) VALUES ('x', X'00')")
        self.database.execute(statements("sqlite", good, 1)[1])
        relay = self.start_relay(f"sqlite:{self.path}")
        self.wait_empty()
        failed = [row[0] for row in self.database.execute("SELECT failed FROM wherry_outbox ORDER BY id")]
        self.assertEqual(len(failed), 2)
        self.assertIn("nack", failed[0])
        self.assertIn("no message of an outbox", failed[1])
        self.wait_depth(self.channel(), good, 1)
        self.end_relay(relay)

    def test_a_database_that_is_not_there_is_waited_for(self):
        missing = self.path + ".later"
        relay = self.start_relay(f"sqlite:{missing}", ready=False)
        relay.wait_error("unable to open database file")
        later = sqlite3.connect(missing)
        later.execute(statements("sqlite", "q", 0)[0])
        later.close()
        relay.wait_line("wherry-worker ready")
        self.end_relay(relay)


class Postgresql(OutboxTest):
    @classmethod
    def setUpClass(cls):
        if not POSTGRES:
            raise unittest.SkipTest("PostgreSQL is not installed")
        super().setUpClass()
        cls.folder = tempfile.mkdtemp(prefix="wherry-outbox-")
        try:
            # As root PostgreSQL does not run.
            cls.user = ["runuser", "-u", "postgres", "--"] if os.geteuid() == 0 else []
            if cls.user:
                shutil.chown(cls.folder, "postgres")
            cls.database_port = free_port()
            subprocess.run([*cls.user, POSTGRES[-1] / "initdb", "-D", f"{cls.folder}/data", "-A", "trust", "-U", "shop",
                            "--no-sync", "-E", "UTF8"], check=True, capture_output=True, cwd="/")
            cls.server = Program([*cls.user, POSTGRES[-1] / "postgres", "-D", f"{cls.folder}/data", "-p",
                                  cls.database_port, "-k", cls.folder, "-h", "127.0.0.1", "-F"], cwd="/")
            cls.server.wait_error("ready to accept connections", timeout=60)
            cls.url = f"postgresql://shop@127.0.0.1:{cls.database_port}/postgres"
        except BaseException:
            cls.tearDownClass()
            raise

    @classmethod
    def tearDownClass(cls):
        try:
            if hasattr(cls, "server"):
                cls.server.stop()
            shutil.rmtree(cls.folder, ignore_errors=True)
        finally:
            super().tearDownClass()

    def psql(self, *lines):
        done = subprocess.run([POSTGRES[-1] / "psql", "-X", "-q", "-A", "-t", "-v", "ON_ERROR_STOP=1", self.url], check=False,
                              input="".join(line + ";\n" for line in lines), capture_output=True, text=True,
                              timeout=60 * TIME_SCALE)
        self.assertEqual(done.returncode, 0, done.stderr)
        return done.stdout.strip()

    def wait_empty(self):
        wait_until(lambda: self.psql("SELECT count(*) FROM wherry_outbox WHERE failed IS NULL") == "0", "empty", 60)

    def test_transactions_relays_and_kills(self):
        queue = self.name()
        create, *inserts = statements("postgresql", queue, 600)
        self.psql(create)
        relay = self.start_relay(self.url)
        second = self.start_relay(self.url, ready=False)
        second.wait_error("another relay is at wherry_outbox")
        for begin in range(0, 600, 200):
            self.psql("BEGIN", *inserts[begin:begin + 100], "COMMIT")
            self.psql("BEGIN", *inserts[begin + 100:begin + 200], "ROLLBACK")
            if begin == 200:
                relay.kill()
                second.wait_line("wherry-worker ready", timeout=30)
        self.wait_empty()
        self.end_relay(second)
        inbox = Inbox(self, self.channel(), queue, ack=True)
        inbox.wait(300)
        inbox.settle()
        numbers = self.numbers(inbox)
        self.assertEqual(list(dict.fromkeys(numbers)), [n for n in range(600) if n % 200 < 100])
        if type(self.broker).__name__ == "WherryBroker":
            self.assertEqual(len(numbers), 300)

    def test_the_servers_restart_is_survived(self):
        queue = self.name()
        create, *inserts = statements("postgresql", queue, 2)
        self.psql(create)
        relay = self.start_relay(self.url)
        self.psql(inserts[0])
        self.wait_empty()
        # The relay's session is ended, as a restart or a failover does.
        self.psql("SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE pid <> pg_backend_pid() AND usename = 'shop'")
        self.psql(inserts[1])
        self.wait_empty()
        self.wait_depth(self.channel(), queue, 2)
        self.end_relay(relay)


if __name__ == "__main__":
    main()

"""What is durable outlives the broker, however it ends: declared through pika, the broker killed, started again."""

import contextlib
import os
import pathlib
import random
import sqlite3
import threading
import unittest

import pika
from pika import spec

from brokers import SHARDS, TIME_SCALE
from harness import close_quietly, main, only_wherry
from rawclient import Closed, RawClient
from restarts import RestartTest


@only_wherry
class Definitions(RestartTest):
    def setUp(self):
        super().setUp()
        self.file = self.broker.data / "definitions.sqlite"

    def exists(self, kind, name):
        connection = pika.BlockingConnection(pika.ConnectionParameters(self.broker.host, self.broker.port))
        try:
            channel = connection.channel()
            getattr(channel, f"{kind}_declare")(name, passive=True)
            return True
        except pika.exceptions.ChannelClosedByBroker as closed:
            self.assertEqual(closed.reply_code, 404)
            return False
        finally:
            close_quietly(connection)

    def declare_some(self):
        channel = self.channel()
        channel.exchange_declare("kept", "topic", durable=True)
        channel.exchange_declare("lost", "topic", durable=False)
        channel.exchange_declare("deleted", "topic", durable=True)
        channel.queue_declare("kept", durable=True, arguments={"x-max-length": 5, "x-dead-letter-exchange": ""})
        channel.queue_declare("lost", durable=False)
        channel.queue_declare("deleted", durable=True)
        channel.queue_declare("own", durable=True, exclusive=True)
        channel.queue_bind("kept", "kept", "a.*", {"n": 1})
        channel.queue_bind("kept", "kept", "b.*")
        channel.queue_unbind("kept", "kept", "b.*")
        channel.queue_bind("kept", "lost", "#")
        channel.exchange_bind("kept", "amq.direct", "e.a")
        channel.queue_delete("deleted")
        channel.exchange_delete("deleted")
        return channel

    def check_some(self):
        for kind in ("queue", "exchange"):
            self.assertTrue(self.exists(kind, "kept"))
            self.assertFalse(self.exists(kind, "lost"))
            self.assertFalse(self.exists(kind, "deleted"))
        self.assertFalse(self.exists("queue", "own"))
        channel = self.channel()
        # The same arguments, or it would be refused.
        channel.queue_declare("kept", durable=True, arguments={"x-max-length": 5, "x-dead-letter-exchange": ""})
        channel.confirm_delivery()
        for exchange, key in (("kept", "a.x"), ("amq.direct", "e.a")):
            if key == "e.a":
                channel.queue_bind("kept", "kept", "e.*")
            channel.basic_publish(exchange, key, b"x", mandatory=True)
        with self.assertRaises(pika.exceptions.UnroutableError):
            channel.basic_publish("kept", "b.x", b"x", mandatory=True)
        self.assertEqual(self.depth(channel, "kept"), 2)
        channel.queue_unbind("kept", "kept", "e.*")
        channel.queue_purge("kept")

    def test_what_is_durable_survives_sigkill_and_what_is_not_does_not(self):
        self.broker.start()
        self.declare_some()
        for _ in range(2):
            self.broker.kill()
            self.broker.start()
            self.check_some()

    def test_it_survives_a_clean_stop_in_one_file(self):
        self.broker.start()
        self.declare_some()
        self.assertEqual(self.broker.end(), 0)
        self.assertFalse(pathlib.Path(f"{self.file}-wal").exists())
        with contextlib.closing(sqlite3.connect(self.file)) as db:
            self.assertEqual(db.execute("SELECT vhost, name FROM queues").fetchall(), [("/", "kept")])
        self.broker.start()
        self.check_some()

    def test_an_auto_delete_queue_survives_a_stop_but_not_its_last_consumer(self):
        self.broker.start()
        channel = self.channel()
        channel.queue_declare("q", durable=True, auto_delete=True)
        channel.basic_consume("q", lambda *_: None)
        self.broker.end()
        self.broker.start()
        self.assertTrue(self.exists("queue", "q"))
        channel = self.channel()
        tag = channel.basic_consume("q", lambda *_: None)
        channel.basic_cancel(tag)
        self.assertFalse(self.exists("queue", "q"))
        channel.queue_declare("barrier", durable=True)
        self.broker.kill()
        self.broker.start()
        self.assertFalse(self.exists("queue", "q"))
        self.assertTrue(self.exists("queue", "barrier"))

    def test_answers_hold_through_sigkill_at_any_moment(self):
        """Twenty times: a client that declares and deletes one by one, one that pipelines, and the broker killed."""
        rng = random.Random(os.environ.get("WHERRY_SEED", "20"))
        there, gone = set(), set()
        self.broker.start()
        for round_ in range(20 if TIME_SCALE == 1 else 5):
            workers = [threading.Thread(target=self.one_by_one, args=(round_, there, gone)),
                       threading.Thread(target=self.pipelined, args=(round_, there))]
            for worker in workers:
                worker.start()
            threading.Event().wait(rng.uniform(0.01, 0.3))
            self.broker.kill()
            for worker in workers:
                worker.join(30)
            self.broker.start()
            raw = RawClient(self.broker).open()
            for number, (names, wanted) in enumerate(((there, spec.Queue.DeclareOk), (gone, spec.Channel.Close)), 1):
                if wanted is spec.Queue.DeclareOk:
                    raw.open_channel(number)
                for name in sorted(names):
                    if wanted is spec.Channel.Close:
                        raw.open_channel(number)
                    answer = raw.call(number, spec.Queue.Declare(queue=name, passive=True), spec.Queue.DeclareOk,
                                      spec.Channel.Close)
                    self.assertIsInstance(answer, wanted, f"round {round_}: {name}")
                    if wanted is spec.Channel.Close:
                        raw.send(number, spec.Channel.CloseOk())
            raw.close()
            gone.clear()
        self.assertGreater(len(there), 20)

    def one_by_one(self, round_, there, gone):
        try:
            raw = RawClient(self.broker).open().open_channel()
            for number in range(100000):
                name = f"one.{round_}.{number}"
                raw.call(1, spec.Queue.Declare(queue=name, durable=True), spec.Queue.DeclareOk)
                if number % 2:
                    there.add(name)
                    continue
                raw.call(1, spec.Queue.Delete(queue=name), spec.Queue.DeleteOk)
                gone.add(name)
        except (Closed, OSError):
            pass

    def pipelined(self, round_, there):
        try:
            raw = RawClient(self.broker).open().open_channel()
            for batch in range(1000):
                names = [f"many.{round_}.{batch}.{number}" for number in range(20)]
                for name in names:
                    raw.send(1, spec.Queue.Declare(queue=name, durable=True))
                for name in names:
                    self.assertEqual(raw.expect(spec.Queue.DeclareOk).queue, name)
                    there.add(name)
        except (Closed, OSError):
            pass

    CONFIG = """
vhosts:
  - name: /
    exchanges: [{name: logs, type: topic}]
    queues: [{name: errors, arguments: {x-max-length: %d}}]
    bindings: [{exchange: logs, queue: errors, routing_key: "*.error"}]
  - name: other
    queues: [theirs]
"""

    def test_what_the_configuration_names_is_there_at_each_start(self):
        for _ in range(2):
            self.broker.start(self.CONFIG % 10)
            channel = self.channel()
            channel.confirm_delivery()
            channel.basic_publish("logs", "a.error", b"x", mandatory=True)
            self.channel(vhost="other").queue_declare("theirs", passive=True)
            self.broker.kill()
        # A vhost that is not configured any more is kept.
        self.broker.start("users: [{name: guest, password: guest, permissions: [{vhost: /}]}]")
        self.assertIn("other", self.broker.control("list_vhosts")[1].splitlines())

    def test_a_conflict_with_the_configuration_says_which(self):
        self.broker.start(self.CONFIG % 10)
        self.broker.end()
        program = self.broker.launch(self.CONFIG % 11)
        self.assertEqual(program.wait_exit(), 1)
        self.assertIn("inequivalent arg 'x-max-length' for queue 'errors' in vhost '/'", program.errors)
        self.assertIn("what was declared before stays as it is: delete it", program.errors)

    def test_a_file_that_is_not_as_it_was_is_refused_and_left(self):
        self.broker.start()
        self.declare_some()
        self.broker.end()
        sound = self.file.read_bytes()
        for damaged, text in ((sound.replace(b"kept", b"Kept"), "the file is damaged"), (b"", "the file is empty"),
                              (sound[:9000], "the file is damaged")):
            self.file.write_bytes(damaged)
            program = self.broker.launch()
            self.assertEqual(program.wait_exit(), 1)
            self.assertIn(f"definitions {self.file}: {text}", program.errors)
            self.assertEqual(self.file.read_bytes(), damaged)
        self.file.write_bytes(sound)
        self.broker.start()
        self.check_some()

    @unittest.skipIf(SHARDS < 2, "one shard cannot become fewer")
    def test_fewer_shards_than_queues_live_on_are_refused(self):
        self.broker.start()
        for number in range(SHARDS):
            self.channel().queue_declare(f"q{number}", durable=True)
        self.broker.end()
        program = self.broker.launch(shards=SHARDS - 1)
        self.assertEqual(program.wait_exit(), 1)
        self.assertIn(f"start with --shards {SHARDS} or more", program.errors)
        self.broker.start(shards=SHARDS + 1)


if __name__ == "__main__":
    main()

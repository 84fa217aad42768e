"""Kills, real: publishers and consumers against the program, SIGKILL at random moments, and the ledger after each.

    WHERRY_CRASH_SEED     replays the choices of a run (the seed is printed); how far they come in a life is the machine's
    WHERRY_CRASH_ROUNDS   how often it is killed (default 50, 10 under sanitizers)
"""

import os
import pathlib
import random
import shutil
import time
import unittest

import subject
from brokers import SHARDS, TIME_SCALE
from ledger import Entry, Ledger, body_of
from wire import Client

ROUNDS = int(os.environ.get("WHERRY_CRASH_ROUNDS") or (50 if TIME_SCALE == 1 else 10))
SEED = int(os.environ.get("WHERRY_CRASH_SEED") or random.randrange(1 << 32))

QUEUES = {
    "plain": {},
    "priority": {"x-max-priority": 4},
    "expiring": {"x-message-ttl": 600_000, "x-dead-letter-exchange": "", "x-dead-letter-routing-key": "dead"},
    "dead": {},
    "fan.1": {}, "fan.2": {}, "fan.3": {},
    "backlog": {},
}
MOST_UNCONFIRMED = 300
MOST_ALIVE = {"backlog": 6000}  # Of a queue, after a check; 600 for the others.


class Actor(Client):
    """A connection that publishes to a queue or exchange, consumes from a queue, or both."""

    def __init__(self, world, port, source, exchange="", keys=(), consumes=None, prefetch=0):
        self.world, self.random, self.source = world, world.random, source
        self.exchange, self.keys, self.consumes = exchange, keys, consumes
        self.unconfirmed = {}   # Number among the confirms: (identity, its queues, what was settled before it)
        self.lowest = 1
        self.settled = []       # (ledger, identity, requeued), since the last publish to that queue.
        self.held = {}          # Delivery tag: (ledger, identity, entry)
        super().__init__(port)
        if consumes:
            if prefetch:
                self.qos(prefetch)
            self.consume(consumes)

    # --- publishing --------------------------------------------------------------------------------------------------
    def send(self, key, transient=False, priority=0, expiration=None):
        queues = self.world.fan if self.exchange else [key]
        number = self.world.numbers[self.source] = self.world.numbers.get(self.source, 0) + 1
        identity = (self.source, number)
        expires_at = time.time() + expiration / 1000 if expiration else None
        for queue in queues:
            self.world.ledgers[queue].alive[identity] = Entry(priority, transient, expires_at)
        if key == "expiring":
            self.world.ledgers["dead"].alive[identity] = Entry()
        tag = self.publish(self.exchange, key, body_of(identity, self.world.ledgers[queues[0]].largest),
                           not transient, priority, expiration)
        settled = []
        if not transient:  # Its confirm says nothing about the disk.
            settled = [each for each in self.settled if each[0].name in queues]
            self.settled = [each for each in self.settled if each[0].name not in queues]
        self.unconfirmed[tag] = (identity, queues, settled)
        return identity

    def on_confirm(self, tag, multiple, ok):
        assert ok, f"the broker refused a message of {self.keys}"
        for each in range(self.lowest, tag + 1) if multiple else (tag,):
            found = self.unconfirmed.pop(each, None)
            if found is None:
                continue
            identity, queues, settled = found
            self.world.confirms += 1
            for queue in queues:
                if entry := self.world.ledgers[queue].alive.get(identity):
                    entry.confirmed = True
            for ledger, settled_identity, requeued in settled:
                if not requeued:
                    ledger.forget(settled_identity)
                elif entry := ledger.alive.get(settled_identity):
                    entry.redelivered = True
        if multiple:
            self.lowest = tag + 1

    # --- consuming ---------------------------------------------------------------------------------------------------
    def on_deliver(self, tag, redelivered, body):
        ledger = self.world.ledgers[self.consumes]
        self.held[tag] = (ledger, *ledger.delivered(body, redelivered))
        self.world.deliveries += 1

    def settle_some(self):
        for tag in list(self.held):
            if tag not in self.held:
                continue
            chance = self.random.random()
            if chance < 0.6:
                self.ack(tag)
                self._settled([tag], False)
            elif chance < 0.65:
                self.ack(tag, multiple=True)
                self._settled([each for each in self.held if each <= tag], False)
            elif chance < 0.7:
                self.nack(tag)
                self._settled([tag], True)

    def _settled(self, tags, requeued):
        for tag in tags:
            ledger, identity, entry = self.held.pop(tag)
            entry.unacked = False
            if requeued:
                entry.requeued = True
            else:
                entry.acked = True
            self.settled.append((ledger, identity, requeued))

    # --- a step ------------------------------------------------------------------------------------------------------
    def play(self):
        self.step()
        if self.consumes and self.random.random() < 0.5:
            self.settle_some()
        if self.keys and len(self.unconfirmed) < MOST_UNCONFIRMED and len(self.output) < 1 << 20:
            for _ in range(self.random.randrange(12)):
                key = self.random.choice(self.keys)
                self.send(key, transient=key == "plain" and self.random.random() < 0.1,
                          priority=self.random.randrange(5) if key == "priority" else 0,
                          expiration=self.random.choice((50, 900_000)) if key == "expiring" else None)


class Reader(Actor):
    """Takes all that a queue holds: until a message that it sends itself arrives, which is the last of the queue."""

    def __init__(self, world, port, queue):
        self.found, self.marker = [], None
        super().__init__(world, port, 1000, keys=(queue,))
        self.queue, self.ledger = queue, world.ledgers[queue]

    def on_deliver(self, tag, redelivered, body):
        identity, entry = self.ledger.entry_of(body)
        self.held[tag] = (self.ledger, identity, entry)
        self.found.append((identity, entry, redelivered))

    def read(self, enough=lambda found: True):
        deadline = time.monotonic() + 20 * TIME_SCALE
        self.marker = self.send(self.queue)
        self.consume(self.queue)
        while self.unconfirmed or self.marker not in self.identities() or not enough(self.identities()):
            if time.monotonic() > deadline:
                return self.found  # What is missing is for the ledger to say.
            self.step(0.05)
        self.cancel()
        return self.found

    def identities(self):
        return {each[0] for each in self.found}

    def leave(self, most):
        """Acks the oldest, so that not more than `most` stay; now and then everything, or what is not the oldest."""
        tags = list(self.held)
        surplus = len(tags) - most
        if surplus > 0 or self.random.random() < 0.1:
            gone = tags[:surplus + most // 2] if surplus > 0 else tags
            if self.random.random() < 0.3:
                gone = self.random.sample(tags, len(gone))
                for tag in gone:
                    self.ack(tag)
            else:
                self.ack(gone[-1] if gone else 0, multiple=True)
            self._settled(gone, False)
        # What it holds is requeued when it goes; in order of positions, behind nothing.
        for _, _, entry in self.held.values():
            entry.requeued = True
            entry.unacked = False
        self.send(self.queue)
        while self.unconfirmed:
            self.step(0.05)
        self.close()


class World:
    def __init__(self, seed):
        self.random = random.Random(seed)
        self.subject = subject.Subject()
        self.ledgers = {name: Ledger(name, 4000 if name == "backlog" else 300, strict=name != "dead")
                        for name in QUEUES}
        self.fan = [name for name in QUEUES if name.startswith("fan.")]
        self.numbers, self.confirms, self.deliveries, self.declared = {}, 0, 0, {}

    def set_up(self):
        self.subject.start()
        client = Client(self.subject.port)
        for name, arguments in QUEUES.items():
            client.declare(name, arguments)
        client.declare_exchange("fan", "fanout")
        for name in self.fan:
            client.bind(name, "fan")
        client.close()

    # --- a life ------------------------------------------------------------------------------------------------------
    def actors(self):
        port, pick = self.subject.port, self.random.choice
        made = [
            Actor(self, port, 1, keys=("plain",), consumes="plain", prefetch=pick((0, 1, 30))),
            Actor(self, port, 2, keys=("plain", "backlog")),
            Actor(self, port, 3, keys=("priority",), consumes="priority", prefetch=pick((10, 50))),
            Actor(self, port, 4, keys=("expiring",), consumes="expiring", prefetch=5),
            Actor(self, port, 5, exchange="fan", keys=("",)),
            Actor(self, port, 6, keys=("fan.1",), consumes="fan.1", prefetch=20),
            Actor(self, port, 7, keys=("fan.2", "backlog"), consumes="fan.2"),
            Actor(self, port, 8, keys=("dead",), consumes="dead", prefetch=20),
            Actor(self, port, 9, keys=("backlog",)),
        ]
        if self.random.random() < 0.3:
            made.append(Actor(self, port, 10, keys=("backlog",), consumes="backlog", prefetch=200))
        return made

    def live(self):
        """Traffic, until the broker is killed in the middle of it."""
        for ledger in self.ledgers.values():
            ledger.last.clear()
        made = self.actors()
        until = time.monotonic() + self.random.uniform(0, 0.5) * TIME_SCALE
        while time.monotonic() < until:
            for actor in made:
                actor.play()
            if self.random.random() < 0.05:
                self.change_topology()
        if self.random.random() < 0.1:
            return self.subject.stop(made)
        self.subject.kill()
        # What had been said before the end was said.
        for actor in made:
            actor.drain()

    def change_topology(self):
        client = Client(self.subject.port)
        name = f"extra.{self.random.randrange(20)}"
        there = self.declared[name] = not self.declared.get(name)
        client.declare(name) if there else client.delete(name)
        client.close()

    # --- what is left ------------------------------------------------------------------------------------------------
    def check(self):
        self.check_topology()
        expired = ()
        for name, ledger in self.ledgers.items():
            reader = Reader(self, self.subject.port, name)
            promised = set()
            if name == "dead":
                # What expired is here, or was acked here, or is still on its way from the other queue.
                promised = {identity for identity in expired if not ledger.alive[identity].acked}
                for identity in promised:
                    ledger.alive[identity].confirmed = True
            found = reader.read(lambda seen, wanted=promised: wanted <= seen)
            if name == "expiring":
                expired = ledger.missing(reader.identities(), expired=True)
            ledger.check(found)
            reader.leave(MOST_ALIVE.get(name, 600))

    def check_topology(self):
        client = Client(self.subject.port)
        for name, there in self.declared.items():
            if client.exists(name) != there:
                raise AssertionError(f"{name} was {'declared' if there else 'deleted'}, and after the kill it is not")
        client.close()


class Crash(unittest.TestCase):
    def test_nothing_confirmed_is_lost_and_nothing_invented_by_kills_at_random_moments(self):
        print(f"WHERRY_CRASH_SEED={SEED} WHERRY_CRASH_ROUNDS={ROUNDS} shards={SHARDS}", flush=True)
        world = World(SEED)
        failed = True
        try:
            world.set_up()
            for number in range(ROUNDS):
                world.live()
                self.keep_a_copy(world)
                if world.random.random() < 0.2:
                    # Killed while it recovers.
                    world.subject.launch()
                    time.sleep(world.random.uniform(0, 0.03) * TIME_SCALE)
                    world.subject.kill()
                world.subject.start()
                world.check()
            world.subject.stop()
            failed = False
        except BaseException:
            print(f"kill {number}, the data is in {world.subject.folder}\n{world.subject.program.errors[-3000:]}")
            raise
        finally:
            world.subject.remove(keep=failed)
        print(f"{ROUNDS} kills, {world.confirms} confirms, {world.deliveries} deliveries")

    @staticmethod
    def keep_a_copy(world):
        """As the kill left it: for whoever looks for what went wrong."""
        copy = pathlib.Path(world.subject.folder) / "as-killed"
        shutil.rmtree(copy, ignore_errors=True)
        shutil.copytree(world.subject.data, copy, ignore=shutil.ignore_patterns("*.sock"))


if __name__ == "__main__":
    unittest.main(verbosity=2)

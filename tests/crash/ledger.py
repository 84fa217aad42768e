"""The ledger of the crash tests: what was promised about every message of every queue, and whether it was kept.

    published   may be there or not
    confirmed   is there after any kill, until it is acked
    acked       may come back, until a message that was published to the queue after the ack, on the same connection, is
                confirmed: then it never does. The same with "was requeued", which later means redelivered

After a kill check() is told what the queue holds, and with that everything about the queue is known again.
"""

import random
import time
import zlib

_NOISE = random.Random(7).randbytes(1 << 16)


def body_of(identity, largest):
    """A body that says which message it is, and whose every byte follows from that."""
    head = b"%d/%d/" % identity
    mixed = zlib.crc32(head)
    begin, size = mixed % 30000, (mixed >> 8) % largest
    return head + _NOISE[begin:begin + size]


def identity_of(body):
    source, number, _ = body.split(b"/", 2)
    return int(source), int(number)


class Entry:
    __slots__ = ("confirmed", "acked", "level", "transient", "expires_at", "requeued", "redelivered", "unacked")

    def __init__(self, level=0, transient=False, expires_at=None):
        self.confirmed = self.acked = self.requeued = self.redelivered = self.unacked = False
        self.level, self.transient, self.expires_at = level, transient, expires_at


class Ledger:
    """Of one queue. `strict`: each message once and in order; else at least once, which is what dead letters get."""

    def __init__(self, name, largest=300, strict=True):
        self.name, self.largest, self.strict = name, largest, strict
        self.alive = {}
        self.gone = set()
        self.last = {}  # The newest first delivery of this life, by publisher and level.

    def fail(self, identity, problem):
        raise AssertionError(f"{self.name}: message {identity[0]}/{identity[1]} {problem}")

    def entry_of(self, body):
        """(identity, entry) of a message that was delivered, which must be one of ours, whole, and not gone."""
        identity = identity_of(body)
        if body != body_of(identity, self.largest):
            self.fail(identity, "has another body")
        if identity in self.gone:
            self.fail(identity, "came back after it was gone for good")
        entry = self.alive.get(identity)
        if entry is None:
            self.fail(identity, "was never published here")
        return identity, entry

    # --- while the broker runs ---------------------------------------------------------------------------------------
    def delivered(self, body, redelivered):
        identity, entry = self.entry_of(body)
        if self.strict:
            if entry.acked:
                self.fail(identity, "was delivered again after its ack, in the same life")
            if entry.unacked:
                self.fail(identity, "was delivered twice at once")
            if entry.requeued and not redelivered:
                self.fail(identity, "was requeued, and is not marked redelivered")
            if not redelivered:
                self._check_order(identity, entry, self.last)
        entry.unacked = True
        return identity, entry

    def _check_order(self, identity, entry, last):
        key = identity[0], entry.level
        if last.get(key, -1) >= identity[1]:
            self.fail(identity, f"came behind {identity[0]}/{last[key]}")
        last[key] = identity[1]

    def forget(self, identity):
        """Its settling is durable."""
        if self.strict and self.alive.pop(identity, None) is not None:
            self.gone.add(identity)

    # --- after it was killed -----------------------------------------------------------------------------------------
    def missing(self, seen, expired=False):
        """Those that must be there and are not among the identities seen; or those that must have expired."""
        now = time.time()
        return [identity for identity, entry in self.alive.items()
                if entry.confirmed and not entry.acked and not entry.transient and identity not in seen
                and bool(entry.expires_at and entry.expires_at < now) == expired]

    def check(self, deliveries):
        """deliveries: (identity, entry, redelivered) of all that the queue holds, in order."""
        seen, last = set(), {}
        for identity, entry, redelivered in deliveries:
            if entry.transient:
                self.fail(identity, "was transient, and survived")
            if self.strict:
                if identity in seen:
                    self.fail(identity, "is there twice")
                if entry.redelivered and not redelivered:
                    self.fail(identity, "was requeued before the kill, and is not marked redelivered")
                self._check_order(identity, entry, last)
            seen.add(identity)
        lost = self.missing(seen)
        if lost:
            raise AssertionError(f"{self.name}: {len(lost)} confirmed messages are missing: "
                                 + ", ".join("%d/%d" % each for each in lost[:20]))
        # What has expired may be on its way to where dead letters go, and come back if that is cut short.
        for identity in [each for each in self.alive if each not in seen and not self.alive[each].expires_at]:
            self.forget(identity)
        for identity, entry, _ in deliveries:
            entry.confirmed, entry.acked, entry.unacked = True, False, False
            entry.requeued = entry.redelivered
        return seen

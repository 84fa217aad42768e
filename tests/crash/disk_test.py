"""Disks that are full, broken, read-only, damaged or somebody else's: a clear error, and nothing confirmed is missing."""

import contextlib
import errno
import hashlib
import os
import pathlib
import re
import shutil
import struct
import subprocess
import tempfile
import time
import unittest

from subject import SMALL_STORE, Subject
from brokers import SHARDS, TIME_SCALE, wait_until
from wire import Client, Gone

QUEUE = "kept"
HERE = pathlib.Path(__file__).resolve().parent


def body_of(number, size=1000):
    return (b"message %08d " % number).ljust(size, b"x")


def number_of(body):
    return int(body.split()[1])


class Publisher(Client):
    def __init__(self, port):
        self.confirmed, self.numbers, self.waiting, self.reasons = set(), {}, set(), []
        super().__init__(port)

    def on_confirm(self, tag, multiple, ok):
        assert ok
        for each in [t for t in self.waiting if t <= tag] if multiple else [tag]:
            self.waiting.discard(each)
            self.confirmed.add(self.numbers[each])

    def on_blocked(self, reason):
        self.reasons.append(reason)

    def send(self, numbers, size=1000):
        for number in numbers:
            tag = self.publish("", QUEUE, body_of(number, size))
            self.numbers[tag] = number
            self.waiting.add(tag)

    def until(self, condition, what, timeout=20.0):
        deadline = time.monotonic() + timeout * TIME_SCALE
        while not condition():
            if time.monotonic() > deadline:
                raise AssertionError(f"not in time: {what}")
            self.step(0.05)

    def confirm(self, numbers, size=1000):
        """A hundred at a time: what the broker reads at once is one batch, however large, of one log file."""
        for first in range(0, len(numbers), 100):
            self.send(numbers[first:first + 100], size)
            self.until(lambda: not self.waiting, "the confirms")

    def lose(self):
        """Handles what comes before the broker is gone."""
        self.drain()


class Taker(Client):
    def __init__(self, port, ack=True):
        self.got, self.acking = [], ack
        super().__init__(port)

    def on_deliver(self, tag, redelivered, body):
        number = number_of(body)
        assert body == body_of(number, len(body)), f"message {number} is another one"
        self.got.append(number)
        if self.acking:
            self.ack(tag)

    def take(self, count, timeout=30.0):
        self.consume(QUEUE)
        deadline = time.monotonic() + timeout * TIME_SCALE
        while len(self.got) < count:
            if time.monotonic() > deadline:
                raise AssertionError(f"{len(self.got)} of {count} messages came")
            self.step(0.05)
        return self.got


class DiskTest(unittest.TestCase):
    def subject(self, config=SMALL_STORE, **options):
        made = Subject(config, **options)
        self.addCleanup(made.remove)
        return made

    def started(self, config=SMALL_STORE, **options):
        made = self.subject(config, **options)
        made.start()
        client = Client(made.port)
        client.declare(QUEUE)
        client.close()
        return made

    def publisher(self, subject):
        client = Publisher(subject.port)
        self.addCleanup(client.drop)
        return client

    def check_all_there(self, subject, confirmed, at_most=None):
        """Everything confirmed, in order and once; nothing beyond at_most. It is acked."""
        client = Taker(subject.port)
        count = client.declare(QUEUE)
        got = client.take(count)
        client.declare(QUEUE)
        client.close()
        self.assertEqual(got, sorted(set(got)), "in order, each once")
        missing = sorted(confirmed - set(got))
        self.assertFalse(missing, f"{len(missing)} confirmed messages are missing: {missing[:20]}")
        if at_most is not None:
            self.assertLessEqual(set(got), set(at_most))
        return got

    def mount(self, options, source="tmpfs"):
        folder = tempfile.mkdtemp(prefix="wherry-disk-")
        self.addCleanup(os.rmdir, folder)
        command = ["mount", *options, source, folder]
        done = subprocess.run(command, capture_output=True, text=True)
        if done.returncode != 0:
            self.skipTest(f"cannot mount: {' '.join(command)}: {done.stderr.strip()}")
        self.addCleanup(subprocess.run, ["umount", "-l", folder])
        return folder

    def tmpfs(self, megabytes):
        return self.mount(["-t", "tmpfs", "-o", f"size={megabytes}m"])


class FullDisk(DiskTest):
    # Nothing is watched: the disk itself says that it is full.
    CONFIG = "store: {log_budget: 4MiB, log_file_size: 512KiB, memory_budget: 2MiB}\ndisk_free_limit: 0\n"

    def fill(self, folder):
        """Takes the last block."""
        with open(os.path.join(folder, "filler"), "wb", buffering=0) as file, contextlib.suppress(OSError):
            while True:
                file.write(b"\0" * 4096)
        self.assertEqual(os.statvfs(folder).f_bavail, 0)

    def full(self):
        folder = self.tmpfs(64)
        subject = self.started(self.CONFIG, data=os.path.join(folder, "data"))
        publisher = self.publisher(subject)
        publisher.confirm(range(1000))
        self.fill(folder)
        published = 1000
        while not publisher.blocked:
            self.assertLess(published, 40000, "a full disk blocks publishers")
            publisher.send(range(published, published + 100))
            published += 100
            # Only who publishes is told that it is to wait, so this goes on, if slowly.
            publisher.step(0.02 if len(publisher.waiting) > 2000 else 0)
        return folder, subject, publisher, published

    def test_publishers_are_blocked_consumers_drain_and_then_publishing_goes_on(self):
        _, subject, publisher, published = self.full()
        self.assertTrue(publisher.reasons[0])
        subject.program.wait_error("no room on the disk")
        self.assertTrue(publisher.waiting, "what is not on the disk is not confirmed")
        taker = Taker(subject.port)
        # The filler stays: what was drained makes the room.
        taker.consume(QUEUE)
        wait_until(lambda: (taker.step(0.01), publisher.step(0.01), not publisher.blocked and not publisher.waiting)[2],
                   "publishing goes on", 60)
        # There is room for what is taken as it comes, and for little more.
        publisher.send(range(published, published + 500))
        wait_until(lambda: (taker.step(0.01), publisher.step(0.01),
                            not publisher.waiting and len(taker.got) >= published + 500)[2], "everything came", 60)
        self.assertEqual(taker.got, list(range(published + 500)))
        taker.close()
        subject.stop([publisher])

    def test_a_broker_killed_on_a_full_disk_starts_again_when_there_is_room(self):
        folder, subject, publisher, published = self.full()
        subject.kill()
        publisher.lose()
        # With room for what it needs at once it starts; else it says why not.
        subject.launch()
        wait_until(lambda: subject.program.lines or subject.program.process.poll() is not None, "it starts or refuses")
        if not subject.program.lines:
            self.assertEqual(subject.program.wait_exit(), 1)
            self.assertIn("No space left on device", subject.program.errors)
        subject.kill()
        os.remove(os.path.join(folder, "filler"))
        subject.start()
        self.check_all_there(subject, publisher.confirmed, range(published))
        again = self.publisher(subject)
        again.confirm(range(published, published + 100))
        subject.stop([again])

    def test_room_that_is_made_unblocks_by_itself(self):
        folder, subject, publisher, published = self.full()
        os.remove(os.path.join(folder, "filler"))
        publisher.until(lambda: not publisher.blocked and not publisher.waiting, "publishing goes on")
        self.assertEqual(publisher.confirmed, set(range(published)))
        subject.kill()
        publisher.lose()
        subject.start()
        self.assertEqual(self.check_all_there(subject, publisher.confirmed), list(range(published)))
        subject.stop()


class BrokenDisk(DiskTest):
    @classmethod
    def setUpClass(cls):
        cls.folder = tempfile.mkdtemp(prefix="wherry-shim-")
        cls.addClassCleanup(shutil.rmtree, cls.folder, ignore_errors=True)
        cls.shim = os.path.join(cls.folder, "shim.so")
        subprocess.run(["cc", "-shared", "-fPIC", "-O1", "-o", cls.shim, HERE / "shim.c", "-ldl"], check=True)
        cls.trigger = os.path.join(cls.folder, "fail")

    def broken(self, call, part, restart=False):
        """A broker with messages, and from now on that call fails: the subject, and their publisher."""
        pathlib.Path(self.trigger).unlink(missing_ok=True)
        self.addCleanup(lambda: pathlib.Path(self.trigger).unlink(missing_ok=True))
        subject = self.started(env={"LD_PRELOAD": self.shim, "WHERRY_FAIL": self.trigger,
                                    "ASAN_OPTIONS": "verify_asan_link_order=0"})
        publisher = self.publisher(subject)
        publisher.confirm(range(1500))
        if restart:
            wait_until(lambda: list(pathlib.Path(subject.data).glob("shard-*/segments/*.seg")), "a segment")
            subject.kill()
            publisher.lose()
            subject.start()
        # Renamed: it is there as a whole or not at all.
        pathlib.Path(self.trigger + ".new").write_text(f"{call} {part} {errno.EIO}\n", encoding="utf-8")
        os.rename(self.trigger + ".new", self.trigger)
        return subject, publisher

    def publish_until_it_stops(self, subject, publisher):
        number = 1500
        with contextlib.suppress(Gone):
            while number < 100_000:
                publisher.send(range(number, number + 50))
                number += 50
                publisher.until(lambda: len(publisher.waiting) < 500, "confirms")
        publisher.lose()
        return subject.wait_failure(), number

    def check_after(self, subject, publisher, said, part, number):
        self.assertIn("Input/output error", said)
        self.assertRegex(said, r"stopping, the disk failed: .*" + re.escape(part))
        os.remove(self.trigger)
        subject.start()
        self.check_all_there(subject, publisher.confirmed, range(number))
        subject.stop()

    def test_a_log_that_cannot_be_synced_stops_the_broker(self):
        subject, publisher = self.broken("fdatasync", "/log/")
        confirmed = len(publisher.confirmed)
        said, number = self.publish_until_it_stops(subject, publisher)
        self.assertEqual(len(publisher.confirmed), confirmed, "nothing is confirmed any more")
        self.check_after(subject, publisher, said, "/log/", number)

    def test_a_log_that_cannot_be_written_stops_the_broker(self):
        subject, publisher = self.broken("pwrite", "/log/")
        confirmed = len(publisher.confirmed)
        said, number = self.publish_until_it_stops(subject, publisher)
        self.assertEqual(len(publisher.confirmed), confirmed, "nothing is confirmed any more")
        self.check_after(subject, publisher, said, "/log/", number)

    def test_a_segment_that_cannot_be_written_stops_the_broker(self):
        for call in ("pwrite", "fdatasync"):
            with self.subTest(call=call):
                subject, publisher = self.broken(call, "/segments/")
                said, number = self.publish_until_it_stops(subject, publisher)
                self.check_after(subject, publisher, said, "/segments/", number)

    def test_a_folder_that_cannot_be_synced_stops_the_broker(self):
        subject, publisher = self.broken("fsync", "/log")
        said, number = self.publish_until_it_stops(subject, publisher)
        self.check_after(subject, publisher, said, "/log", number)

    def test_a_segment_that_cannot_be_read_stops_the_broker(self):
        # What was published in the same life may still be in memory.
        subject, publisher = self.broken("pread", "/segments/", restart=True)
        taker = Taker(subject.port, ack=False)
        with self.assertRaises(Gone):
            taker.take(1500)
        taker.drop()
        self.check_after(subject, publisher, subject.wait_failure(), "/segments/", 1500)


class ForeignDisk(DiskTest):
    def fingerprint(self, folder, pattern="*"):
        """Of every file but the lock."""
        return {str(path.relative_to(folder)): hashlib.sha256(path.read_bytes()).hexdigest()
                for path in sorted(pathlib.Path(folder).rglob(pattern)) if path.is_file() and path.name != "lock"}

    def filled(self, count=1500, **options):
        subject = self.started(**options)
        publisher = self.publisher(subject)
        publisher.confirm(range(count))
        return subject, publisher.confirmed

    def files(self, subject, pattern):
        return sorted(pathlib.Path(subject.data).glob(f"shard-*/{pattern}"))

    def test_a_read_only_directory_is_refused_and_is_fine_when_it_can_be_written_again(self):
        subject, confirmed = self.filled()
        subject.kill()
        folder = self.mount(["--bind"], subject.data)
        remount = ["mount", "-o", "remount,bind,ro", folder]
        if subprocess.run(remount, capture_output=True).returncode != 0:
            self.skipTest(f"cannot mount: {' '.join(remount)}")
        read_only = self.subject(data=folder)
        said = read_only.refuses()
        self.assertIn("Read-only file system", said)
        self.assertIn(folder, said)
        subject.start()
        self.check_all_there(subject, confirmed)
        subject.stop()

    def test_a_second_broker_on_the_same_directory_is_refused(self):
        subject, confirmed = self.filled()
        second = self.subject(data=subject.data)
        said = second.refuses()
        self.assertIn(f"another broker uses it (process {subject.program.process.pid})", said)
        self.check_all_there(subject, confirmed)
        subject.stop()

    def test_files_of_a_newer_version_are_refused_and_left_as_they_are(self):
        for pattern, patch in (("log/*.log", newer_log), ("segments/*.seg", newer_segment)):
            with self.subTest(pattern=pattern):
                subject, confirmed = self.filled()
                wait_until(lambda: self.files(subject, pattern), pattern)
                subject.kill()
                path = self.files(subject, pattern)[0]
                whole = path.read_bytes()
                path.write_bytes(patch(whole))
                before = self.fingerprint(subject.data, pattern)
                said = subject.refuses()
                self.assertIn("newer version", said)
                self.assertIn(str(path), said)
                self.assertIn("start the version of Wherry that wrote it", said)
                self.assertEqual(self.fingerprint(subject.data, pattern), before)
                path.write_bytes(whole)
                subject.start()
                self.check_all_there(subject, confirmed)
                subject.stop()

    def test_damaged_definitions_are_refused_and_left_as_they_are(self):
        subject, confirmed = self.filled()
        subject.stop()
        path = pathlib.Path(subject.data) / "definitions.sqlite"
        whole = path.read_bytes()
        path.write_bytes(whole[:100] + bytes(len(whole) - 100))
        before = self.fingerprint(subject.data)
        said = subject.refuses()
        self.assertIn(str(path), said)
        self.assertIn("damaged", said)
        self.assertEqual(self.fingerprint(subject.data), before)
        path.write_bytes(whole)
        subject.start()
        self.check_all_there(subject, confirmed)
        subject.stop()

    def damage(self, subject, pattern, number):
        """Changes one byte of a message's body; where: (path, offset)."""
        for path in self.files(subject, pattern):
            data = bytearray(path.read_bytes())
            at = data.find(body_of(number, 30)[:17])
            if at >= 0:
                data[at + 25] ^= 0x10
                path.write_bytes(data)
                return str(path), at + 25
        self.fail(f"message {number} is in none of {pattern}")

    def check_report(self, said, path, offset):
        found = re.findall(r"damaged: (\S+), bytes (\d+) to (\d+)", said)
        self.assertTrue(any(file == path and int(begin) <= offset < int(end) for file, begin, end in found),
                        f"{path} at {offset} is not in {found}")

    def test_a_damaged_byte_of_the_log_is_reported_and_costs_one_message(self):
        subject = self.started("store: {}\n")
        publisher = self.publisher(subject)
        for number in range(100):
            publisher.confirm([number])
        subject.kill()
        path, offset = self.damage(subject, "log/*.log", 50)
        subject.start()
        self.check_report(subject.program.errors, path, offset)
        got = self.check_all_there(subject, publisher.confirmed - {50})
        self.assertNotIn(50, got)
        subject.stop()

    def test_a_damaged_byte_of_a_segment_is_reported_and_costs_one_message(self):
        subject, confirmed = self.filled()
        wait_until(lambda: self.files(subject, "segments/*.seg"), "a segment")
        subject.kill()
        path, offset = self.damage(subject, "segments/*.seg", 50)
        subject.start()
        client = Taker(subject.port)
        got = client.take(len(confirmed) - 1)
        client.declare(QUEUE)
        client.close()
        self.assertEqual(set(got), confirmed - {50})
        self.check_report(subject.program.errors, path, offset)
        subject.stop()


def crc32c(data):
    value = 0xffffffff
    for byte in data:
        value ^= byte
        for _ in range(8):
            value = value >> 1 ^ (0x82f63b78 if value & 1 else 0)
    return value ^ 0xffffffff


def newer_log(data):
    """Both copies of the header: a version of 99, and the right checksum."""
    data = bytearray(data)
    for at in (0, 2048):
        struct.pack_into(">H", data, at + 8, 99)
        struct.pack_into(">I", data, at + 48, crc32c(data[at:at + 48]))
    return bytes(data)


def newer_segment(data):
    data = bytearray(data)
    struct.pack_into(">H", data, 8, 99)
    covered = 32 + 8 * struct.unpack_from(">I", data, 12)[0]
    struct.pack_into(">I", data, covered, crc32c(data[:covered]))
    return bytes(data)


if __name__ == "__main__":
    unittest.main(verbosity=2, warnings="ignore")

"""A small AMQP client for the crash tests: many of them in one thread, and it notices every byte that came before the end.

Only what these tests need, encoded by hand, because a library's codec would be slower than the broker. One channel; what
arrives is handed to the methods on_deliver, on_confirm and on_blocked, which a test overrides.
"""

import select
import socket
import struct
import time

from brokers import TIME_SCALE

START, START_OK, TUNE, TUNE_OK, OPEN, OPEN_OK, CLOSE = ((10, n) for n in (10, 11, 30, 31, 40, 41, 50))
BLOCKED, UNBLOCKED = (10, 60), (10, 61)
CHANNEL_OPEN_OK, CHANNEL_CLOSE = (20, 11), (20, 40)
DECLARE_OK, DELETE_OK = (50, 11), (50, 41)
CONSUME_OK, CANCEL_OK, QOS_OK, DELIVER = (60, 21), (60, 31), (60, 11), (60, 60)
ACK, NACK = (60, 80), (60, 120)
SELECT_OK = (85, 11)


class Gone(Exception):
    """The broker closed the connection, or is no more."""


def short(text):
    data = text.encode()
    return bytes([len(data)]) + data


def table(entries):
    """Values: bool, int, text."""
    out = b""
    for key, value in entries.items():
        out += short(key)
        if isinstance(value, bool):
            out += b"t" + bytes([value])
        elif isinstance(value, int):
            out += b"l" + struct.pack(">q", value)
        elif isinstance(value, dict):
            out += b"F" + table(value)
        else:
            out += b"S" + struct.pack(">I", len(value)) + value.encode()
    return struct.pack(">I", len(out)) + out


def frame(kind, channel, payload):
    return struct.pack(">BHI", kind, channel, len(payload)) + payload + b"\xce"


def method(channel, class_and_number, arguments=b""):
    return frame(1, channel, struct.pack(">HH", *class_and_number) + arguments)


class Client:
    def __init__(self, port, timeout=20.0):
        self.timeout = timeout * TIME_SCALE
        self.socket = socket.create_connection(("127.0.0.1", port), self.timeout)
        self.socket.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        self.socket.setblocking(False)
        self.input, self.output = bytearray(), bytearray(b"AMQP\x00\x00\x09\x01")
        self.published, self.delivering, self.blocked = 0, None, False
        self.answer = self.answered = None
        self._expected = (START,)
        self._wait(START)
        capabilities = {"capabilities": {"connection.blocked": True, "basic.nack": True, "publisher_confirms": True}}
        login = b"\0guest\0guest"
        self.call(method(0, START_OK, table(capabilities) + short("PLAIN") + struct.pack(">I", len(login)) + login
                         + short("en_US")), TUNE)
        self.output += method(0, TUNE_OK, struct.pack(">HIH", 100, 131072, 0))
        self.call(method(0, OPEN, short("/") + b"\0\0"), OPEN_OK)
        self.call(method(1, (20, 10), b"\0"), CHANNEL_OPEN_OK)
        self.call(method(1, (85, 10), b"\0"), SELECT_OK)

    # --- what a test overrides ---------------------------------------------------------------------------------------
    def on_deliver(self, tag, redelivered, body):
        raise AssertionError("nobody asked for a delivery")

    def on_confirm(self, tag, multiple, ok):
        """All up to tag when multiple."""

    def on_blocked(self, reason):
        """Publishing is to wait, or reason is None."""

    # --- requests that are answered ----------------------------------------------------------------------------------
    def call(self, request, expected):
        self.output += request
        return self._wait(expected)

    def declare(self, queue, arguments=None):
        """A durable queue; the number of messages that are ready."""
        answer = self.call(method(1, (50, 10), b"\0\0" + short(queue) + b"\2" + table(arguments or {})), DECLARE_OK)
        return struct.unpack_from(">I", answer, 1 + answer[0])[0]

    def exists(self, queue):
        self.output += method(1, (50, 10), b"\0\0" + short(queue) + b"\1" + table({}))
        self._wait(DECLARE_OK, CHANNEL_CLOSE)
        if self.answered == DECLARE_OK:
            return True
        code, length = struct.unpack_from(">HB", self.answer)
        assert code == 404, self.answer[3:3 + length]
        self.output += method(1, (20, 41))
        self.call(method(1, (20, 10), b"\0"), CHANNEL_OPEN_OK)
        return False

    def delete(self, queue):
        self.call(method(1, (50, 40), b"\0\0" + short(queue) + b"\0"), DELETE_OK)

    def declare_exchange(self, exchange, kind):
        self.call(method(1, (40, 10), b"\0\0" + short(exchange) + short(kind) + b"\2" + table({})), (40, 11))

    def bind(self, queue, exchange, key=""):
        self.call(method(1, (50, 20), b"\0\0" + short(queue) + short(exchange) + short(key) + b"\0" + table({})),
                  (50, 21))

    def qos(self, count):
        self.call(method(1, (60, 10), struct.pack(">IHB", 0, count, 0)), QOS_OK)

    def consume(self, queue):
        self.call(method(1, (60, 20), b"\0\0" + short(queue) + short("c") + b"\0" + table({})), CONSUME_OK)

    def cancel(self):
        self.call(method(1, (60, 30), short("c") + b"\0"), CANCEL_OK)

    def close(self):
        """Waits until the broker has closed as well: then what was not acked is on its way back."""
        try:
            self.output += method(0, CLOSE, struct.pack(">H", 200) + short("") + b"\0\0\0\0")
            self._wait((10, 51))
        except Gone:
            pass
        self.drop()

    # --- requests that are not ---------------------------------------------------------------------------------------
    def publish(self, exchange, key, body, persistent=True, priority=0, expiration=None):
        """Its number among the confirms."""
        properties = struct.pack(">HBB", 0x1800 | (0x0100 if expiration else 0), 2 if persistent else 1, priority)
        if expiration:
            properties += short(str(expiration))
        self.output += method(1, (60, 40), b"\0\0" + short(exchange) + short(key) + b"\0")
        self.output += frame(2, 1, struct.pack(">HHQ", 60, 0, len(body)) + properties)
        if body:
            self.output += frame(3, 1, body)
        self.published += 1
        return self.published

    def ack(self, tag, multiple=False):
        self.output += method(1, ACK, struct.pack(">QB", tag, multiple))

    def nack(self, tag, multiple=False, requeue=True):
        self.output += method(1, NACK, struct.pack(">QB", tag, multiple | requeue << 1))

    # --- the socket --------------------------------------------------------------------------------------------------
    def step(self, timeout=0.0):
        """Writes what it can, and handles what has arrived, waiting for it up to timeout."""
        wanted = [self.socket] if self.output else []
        readable, writable, _ = select.select([self.socket], wanted, [], timeout)
        if writable:
            self._send()
        if readable:
            self._receive()

    def drain(self):
        """Handles what arrives until the end of the connection."""
        deadline = time.monotonic() + self.timeout
        try:
            while time.monotonic() < deadline:
                select.select([self.socket], [], [], 0.1)
                self._receive()
        except Gone:
            pass
        self.drop()

    def drop(self):
        self.socket.close()

    def _send(self):
        try:
            sent = self.socket.send(self.output)
        except BlockingIOError:
            return
        except OSError as error:
            raise Gone(str(error)) from None
        del self.output[:sent]

    def _receive(self):
        try:
            data = self.socket.recv(1 << 20)
        except BlockingIOError:
            return
        except OSError as error:
            raise Gone(str(error)) from None
        if not data:
            raise Gone("closed by the broker")
        self.input += data
        self._parse()

    def _wait(self, *expected):
        deadline = time.monotonic() + self.timeout
        self.answer, self._expected = None, expected
        while self.answer is None:
            if time.monotonic() > deadline:
                raise AssertionError(f"no {expected} in time")
            self.step(0.1)
        self._expected = ()
        return self.answer

    def _parse(self):
        data, at = bytes(self.input), 0
        while len(data) - at >= 8:
            kind, _, size = struct.unpack_from(">BHI", data, at)
            if len(data) - at < size + 8:
                break
            payload = data[at + 7:at + 7 + size]
            at += size + 8
            if kind == 1:
                self._on_method(payload)
            elif kind == 2:
                self.delivering[2] = struct.unpack_from(">Q", payload, 4)[0]
                self._deliver_when_whole()
            elif kind == 3:
                self.delivering[3] += payload
                self._deliver_when_whole()
        self.input = bytearray(data[at:])

    def _deliver_when_whole(self):
        tag, redelivered, size, body = self.delivering
        if len(body) == size:
            self.delivering = None
            self.on_deliver(tag, redelivered, body)

    def _on_method(self, payload):
        name = struct.unpack_from(">HH", payload)
        if name == DELIVER:
            at = 5 + payload[4]
            self.delivering = [struct.unpack_from(">Q", payload, at)[0], bool(payload[at + 8]), 0, b""]
        elif name in (ACK, NACK):
            tag, flags = struct.unpack_from(">QB", payload, 4)
            self.on_confirm(tag, bool(flags & 1), name == ACK)
        elif name == BLOCKED:
            self.blocked = True
            self.on_blocked(payload[5:].decode())
        elif name == UNBLOCKED:
            self.blocked = False
            self.on_blocked(None)
        elif name in self._expected:
            self.answer, self.answered = payload[4:], name
        elif name in (CLOSE, CHANNEL_CLOSE):
            code, length = struct.unpack_from(">HB", payload, 4)
            raise Gone(f"{code} {payload[7:7 + length].decode()}")
        else:
            raise AssertionError(f"an unexpected method {name}")

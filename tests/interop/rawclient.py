"""A client that does what no library lets one do: it sends any frame or byte, and sees each frame that comes back.

pika's own encoder and decoder of methods are used; the connection's behaviour is the caller's.
"""

import socket
import struct

from pika import exceptions, frame, spec

from brokers import TIME_SCALE

HEADER = b"AMQP\x00\x00\x09\x01"
CAPABILITIES = {"authentication_failure_close": True, "basic.nack": True, "connection.blocked": True,
                "consumer_cancel_notify": True, "publisher_confirms": True, "exchange_exchange_bindings": True}


class Closed(Exception):
    """The broker closed the socket."""


class RawClient:
    def __init__(self, broker, timeout=20.0, source=None):
        """source: the address of this machine that it comes from."""
        self.socket = socket.create_connection((broker.host, broker.port), timeout * TIME_SCALE, source and (source, 0))
        self.socket.settimeout(timeout * TIME_SCALE)
        self.socket.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        self.buffer = b""

    # --- bytes and frames --------------------------------------------------------------------------------------------
    def send_bytes(self, data):
        self.socket.sendall(data)

    def send(self, channel, method):
        self.send_bytes(frame.Method(channel, method).marshal())

    def send_frame(self, kind, channel, payload, end=b"\xce"):
        self.send_bytes(struct.pack(">BHI", kind, channel, len(payload)) + payload + end)

    def send_content(self, channel, exchange, key, body, properties=None, mandatory=False, immediate=False,
                     frame_max=131072):
        self.send(channel, spec.Basic.Publish(0, exchange, key, mandatory, immediate))
        self.send_bytes(frame.Header(channel, len(body), properties or spec.BasicProperties()).marshal())
        step = frame_max - 8
        for at in range(0, len(body), step):
            self.send_bytes(frame.Body(channel, body[at:at + step]).marshal())

    def read_some(self):
        try:
            data = self.socket.recv(262144)
        except ConnectionResetError:
            raise Closed() from None
        if not data:
            raise Closed()
        self.buffer += data

    def read_frame(self):
        """The next frame of any kind; raises Closed at the end of the stream."""
        while True:
            used, decoded = frame.decode_frame(self.buffer)
            if decoded is not None:
                self.buffer = self.buffer[used:]
                return decoded
            self.read_some()

    def read_raw_frame(self):
        """The next frame undecoded: (type, channel, payload)."""
        while len(self.buffer) < 8 or len(self.buffer) < 8 + struct.unpack_from(">I", self.buffer, 3)[0]:
            self.read_some()
        kind, channel, size = struct.unpack_from(">BHI", self.buffer)
        payload, self.buffer = self.buffer[7:7 + size], self.buffer[8 + size:]
        return kind, channel, payload

    def read_bytes(self, count):
        while len(self.buffer) < count:
            self.read_some()
        data, self.buffer = self.buffer[:count], self.buffer[count:]
        return data

    def read_method(self):
        """The next method frame: (channel, method). Heartbeats are passed over."""
        while True:
            got = self.read_frame()
            if isinstance(got, frame.Method):
                return got.channel_number, got.method
            if not isinstance(got, frame.Heartbeat):
                raise AssertionError(f"expected a method, got {got}")

    def expect(self, *kinds):
        """The next method, which must be of one of these kinds."""
        channel, method = self.read_method()
        if not isinstance(method, kinds):
            raise AssertionError(f"expected {' or '.join(kind.NAME for kind in kinds)}, got {method} on {channel}")
        return method

    def call(self, channel, method, *answers):
        self.send(channel, method)
        return self.expect(*answers)

    def read_content(self):
        """The header and body after a deliver, get-ok or return: (properties, body)."""
        header = self.read_frame()
        body = b""
        while len(body) < header.body_size:
            body += self.read_frame().fragment
        return header.properties, body

    def ends(self):
        """Reads on until the broker closes the socket: True, or a socket timeout."""
        try:
            while True:
                self.read_frame()
        except (Closed, exceptions.InvalidFrameError):
            return True

    # --- the usual exchange ------------------------------------------------------------------------------------------
    def start(self, user="guest", password="guest", mechanism="PLAIN", capabilities=None):
        """Sends the header and the credentials; returns connection.start."""
        self.send_bytes(HEADER)
        start = self.expect(spec.Connection.Start)
        self.send(0, spec.Connection.StartOk(
            {"product": "raw", "capabilities": CAPABILITIES if capabilities is None else capabilities},
            mechanism, f"\0{user}\0{password}", "en_US"))
        return start

    def tune(self, channel_max=None, frame_max=None, heartbeat=0):
        tune = self.expect(spec.Connection.Tune)
        self.send(0, spec.Connection.TuneOk(tune.channel_max if channel_max is None else channel_max,
                                            tune.frame_max if frame_max is None else frame_max, heartbeat))
        return tune

    def open(self, user="guest", password="guest", vhost="/", **tuning):
        self.start(user, password)
        self.tune(**tuning)
        self.call(0, spec.Connection.Open(vhost), spec.Connection.OpenOk)
        return self

    def open_channel(self, number=1):
        self.call(number, spec.Channel.Open(), spec.Channel.OpenOk)
        return self

    def close(self):
        self.socket.close()

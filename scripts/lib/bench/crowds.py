#!/usr/bin/env python3
"""Crowds: clients that connect and say nothing, begin and never end, or ask and never read, in a process of their own; and
a Prometheus that scrapes, with many queues there.

    python3 crowds.py silent 127.0.0.1 AMQP MANAGEMENT METRICS [SIZE]      prints "ready" when all are there, and stays

Whoever is sent away comes again, as such clients do.
"""
import base64
import json
import os
import resource
import selectors
import socket
import statistics
import subprocess
import sys
import threading
import time
import urllib.request

HEADER = b"AMQP\x00\x00\x09\x01"
LOGIN = "Basic " + base64.b64encode(b"guest:guest").decode()
UNREAD_QUEUE = "bench.unread"


def ask(path, times):
    return f"GET {path} HTTP/1.1\r\nHost: x\r\nAuthorization: {LOGIN}\r\n\r\n".encode() * times


# Of each kind: port (0: AMQP, 1: management, 2: metrics), what is said, how many, and whether they read.
CROWDS = {
    "silent": [(0, b"", 10_000, True)],
    "half": [(0, HEADER, 1_000, True), (0, HEADER[:5], 1_000, True)],
    "http": [(1, b"", 1_000, True), (2, b"", 1_000, True), (1, b"GET /api/overview HTTP/1.1\r\nX: ", 500, True), (2, b"GET /metrics HTTP/1.1\r\nX: ", 500, True)],
    "unread-http": [(1, ask("/api/queues", 50), 50, False), (2, ask("/metrics/per-object", 50), 50, False)],
    "unread": [],  # Consumers, which need more words: see consumers().
}
CROWDS["all"] = [crowd for name in ("silent", "half", "http", "unread-http") for crowd in CROWDS[name]]


class Crowd:
    def __init__(self, host, ports, size):
        self.host, self.ports, self.size = host, ports, size
        self.selector = selectors.DefaultSelector()

    def come(self, crowd):
        port, words, _, reads = crowd
        client = socket.create_connection((self.host, self.ports[port]), 20)
        client.setblocking(False)
        if words:
            try:
                client.send(words)
            except OSError:
                pass
        if reads:
            self.selector.register(client, selectors.EVENT_READ, crowd)
        else:
            client.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
            self.unread.append(client)

    def gather(self, crowds):
        self.unread = []
        for crowd in crowds:
            for _ in range(max(1, crowd[2] // self.size)):
                self.come(crowd)

    def stay(self):
        while True:
            for key, _ in self.selector.select(1):
                try:
                    gone = not key.fileobj.recv(65536)
                except BlockingIOError:
                    continue
                except OSError:
                    gone = True
                if gone:
                    self.selector.unregister(key.fileobj)
                    key.fileobj.close()
                    try:
                        self.come(key.data)
                    except OSError:
                        pass


def consumers(host, port, count):
    """They consume and never read, from a queue that has more for each than its socket takes."""
    import pika

    feeder = pika.BlockingConnection(pika.ConnectionParameters(host, port, heartbeat=0))
    channel = feeder.channel()
    channel.queue_declare(UNREAD_QUEUE)
    kept = [feeder]
    for _ in range(count):
        client = pika.BlockingConnection(pika.ConnectionParameters(host, port, heartbeat=0))
        client.channel().basic_consume(UNREAD_QUEUE, lambda *_: None, auto_ack=True)
        kept.append(client)
    for _ in range(count * 40):
        channel.basic_publish("", UNREAD_QUEUE, bytes(100_000))
    return kept


def main():
    kind, host, *numbers = sys.argv[1:]
    amqp, management, metrics, *size = map(int, numbers)
    most = resource.getrlimit(resource.RLIMIT_NOFILE)[1]
    resource.setrlimit(resource.RLIMIT_NOFILE, (most, most))
    size = size[0] if size else 1
    crowd = Crowd(host, (amqp, management, metrics), size)
    kept = consumers(host, amqp, max(2, 50 // size)) if kind in ("unread", "all") else []
    crowd.gather(CROWDS[kind])
    print("ready", len(kept), flush=True)
    crowd.stay()


class Running:
    """A crowd beside a measurement; none for the kind "quiet"."""

    def __init__(self, kind, peer, size):
        self.kind, self.peer, self.size = kind, peer, size
        self.process = None

    def __enter__(self):
        if self.kind != "quiet":
            words = [sys.executable, "-B", __file__, self.kind, "127.0.0.1", self.peer.port, *self.peer.http_ports, self.size]
            self.process = subprocess.Popen([str(word) for word in words], stdout=subprocess.PIPE, text=True, env={**os.environ})
            if "ready" not in self.process.stdout.readline():
                raise OSError(f"the crowd '{self.kind}' did not come together")
        return self

    def __exit__(self, *_):
        if self.process:
            self.process.kill()
            self.process.wait()


class Scraper:
    """GET of a path each second, and what it took: seconds and bytes; nothing for an empty path."""

    def __init__(self, path, port):
        self.path, self.port, self.times, self.bytes = path, port, [], 0
        self.over = threading.Event()
        self.thread = threading.Thread(target=self.scrape, daemon=True)

    def __enter__(self):
        if self.path:
            self.thread.start()
        return self

    def __exit__(self, *_):
        self.over.set()
        if self.path:
            self.thread.join(60)

    def scrape(self):
        while not self.over.is_set():
            began = time.monotonic()
            with urllib.request.urlopen(f"http://127.0.0.1:{self.port}{self.path}", timeout=60) as answer:
                self.bytes = 0
                while part := answer.read(1 << 20):
                    self.bytes += len(part)
            self.times.append(time.monotonic() - began)
            self.over.wait(max(0, 1 - self.times[-1]))

    def figures(self):
        if not self.times:
            return {}
        return {"scrape_ms": statistics.median(self.times) * 1000, "scrape_max_ms": max(self.times) * 1000, "scrape_mib": self.bytes / 1048576}


def declare_queues(port, count):
    """All at once, by the management API."""
    queues = [{"name": f"bench.many.{number}", "vhost": "/", "durable": True, "auto_delete": False, "arguments": {}} for number in range(count)]
    request = urllib.request.Request(
        f"http://127.0.0.1:{port}/api/definitions", data=json.dumps({"queues": queues}).encode(), method="POST",
        headers={"Authorization": LOGIN, "Content-Type": "application/json"},
    )
    with urllib.request.urlopen(request, timeout=120) as answer:
        answer.read()


if __name__ == "__main__":
    main()

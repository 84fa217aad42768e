"""A broker with its management API and metrics on, and the few lines that talk HTTP to it."""

import base64
import json
import re
import urllib.error
import urllib.parse
import urllib.request

import brokers
from brokers import TIME_SCALE
from harness import BrokerTest


def in_path(name):
    return urllib.parse.quote(name, safe="")


class Answer:
    def __init__(self, status, headers, text):
        self.status, self.headers, self.text = status, headers, text

    @property
    def json(self):
        return json.loads(self.text)


def call(port, method, path, body=None, user="guest", password="guest", headers=None, raw=None):
    """One request; an Answer whatever its status."""
    data = raw if raw is not None else None if body is None else json.dumps(body).encode()
    request = urllib.request.Request(f"http://127.0.0.1:{port}{path}", method=method, data=data)
    if user is not None:
        request.add_header("Authorization", "Basic " + base64.b64encode(f"{user}:{password}".encode()).decode())
    for name, value in (headers or {}).items():
        request.add_header(name, value)
    try:
        with urllib.request.urlopen(request, timeout=30 * TIME_SCALE) as answer:
            return Answer(answer.status, answer.headers, answer.read().decode())
    except urllib.error.HTTPError as error:
        return Answer(error.code, error.headers, error.read().decode())


class ManagementTest(BrokerTest):
    """Its broker listens for HTTP on ports of its own."""

    broker_environment = None

    @classmethod
    def setUpClass(cls):
        cls.broker = brokers.WherryBroker(cls.broker_config,
                                          ["--management", "127.0.0.1:0", "--metrics", "127.0.0.1:0"],
                                          environment=cls.broker_environment)
        cls.find_ports(cls.broker)

    @classmethod
    def find_ports(cls, broker):
        ready = broker.program.wait_line("management=")
        cls.http = int(re.search(r" management=\S+:(\d+)", ready).group(1))
        cls.metrics = int(re.search(r" metrics=\S+:(\d+)", ready).group(1))

    def api(self, method, path, body=None, expect=None, **options):
        """A request that must have the status that is expected: by default any that is fine."""
        answer = call(self.http, method, "/api" + path, body, **options)
        if expect is None:
            self.assertLess(answer.status, 300, (method, path, answer.text))
        else:
            self.assertEqual(answer.status, expect, (method, path, answer.text))
        return answer.json if answer.text else None

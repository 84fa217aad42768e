"""What the interoperability tests share: a broker for each test class, connections that are cleaned up, deadlines.

A test never sleeps for a result: it waits for the condition that it claims. A test that waits for nothing to happen
makes something else happen after it on the same path, and waits for that.
"""

import itertools
import os
import pathlib
import signal
import unittest

import pika

import brokers
from brokers import KIND, TIME_SCALE, Program, start_broker, wait_until  # noqa: F401  (re-exported)

HERE = pathlib.Path(__file__).resolve().parent
PYTHON = "/usr/bin/python3"

only_wherry = unittest.skipIf(KIND != "wherry", "about Wherry's own options")


def setUpModule():
    """For the test files to import: nothing to start here, a class starts its own broker."""


def tearDownModule():
    if KIND == "rabbitmq":
        brokers.RabbitBroker.stop_node()


class Timeout(Exception):
    """A test ran longer than its time."""


class BrokerTest(unittest.TestCase):
    """Each class has its own broker and data folder; each test its own connections and a deadline."""

    broker_config = None  # text of a broker.yaml
    longest_s = 90        # that a test may take
    maxDiff = None
    _names = itertools.count(1)

    @classmethod
    def setUpClass(cls):
        cls.broker = cls.start_broker()

    @classmethod
    def start_broker(cls):
        return start_broker(cls.broker_config)

    @classmethod
    def tearDownClass(cls):
        cls.broker.stop()

    def setUp(self):
        signal.signal(signal.SIGALRM, self._timed_out)
        signal.alarm(int(self.longest_s * TIME_SCALE))
        self.addCleanup(signal.alarm, 0)

    def _timed_out(self, *_):
        # Once more in case that clean-up hangs as well.
        signal.alarm(20)
        raise Timeout(f"{self.id()} took more than {self.longest_s * TIME_SCALE:g} s")

    def name(self, prefix="q"):
        """A name that no other test uses."""
        return f"{prefix}.{self._testMethodName}.{next(self._names)}"

    # --- connections -------------------------------------------------------------------------------------------------
    def connect(self, user="guest", password="guest", vhost="/", **parameters):
        parameters.setdefault("heartbeat", 0)
        parameters.setdefault("socket_timeout", 20 * TIME_SCALE)
        parameters.setdefault("stack_timeout", 30 * TIME_SCALE)
        connection = pika.BlockingConnection(pika.ConnectionParameters(
            self.broker.host, self.broker.port, vhost, pika.PlainCredentials(user, password), **parameters))
        self.addCleanup(close_quietly, connection)
        return connection

    def channel(self, **parameters):
        """A channel on a connection of its own, so that two of them may be on different shards."""
        return self.connect(**parameters).channel()

    def get(self, channel, queue, timeout=20.0, **options):
        """The queue's next message, waited for: (method, properties, body)."""
        def fetch():
            got = channel.basic_get(queue, **options)
            return got if got[0] is not None else None
        return wait_until(fetch, f"a message in {queue}", timeout)

    def depth(self, channel, queue):
        return channel.queue_declare(queue, passive=True).method.message_count

    def wait_depth(self, channel, queue, count, timeout=20.0):
        wait_until(lambda: self.depth(channel, queue) == count, f"{count} messages in {queue}", timeout)

    def wait_consumers(self, channel, queue, count):
        wait_until(lambda: channel.queue_declare(queue, passive=True).method.consumer_count == count,
                   f"{count} consumers of {queue}")

    def pump(self, connection, condition, what, timeout=20.0):
        """Lets pika handle what arrives on connection until condition() holds."""
        def step():
            connection.process_data_events(time_limit=0.02)
            return condition()
        return wait_until(step, what, timeout)

    # --- programs ----------------------------------------------------------------------------------------------------
    def start(self, command, **options):
        options["env"] = {"AMQP_URL": self.broker.url(), "PYTHONPATH": str(HERE), **options.get("env", {})}
        program = Program(command, **options)
        self.addCleanup(program.stop)
        return program

    def start_python(self, path, *arguments, **options):
        return self.start([PYTHON, "-B", HERE / path, *arguments], **options)


class Inbox:
    """A consumer and what it got so far."""

    def __init__(self, test, channel, queue, auto_ack=False, ack=False, **options):
        self.test, self.channel, self.messages, self.cancelled = test, channel, [], False
        channel.add_on_cancel_callback(lambda _: setattr(self, "cancelled", True))
        self.ack = ack
        self.tag = channel.basic_consume(queue, self._on_message, auto_ack=auto_ack, **options)

    def _on_message(self, channel, method, properties, body):
        self.messages.append((method, properties, body))
        if self.ack:
            channel.basic_ack(method.delivery_tag)

    @property
    def bodies(self):
        return [body.decode(errors="replace") for _, _, body in self.messages]

    @property
    def tags(self):
        return [method.delivery_tag for method, _, _ in self.messages]

    def step(self):
        self.channel.connection.process_data_events(time_limit=0.01)

    def wait(self, count, timeout=20.0):
        """Waits for the count-th message; returns all the bodies."""
        self.test.pump(self.channel.connection, lambda: len(self.messages) >= count,
                       f"{count} messages, got {len(self.messages)}", timeout)
        return self.bodies

    def settle(self):
        """Handles all that the broker sent before it answers this call."""
        self.channel.exchange_declare("amq.direct", passive=True)
        self.step()


def close_quietly(connection):
    try:
        if connection.is_open:
            connection.close()
    except Exception:  # clean-up after a test that has already said what is wrong
        pass


def main():
    os.environ.setdefault("PYTHONFAULTHANDLER", "1")
    unittest.main(verbosity=2, warnings="ignore")

"""Delayed messages through kills of the broker: what was confirmed comes, in the order of its time."""

import time

import pika

from brokers import wait_until
from harness import close_quietly, main
from restarts import RestartTest

CONFIG = """
vhosts:
  - name: /
    exchanges:
      - {name: later, type: x-delayed-message, arguments: {x-delayed-type: direct}}
    queues:
      - {name: inbox}
    bindings:
      - {exchange: later, queue: inbox, routing_key: k}
"""


class Delays(RestartTest):
    broker_config = CONFIG

    def start(self):
        return self.broker.start().port

    def channel(self, port):
        connection = pika.BlockingConnection(pika.ConnectionParameters("127.0.0.1", port, heartbeat=0))
        self.addCleanup(close_quietly, connection)
        channel = connection.channel()
        channel.confirm_delivery()
        return channel

    def publish(self, channel, body, delay_ms):
        channel.basic_publish("later", "k", body, pika.BasicProperties(headers={"x-delay": delay_ms}, delivery_mode=2))

    def drain(self, channel, count):
        bodies = []

        def take():
            method, _, body = channel.basic_get("inbox", auto_ack=True)
            if method is not None:
                bodies.append(int(body))
            return len(bodies) == count
        wait_until(take, f"{count} messages")
        return bodies

    def test_what_was_confirmed_comes_after_a_kill_in_the_order_of_its_time(self):
        channel = self.channel(self.start())
        began = time.monotonic()
        due = {}  # Between when and when: it arrived at some time before its confirm did.
        for number in reversed(range(60)):
            # The last ones first.
            delay_ms, sent = 3000 + 20 * number, time.monotonic()
            self.publish(channel, str(number).encode(), delay_ms)
            due[number] = sent + delay_ms / 1000, time.monotonic() + delay_ms / 1000
        self.broker.kill()
        time.sleep(max(0.0, 3.5 - (time.monotonic() - began)))  # Some come due while it is down.
        came = self.drain(self.channel(self.start()), 60)
        self.assertEqual(sorted(came), list(range(60)))
        too_late = [(earlier, later) for place, earlier in enumerate(came) for later in came[place + 1:]
                    if due[later][1] < due[earlier][0] - 0.001]
        self.assertEqual(too_late, [], came)

    def test_kill_after_kill_nothing_confirmed_is_missing(self):
        for life in range(4):
            channel = self.channel(self.start())
            for number in range(50):
                self.publish(channel, str(100 * life + number).encode(), 50 + 37 * number)
            time.sleep(0.2 * life)
            self.broker.kill()
        channel = self.channel(self.start())
        expected = {100 * life + number for life in range(4) for number in range(50)}
        seen = set()

        def take():
            method, _, body = channel.basic_get("inbox", auto_ack=True)
            if method is not None:
                seen.add(int(body))
            return seen >= expected
        wait_until(take, "every message")
        self.assertEqual(seen, expected)


if __name__ == "__main__":
    main()

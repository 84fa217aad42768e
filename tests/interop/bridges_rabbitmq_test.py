"""Bridges with RabbitMQ on the other side: a shovel there and back, a live system that is moved there and back, and
federated exchanges with RabbitMQ upstream, downstream, and both ways."""

import json
import os
import threading

import pika

import brokers
from bridging import BridgeTest, FederationTest
from harness import main, wait_until
from restarts import Restartable

PROGRAM = "/usr/lib/rabbitmq/bin/rabbitmq-server"
PERSISTENT = pika.BasicProperties(delivery_mode=2)


class Rabbit(brokers.Broker):
    """The RabbitMQ of this file, which all its classes share."""

    node = None

    def __init__(self):
        if Rabbit.node is None:
            Rabbit.node = brokers.RabbitNode()
        self.port, self.http = Rabbit.node.amqp, Rabbit.node.http

    def control_command(self):
        node = Rabbit.node
        return ["/usr/lib/rabbitmq/bin/rabbitmqctl"], node.tool_env(node.amqp, node.epmd_port, node.home)


class RabbitSide:
    """Of a BridgeTest: the other broker is RabbitMQ."""

    @classmethod
    def start_other(cls):
        cls.other = Rabbit()
        cls.other_http = cls.other.http


class Shovels(RabbitSide, BridgeTest):
    def test_there_and_back_in_order_and_unchanged(self):
        here, there = self.channel(), self.open_channel(self.other)
        source, over, back = self.name("source"), self.name("over"), self.name("back")
        here.confirm_delivery()
        here.queue_declare(source, durable=True)
        for number in range(300):
            here.basic_publish("", source, str(number).encode(), pika.BasicProperties(
                delivery_mode=2, message_id=str(number), headers={"n": number, "list": [1, "x", {"deep": True}]},
                content_type="a/b", priority=4, timestamp=1234567890, correlation_id="c", expiration="600000"))
        self.shovel(source, {"src-queue": source, "dest-queue": over})
        wait_until(lambda: self.has_queue(self.other, over), "the queue is made")
        self.wait_depth(there, over, 300)
        self.shovel(over, {"src-uri": self.other.url(), "src-queue": over, "dest-uri": "amqp://", "dest-queue": back})
        wait_until(lambda: self.has_queue(self.broker, back), "the queue is made")
        self.wait_depth(here, back, 300)
        for number in range(300):
            _, properties, body = here.basic_get(back, auto_ack=True)
            self.assertEqual((body, properties.message_id), (str(number).encode(), str(number)))
            self.assertEqual(properties.headers, {"n": number, "list": [1, "x", {"deep": True}]})
            self.assertEqual((properties.content_type, properties.priority, properties.timestamp, properties.correlation_id,
                              properties.expiration, properties.delivery_mode), ("a/b", 4, 1234567890, "c", "600000", 2))

    def test_all_ack_modes_and_delete_after(self):
        here, there = self.channel(), self.open_channel(self.other)
        here.confirm_delivery()
        for mode in "on-confirm", "on-publish":
            for uris in "to", "from":
                with self.subTest(mode=mode, uris=uris):
                    queue, target = self.name(mode + uris), self.name(mode + uris + "-target")
                    source, destination = (here, there) if uris == "to" else (there, here)
                    source.queue_declare(queue, durable=True)
                    for number in range(50):
                        source.basic_publish("", queue, str(number).encode(), PERSISTENT)
                    self.wait_depth(source, queue, 50)
                    value = {"src-queue": queue, "dest-queue": target, "ack-mode": mode, "src-delete-after": 30}
                    if uris == "from":
                        value.update({"src-uri": self.other.url(), "dest-uri": "amqp://"})
                    self.shovel(queue, value)
                    wait_until(lambda name=queue: self.shovel_row(name) is None, "it is gone")
                    self.wait_depth(destination, target, 30)
                    self.wait_depth(source, queue, 20)

    def test_what_rabbitmq_refuses_stays(self):
        here, there = self.channel(), self.open_channel(self.other)
        here.confirm_delivery()
        source, target = self.name("source"), self.name("target")
        there.queue_declare(target, durable=True, arguments={"x-max-length": 5, "x-overflow": "reject-publish"})
        here.queue_declare(source, durable=True)
        for number in range(20):
            here.basic_publish("", source, str(number).encode(), PERSISTENT)
        self.shovel(source, {"src-queue": source, "dest-queue": target})
        seen = set()
        def take():
            while (got := there.basic_get(target, auto_ack=True))[0] is not None:
                seen.add(int(got[2]))
            return len(seen) == 20
        wait_until(take, "all have come, in their turn", 60)
        self.wait_depth(here, source, 0)

    def test_an_alarm_at_rabbitmq_stops_the_reading(self):
        here = self.channel()
        here.confirm_delivery()
        source = self.name("source")
        here.queue_declare(source, durable=True)
        self.shovel(source, {"src-queue": source, "dest-queue": source, "src-prefetch-count": 50})
        self.wait_running(source)
        code, _, err = self.other.control("set_vm_memory_high_watermark", "0.00001")
        self.assertEqual(code, 0, err)
        try:
            for number in range(400):
                here.basic_publish("", source, str(number).encode() + b" " * 10_000, PERSISTENT)
            wait_until(lambda: self.shovel_row(source)["blocked_status"] == "blocked", "it is blocked")
            self.assertLessEqual(self.unacknowledged(self.http, source), 50)
        finally:
            self.other.control("set_vm_memory_high_watermark", "0.6")
        self.wait_depth(self.open_channel(self.other), source, 400, 60)


class Worker(threading.Thread):
    """Works at a broker until it is told to stop, and comes back when the broker goes."""

    def __init__(self, port):
        super().__init__(daemon=True)
        self.port, self.stopping = port, threading.Event()
        self.start()

    def run(self):
        while not self.stopping.is_set():
            try:
                connection = pika.BlockingConnection(pika.ConnectionParameters("127.0.0.1", self.port, heartbeat=0))
                self.work(connection, connection.channel())
                connection.close()
            except pika.exceptions.AMQPError:
                self.stopping.wait(0.05)

    def stop(self):
        self.stopping.set()
        self.join(30)


class Producer(Worker):
    """Numbers, one after the other, each until it is confirmed. numbers: of all producers."""

    def __init__(self, port, queue, confirmed):
        self.queue, self.confirmed = queue, confirmed
        super().__init__(port)

    def work(self, connection, channel):
        channel.confirm_delivery()
        while not self.stopping.is_set():
            channel.basic_publish("", self.queue, str(len(self.confirmed)).encode(), PERSISTENT, mandatory=True)
            self.confirmed.append(len(self.confirmed))


class Consumer(Worker):
    """Takes its time for each, so that there is always something that waits."""

    def __init__(self, port, queue, done):
        self.queue, self.done = queue, done
        super().__init__(port)

    def work(self, connection, channel):
        channel.basic_qos(prefetch_count=5)
        for method, _, body in channel.consume(self.queue, inactivity_timeout=0.05):
            if self.stopping.is_set():
                return
            if method is not None:
                self.done.append(int(body))
                channel.basic_ack(method.delivery_tag)
                self.stopping.wait(0.005)


class Move(RabbitSide, BridgeTest):
    """A live system goes to RabbitMQ and comes back, by the shovel of the broker that it leaves and returns to."""

    PREFETCH = 50

    def launch(self):
        self.mine.launch(listen=f"127.0.0.1:{self.port}").wait_line("amqp=", timeout=30)
        self.mine.port = self.port

    def left(self, broker):
        return self.depth(self.open_channel(broker), "work")

    def carry(self, source, destination):
        value = json.dumps({"src-uri": source, "src-queue": "work", "dest-uri": destination, "dest-queue": "work",
                            "src-prefetch-count": self.PREFETCH, "reconnect-delay": 1})
        code, _, err = self.mine.control("set_parameter", "shovel", "work", value)
        self.assertEqual(code, 0, err)

    def test_a_live_system_goes_there_and_comes_back(self):
        self.mine, self.port = Restartable(), brokers.free_port()
        self.addCleanup(self.mine.clean_up)
        self.launch()
        for broker in self.mine, self.other:
            self.open_channel(broker).queue_declare("work", durable=True)
        confirmed, done = [], []
        producer, consumer = Producer(self.port, "work", confirmed), Consumer(self.port, "work", done)
        wait_until(lambda: len(done) > 100 and self.left(self.mine) > 500, "it works, and some wait", 60)

        # There: whoever sends first, then what waits, then whoever works.
        producer.stop()
        producer = Producer(self.other.port, "work", confirmed)
        consumer.stop()
        consumer = Consumer(self.other.port, "work", done)
        waits = self.left(self.mine)
        self.assertGreater(waits, 200)
        self.carry("amqp://", self.other.url())
        wait_until(lambda: self.left(self.mine) < waits - 60, "some are carried")
        self.mine.kill()
        self.launch()
        wait_until(lambda: self.left(self.mine) == 0, "all are carried", 60)
        there = self.open_channel(self.other)
        wait_until(lambda: self.depth(there, "work") > 500, "it works there, and some wait", 60)
        self.assertEqual(self.mine.control("delete_shovel", "work")[0], 0)

        # And back.
        producer.stop()
        producer = Producer(self.port, "work", confirmed)
        consumer.stop()
        consumer = Consumer(self.port, "work", done)
        self.carry(self.other.url(), "amqp://")
        waits = self.depth(there, "work")
        self.assertGreater(waits, 200)
        wait_until(lambda: self.depth(there, "work") < waits - 60, "some are carried")
        self.mine.kill()
        self.launch()
        wait_until(lambda: self.depth(there, "work") == 0, "all are carried", 60)
        before = len(confirmed)
        wait_until(lambda: len(confirmed) > before + 100, "it works here again", 60)
        producer.stop()
        wait_until(lambda: set(confirmed) <= set(done), "every message that was confirmed has been worked on", 60)
        consumer.stop()
        # What was on its way when the broker was killed, by the shovel, the producer or the consumer.
        self.assertLessEqual(len(done) - len(set(done)), 2 * (self.PREFETCH + 10))


class Upstream(RabbitSide, FederationTest):
    """RabbitMQ is upstream, or downstream, or both."""

    def setUp(self):
        super().setUp()
        self.exchange = self.name("fed").replace(".", "-")
        self.here, self.there = self.channel(), self.open_channel(self.other)

    def test_rabbitmq_upstream(self):
        self.here.exchange_declare(self.exchange, "topic", durable=True)
        self.set_parameter("federation-upstream", self.exchange, {"uri": self.other.url(), "reconnect-delay": 1})
        self.set_policy(self.exchange, {"federation-upstream-set": "all"})
        self.wait_link(self.exchange)
        inbox = self.bound(self.here, self.exchange, "a.*")
        self.wait_bound(self.other_http, self.exchange, 1)
        self.there.basic_publish(self.exchange, "b.c", b"not for here")
        self.there.basic_publish(self.exchange, "a.b", b"one", pika.BasicProperties(headers={"mine": 1}))
        inbox.wait(1)
        _, properties, body = inbox.messages[0]
        entry = properties.headers["x-received-from"][0]
        self.assertEqual((body, properties.headers["mine"], entry["cluster-name"], entry["exchange"]),
                         (b"one", 1, "east", self.exchange))
        queue = self.name("second")
        self.here.queue_declare(queue)
        self.here.queue_bind(queue, self.exchange, "z")
        self.wait_bound(self.other_http, self.exchange, 2)
        self.here.queue_delete(queue)
        self.wait_bound(self.other_http, self.exchange, 1)
        self.api("DELETE", f"/policies/%2F/{self.exchange}")
        wait_until(lambda: not self.made_at(self.other_http, self.exchange), "all of it is gone")

    def downstream(self, exchange, hops=1):
        self.there.exchange_declare(exchange, "topic", durable=True)
        self.set_at(self.other_http, "federation-upstream", exchange,
                    {"uri": self.broker.url(), "max-hops": hops, "reconnect-delay": 1})
        self.set_policy_at(self.other_http, exchange, {"federation-upstream": exchange})

    def test_rabbitmq_downstream(self):
        self.here.exchange_declare(self.exchange, "topic", durable=True)
        self.downstream(self.exchange)
        inbox = self.bound(self.there, self.exchange, "a.*")
        self.wait_bound(self.http, self.exchange, 1)
        self.here.basic_publish(self.exchange, "b.c", b"not for there")
        self.here.basic_publish(self.exchange, "a.b", b"one")
        self.assertEqual(inbox.wait(1), ["one"])
        entry = inbox.messages[0][1].headers["x-received-from"][0]
        self.assertEqual((entry["cluster-name"], entry["exchange"]), ("west", self.exchange))

    def test_both_ways_each_message_comes_once(self):
        for hops in 1, 3:
            with self.subTest(hops=hops):
                exchange = f"{self.exchange}-{hops}"
                self.here.exchange_declare(exchange, "topic", durable=True)
                self.downstream(exchange, hops)
                self.set_parameter("federation-upstream", exchange,
                                   {"uri": self.other.url(), "max-hops": hops, "reconnect-delay": 1})
                self.set_policy(exchange, {"federation-upstream": exchange})
                self.wait_link(exchange)
                channels = self.here, self.there
                inboxes = [self.bound(channel, exchange, "k") for channel in channels]
                for http in self.http, self.other_http:
                    wait_until(lambda at=http, name=exchange: any(row["routing_key"] == "k" for row in
                                                                  self.upstream_bindings(at, name)), "it is bound both ways")
                self.check_each_comes_once(exchange, channels, inboxes)


def setUpModule():
    """For unittest to call: RabbitMQ is started by the first class that wants it."""


def tearDownModule():
    if Rabbit.node is not None:
        Rabbit.node.stop()


if __name__ == "__main__":
    if not os.path.exists(PROGRAM):
        print("SKIPPED: there is no rabbitmq-server on the other side")
    else:
        main()

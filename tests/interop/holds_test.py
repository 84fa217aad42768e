"""Tasks with a countdown or an eta: held by the broker (x-hold-eta), and by Celery 5.5's own queues of delays."""

import datetime
import json
import time

import pika

from brokers import TIME_SCALE, wait_until
from celery_test import CeleryTest
from harness import BrokerTest, main, only_wherry, tearDownModule  # noqa: F401
from restarts import RestartTest


def iso(seconds_from_now, offset=datetime.timezone.utc):
    return (datetime.datetime.now(offset) + datetime.timedelta(seconds=seconds_from_now)).isoformat()


@only_wherry
class CeleryHolds(CeleryTest):
    """The operator declared the queues; worker and sender are Celery as it comes, and know nothing of it."""

    broker_config = "vhosts: [{name: /, queues: [{name: celery, arguments: {x-hold-eta: true}}]}]"

    @classmethod
    def setUpClass(cls):
        super().setUpClass()
        cls.worker = cls.start_worker("holds", "-c", "1", env={"PREFETCH": "1"})

    @classmethod
    def tearDownClass(cls):
        try:
            cls.worker.terminate()
            cls.worker.check_success(40)
        finally:
            cls.worker.stop()
            super().tearDownClass()

    def in_worker(self):
        inspect = self.app.control.inspect(timeout=5, limit=1)
        return inspect.scheduled()["holds@test"] + inspect.reserved()["holds@test"]

    def test_the_worker_holds_nothing_and_the_tasks_run_in_time(self):
        sent = time.time()
        seconds = [TIME_SCALE * each for each in (2.0, 3.0, 2.5)]
        results = [self.send("when", countdown=each) for each in seconds]
        # Sent after them: they are in the broker, and none of them came.
        self.assertEqual(self.send("add", 1, 1).get(timeout=20), 2)
        self.assertEqual(self.in_worker(), [])
        self.assertLess(time.time() - sent, seconds[0], "they are not due yet")
        for after, result in zip(seconds, results):
            ran = result.get(timeout=20) - sent
            self.assertGreaterEqual(ran, after - 0.05)
            self.assertLess(ran, after + 1.0 * TIME_SCALE)

    def test_an_eta_in_any_offset_is_waited_for(self):
        for hours in (0, 2, -7):
            zone = datetime.timezone(datetime.timedelta(hours=hours))
            eta = datetime.datetime.now(zone) + datetime.timedelta(seconds=0.7)
            self.assertGreaterEqual(self.send("when", eta=eta).get(timeout=20), eta.timestamp() - 0.05)

    def test_hundreds_of_countdowns_leave_the_prefetch_alone(self):
        later = [self.send("add", number, 0, countdown=3 * TIME_SCALE) for number in range(300)]
        self.assertEqual(self.send("add", 1, 1).get(timeout=20), 2)
        self.assertEqual(self.in_worker(), [])
        self.assertEqual([result.get(timeout=60) for result in later], list(range(300)))

    def test_a_retry_waits_in_the_broker(self):
        self.assertEqual(self.send("flaky", 3).get(timeout=20), 3)

    def test_what_expires_before_its_time_is_not_run(self):
        self.send("noted", "too late", countdown=0.6, expires=0.3)
        self.send("noted", "after it", countdown=0.7).get(timeout=20)
        self.assertNotIn("too late", "\n".join(self.noted()))
        self.assertNotIn("Discarding revoked task", self.worker.errors, "the broker dropped it, not the worker")

    def test_a_purge_takes_the_countdowns_along(self):
        for _ in range(5):
            self.send("noted", "purged", countdown=2 * TIME_SCALE)
        self.send("add", 1, 1).get(timeout=20)
        self.assertEqual(self.app.control.purge(), 5)
        self.send("noted", "not purged", countdown=2 * TIME_SCALE + 0.5).get(timeout=20)
        self.assertNotIn("began purged", "\n".join(self.noted()))


@only_wherry
class Expired(BrokerTest):
    def test_what_expired_on_arrival_or_before_its_eta_is_a_dead_letter(self):
        channel = self.channel()
        dead, queue = self.name(), self.name()
        channel.queue_declare(dead, durable=True)
        channel.queue_declare(queue, durable=True, arguments={
            "x-hold-eta": True, "x-dead-letter-exchange": "", "x-dead-letter-routing-key": dead})
        channel.confirm_delivery()
        for name, headers in {"on arrival": {"eta": None, "expires": iso(-1)},
                              "before its eta": {"eta": iso(60), "expires": iso(0.3)},
                              "in time": {"eta": iso(0.5), "expires": iso(60)}}.items():
            channel.basic_publish("", queue, name.encode(), pika.BasicProperties(headers=headers, delivery_mode=2))
        for name in ("on arrival", "before its eta"):
            _, properties, body = self.get(channel, dead, auto_ack=True)
            self.assertEqual(body.decode(), name)
            self.assertEqual(properties.headers["x-death"][0]["reason"], "expired")
            self.assertEqual(properties.headers["x-death"][0]["queue"], queue)
        self.assertEqual(self.get(channel, queue, auto_ack=True)[2], b"in time")


@only_wherry
class Operated(BrokerTest):
    def control(self, *arguments):
        code, out, err = self.broker.control(*arguments)
        self.assertEqual(code, 0, (arguments, out, err))
        return out

    def publish(self, channel, queue, number, seconds):
        channel.basic_publish("", queue, str(number).encode(), pika.BasicProperties(
            headers={"eta": iso(seconds), "id": f"id-{number}", "task": "add"}, delivery_mode=2))

    def test_what_waits_is_listed_in_pages_and_taken_back(self):
        channel, queue = self.channel(), self.name()
        channel.queue_declare(queue, durable=True, arguments={"x-hold-eta": True})
        channel.confirm_delivery()
        for number in range(5):
            self.publish(channel, queue, number, 600 - number)
        self.publish(channel, queue, "soon", 2 * TIME_SCALE)
        rows = json.loads(self.control("list_scheduled", "--formatter", "json", queue))
        self.assertEqual([row["id"] for row in rows], ["id-soon", "id-4", "id-3", "id-2", "id-1", "id-0"])
        self.assertEqual({row["task"] for row in rows}, {"add"})
        page = json.loads(self.control("list_scheduled", "--formatter", "json", "--limit", "2", "--after",
                                       rows[1]["key"], queue))
        self.assertEqual(page, rows[2:4])
        self.assertIn(f"{queue}\t0\t6\n",
                      self.control("list_queues", "name", "messages", "messages_scheduled"))
        self.assertIn("\n1\n", self.control("cancel_scheduled", queue, "id-3"))
        self.assertIn("\n0\n", self.control("cancel_scheduled", queue, "id-3"))
        self.assertIn("\n1\n", self.control("cancel_scheduled", queue, rows[3]["key"]))
        left = json.loads(self.control("list_scheduled", "--formatter", "json", queue))
        self.assertEqual([row["id"] for row in left if row["id"] != "id-soon"], ["id-4", "id-1", "id-0"])
        self.assertEqual(self.get(channel, queue, auto_ack=True)[2], b"soon")
        for arguments in (("list_scheduled", "nosuch"), ("list_scheduled", queue, "--limit", "0"),
                          ("list_scheduled", queue, "--after", "x"), ("cancel_scheduled", "nosuch", "x")):
            self.assertNotEqual(self.broker.control(*arguments)[0], 0, arguments)

    def test_a_policy_has_a_queue_hold_and_look_for_duplicates(self):
        channel, queue = self.channel(), self.name()
        channel.queue_declare(queue, durable=True)
        channel.confirm_delivery()
        self.publish(channel, queue, "at once", 600)
        self.assertEqual(self.get(channel, queue, auto_ack=True)[2], b"at once")
        self.control("set_policy", "tasks", f"^{queue}$", '{"hold-eta":true,"dedup-window":60000}')
        self.addCleanup(self.broker.control, "clear_policy", "tasks")

        def held():
            self.publish(channel, queue, "held", TIME_SCALE)
            return "id-held" in self.control("list_scheduled", queue)
        wait_until(held, "the policy reaches the queue")
        wait_until(lambda: "id-held" not in self.control("list_scheduled", queue), "they are due")
        channel.queue_purge(queue)
        for _ in range(3):
            channel.basic_publish("", queue, b"", pika.BasicProperties(headers={"x-deduplication-header": "k"}))
        self.assertEqual(self.depth(channel, queue), 1)
        self.assertIn(f"{queue}\t2\n", self.control("list_queues", "name", "duplicates"))


@only_wherry
class Restarts(RestartTest):
    broker_config = "vhosts: [{name: /, queues: [{name: inbox, arguments: {x-hold-eta: true}}]}]\n"

    def started(self):
        self.broker.start()
        channel = self.channel()
        channel.confirm_delivery()
        return channel

    def test_what_was_confirmed_comes_once_and_in_order_though_the_broker_is_killed(self):
        channel = self.started()
        eta = datetime.datetime.now(datetime.timezone.utc) + datetime.timedelta(seconds=TIME_SCALE)
        for number in reversed(range(100)):
            at = eta + datetime.timedelta(milliseconds=20 * number)
            channel.basic_publish("", "inbox", str(number).encode(), pika.BasicProperties(
                headers={"eta": at.isoformat()}, delivery_mode=2))
        # Killed while they come due, and again, so that some are in the queue and some still wait.
        for due in (25, 50):
            wait_until(lambda: channel.queue_declare("inbox", passive=True).method.message_count >= due, f"{due} are due")
            self.broker.kill()
            channel = self.started()
        bodies = []

        def take():
            method, _, body = channel.basic_get("inbox", auto_ack=True)
            if method is not None:
                bodies.append(int(body))
            return bodies and bodies[-1] == 99
        wait_until(take, "the last message")
        self.assertEqual(bodies, list(range(100)))


class NativeDelayedDelivery(BrokerTest):
    """What Celery declares from 5.5 on: level n keeps a message for 2^n units when bit n of its delay is set, and
    passes it on at once when it is not. The topology is that of kombu 5.5, with a smaller unit."""

    LEVELS = 28
    UNIT_MS = int(40 * TIME_SCALE)

    def declare(self, channel, queue_type):
        key = "1.#"
        for level in reversed(range(self.LEVELS)):
            name = f"celery_delayed_{level}"
            channel.exchange_declare(name, "topic", durable=True)
            arguments = {"x-queue-type": queue_type, "x-overflow": "reject-publish",
                         "x-message-ttl": 2 ** level * self.UNIT_MS,
                         "x-dead-letter-exchange": f"celery_delayed_{level - 1}" if level > 0
                         else "celery_delayed_delivery"}
            if queue_type == "quorum":
                arguments["x-dead-letter-strategy"] = "at-least-once"
            channel.queue_declare(name, durable=True, arguments=arguments)
            channel.queue_bind(name, name, key)
            key = "*." + key
        key = "0.#"
        for level in reversed(range(1, self.LEVELS)):
            channel.exchange_bind(f"celery_delayed_{level - 1}", f"celery_delayed_{level}", key)
            key = "*." + key
        channel.exchange_declare("celery_delayed_delivery", "topic", durable=True)
        channel.exchange_bind("celery_delayed_delivery", "celery_delayed_0", key)

    def delete(self, channel):
        for level in range(self.LEVELS):
            channel.queue_delete(f"celery_delayed_{level}")
            channel.exchange_delete(f"celery_delayed_{level}")
        channel.exchange_delete("celery_delayed_delivery")

    def run_with(self, queue_type):
        channel = self.channel()
        self.declare(channel, queue_type)
        self.declare(channel, queue_type)  # Each worker does.
        exchange, queue = self.name("tasks"), self.name()
        channel.exchange_declare(exchange, "topic", durable=True)
        channel.queue_declare(queue, durable=True)
        channel.exchange_bind(exchange, "celery_delayed_delivery", f"#.{queue}")
        channel.queue_bind(queue, exchange, f"#.{queue}")
        channel.confirm_delivery()
        began = {}
        delays = (21, 1, 8, 13, 2)
        for units in delays:
            bits = ".".join(f"{units:0{self.LEVELS}b}")
            began[units] = time.monotonic()
            channel.basic_publish(f"celery_delayed_{self.LEVELS - 1}", f"{bits}.{queue}", str(units).encode(),
                                  pika.BasicProperties(delivery_mode=2, headers={"eta": iso(units * self.UNIT_MS / 1000)}),
                                  mandatory=True)
        came = []
        for _ in delays:
            _, _, body = self.get(channel, queue, auto_ack=True)
            units = int(body)
            came.append(units)
            self.assertGreaterEqual(time.monotonic() - began[units], units * self.UNIT_MS / 1000 - 0.005)
        self.assertEqual(sorted(came), sorted(delays))
        self.assertEqual(came[0], 1)
        self.assertEqual(came[-1], 21)
        self.delete(channel)

    def test_celerys_queues_of_delays_delay(self):
        self.run_with("classic")

    def test_celerys_queues_of_delays_delay_as_quorum_queues(self):
        self.run_with("quorum")


if __name__ == "__main__":
    main()

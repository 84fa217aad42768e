"""Schedulers: several of them, one active, killed at the worst moments; each tick counted."""

import datetime
import json
import pathlib
import random
import tempfile
import time

import pika

from brokers import BIN_DIR, SANITIZER_REPORT, Program
from harness import BrokerTest, Inbox, main, only_wherry, tearDownModule, wait_until  # noqa: F401
from restarts import RestartTest

LIBRARY = BIN_DIR.parent / "lib" / "libinterop-tasks.so"


def tick_of(properties):
    return datetime.datetime.fromisoformat(properties.headers["x-wherry-tick"])


class Schedules:
    """What tests of schedules share; beside a BrokerTest."""

    def schedule(self, entries, **top):
        """A schedule of its own name in a file; JSON is YAML."""
        folder = tempfile.TemporaryDirectory(prefix="wherry-schedule-")
        self.addCleanup(folder.cleanup)
        name = self.name("schedule")
        path = pathlib.Path(folder.name) / "schedule.yaml"
        path.write_text(json.dumps({"name": name, "beat_schedule": entries, **top}), encoding="utf-8")
        return name, path

    def start_scheduler(self, path, *options):
        scheduler = self.start([BIN_DIR / "wherry-worker", "--schedule", path, "--schedule-only", "-b",
                                self.broker.url(), *options])
        scheduler.wait_line("wherry-worker ready", timeout=30)
        return scheduler

    def end_scheduler(self, scheduler):
        scheduler.terminate()
        scheduler.check_success(40)
        self.assertFalse(SANITIZER_REPORT.search(scheduler.errors), scheduler.errors)

    def wait_active(self, schedulers):
        """The one that is active, when one is."""
        def active():
            found = [each for each in schedulers if each.process.poll() is None and ": active" in each.errors]
            return found[0] if found else None
        return wait_until(active, "a scheduler is active", 60)

    def check_every_second_once(self, ticks):
        """No tick is missing between the first and the last, and none came twice."""
        self.assertEqual(ticks, sorted(ticks))
        expected = [ticks[0] + datetime.timedelta(seconds=i) for i in range(len(ticks))]
        self.assertEqual(ticks, expected)


    def set_back(self, name, **time_):
        """Without a scheduler: the state as it was so long before."""
        channel = self.channel()
        self.wait_depth(channel, name, 1)
        method, properties, body = self.get(channel, name)
        state = json.loads(body)
        for entry in state["entries"].values():
            until = datetime.datetime.fromisoformat(entry["until"]) - datetime.timedelta(**time_)
            entry["until"] = until.isoformat()
        channel.basic_publish("", name, json.dumps(state).encode(), properties)
        channel.basic_ack(method.delivery_tag)
        self.wait_depth(channel, name, 1)


class Active(Schedules, BrokerTest):
    def test_ticks_come_with_their_ids_as_celerys_messages(self):
        queue = self.name()
        name, path = self.schedule({"each second": {
            "task": "proj.tasks.report", "every": 1, "args": [1], "kwargs": {"deep": True},
            "options": {"queue": queue, "expires": "1h", "priority": 3, "serializer": "json", "headers": {"tenant": "a"}}}})
        scheduler = self.start_scheduler(path)
        channel = self.channel()
        method, properties, body = self.get(channel, queue, auto_ack=True)
        tick = tick_of(properties)
        self.assertEqual(properties.headers["id"], f"each second:{tick:%Y-%m-%dT%H:%M:%S}Z")
        self.assertEqual(properties.headers["x-deduplication-header"], properties.headers["id"])
        self.assertEqual(properties.headers["periodic_task_name"], "each second")
        self.assertEqual(properties.headers["task"], "proj.tasks.report")
        self.assertEqual(properties.headers["tenant"], "a")
        self.assertEqual((properties.priority, properties.delivery_mode, method.exchange), (3, 2, name))
        self.assertEqual(json.loads(body)[:2], [[1], {"deep": True}])
        self.assertEqual(tick_of(self.get(channel, queue, auto_ack=True)[1]) - tick, datetime.timedelta(seconds=1))
        self.end_scheduler(scheduler)

    def test_an_exchange_of_the_users_routes_by_its_own_keys(self):
        channel, exchange, queue = self.channel(), self.name("x"), self.name()
        channel.exchange_declare(exchange, "topic")
        channel.queue_declare(queue)
        channel.queue_bind(queue, exchange, "report.*")
        name, path = self.schedule({"a": {"task": "t", "every": 1,
                                          "options": {"exchange": exchange, "routing_key": "report.daily"}}})
        scheduler = self.start_scheduler(path)
        method = self.get(channel, queue, auto_ack=True)[0]
        self.assertEqual((method.exchange, method.routing_key), (f"{name}.to.{exchange}", "report.daily"))
        self.end_scheduler(scheduler)

    def test_one_of_three_is_active_and_the_next_goes_on_when_it_is_killed(self):
        queue = self.name()
        _, path = self.schedule({"a": {"task": "t", "every": 1, "options": {"queue": queue}}})
        schedulers = [self.start_scheduler(path) for _ in range(3)]
        channel = self.channel()
        inbox = Inbox(self, channel, queue, ack=True)
        began = time.monotonic()
        for round_ in range(3):
            active = self.wait_active(schedulers)
            inbox.wait(2 * round_ + 2)
            others = [each for each in schedulers if each is not active]
            self.assertTrue(all(": active" not in each.errors for each in others))
            if round_ == 1:
                # An operator's stop.
                self.end_scheduler(active)
            else:
                active.kill()
            schedulers = others
            if not others:
                break
        ticks = [tick_of(properties) for _, properties, _ in inbox.messages]
        self.assertLess(time.monotonic() - began, 60 * 4)
        self.check_every_second_once(ticks)

    @only_wherry  # RabbitMQ does not look for duplicates.
    def test_a_tick_whose_state_was_not_kept_is_not_doubled(self):
        queue = self.name()
        name, path = self.schedule({"a": {"task": "t", "every": 1, "options": {"queue": queue}}})
        first = self.start_scheduler(path)
        inbox = Inbox(self, self.channel(), queue, ack=True)
        inbox.wait(4)
        self.end_scheduler(first)
        self.set_back(name, seconds=3)
        second = self.start_scheduler(path)
        inbox.wait(len(inbox.messages) + 2)
        self.end_scheduler(second)
        ticks = [tick_of(properties) for _, properties, _ in inbox.messages]
        # It did enqueue the last ones once more.
        self.assertTrue(any(f"a:{tick:%Y-%m-%dT%H:%M:%S}Z" in second.errors for tick in ticks[1:4]), second.errors)
        self.check_every_second_once(ticks)

    def test_no_tick_is_lost_or_doubled_by_kills_as_it_comes(self):
        """Killed in the moment in which a tick arrives, so before or after the state is kept, again and again."""
        queue = self.name()
        _, path = self.schedule({"a": {"task": "t", "every": 1, "options": {"queue": queue}}})
        pair = [self.start_scheduler(path), self.start_scheduler(path)]
        channel = self.channel()
        inbox = Inbox(self, channel, queue, ack=True)
        for kill in range(8):
            active = self.wait_active(pair)
            inbox.wait(len(inbox.messages) + 1, timeout=30)
            # The confirm and the state are some hundred microseconds behind the tick.
            time.sleep(random.uniform(0, 0.003))
            active.kill()
            pair = [each for each in pair if each is not active] + [self.start_scheduler(path)]
        inbox.wait(len(inbox.messages) + 2, timeout=30)
        self.check_every_second_once([tick_of(properties) for _, properties, _ in inbox.messages])
        for each in pair:
            self.end_scheduler(each)

    def test_the_state_stays_one_message(self):
        queue = self.name()
        name, path = self.schedule({"a": {"task": "t", "every": 1, "options": {"queue": queue}}})
        scheduler = self.start_scheduler(path)
        inbox = Inbox(self, self.channel(), queue, ack=True)
        inbox.wait(4)
        self.end_scheduler(scheduler)
        channel = self.channel()
        self.wait_depth(channel, name, 1)
        state = json.loads(self.get(channel, name)[2])
        until = datetime.datetime.fromisoformat(state["entries"]["a"]["until"])
        inbox.settle()
        self.assertEqual(until, tick_of(inbox.messages[-1][1]))


class CatchUp(Schedules, BrokerTest):
    def test_missed_ticks_are_skipped_or_made_up_for(self):
        queues = {policy: self.name(policy) for policy in ("skip", "last", "all")}
        # A tick in each hour, but none within the minutes of this test.
        minute = (datetime.datetime.now(datetime.timezone.utc).minute + 30) % 60
        name, path = self.schedule({
            policy: {"task": "t", "cron": f"{minute} * * * *", "catch_up": policy, "catch_up_limit": 3,
                     "options": {"queue": queue}} for policy, queue in queues.items()})
        first = self.start_scheduler(path)
        self.wait_active([first])
        self.end_scheduler(first)
        self.set_back(name, hours=5)
        second = self.start_scheduler(path)
        second.wait_error("skip: what was due from")
        second.wait_error("last: what was due from")
        second.wait_error("all: what was due from")
        channel = self.channel()
        self.wait_depth(channel, queues["last"], 1)
        self.wait_depth(channel, queues["all"], 3)
        self.end_scheduler(second)
        self.assertEqual(self.depth(channel, queues["skip"]), 0)
        ticks = [tick_of(self.get(channel, queues["all"], auto_ack=True)[1]) for _ in range(3)]
        self.assertEqual([late - early for early, late in zip(ticks, ticks[1:])], [datetime.timedelta(hours=1)] * 2)
        self.assertEqual(tick_of(self.get(channel, queues["last"], auto_ack=True)[1]), ticks[-1])

    def test_other_times_begin_anew(self):
        queue = self.name()
        name, path = self.schedule({"a": {"task": "t", "every": "12h", "catch_up": "all", "options": {"queue": queue}}})
        first = self.start_scheduler(path)
        self.wait_active([first])
        self.end_scheduler(first)
        self.set_back(name, hours=100)
        text = path.read_text(encoding="utf-8").replace('"12h"', '"24h"')
        path.write_text(text, encoding="utf-8")
        second = self.start_scheduler(path)
        self.wait_active([second])
        self.end_scheduler(second)
        self.assertEqual(self.depth(self.channel(), queue), 0)


class BesideAPool(Schedules, BrokerTest):
    def test_a_worker_runs_what_it_schedules(self):
        folder = tempfile.TemporaryDirectory(prefix="wherry-schedule-")
        self.addCleanup(folder.cleanup)
        ledger = pathlib.Path(folder.name) / "ledger"
        queue = self.name()
        _, path = self.schedule({"a": {"task": "tasks.noted", "every": 1, "args": ["ticked", ""], "options": {"queue": queue}}})
        config = pathlib.Path(folder.name) / "worker.yaml"
        config.write_text(f"schedule: {path}\nload: {LIBRARY}\nqueues: {queue}\n", encoding="utf-8")
        worker = self.start([BIN_DIR / "wherry-worker", "-C", config, "-b", self.broker.url()],
                            env={"LEDGER": str(ledger)})
        worker.wait_line("wherry-worker ready", timeout=30)
        wait_until(lambda: ledger.exists() and ledger.read_text().count("ended ticked") >= 2, "two ticks were run", 30)
        worker.terminate()
        worker.check_success(40)
        self.assertFalse(SANITIZER_REPORT.search(worker.errors), worker.errors)


class CommandLine(Schedules, BrokerTest):
    def run_worker(self, *arguments):
        program = self.start([BIN_DIR / "wherry-worker", *arguments])
        return program.wait_exit(30), program.lines, program.errors

    def test_the_next_ticks_are_shown(self):
        _, path = self.schedule({"nightly": {"task": "t", "cron": "30 2 * * *", "timezone": "Europe/Berlin"},
                                 "often": {"task": "t", "every": "10m"}})
        code, lines, errors = self.run_worker("--schedule", path, "--next", "3")
        self.assertEqual((code, errors), (0, ""))
        self.assertEqual([line.split()[0] for line in lines], ["nightly"] * 3 + ["often"] * 3)
        for line in lines[:3]:
            self.assertRegex(line, r"^nightly  20..-..-..T0[01]:30:00Z  20..-..-.. 0[23]:[03]0:00 CES?T$")

    def test_mistakes_are_told_with_their_place(self):
        _, path = self.schedule({"a": {"task": "t", "cron": "61 * * * *"}})
        code, _, errors = self.run_worker("--schedule", path, "--schedule-only")
        self.assertEqual(code, 2)
        self.assertRegex(errors, r"schedule.yaml:1:\d+: minute: '61': it goes from 0 to 59")
        code, _, errors = self.run_worker("--schedule-only")
        self.assertEqual(code, 2)
        self.assertIn("no schedule", errors)

    def test_a_queue_of_that_name_without_the_lock_is_refused(self):
        name, path = self.schedule({"a": {"task": "t", "every": 1}})
        self.channel().queue_declare(name, durable=True)
        code, _, errors = self.run_worker("--schedule", path, "--schedule-only", "-b", self.broker.url())
        self.assertEqual(code, 2, errors)
        self.assertIn("x-single-active-consumer", errors)


@only_wherry
class BrokerKilled(Schedules, RestartTest):
    def test_ticks_go_on_after_the_brokers_restart_and_none_is_missing(self):
        self.broker.start()
        port = self.broker.port
        queue = self.name()
        _, path = self.schedule({"a": {"task": "t", "every": 1, "options": {"queue": queue}}})
        schedulers = [self.start_scheduler(path) for _ in range(2)]
        self.wait_active(schedulers)
        self.wait_some(queue, 2)
        for _ in range(2):
            before = len(self.taken(queue))
            self.broker.kill()
            self.restart_at(port)
            self.wait_some(queue, before + 2)
        for each in schedulers:
            self.end_scheduler(each)
        ticks = self.taken(queue)
        # One tick may come again: the broker was killed before it told that it had it, and forgets an exchange's keys.
        self.assertLessEqual(len(ticks) - len(set(ticks)), 2)
        self.check_every_second_once(sorted(set(ticks)))

    def restart_at(self, port):
        """The schedulers look for the broker where it was."""
        program = Program([BIN_DIR / "wherry-broker", "--amqp", f"127.0.0.1:{port}", "--data-dir", self.broker.data])
        self.broker.program = program
        program.wait_line("amqp=", timeout=60)

    def taken(self, queue):
        channel = self.channel()
        ticks = []
        while True:
            method, properties, _ = channel.basic_get(queue)
            if method is None:
                channel.connection.close()
                return ticks
            ticks.append(tick_of(properties))

    def wait_some(self, queue, count):
        def enough():
            try:
                connection = pika.BlockingConnection(pika.URLParameters(self.broker.url()))
            except pika.exceptions.AMQPError:
                return False
            try:
                return connection.channel().queue_declare(queue, passive=True).method.message_count >= count
            except pika.exceptions.AMQPError:
                return False
            finally:
                if connection.is_open:
                    connection.close()
        wait_until(enough, f"{count} ticks in {queue}", 60)


if __name__ == "__main__":
    main()

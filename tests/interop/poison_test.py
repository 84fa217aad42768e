"""Tasks that take their whole worker along: the broker counts, and after three times they are dead and others go on."""

import pathlib

import pika

from brokers import BIN_DIR, TIME_SCALE
from control_test import ControlTest
from harness import BrokerTest, Inbox, Program, main, only_wherry, tearDownModule, wait_until  # noqa: F401
from rawclient import RawClient
from restarts import RestartTest
from workers_test import LIBRARY

CONSUME = {"arguments": {"x-lost-count": True}}


def lost_counts(inbox):
    return [(properties.headers or {}).get("x-lost-count") for _, properties, _ in inbox.messages]


@only_wherry
class Counting(BrokerTest):
    """What a consumer that asks for it is told."""

    def lose(self, queue, count=1):
        """Takes so many messages and vanishes without a word, as a process that is killed does."""
        client = RawClient(self.broker)
        client.open()
        client.open_channel(1)
        client.send(1, pika.spec.Basic.Consume(0, queue, "", False, False, False, False, {}))
        taken = 0
        while taken < count:
            _, method = client.read_method()
            taken += isinstance(method, pika.spec.Basic.Deliver)
        client.socket.close()

    def queue(self, *bodies, **arguments):
        channel = self.channel()
        queue = self.name()
        channel.queue_declare(queue, durable=True, arguments=arguments)
        channel.confirm_delivery()
        for body in bodies:
            channel.basic_publish("", queue, body.encode(), pika.BasicProperties(headers={"own": 1}, delivery_mode=2))
        return queue

    def inbox(self, queue, **options):
        return Inbox(self, self.channel(), queue, **options)

    def test_every_type_of_queue_tells_how_often_a_message_was_lost(self):
        for kind in ("classic", "quorum"):
            with self.subTest(kind):
                queue = self.queue("a", **{"x-queue-type": kind})
                for _ in range(2):
                    self.lose(queue)
                    self.wait_depth(self.channel(), queue, 1)
                inbox = self.inbox(queue, **CONSUME)
                inbox.wait(1)
                self.assertEqual(lost_counts(inbox), [2])
                self.assertEqual(inbox.messages[0][1].headers["own"], 1)

    def test_who_does_not_ask_is_told_nothing_new(self):
        queue = self.queue("a")
        self.lose(queue)
        inbox = self.inbox(queue)
        inbox.wait(1)
        method, properties, _ = inbox.messages[0]
        self.assertTrue(method.redelivered)
        self.assertEqual(properties.headers, {"own": 1})

    def test_what_is_given_back_was_not_lost(self):
        queue = self.queue("a")
        self.lose(queue)
        inbox = self.inbox(queue, **CONSUME)
        inbox.wait(1)
        inbox.channel.basic_nack(inbox.tags[-1])
        inbox.wait(2)
        self.assertEqual(lost_counts(inbox), [1, 0])
        # A connection that says good-bye gives back what it has.
        inbox.channel.connection.close()
        again = self.inbox(queue, **CONSUME)
        again.wait(1)
        self.assertEqual(lost_counts(again), [0])

    def test_a_delivery_that_takes_too_long_is_lost(self):
        queue = self.queue("a", **{"x-consumer-timeout": 100})
        # With a prefetch of 1 it does not get it again.
        channel = self.channel()
        channel.basic_qos(prefetch_count=1)
        slow = Inbox(self, channel, queue)
        slow.wait(1)
        inbox = self.inbox(queue, **CONSUME)
        inbox.wait(1)
        # It is too slow as well, and may have the message again by now.
        self.assertEqual(lost_counts(inbox)[0], 1)

    def test_a_count_that_is_no_boolean_is_refused(self):
        channel = self.channel()
        queue = self.queue()
        with self.assertRaises(pika.exceptions.ChannelClosedByBroker) as caught:
            channel.basic_consume(queue, lambda *_: None, arguments={"x-lost-count": "yes"})
        self.assertEqual(caught.exception.reply_code, 406)


@only_wherry
class Restarted(RestartTest):
    def test_the_count_survives_restarts_and_kills_of_the_broker(self):
        self.broker.start()
        queue = Counting.queue(self, "a")
        for _ in range(2):
            Counting.lose(self, queue)
            self.wait_depth(self.channel(), queue, 1)
        self.assertEqual(self.broker.end(), 0)
        self.broker.start()
        inbox = Inbox(self, self.channel(), queue, **CONSUME)
        inbox.wait(1)
        self.assertEqual(lost_counts(inbox), [2])
        # The message was in somebody's hands when the broker was killed.
        self.broker.kill()
        self.broker.start()
        inbox = Inbox(self, self.channel(), queue, **CONSUME)
        inbox.wait(1)
        self.assertEqual(lost_counts(inbox), [2])


class CrashesWorkers(ControlTest):
    """Tasks on threads. The worker is started again by the test, as a supervisor would."""

    # What a SIGSEGV looks like under a sanitizer is its own affair.
    how = "kill" if TIME_SCALE > 1 else "segv"

    def worker(self, queue, *options, concurrency=3):
        program = Program([BIN_DIR / "wherry-worker", "--load", LIBRARY, "-b", self.broker.url(), "-Q", queue, "-c",
                           str(concurrency), *options], env={"LEDGER": str(self.ledger)}, cwd=self.folder.name)
        self.addCleanup(program.stop)
        return program

    def crash_workers(self, queue, count, **options):
        """So many workers, one after the other, each of which crashes."""
        for number in range(count):
            program = self.worker(queue, **options)
            self.assertLess(program.wait_exit(60), 0, f"worker {number + 1}: {program.errors}")
        return program

    def crash_until_dead(self, queue, inbox):
        """Workers that crash, one after the other, until one buries the task: that one, which goes on."""
        while True:
            program = self.worker(queue)

            def ended(program=program):
                inbox.step()
                return inbox.messages or program.process.poll() is not None
            wait_until(ended, "a crash or a dead letter", 60)
            if inbox.messages:
                return program

    def dead_letters(self):
        channel = self.channel()
        channel.queue_declare("wherry.dead", durable=True)
        return Inbox(self, channel, "wherry.dead", ack=True)

    def check_dead(self, inbox, result):
        inbox.wait(1, 60)
        _, properties, _ = inbox.messages[0]
        headers = properties.headers
        self.assertEqual(headers["id"], result.id)
        self.assertIn("crash budget", headers["x-wherry-reason"])
        self.assertIn("WorkerLostError", headers["x-wherry-history"][-1]["error"])
        self.assertEqual(headers["x-wherry-crashes"], 3)
        self.assertTrue(headers["x-wherry-dead-at"])
        self.assertNotIn("x-lost-count", headers)

    @only_wherry
    def test_a_task_that_crashes_three_workers_is_dead_and_what_ran_beside_it_is_not(self):
        queue = self.name("tasks")
        gate = self.gate()
        # In this order: each worker gets all of them at once.
        crash = self.send("crash_here", self.how, queue=queue)
        beside = self.send("noted", "beside", gate, queue=queue)
        others = [self.send("add", number, 1, queue=queue) for number in range(20)]
        dead = self.dead_letters()
        last = self.crash_workers(queue, 3)
        self.assertIn("it is run alone", last.errors)
        worker = self.worker(queue)
        self.check_dead(dead, crash)
        pathlib.Path(gate).touch()
        self.assertEqual(beside.get(timeout=60), "beside")
        self.assertEqual([each.get(timeout=60) for each in others], list(range(1, 21)))
        with self.assertRaisesRegex(Exception, "worker.* were lost"):
            crash.get(timeout=60)
        self.finish(worker)
        self.assertEqual(len(dead.messages), 1)

    @only_wherry
    def test_what_was_beside_a_crash_three_times_is_done_alone(self):
        queue = self.name("tasks")
        gate = self.gate()
        beside = self.send("noted", "innocent", gate, queue=queue)
        crash = self.send("crash_here", self.how, queue=queue)
        dead = self.dead_letters()
        self.crash_workers(queue, 2)
        third = self.worker(queue)
        third.wait_error("it is run alone", 60)
        pathlib.Path(gate).touch()
        self.assertEqual(beside.get(timeout=60), "innocent")
        third.wait_exit(60)
        # What had come to the third worker beside the other was given back for its trial, and counted anew.
        worker = self.crash_until_dead(queue, dead)
        self.check_dead(dead, crash)
        self.finish(worker)

    @only_wherry
    def test_a_clean_stop_is_no_crash(self):
        queue = self.name("tasks")
        self.app.send_task("tasks.add", (1, 2), queue=queue, countdown=3600)
        # It waits for its eta, and comes back with each stop.
        for _ in range(4):
            name, program, _ = self.node(queue=queue, concurrency=1)
            wait_until(lambda: self.inspect(name).scheduled()[name], "it waits there")
            self.finish(program)
        inbox = Inbox(self, self.channel(), queue, **CONSUME)
        inbox.wait(1)
        self.assertTrue(inbox.messages[0][0].redelivered)
        self.assertEqual(lost_counts(inbox), [0])

    @only_wherry
    def test_a_task_that_waited_for_its_eta_in_crashed_workers_is_not_blamed(self):
        queue = self.name("tasks")
        waits = self.app.send_task("tasks.add", (1, 2), queue=queue, countdown=3600)
        crash = self.send("crash_here", self.how, queue=queue)
        dead = self.dead_letters()
        self.crash_workers(queue, 3)
        worker = self.worker(queue)
        self.check_dead(dead, crash)
        self.finish(worker)
        self.wait_depth(self.channel(), queue, 1)
        _, properties, _ = self.get(self.channel(), queue)
        self.assertEqual(properties.headers["id"], waits.id)


if __name__ == "__main__":
    main()

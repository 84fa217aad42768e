"""Consumers killed with SIGKILL in the middle of a task: another runs it, nothing is lost, nothing acked runs twice."""

import pathlib
import shutil
import tempfile

import pika

from harness import BrokerTest, main, tearDownModule, wait_until  # noqa: F401


class Kills(BrokerTest):
    def setUp(self):
        super().setUp()
        self.folder = tempfile.mkdtemp(prefix="wherry-kills-")
        self.addCleanup(shutil.rmtree, self.folder, ignore_errors=True)
        self.ledger = pathlib.Path(self.folder) / "ledger"
        self.ledger.touch()
        self.gate = pathlib.Path(self.folder) / "gate"
        self.queue = self.name("tasks")
        self.sender = self.channel()
        self.sender.queue_declare(self.queue, durable=True)
        self.sender.confirm_delivery()

    def consumer(self, prefetch=1):
        consumer = self.start_python("ledger_consumer.py", self.ledger, self.queue, self.gate,
                                     env={"PREFETCH": str(prefetch)})
        consumer.wait_line("waiting")
        return consumer

    def publish(self, *names):
        for name in names:
            self.sender.basic_publish("", self.queue, name.encode(), pika.BasicProperties(delivery_mode=2))

    def steps(self, step, name=None):
        lines = [line.split() for line in self.ledger.read_text(encoding="utf-8").splitlines()]
        return [(words[1], int(words[2])) for words in lines if words[0] == step and name in (None, words[1])]

    def check_nothing_acked_ran_again(self):
        acked = set()
        for line in self.ledger.read_text(encoding="utf-8").splitlines():
            step, name, _ = line.split()
            self.assertFalse(step == "began" and name in acked, f"{name} ran again after it was acked")
            if step == "acked":
                acked.add(name)

    def test_the_task_of_a_killed_consumer_goes_to_another(self):
        first = self.consumer()
        self.publish("slow-task")
        wait_until(lambda: self.steps("began"), "it began")
        second = self.consumer()
        first.kill()
        wait_until(lambda: len(self.steps("began")) == 2, "it began again")
        self.gate.touch()
        wait_until(lambda: self.steps("acked"), "it is done")
        self.assertEqual([pid for _, pid in self.steps("began")], [first.process.pid, second.process.pid])
        self.assertEqual([pid for _, pid in self.steps("ended")], [second.process.pid])
        self.wait_depth(self.sender, self.queue, 0)

    def test_a_killed_consumer_gives_back_all_it_had_taken_in_order(self):
        first = self.consumer(prefetch=10)
        self.publish("slow-1", *(str(number) for number in range(2, 9)))
        wait_until(lambda: self.steps("began"), "it began")
        self.wait_depth(self.sender, self.queue, 0)
        self.publish("9")
        self.wait_depth(self.sender, self.queue, 0)
        first.kill()
        self.wait_depth(self.sender, self.queue, 9)
        self.gate.touch()
        self.consumer()
        wait_until(lambda: len(self.steps("acked")) == 9, "all is done")
        self.assertEqual([name for name, _ in self.steps("began")][1:], ["slow-1", *(str(n) for n in range(2, 10))])

    def test_kill_after_kill_loses_nothing_and_repeats_nothing_acked(self):
        names = [f"task{number}" for number in range(400)]
        consumers = [self.consumer(prefetch=1 + number * 3) for number in range(4)]
        self.publish(*names[:200])
        for kill in range(8):
            wait_until(lambda: len(self.steps("acked")) >= 40 * kill or len(self.steps("acked")) >= 190, "progress", 60)
            consumers[kill % 4].kill()
            self.publish(*names[200 + 25 * kill:225 + 25 * kill])
            consumers[kill % 4] = self.consumer(prefetch=1 + kill)
        wait_until(lambda: {name for name, _ in self.steps("acked")} >= set(names) or self.depth(
            self.sender, self.queue) == 0 and {name for name, _ in self.steps("ended")} >= set(names), "all is done", 60)
        self.assertEqual({name for name, _ in self.steps("ended")}, set(names))
        self.check_nothing_acked_ran_again()
        self.wait_depth(self.sender, self.queue, 0)


if __name__ == "__main__":
    main()

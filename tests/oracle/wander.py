"""Plays random exchanges against RabbitMQ and Wherry, and prints those in which the two differ, as cases.

    wander.py [--seed N] [--cases N] [--show N]

Declarations, publishing, getting, consuming, settling, deleting in any order on a few queues: what nobody thought of writing a case
for. What two queues send in one step has no order, so a step's lines are compared sorted. Differences that docs/compatibility.md
lists are printed as well; a finding that is none of them is a case to be written, and a fault to be mended.
"""

import argparse
import pathlib
import random
import sys
import time

import oracle_test  # also makes tests/interop importable
import casefile  # noqa: E402
from brokers import RabbitBroker  # noqa: E402

QUEUES = ("q", "r", "d")
TO_D = "x-dead-letter-exchange='', x-dead-letter-routing-key=d"
ARGUMENTS = ("", "", "", "{x-max-length=2}", "{x-max-length=3, x-overflow=reject-publish}", "{x-max-priority=3}",
             f"{{{TO_D}}}", f"{{x-message-ttl=0, {TO_D}}}", "{x-max-length=2, x-dead-letter-exchange=amq.fanout}",
             "{x-single-active-consumer=true}", "{x-max-length-bytes=6}")
SETTLING = ("ack %d", "ack %d multiple", "nack %d", "nack %d requeue", "nack %d multiple requeue", "reject %d",
            "reject %d requeue")


class Wanderer:
    def __init__(self, seed):
        self.random = random.Random(seed)
        self.consuming, self.bodies = False, 0
        pick = self.random.choice
        self.steps = {
            self.publish: 30, self.get: 15, self.settle: 15, self.consume: 8, self.qos: 5, self.delete: 3,
            lambda: f"{pick(('bind', 'bind', 'unbind'))} {self.queue()} {self.exchange()} {pick(('k', 'a.*', '#', 'q'))}": 10,
            lambda: f"cancel c{self.random.randint(1, 3)}": 5,
            lambda: "recover requeue": 3,
            lambda: f"purge {self.queue()}": 3,
            lambda: "channel.close 200 bye 0 0": 2,
            lambda: f"declare {self.queue()} {pick(ARGUMENTS)}": 2,
        }

    def queue(self):
        return self.random.choice(("q", *QUEUES))

    def exchange(self):
        return self.random.choice(("amq.direct", "amq.fanout", "amq.topic"))

    def publish(self):
        self.bodies += 1
        to = f"'' {self.queue()}" if self.random.random() < 0.6 else \
            f"{self.exchange()} {self.random.choice(('k', 'a.b', 'q'))}"
        extra = self.random.choice(("", "", "", f"priority={self.random.randint(0, 4)}", f"headers={{a={self.bodies}}}",
                                    "headers={CC=[r]}", "mandatory"))
        return f"publish {to} m{self.bodies} {extra}"

    def get(self):
        return f"get {self.queue()} {self.random.choice(('', '', '', 'no-ack'))}"

    def settle(self):
        return self.random.choice(SETTLING) % self.random.randint(0, 3)

    def consume(self):
        self.consuming = True
        how = self.random.choice(("", "", "no-ack", "exclusive", "{x-priority=1}"))
        return f"consume {self.queue()} c{self.random.randint(1, 3)} {how}"

    def qos(self):
        # A prefetch of consumers counts for running ones with Wherry alone.
        scope = "global" if self.consuming else self.random.choice(("", "global"))
        return f"qos 0 {self.random.randint(0, 3)} {scope}"

    def delete(self):
        return f"queue.delete {self.queue()} {self.random.choice(('', 'if-unused', 'if-empty'))}"

    def case(self, title):
        case = casefile.Case(pathlib.Path("wander.case"), title, [])
        lines = [f"declare {queue} {self.random.choice(ARGUMENTS) if queue != 'd' else ''}" for queue in QUEUES]
        if self.random.random() < 0.3:
            lines.append("confirm.select")
        for step in self.random.choices(list(self.steps), list(self.steps.values()), k=self.random.randint(8, 22)):
            line = step()
            # Publishing from one channel, so that what is published has an order.
            other = not line.startswith("publish") and self.random.random() < 0.25
            lines += [("a2: " if other else "") + line, "settle"]
        lines += [f"a3: declare {queue} passive" for queue in QUEUES]
        case.steps = [casefile.Step([], line.strip()) for line in lines]
        return case


def said(case, result):
    """The case as it went with one broker; and what of it counts in a comparison."""
    if isinstance(result, Exception):
        return [repr(result)], [repr(result)]
    answers, leftover = result
    lines = case.render(answers) + ["< " + line for line in leftover]
    return lines, [sorted(answer) for answer in answers] + [sorted(leftover)]


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--seed", type=int, default=int(time.time()))
    parser.add_argument("--cases", type=int, default=500)
    parser.add_argument("--show", type=int, default=10, help="differences to print at most")
    options = parser.parse_args()
    cases = [Wanderer(options.seed * 1_000_000 + number).case(f"seed {options.seed}, number {number}")
             for number in range(options.cases)]
    results = {}
    try:
        for kind in ("rabbitmq", "wherry"):
            broker = oracle_test.start(kind)
            try:
                results[kind] = oracle_test.play_all(broker, cases)
            finally:
                broker.stop()
    finally:
        RabbitBroker.stop_node()
    differing = [case for case in cases
                 if said(case, results["rabbitmq"][case])[1] != said(case, results["wherry"][case])[1]]
    for case in differing[:options.show]:
        print(f"== {case.title}")
        print("\n".join(oracle_test.difference(said(case, results["rabbitmq"][case])[0],
                                               said(case, results["wherry"][case])[0], "wherry", context=100)))
        print()
    print(f"{options.cases} cases with seed {options.seed}: {len(differing)} differ")
    return bool(differing)


if __name__ == "__main__":
    sys.exit(main())

"""RabbitMQ as oracle: each case of cases/*.case is played, and what the broker sent is compared with what RabbitMQ sent.

    oracle_test.py [TEXT...]                                   the cases whose names contain one of the texts
    WHERRY_INTEROP_BROKER=rabbitmq oracle_test.py              RabbitMQ itself against its record
    WHERRY_INTEROP_BROKER=rabbitmq oracle_test.py --record     writes RabbitMQ's answers into the cases' files
    oracle_test.py --record                                    Wherry's, where a step differs and says why
"""

import difflib
import json
import os
import pathlib
import queue
import re
import sys
import threading
import unittest

HERE = pathlib.Path(__file__).resolve().parent
sys.path.insert(0, str(HERE.parent / "interop"))

import casefile  # noqa: E402
import notation  # noqa: E402
import player  # noqa: E402
from brokers import KIND, RabbitBroker, WherryBroker  # noqa: E402

VHOSTS = "uvwxy"  # one for each thread; names as long as "/", for texts that are cut
# guest may do everything; limited may declare what is called mine, write to w... as well, and read from r...
PERMISSIONS = {"guest": {"configure": ".*", "write": ".*", "read": ".*"},
               "limited": {"configure": "^(mine.*|amq[.]gen.*)$", "write": "^(mine.*|w.*)$", "read": "^(mine.*|r.*)$"}}
CONFIG = json.dumps({
    "vhosts": [{"name": name} for name in ["/", *VHOSTS]],
    "users": [{"name": user, "password": user,
               "permissions": [{"vhost": vhost, **may} for vhost in VHOSTS]} for user, may in PERMISSIONS.items()]})
COMPATIBILITY = HERE.parents[1] / "docs/compatibility.md"
# Headers that Wherry sets and RabbitMQ 3.10 does not, wherever they occur: the row of the table, and their names.
ADDED_HEADERS = {"the headers `x-last-death-*`": {"x-last-death-queue", "x-last-death-reason", "x-last-death-exchange"}}
# Rows about what takes a plugin of RabbitMQ's, settings of the broker, or more memory or time than a case has.
WITHOUT_CASE = {
    "what a transaction may hold", "a delivery that is unacknowledged for too long",
    "a policy's `message-ttl` and messages that are there", "`x-consistent-hash`: a queue bound twice, with other weights",
    "deduplication (`x-message-deduplication`)", "tasks with a countdown or an eta"}


def start(kind):
    """A broker with the vhosts and users of the cases."""
    if kind == "wherry":
        return WherryBroker(CONFIG)
    broker = RabbitBroker()
    broker.call("PUT", "/api/users/limited", {"password": "limited", "tags": ""})
    for vhost in VHOSTS:
        broker.reset_vhost(vhost)
        for user, may in PERMISSIONS.items():
            broker.call("PUT", f"/api/permissions/{vhost}/{user}", may)
    return broker


def play_all(broker, cases):
    """Plays the cases on a few threads: {case: (answers, leftover), or the exception}."""
    notation.Decoder.unseen = frozenset().union(*ADDED_HEADERS.values())
    todo, results = queue.SimpleQueue(), {}
    for case in cases:
        todo.put(case)

    def work(vhost):
        mine = player.Player(broker, vhost)
        while True:
            try:
                case = todo.get_nowait()
            except queue.Empty:
                return
            try:
                results[case] = mine.play(case)
            except Exception as error:  # said by the case's test
                results[case] = error

    threads = [threading.Thread(target=work, args=(vhost,)) for vhost in VHOSTS]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    return results


def difference(expected, got, kind, context=3):
    return difflib.unified_diff(expected, got, "RabbitMQ", kind, n=context, lineterm="")


class Oracle(unittest.TestCase):
    maxDiff = None
    cases, results = [], {}

    @classmethod
    def setUpClass(cls):
        cls.broker = start(KIND)
        cls.results = play_all(cls.broker, cls.cases)

    @classmethod
    def tearDownClass(cls):
        cls.broker.stop()

    def check(self, case):
        result = self.results[case]
        if isinstance(result, Exception):
            raise result
        answers, leftover = result
        got = case.render(answers) + ["< " + line for line in leftover]
        if got != case.transcript(KIND):
            self.fail("\n" + "\n".join(difference(case.transcript(KIND), got, KIND)))


def table_of_differences():
    """What stands in the first column of the table in docs/compatibility.md."""
    section = COMPATIBILITY.read_text().split("## Where Wherry differs from RabbitMQ")[1].split("\n## ")[0]
    return {row.split("|")[1].strip() for row in section.splitlines() if row.startswith("| ")} - {"what"}


class Documented(unittest.TestCase):
    def test_differences_and_the_table_in_compatibility_md_agree(self):
        named = {step.differs for case in casefile.all_cases(HERE / "cases") for step in case.steps if step.differs}
        named |= {*ADDED_HEADERS, *WITHOUT_CASE}
        self.assertEqual(named, table_of_differences())


def record(cases):
    """Writes what the broker answers into the files: RabbitMQ's answers, or Wherry's where a step differs."""
    Oracle.cases = cases
    Oracle.setUpClass()
    try:
        for case, result in Oracle.results.items():
            if isinstance(result, Exception):
                print(f"{case.id}: {type(result).__name__}: {result}", file=sys.stderr)
                continue
            answers, leftover = result
            if case.steps[-1].command == "settle":
                leftover = answers.pop() + leftover
                settle = case.steps.pop()
            else:
                settle = casefile.Step([], "settle")
            if leftover or settle.differs is not None:
                case.steps.append(settle)
                answers.append(leftover)
            for step, answer in zip(case.steps, answers):
                if KIND == "rabbitmq":
                    step.golden = answer
                elif step.differs is not None:
                    step.ours = answer
    finally:
        Oracle.tearDownClass()


def main(arguments):
    recording = "--record" in arguments
    texts = [text for text in arguments if not text.startswith("-")]
    files = {path: casefile.read(path) for path in sorted((HERE / "cases").glob("*.case"))}
    cases = [case for path in files for case in files[path] if not texts or any(text in case.id for text in texts)]
    try:
        if recording:
            record(cases)
            for path in files:
                casefile.write(path, files[path])
            return 0
        Oracle.cases = cases
        suite = unittest.TestSuite()
        for case in cases:
            name = "test_" + re.sub(r"\W+", "_", case.id)
            if hasattr(Oracle, name):
                raise ValueError(f"two cases are called {case.id}")
            setattr(Oracle, name, lambda self, case=case: self.check(case))
            suite.addTest(Oracle(name))
        if not texts:
            suite.addTest(Documented("test_differences_and_the_table_in_compatibility_md_agree"))
        return not unittest.TextTestRunner(verbosity=1, buffer=False).run(suite).wasSuccessful()
    finally:
        if KIND == "rabbitmq":
            RabbitBroker.stop_node()


if __name__ == "__main__":
    os.environ.setdefault("PYTHONFAULTHANDLER", "1")
    sys.exit(main(sys.argv[1:]))

"""Who sends, who runs, how it is written, what is asked for: each combination of Celery's and Wherry's clients and workers
is a test of its own, and a cell of the table in docs/compatibility.md.

    table_test.py                       runs them, and holds the table of the page against what they showed
    table_test.py Table.test_chord...   some of them
    table_test.py --write-docs          writes the table

All cells of one client, worker and serializer run one after the other, the combinations beside each other, with the same
workers: two with their results in Redis, and two that run one task at a time and send results back by rpc://.
"""

import gc
import pathlib
import sys
import threading
import traceback

import pika

from brokers import BIN_DIR, Program
from harness import main, only_wherry, tearDownModule, wait_until  # noqa: F401
from stores import RedisStore
from workers_test import LIBRARY, WorkersTest

import celery
from celery.events import EventReceiver

from table_cells import Cell, NotThere, PARTIES, PATIENCE_S, SERIALIZERS
from table_features import FEATURES

PAGE = pathlib.Path(__file__).resolve().parents[2] / "docs/compatibility.md"
BEGIN, END = "<!-- the table: begin, by table_test.py --write-docs -->\n", "<!-- the table: end -->\n"


@only_wherry
class Table(WorkersTest):
    """Everything runs in setUpClass; a test says what became of its cell."""

    @classmethod
    def setUpClass(cls):
        cls.store = RedisStore()
        cls.addClassCleanup(cls.store.stop)
        cls.backend, cls.result_backend = cls.store.celery_url, cls.store.wherry_url
        super().setUpClass()
        cls.addClassCleanup(super().tearDownClass)
        cls.outcomes, cls.events, cls.dead = {}, [], []
        cls.one_at_a_time, cls.listening = threading.Lock(), threading.Event()
        cls.apps = {serializer: cls.celery_app(serializer) for serializer in SERIALIZERS}
        cls.control = cls.app.control
        cls.start_workers()
        cls.listen()
        cls.run_all()

    @classmethod
    def start_workers(cls):
        cls.nodes = {"celery": "python@test", "wherry": "cpp@test"}
        cls.solo_nodes = {"celery": "solopython@test", "wherry": "solocpp@test"}
        listed = {party: ",".join(f"{party}.{serializer}" for serializer in SERIALIZERS) for party in PARTIES}
        accept = {"ACCEPT": "json,msgpack,yaml"}
        for name, queue, options, env in (
                ("python", listed["celery"], ("-c", "4"), {}),
                ("solopython", "celery.solo", ("-P", "solo"), {"PREFETCH": "1", "RESULT_BACKEND": "rpc://"})):
            worker = cls.start_worker(name, "-Q", queue, *options, env={**accept, **env})
            cls.addClassCleanup(worker.stop)
        cls.cpp = [cls.start_cpp("cpp@test", listed["wherry"], 8, cls.result_backend),
                   cls.start_cpp("solocpp@test", "wherry.solo", 1, "rpc")]

    @classmethod
    def start_cpp(cls, name, queues, concurrency, backend):
        worker = Program([BIN_DIR / "wherry-worker", "--load", LIBRARY, "-b", cls.broker.url(), "-Q", queues, "-E",
                          "-c", concurrency, "-n", name, "--result-backend", backend],
                         env={"LEDGER": str(cls.ledger)}, cwd=cls.folder.name)
        cls.addClassCleanup(worker.stop)
        worker.wait_line("wherry-worker ready", timeout=30)
        return worker

    @classmethod
    def tearDownClass(cls):
        for worker in cls.cpp:
            cls.stop_wherry_worker(worker)
        gc.collect()  # Results of workflows are in cycles, and say goodbye to Redis when they go.

    # --- what the cells share ----------------------------------------------------------------------------------------
    @classmethod
    def celery_app(cls, serializer, backend=None):
        app = celery.Celery("client", broker=cls.broker.url(), backend=backend or cls.backend, set_as_current=False)
        app.conf.update(task_serializer=serializer, accept_content=["json", "msgpack"])
        return app

    @classmethod
    def listen(cls):
        """Notes the events of tasks, and takes dead letters, until the process ends."""
        def dead():
            channel = pika.BlockingConnection(pika.URLParameters(cls.broker.url())).channel()
            channel.queue_declare("wherry.dead", durable=True)
            for _, properties, body in channel.consume("wherry.dead", auto_ack=True):
                cls.dead.append((properties, body))
        threading.Thread(target=quietly, args=(dead,), daemon=True).start()

        def events():
            with cls.app.connection_for_read() as connection:
                receiver = EventReceiver(connection, handlers={
                    "*": lambda event: cls.events.append((event["type"], event.get("uuid")))}, app=cls.app)
                consumer = receiver.itercapture(limit=None, timeout=None, wakeup=False)
                next(consumer)
                cls.listening.set()
                for _ in consumer:
                    pass
        threading.Thread(target=quietly, args=(events,), daemon=True).start()
        cls.listening.wait(PATIENCE_S)

    @classmethod
    def dead_letter(cls, text):
        """(properties, body) of the one whose body has this text."""
        return wait_until(lambda: next((each for each in list(cls.dead) if text.encode() in each[1]), None),
                          f"a dead letter with {text}", PATIENCE_S)

    # --- the run -----------------------------------------------------------------------------------------------------
    @classmethod
    def run_all(cls):
        combinations = [(client, worker, serializer) for client in PARTIES for worker in PARTIES
                        for serializer in SERIALIZERS]
        wanted = asked_for()
        runners = [threading.Thread(target=cls.run_combination, args=(*each, wanted)) for each in combinations]
        for runner in runners:
            runner.start()
        for runner in runners:
            runner.join()

    @classmethod
    def run_combination(cls, client, worker, serializer, wanted):
        cell = Cell(cls, client, worker, serializer)
        try:
            for title, function in FEATURES.items():
                if wanted and test_name(title, cell.combination) not in wanted:
                    continue
                try:
                    function(cell)
                    outcome = "passed"
                except NotThere as reason:
                    outcome = reason
                except BaseException:  # noqa: BLE001
                    outcome = traceback.format_exc()
                cls.outcomes[title, cell.combination] = outcome
        finally:
            cell.client.close()

    def check(self, title, combination):
        outcome = self.outcomes[title, combination]
        if outcome != "passed" and not isinstance(outcome, NotThere):
            self.fail(outcome)

    # --- the page ----------------------------------------------------------------------------------------------------
    @classmethod
    def table(cls):
        columns = [(client, worker, serializer) for client in PARTIES for worker in PARTIES for serializer in SERIALIZERS]
        reasons = []

        def shown(outcome):
            if outcome == "passed":
                return "yes"
            if str(outcome) not in reasons:
                reasons.append(str(outcome))
            return f"– ({reasons.index(str(outcome)) + 1})"
        lines = ["| " + " | ".join(["", *(f"{client} → {worker}, {serializer}" for client, worker, serializer in columns)])
                 + " |", "|" + "---|" * (len(columns) + 1)]
        for title in FEATURES:
            lines.append("| " + " | ".join([title, *(shown(cls.outcomes[title, column]) for column in columns)]) + " |")
        lines.append("")
        lines += [f"({number}) {reason}.{'  ' if number < len(reasons) else ''}"
                  for number, reason in enumerate(reasons, 1)]
        return "\n".join(lines) + "\n"

    def test_the_page_shows_this_table(self):
        if asked_for():
            self.skipTest("not all of it was run")
        failed = [cell for cell, outcome in self.outcomes.items() if isinstance(outcome, str) and outcome != "passed"]
        self.assertEqual(failed, [], "no table of what does not work")
        before, _, rest = PAGE.read_text(encoding="utf-8").partition(BEGIN)
        written, _, after = rest.partition(END)
        if WRITE_DOCS:
            PAGE.write_text(before + BEGIN + self.table() + END + after, encoding="utf-8")
        else:
            self.assertEqual(written, self.table(), "table_test.py --write-docs writes it anew")


def quietly(work):
    try:
        work()
    except Exception:  # noqa: BLE001  (the broker has gone)
        pass


def test_name(title, combination):
    words = "".join(letter if letter.isalnum() else "_" for letter in title.lower()).strip("_")
    client, worker, serializer = combination
    return f"test_{words}_from_{client}_to_{worker}_{serializer}"


def asked_for():
    """The names of the tests that the command line asks for; all when it is empty."""
    return {word.rpartition(".")[2] for word in sys.argv[1:] if ".test_" in word}


def add_tests():
    for title in FEATURES:
        for client in PARTIES:
            for worker in PARTIES:
                for serializer in SERIALIZERS:
                    combination = client, worker, serializer
                    setattr(Table, test_name(title, combination),
                            lambda self, title=title, combination=combination: self.check(title, combination))


add_tests()
WRITE_DOCS = "--write-docs" in sys.argv

if __name__ == "__main__":
    if WRITE_DOCS:
        sys.argv.remove("--write-docs")
    main()

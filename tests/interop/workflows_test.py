"""Workflows whose tasks run in Python and in C++: Celery's worker takes those of the queue "celery", Wherry's those of
"cpp", and either side sends them.
"""

from brokers import BIN_DIR
from harness import main, tearDownModule, wait_until  # noqa: F401
from workers_test import WorkersTest

import celery
from celery import chain, group
from celery.canvas import chunks, xmap, xstarmap

CPP, PYTHON = "cpp", "celery"


class BothWorkers(WorkersTest):
    @classmethod
    def setUpClass(cls):
        super().setUpClass()
        cls.addClassCleanup(super().tearDownClass)
        cls.python = cls.start_worker("one", "-c", "2")
        cls.addClassCleanup(cls.python.stop)
        cls.cpp = cls.start_wherry_worker(CPP, concurrency=2)
        cls.addClassCleanup(cls.cpp.stop)

    @classmethod
    def tearDownClass(cls):
        cls.stop_wherry_worker(cls.cpp)

    def sig(self, queue, task, *args, **options):
        return self.app.signature(f"tasks.{task}", args=args, queue=queue, **options)


class PythonSends(BothWorkers):
    def test_a_chain_goes_back_and_forth(self):
        whole = chain(self.sig(CPP, "mark", "start"), self.sig(PYTHON, "mark"), self.sig(CPP, "mark"),
                      self.sig(CPP, "mark"), self.sig(PYTHON, "mark"))
        result = whole.apply_async()
        self.assertEqual(result.get(timeout=30), "start>cpp>py>cpp>cpp>py")
        self.assertEqual(result.parent.get(timeout=30), "start>cpp>py>cpp>cpp")

    def test_an_immutable_task_takes_no_result(self):
        whole = chain(self.sig(CPP, "mark", "first"), self.sig(CPP, "mark", "second", immutable=True),
                      self.sig(PYTHON, "mark", "third", immutable=True))
        self.assertEqual(whole.apply_async().get(timeout=30), "third>py")

    def test_children_are_told(self):
        result = chain(self.sig(CPP, "mark", "a"), self.sig(PYTHON, "mark")).apply_async()
        self.assertEqual(result.get(timeout=30), "a>cpp>py")
        first = result.parent
        first.get(timeout=30)
        self.assertEqual([child.id for child in first.children], [result.id])

    def test_callbacks_get_the_result(self):
        one = self.sig(CPP, "mark", "one")
        one.link(self.sig(PYTHON, "noted"))
        self.assertEqual(one.apply_async().get(timeout=30), "one>cpp")
        two = self.sig(PYTHON, "mark", "two")
        two.link(self.sig(CPP, "told"))
        two.link(self.sig(PYTHON, "noted"))
        self.assertEqual(two.apply_async().get(timeout=30), "two>py")
        for line in ("began one>cpp", "told two>py", "began two>py"):
            wait_until(lambda line=line: self.in_ledger(line), line)

    def test_a_failure_calls_the_error_callbacks_with_the_task(self):
        for queue in (CPP, PYTHON):
            broken = self.sig(queue, "fail", "on purpose")
            broken.link_error(self.sig(CPP, "told"))
            broken.link_error(self.sig(CPP, "told"))
            result = broken.apply_async()
            with self.assertRaisesRegex(Exception, "on purpose"):
                result.get(timeout=30)
            wait_until(lambda result=result: len(self.in_ledger(f"told {result.id}")) >= 1, f"told by {queue}")

    def test_a_failed_chain_does_not_hang(self):
        for queue in (CPP, PYTHON):
            whole = chain(self.sig(PYTHON, "mark", "no mailbox"), self.sig(queue, "fail"), self.sig(CPP, "mark"),
                          self.sig(PYTHON, "mark"))
            result = whole.apply_async()
            with self.assertRaisesRegex(Exception, "no mailbox>py"):
                result.get(timeout=30)
            self.assertEqual(result.state, "FAILURE")

    def test_a_retried_task_goes_on_once(self):
        whole = chain(self.sig(CPP, "flaky", 2), self.sig(PYTHON, "add", 40))
        self.assertEqual(whole.apply_async().get(timeout=60), 42)

    def test_groups_at_the_end_and_in_callbacks(self):
        parts = group([self.sig(CPP, "add", 1), self.sig(PYTHON, "add", 2), self.sig(CPP, "add", 3)])
        for queue in (CPP, PYTHON):
            result = chain(self.sig(queue, "add", 10, 20), parts).apply_async()
            self.assertEqual(result.get(timeout=30), [31, 32, 33])

    def test_maps_and_chunks(self):
        for queue in (CPP, PYTHON):
            mapped = xmap(self.sig(queue, "mark"), ["a", "b"], app=self.app).apply_async(queue=queue)
            self.assertEqual(mapped.get(timeout=30), [f"a>{'cpp' if queue == CPP else 'py'}",
                                                      f"b>{'cpp' if queue == CPP else 'py'}"])
            pairs = [(number, number) for number in range(5)]
            spread = xstarmap(self.sig(queue, "add"), pairs, app=self.app).apply_async(queue=queue)
            self.assertEqual(spread.get(timeout=30), [0, 2, 4, 6, 8])
            parts = chunks(self.sig(queue, "add"), pairs, 2, app=self.app).apply_async(queue=queue)
            self.assertEqual(parts.get(timeout=30), [[0, 2], [4, 6], [8]])

    def test_compressed_arguments(self):
        large = "x" * 100_000
        for method in ("zlib", "bzip2", "zstd"):
            self.assertEqual(self.send("mark", large, queue=CPP, compression=method).get(timeout=30), large + ">cpp")
        whole = chain(self.sig(CPP, "mark", large, compression="zlib"), self.sig(PYTHON, "mark"))
        self.assertEqual(whole.apply_async().get(timeout=30), large + ">cpp>py")

    def test_protocol_1_with_callbacks(self):
        old = celery.Celery("old", broker=self.broker.url(), backend="rpc://")
        old.conf.task_protocol = 1
        self.addCleanup(old.close)
        sent = old.send_task("tasks.mark", ("old",), queue=CPP, link=self.sig(CPP, "told"))
        self.assertEqual(sent.get(timeout=30), "old>cpp")
        wait_until(lambda: self.in_ledger("told old>cpp"), "its callback")


class WherrySends(BothWorkers):
    def workflow(self, *command, serializer="json", code=0):
        program = self.start([BIN_DIR / "interop-workflows", self.broker.url(), serializer, *map(str, command)])
        self.assertEqual(program.wait_exit(90), code, f"{program.lines} {program.errors}")
        self.assertFalse(self.sanitized(program), program.errors)
        return program.lines

    def test_a_chain_goes_back_and_forth(self):
        self.assertEqual(self.workflow("chain", "start"), ["start>cpp>py>cpp>py"])

    def test_groups_bring_their_results_together(self):
        self.assertEqual(self.workflow("group", 40), ["sum 1560", "completed 40 of 40", "both 3 two>py"])

    def test_callbacks_get_the_result(self):
        self.assertEqual(self.workflow("callback", "hello"), ["hello>cpp"])
        wait_until(lambda: self.in_ledger("began hello>cpp"), "the callback")

    def test_a_failed_chain_tells_its_reason(self):
        self.assertEqual(self.workflow("failing", "no mailbox", code=2),
                         ["failed std::invalid_argument: no mailbox>cpp"])
        wait_until(lambda: self.in_ledger("told "), "the error callback")

    def test_maps_and_chunks(self):
        self.assertEqual(self.workflow("maps"), ["a>cpp", "b>cpp", "sum 3", "sum 7", "a>py", "b>py", "sum 3", "sum 7"])
        self.assertEqual(self.workflow("chunks"), ["chunk of 2", "chunk of 1"] * 2)

    def test_compressed_arguments(self):
        for method in ("zlib", "bzip2", "zstd"):
            self.assertEqual(self.workflow("compressed", method), ["4", "3"])


if __name__ == "__main__":
    main()

"""Chords whose parts and bodies run in Python and in C++, and meet in Redis: Celery's worker takes the queue "celery",
Wherry's "cpp", and either side sends them.
"""

import pathlib

from brokers import BIN_DIR, TIME_SCALE
from harness import main, tearDownModule, wait_until  # noqa: F401
from stores import ResultsInRedis
from workflows_test import CPP, PYTHON, BothWorkers

import celery
from celery import chain, chord, group


class Chords(ResultsInRedis, BothWorkers):
    def adds(self, count, queues=(CPP, PYTHON)):
        return [self.sig(queues[number % len(queues)], "add", number, number) for number in range(count)]

    def counting(self):
        """What Redis holds of chords."""
        return set(self.store.client().scan_iter("celery-taskset-meta-*"))

    # --- sent by Python ----------------------------------------------------------------------------------------------
    def test_parts_and_body_in_any_mixture(self):
        before = self.counting()  # Celery leaves failed chords to expire.
        for queues in ((CPP,), (PYTHON,), (CPP, PYTHON)):
            for body in (CPP, PYTHON):
                result = chord(self.adds(10, queues), self.sig(body, "total")).apply_async()
                self.assertEqual(result.get(timeout=30), 90, f"{queues} {body}")
        wait_until(lambda: self.counting() <= before, "the chords are forgotten")

    def test_results_are_in_order(self):
        header = [self.sig((CPP, PYTHON)[number % 2], "mark", str(number)) for number in range(20)]
        result = chord(header, self.sig(CPP, "joined")).apply_async()
        languages = ["cpp", "py"]
        self.assertEqual(result.get(timeout=30), ",".join(f"{n}>{languages[n % 2]}" for n in range(20)))

    def test_chords_in_chains_and_chains_in_chords(self):
        for first, body in ((CPP, PYTHON), (PYTHON, CPP)):
            whole = chain(self.sig(first, "add", 1, 1), group(self.sig(CPP, "add", 1), self.sig(PYTHON, "add", 2)),
                          self.sig(body, "total"), self.sig(first, "add", 100), self.sig(body, "add", 1000))
            self.assertEqual(whole.apply_async().get(timeout=30), 3 + 4 + 1100)
            header = [chain(self.sig(first, "add", 1, 1), self.sig(body, "add", number)) for number in range(4)]
            self.assertEqual(chord(header, self.sig(first, "total")).apply_async().get(timeout=30), 8 + 6)

    def test_chords_nest(self):
        for inner, outer in ((CPP, PYTHON), (PYTHON, CPP)):
            parts = [chord(self.adds(count), self.sig(inner, "total")) for count in (2, 3)]
            result = chord([*parts, self.sig(inner, "add", 1, 0)], self.sig(outer, "total")).apply_async()
            self.assertEqual(result.get(timeout=30), 2 + 6 + 1)

    def test_a_retried_part_counts_once(self):
        header = [self.sig(CPP, "flaky", failures) for failures in (0, 1, 2)]
        self.assertEqual(chord(header, self.sig(CPP, "total")).apply_async().get(timeout=60), 3)

    def test_a_failed_part_fails_the_chord(self):
        for part in (CPP, PYTHON):
            body = self.sig(CPP, "told", immutable=True)
            body.link_error(self.sig(CPP, "told"))
            header = [self.sig(CPP, "add", 1, 1), self.sig(part, "fail", f"part in {part}"), self.sig(PYTHON, "add", 1, 1)]
            result = chord(header, body).apply_async()
            with self.assertRaisesRegex(celery.exceptions.ChordError, f"Dependency .* raised .*part in {part}"):
                self.app.AsyncResult(result.id).get(timeout=30)
            wait_until(lambda result=result: self.in_ledger(f"told {result.id}"), "the error callback")

    def test_a_part_that_nobody_can_run_fails_the_chord(self):
        result = chord([self.sig(CPP, "add", 1, 1), self.sig(CPP, "nobody_knows")], self.sig(CPP, "total")).apply_async()
        with self.assertRaisesRegex(celery.exceptions.ChordError, "nobody_knows"):
            self.app.AsyncResult(result.id).get(timeout=30)

    def test_the_rest_of_a_chain_after_a_failed_chord_fails(self):
        whole = chain(group(self.sig(CPP, "add", 1, 1), self.sig(CPP, "fail", "within")), self.sig(CPP, "total"),
                      self.sig(PYTHON, "add", 1))
        with self.assertRaisesRegex(Exception, "within"):
            whole.apply_async().get(timeout=30)

    def test_a_killed_worker_loses_no_part(self):
        queue = self.name("killed")
        workers = [self.start_wherry_worker(queue) for _ in range(2)]
        for worker in workers:
            self.addCleanup(worker.stop)
        gate = pathlib.Path(self.folder.name) / queue
        header = [self.sig(queue, "noted", f"{queue}-{number}", str(gate)) for number in range(4)]
        result = chord(header, self.sig(CPP, "joined")).apply_async()
        wait_until(lambda: len(self.in_ledger(f"began {queue}")) >= 2, "both run a part")
        workers[0].kill()
        gate.touch()
        self.assertEqual(result.get(timeout=60), ",".join(f"{queue}-{number}" for number in range(4)))

    # --- sent by Wherry ----------------------------------------------------------------------------------------------
    def workflow(self, *command, code=0):
        program = self.start([BIN_DIR / "interop-workflows", self.broker.url(), "json", *map(str, command)],
                             env={"RESULT_BACKEND": self.result_backend})
        self.assertEqual(program.wait_exit(90), code, f"{program.lines} {program.errors}")
        self.assertFalse(self.sanitized(program), program.errors)
        return program.lines

    def test_wherry_sends_chords(self):
        self.assertEqual(self.workflow("chord", 20), ["total 380", "total 380", "within 136"])

    def test_wherry_hears_of_a_failed_part(self):
        lines = self.workflow("failing-chord", "no such account", code=2)
        self.assertRegex(lines[0], "failed ChordError: Dependency .* raised .*no such account")
        wait_until(lambda: self.in_ledger("told "), "the error callback")

    def test_all_other_workflows_come_to_the_same(self):
        self.assertEqual(self.workflow("chain", "start"), ["start>cpp>py>cpp>py"])
        self.assertEqual(self.workflow("group", 10), ["sum 90", "completed 10 of 10", "both 3 two>py"])

    def test_ten_thousand_parts(self):
        parts = 10_000 if TIME_SCALE == 1 else 1_000  # Sanitizers look at each of them.
        self.assertEqual(self.workflow("many", parts)[0], f"total {parts}")


if __name__ == "__main__":
    main()

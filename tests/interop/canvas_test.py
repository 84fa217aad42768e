"""Celery's canvas, sent by Celery, run by Celery's worker and by Wherry's: each workflow comes to the same in both.

Celery's worker is the oracle. A scenario is written once, for signatures of one queue; what it gives (results, the class
of a failure, states, who is called back) is asked of both workers and compared, and held against what is expected where
the scenario says it.
"""

import pathlib
import re
import threading
import uuid

from brokers import TIME_SCALE
from harness import main, tearDownModule, wait_until  # noqa: F401
from stores import ResultsInRedis
from workflows_test import CPP, PYTHON, BothWorkers

import celery
from celery import chain, chord, group
from celery.canvas import chunks, xmap, xstarmap
from celery.result import GroupResult

PATIENCE_S = 60 * TIME_SCALE


def collector(scenarios):
    def scenario(expected=None, celery_differs=None):
        """expected: what both must come to, where it is not enough that they agree. celery_differs: why Celery's is not asked."""
        def add(function):
            scenarios[function.__name__] = function, expected, celery_differs
            return function
        return add
    return scenario


SCENARIOS = {}
scenario = collector(SCENARIOS)


class Workflows:
    """What a scenario makes its workflows of: signatures for one worker's queue."""

    def __init__(self, test, queue):
        self.test, self.queue, self.app = test, queue, test.app
        self.language = "cpp" if queue == CPP else "py"

    def __getattr__(self, task):
        return lambda *args, **options: self.sig(task, *args, **options)

    def sig(self, task, *args, immutable=False, **options):
        return self.app.signature(f"tasks.{task}", args=args, immutable=immutable, queue=self.queue, **options)

    def told(self, **options):
        """An error callback, in C++: Python calls those that it knows itself with arguments of its own."""
        return self.app.signature("tasks.told", queue=CPP, **options)

    def chord(self, header, body):
        return chord(header, body, app=self.app)

    def run(self, workflow):
        """What it comes to: its results, or the class of its failure and the text without ids."""
        return self.outcome(workflow.apply_async())

    @staticmethod
    def outcome(result):
        try:
            return "done", result.get(timeout=PATIENCE_S)
        except celery.exceptions.TimeoutError:
            return "no end", None
        except Exception as error:  # noqa: BLE001
            return "failed", class_of(error), re.sub(r"[0-9a-f]{8}-[0-9a-f-]{27}", "ID", str(error))

    def failure(self, workflow):
        """Whether a failure came, of which class, and whether it says why: texts around it are each worker's own."""
        # By its id alone: a result that knows its parents raises the first failure that it has heard of among them.
        outcome = self.outcome(self.app.AsyncResult(workflow.apply_async().id))
        return (*outcome[:2], "on purpose" in str(outcome)) if outcome[0] == "failed" else outcome

    def told_of(self, result):
        wait_until(lambda: self.test.in_ledger(f"told {result.id}"), "the error callback", PATIENCE_S)
        return len(self.test.in_ledger(f"told {result.id}"))

    def label(self):
        return f"{self.language}-{uuid.uuid4().hex[:8]}"


def class_of(error):
    """What the task "fail" throws in C++ has a name of its own."""
    return {"std::invalid_argument": "ValueError"}.get(type(error).__name__, type(error).__name__)


def done(value):
    return "done", value


# --- chains ------------------------------------------------------------------------------------------------------------

@scenario(done(10))
def a_chain(w):
    return w.run(chain(w.add(1, 2), w.add(3), w.add(4)))


@scenario(done(36))
def a_chain_of_chains_is_one_chain(w):
    return w.run(chain(chain(w.add(1, 2), w.add(3)), chain(w.add(10), chain(w.add(20)))))


@scenario(done(100))
def a_chain_of_a_hundred(w):
    return w.run(chain(w.add(0, 1), *(w.add(1) for _ in range(99))))


@scenario(done(30))
def an_immutable_task_takes_nothing(w):
    return w.run(chain(w.add(1, 2), w.add(10, 20, immutable=True)))


@scenario(done([[None, {"a": [1, "ü"]}], []]))
def any_value_goes_along_a_chain(w):
    return w.run(chain(w.identity([[None, {"a": [1, "ü"]}], []]), w.identity(), w.identity()))


@scenario(done(None))
def nothing_goes_along_a_chain(w):
    return w.run(chain(w.identity(None), w.identity()))


@scenario(done(6))
def a_list_is_one_argument(w):
    return w.run(chain(w.numbers(4), w.total()))


@scenario(done(13))
def partial_arguments_follow_the_result(w):
    return w.run(chain(w.add(1, 2), w.sig("add").clone(args=(10,))))


@scenario()
def a_chain_knows_its_parents(w):
    result = chain(w.add(1, 2), w.add(3), w.add(4)).apply_async()
    values = [result.get(timeout=PATIENCE_S), result.parent.get(timeout=PATIENCE_S),
              result.parent.parent.get(timeout=PATIENCE_S)]
    return values, [each.id for each in result.parent.children] == [result.id], result.parent.parent.parent


@scenario()
def ids_of_root_and_parent_go_along(w):
    name = f"spy.{uuid.uuid4()}"
    channel = w.test.channel()
    channel.queue_declare(name, durable=True)
    whole = chain(w.add(1, 2), w.add(3), w.app.signature("tasks.add", args=(4,), queue=name))
    result = whole.apply_async()
    _, properties, body = w.test.get(channel, name, auto_ack=True)
    headers = properties.headers
    return (headers["id"] == result.id, headers["parent_id"] == result.parent.id,
            headers["root_id"] == result.parent.parent.id, b"[6, 4]" in body)


@scenario(done(3))
def a_retried_task_goes_on_once(w):
    return w.run(chain(w.flaky(2), w.add(1)))


@scenario(done(6))
def a_later_task_may_wait(w):
    return w.run(chain(w.add(1, 2), w.add(3, countdown=0.3)))


@scenario(("failed", "ValueError", True))
def a_failure_ends_a_chain(w):
    return w.failure(chain(w.identity("on purpose"), w.fail(), w.identity()))


@scenario()
def what_follows_a_failure_is_not_run(w):
    label = w.label()
    result = chain(w.identity("on purpose"), w.fail(), w.noted(label, "", immutable=True)).apply_async()
    outcome = w.outcome(result)
    w.run(w.add(1, 1))
    return outcome[0], result.state, result.parent.state, result.parent.parent.state, w.test.in_ledger(f"began {label}")


@scenario()
def the_error_callback_of_a_chain_is_called(w):
    whole = chain(w.identity("on purpose"), w.fail(), w.identity())
    whole.link_error(w.told())
    result = whole.apply_async()
    return w.outcome(result)[0], w.told_of(result.parent)


# --- groups ------------------------------------------------------------------------------------------------------------

@scenario(done([0, 2, 4, 6, 8]))
def a_group(w):
    return w.run(group(w.add(number, number) for number in range(5)))


@scenario(done([5]))
def a_group_of_one(w):
    return w.run(group([w.add(2, 3)]))


@scenario(done([]))
def an_empty_group(w):
    return w.run(group([], app=w.app))


@scenario(done([6, 15]))
def a_group_of_chains(w):
    return w.run(group([chain(w.add(1, 2), w.add(3)), chain(w.add(4, 5), w.add(6))]))


@scenario(done([1, 2, 3]))
def a_group_of_groups_is_one_group(w):
    return w.run(group([group([w.identity(1), w.identity(2)]), w.identity(3)]))


@scenario(done([11, 12, 13]))
def a_chain_into_a_group(w):
    return w.run(chain(w.add(4, 6), group([w.add(1), w.add(2), w.add(3)])))


@scenario(done([[1, 1], [1, 1]]))
def a_chain_into_groups_of_chains(w):
    both = chain(w.identity(), w.identity())
    return w.run(chain(w.identity([1, 1]), group([both, both])))


@scenario()
def a_failed_member_fails_a_group_and_the_others_have_results(w):
    result = group([w.add(1, 1), w.fail("on purpose"), w.add(2, 2)]).apply_async()
    outcome = w.outcome(result)
    mixed = result.get(timeout=PATIENCE_S, propagate=False)
    return outcome[:2], [mixed[0], class_of(mixed[1]), mixed[2]], result.failed(), result.successful()


@scenario(done([0, 2, 4]))
def a_group_that_was_saved_is_found_again(w):
    result = group([w.add(number, number) for number in range(3)]).apply_async()
    result.save()
    outcome = w.outcome(result)
    found = GroupResult.restore(result.id, app=w.app)
    return outcome if found.completed_count() == 3 and found.successful() else found.completed_count()


@scenario((("done", [1, 2]), 1))
def the_callback_of_a_group_is_called_once_and_takes_no_result(w):
    label = w.label()
    parts = group([w.identity(1), w.identity(2)])
    parts.link(w.app.signature("tasks.told", args=(label,), queue=CPP))
    outcome = w.run(parts)
    wait_until(lambda: w.test.in_ledger(f"told {label}"), "the callback", PATIENCE_S)
    return outcome, len(w.test.in_ledger(f"told {label}"))


# --- chords ------------------------------------------------------------------------------------------------------------

@scenario(done(20))
def a_chord(w):
    return w.run(w.chord([w.add(number, number) for number in range(5)], w.total()))


@scenario(done(4))
def a_chord_of_one(w):
    return w.run(w.chord([w.add(2, 2)], w.total()))


@scenario(done(0))
def a_chord_of_none_calls_its_body(w):
    return w.run(w.chord([], w.total()))


@scenario(done(499_500))
def a_chord_of_a_thousand(w):
    return w.run(w.chord([w.identity(number) for number in range(1000)], w.total()))


@scenario(done(["c", "b", "a"]))
def results_come_in_the_order_of_the_header(w):
    gate = str(pathlib.Path(w.test.folder.name) / w.label())
    threading.Timer(0.3, pathlib.Path(gate).touch).start()
    return w.run(w.chord([w.noted("c", gate), w.noted("b", ""), w.noted("a", "")], w.identity()))


@scenario(done(21))
def a_chord_of_chains(w):
    return w.run(w.chord([chain(w.add(1, 2), w.add(3)), chain(w.add(4, 5), w.add(6))], w.total()))


@scenario(done(9))
def a_chord_of_chords(w):
    inner = [w.chord([w.add(n, n) for n in range(count)], w.total()) for count in (2, 3)]
    return w.run(w.chord([*inner, w.add(1, 0)], w.total()))


@scenario(done(8))
def chords_three_deep(w):
    inmost = w.chord([w.identity(1), w.identity(2)], w.total())
    inner = w.chord([inmost, w.identity(3)], w.total())
    return w.run(w.chord([inner, w.identity(2)], w.total()))


@scenario(done(6))
def a_chord_with_a_group_in_its_header(w):
    return w.run(w.chord([group([w.identity(1), w.identity(2)]), w.identity(3)], w.deep_total()))


@scenario(done(45))
def a_group_before_a_task_is_a_chord(w):
    return w.run(chain(group([w.add(1, 2), w.add(3, 4), w.add(10, 20)]), w.total(), w.add(5)))


@scenario(done(133))
def a_chord_in_the_middle_of_a_chain(w):
    return w.run(chain(w.add(1, 1), group([w.add(10), w.add(20)]), w.total(), w.add(99)))


@scenario(done(18))
def a_chord_after_a_chord(w):
    return w.run(chain(group([w.add(1, 1), w.add(2, 2)]), w.total(), group([w.add(1), w.add(5)]), w.total()))


@scenario(done([6, 6]))
def a_group_after_a_group(w):
    return w.run(chain(group([w.add(1, 1), w.add(2, 2)]), group([w.total(), w.total()])))


@scenario(done(16))
def a_body_that_is_a_chain(w):
    return w.run(w.chord([w.add(1, 1), w.add(2, 2)], chain(w.total(), w.add(10))))


@scenario(done(7))
def an_immutable_body(w):
    return w.run(w.chord([w.add(1, 1), w.add(2, 2)], w.add(3, 4, immutable=True)))


@scenario(done(3))
def a_retried_part_counts_once(w):
    return w.run(w.chord([w.flaky(0), w.flaky(1), w.flaky(2)], w.total()))


@scenario(done([3, 9]))
def a_group_of_chords(w):
    return w.run(group([w.chord([w.identity(1), w.identity(2)], w.total()),
                        w.chord([w.identity(4), w.identity(5)], w.total())]))


@scenario(done(18))
def chains_that_end_with_chords_in_a_chord(w):
    part = chain(w.identity(1), group([w.add(1), w.add(2), w.add(3)]), w.total())
    return w.run(w.chord([part, part], w.total()))


@scenario(done([2, 3]))
def a_body_that_is_a_group(w):
    return w.run(w.chord([w.identity(1), w.identity(2)], group([chain(w.total(), w.add(-1)), w.total()])))


@scenario(("failed", "ChordError", True))
def a_failed_part_fails_the_chord(w):
    return w.failure(w.chord([w.add(1, 1), w.fail("on purpose"), w.add(2, 2)], w.total()))


@scenario()
def the_body_of_a_failed_chord_is_not_run(w):
    label = w.label()
    outcome = w.failure(w.chord([w.fail("on purpose"), w.add(1, 1)], w.noted(label, "", immutable=True)))
    w.run(w.add(1, 1))
    return outcome, w.test.in_ledger(f"began {label}")


@scenario()
def the_error_callback_of_a_body_hears_of_a_failed_part(w):
    body = w.total()
    body.link_error(w.told())
    result = w.chord([w.add(1, 1), w.fail("on purpose")], body).apply_async()
    return w.outcome(w.app.AsyncResult(result.id))[:2], w.told_of(result)


@scenario()
def the_error_callback_of_a_part_is_called(w):
    part = w.fail("on purpose")
    part.link_error(w.told())
    part.set(task_id=str(uuid.uuid4()))
    outcome = w.failure(w.chord([w.add(1, 1), part], w.total()))
    result = w.app.AsyncResult(part.options["task_id"])
    return outcome, w.told_of(result)


@scenario(("failed", "ChordError", True), celery_differs="the outer body stays PENDING for ever in Celery 5.2")
def a_failed_inner_chord_fails_the_outer_one(w):
    inner = w.chord([w.fail("on purpose"), w.add(1, 1)], w.total())
    return w.failure(w.chord([inner, w.add(2, 2)], w.total()))


@scenario(("failed", "ChordError", True))
def a_failure_in_a_chain_of_the_header(w):
    return w.failure(w.chord([chain(w.identity("on purpose"), w.fail(), w.identity()), w.add(1, 1)], w.identity()))


@scenario(("failed", "ValueError", True))
def a_failing_body(w):
    return w.failure(w.chord([w.add(1, 1), w.add(2, 2)], w.fail("on purpose", immutable=True)))


@scenario(("failed", "ChordError", True), celery_differs="the end of the chain stays PENDING for ever in Celery 5.2")
def what_follows_a_failed_chord_fails(w):
    return w.failure(chain(group([w.add(1, 1), w.fail("on purpose")]), w.total(), w.add(1)))


@scenario()
def a_callback_of_the_body_gets_its_result(w):
    label = w.label()
    body = w.identity()
    body.link(w.app.signature("tasks.told", queue=CPP).clone())
    header = [w.identity(label)]
    outcome = w.run(w.chord(header, chain(w.identity(), w.sig("total", [1, 2], immutable=True))))
    return outcome


# --- maps --------------------------------------------------------------------------------------------------------------

def spread(w, kind, task, items):
    return kind(w.sig(task), items, app=w.app).set(queue=w.queue)


@scenario(done([3, 7]))
def a_starmap(w):
    return w.run(spread(w, xstarmap, "add", [(1, 2), (3, 4)]))


@scenario(done([[0], [0, 1]]))
def a_map(w):
    return w.run(spread(w, xmap, "numbers", [1, 2]))


@scenario(done(10))
def a_starmap_in_a_chain(w):
    return w.run(chain(spread(w, xstarmap, "add", [(1, 2), (3, 4)]), w.total()))


@scenario(done(13))
def starmaps_in_a_chord(w):
    parts = [spread(w, xstarmap, "add", [(1, 2), (3, 4)]), spread(w, xmap, "identity", [1, 2])]
    return w.run(w.chord(parts, w.deep_total()))


@scenario(done([[0, 2], [4, 6], [8]]))
def chunks_are_a_group_of_starmaps(w):
    parts = chunks(w.sig("add"), [(n, n) for n in range(5)], 2, app=w.app).group()
    parts.tasks = [each.set(queue=w.queue) for each in parts.tasks]
    return w.run(parts)


@scenario(("failed", "ValueError", True))
def a_failing_item_fails_its_map(w):
    return w.failure(spread(w, xmap, "fail", ["on purpose"]))


@scenario(done([[1, 2], 3]))
def a_chain_that_ends_with_a_group_in_a_chord_is_a_list(w):
    return w.run(w.chord([chain(w.identity(0), group([w.add(1), w.add(2)])), w.add(1, 2)], w.identity()))


@scenario(done([[1, 2], 3]))
def the_same_in_a_chord_that_a_worker_sends(w):
    header = [chain(w.identity(0, immutable=True), group([w.add(1), w.add(2)])), w.add(1, 2, immutable=True)]
    return w.run(chain(w.identity(7), w.chord(header, w.identity())))


@scenario()
def what_the_parts_of_a_failed_chord_came_to_is_kept(w):
    result = w.chord([w.add(1, 2), w.fail("on purpose")], w.total(link_error=[w.told()])).apply_async()
    outcome = w.outcome(w.app.AsyncResult(result.id))
    w.told_of(result)
    key = f"celery-taskset-meta-{result.parent.id}.j"
    parts = [w.app.backend.decode(each) for each in w.test.store.client().zrange(key, 0, -1)]
    # The error callback is a child of the body.
    children = w.app.AsyncResult(result.id).children
    return outcome[1], sorted(part[2] for part in parts), [len(each.results) for each in children or []]


# --- all together ------------------------------------------------------------------------------------------------------

@scenario(done(96))
def everything_in_one(w):
    start = chain(w.identity(1), group([w.add(1), chain(w.add(2), w.add(3)), w.chord([w.add(5)], w.total())]))
    return w.run(chain(start, w.total(), group([w.add(1), w.add(2)]), w.total(), w.add(65)))


class Comparison(ResultsInRedis, BothWorkers):
    longest_s = 150

    def compare(self, function, expected, celery_differs):
        by_cpp = function(Workflows(self, CPP))
        if not celery_differs:
            self.assertEqual(by_cpp, function(Workflows(self, PYTHON)), "Wherry's worker, then Celery's")
        if expected is not None:
            self.assertEqual(by_cpp, expected)

    @classmethod
    def add(cls, scenarios):
        for name, given in scenarios.items():
            setattr(cls, f"test_{name}", lambda self, given=given: self.compare(*given))


class Canvas(Comparison):
    pass


Canvas.add(SCENARIOS)

if __name__ == "__main__":
    main()

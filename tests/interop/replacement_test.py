"""Tasks that change the workflow that they are a part of, and know it: in Celery's worker and in Wherry's it comes to the same.

Scenarios as in canvas_test.py.
"""

from canvas_test import PATIENCE_S, Comparison, Workflows, collector, done
from harness import main, tearDownModule, wait_until  # noqa: F401
from workflows_test import CPP

from celery import chain, group

SCENARIOS = {}
scenario = collector(SCENARIOS)


@scenario(done(3))
def a_task_is_replaced_by_a_task(w):
    return w.run(w.replaced_by(w.add(1, 2)))


@scenario(done(10))
def a_task_is_replaced_by_a_chain(w):
    return w.run(w.replaced_by(chain(w.add(1, 2), w.add(3), w.add(4))))


@scenario(done([3, 7]))
def a_task_is_replaced_by_a_group(w):
    return w.run(w.replaced_by(group([w.add(1, 2), w.add(3, 4)])))


@scenario(done(10))
def a_task_is_replaced_by_a_chord(w):
    return w.run(w.replaced_by(w.chord([w.add(1, 2), w.add(3, 4)], w.total())))


@scenario(done(3))
def a_task_is_replaced_by_one_that_is_replaced(w):
    return w.run(w.replaced_by(w.replaced_by(w.add(1, 2))))


@scenario(done(16))
def a_chain_goes_on_after_a_replacement(w):
    return w.run(chain(w.replaced_by(chain(w.add(1, 2), w.add(3))), w.add(4), w.add(6)))


@scenario(done(10))
def a_chain_goes_on_after_a_group_in_a_tasks_place(w):
    return w.run(chain(w.replaced_by(group([w.add(1, 2), w.add(3, 4)])), w.total()))


@scenario(done([6, 2]))
def a_replaced_part_of_a_chord_is_one_part(w):
    return w.run(w.chord([w.replaced_by(chain(w.add(1, 2), w.add(3))), w.add(1, 1)], w.identity()))


@scenario(done([[3, 7], 2]), celery_differs="Celery 5.2 does not keep the order of such a group")
def a_group_in_the_place_of_a_part_is_one_part(w):
    return w.run(w.chord([w.replaced_by(group([w.add(1, 2), w.add(3, 4)])), w.add(1, 1)], w.identity()))


@scenario(done(6))
def a_body_is_replaced(w):
    return w.run(w.chord([w.add(1, 1)], chain(w.replaced_by(w.add(1, 2), immutable=True), w.add(3))))


@scenario(("failed", "ValueError", True))
def a_replacement_fails(w):
    return w.failure(chain(w.replaced_by(chain(w.identity("on purpose"), w.fail())), w.add(1)))


@scenario(("failed", "ImproperlyConfigured", "Cannot replace with an empty chain"))
def nothing_replaces_no_task(w):
    return w.run(w.replaced_by(chain()))


@scenario(("done", 3, 1), celery_differs="Celery 5.2 calls it twice when the replacement is a chain")
def the_callback_of_a_replaced_task_is_called_once(w):
    label = w.label()
    called = w.app.signature("tasks.told", args=(label,), immutable=True, queue=CPP)
    outcome = w.run(w.replaced_by(chain(w.add(0, 1), w.add(2)), link=[called]))
    wait_until(lambda: w.test.in_ledger(f"told {label}"), "the callback", PATIENCE_S)
    w.run(w.add(1, 1))
    return *outcome, len(w.test.in_ledger(f"told {label}"))


@scenario(1)
def the_error_callback_of_a_replaced_task_is_called_once(w):
    result = w.replaced_by(w.fail("on purpose"), link_error=[w.told()]).apply_async()
    w.outcome(result)
    return w.told_of(result)


@scenario(done(20))
def a_part_adds_others_to_its_chord(w):
    return w.run(w.chord([w.adding([w.add(1, 2), w.add(3, 4)]), w.add(5, 5)], w.total()))


@scenario(done(20))
def a_part_adds_a_chord_to_its_chord(w):
    return w.run(w.chord([w.adding([chain(group([w.add(1, 2), w.add(3, 4)]), w.total())]), w.add(5, 5)], w.total()))


@scenario(True)
def a_task_knows_its_place(w):
    first, second = w.place(), w.place(immutable=True, priority=3)
    result = chain(first, second).apply_async()
    root, parent, priority = result.get(timeout=PATIENCE_S)
    alone = result.parent.get(timeout=PATIENCE_S)
    return (root, parent, priority) == (result.parent.id, result.parent.id, 3) and alone[:2] == [result.parent.id, None]


@scenario("before")
def a_body_follows_what_its_chord_follows(w):
    return what_a_body_follows(w, w.place(immutable=True))


@scenario("a part")
def a_body_that_is_a_chain_follows_a_part(w):
    return what_a_body_follows(w, chain(w.place(immutable=True), w.identity()))


def what_a_body_follows(w, body):
    header = group([w.add(1, 1, immutable=True), w.add(2, 2, immutable=True)])
    parts = [each.id for each in header.freeze().results]
    first = w.place()
    before = first.freeze().id
    root, parent, _ = w.run(chain(first, w.chord(header, body)))[1]
    w.test.assertEqual(root, before)
    return "before" if parent == before else "a part" if parent in parts else parent


@scenario(("PermissionError", 13, "not you"))
def an_exception_of_pythons_comes_as_itself(w):
    try:
        return w.refuse("not you", 13).apply_async().get(timeout=PATIENCE_S)
    except PermissionError as error:
        return type(error).__name__, error.errno, error.strerror


class Replacement(Comparison):
    def test_tasks_in_processes_are_replaced_and_add_to_their_chord(self):
        w = Workflows(self, CPP)
        self.assertEqual(w.run(chain(w.replaced_by_apart(w.add(1, 2)), w.add(3))), done(6))
        self.assertEqual(w.run(w.chord([w.adding_apart([w.add(1, 2)]), w.add(5, 5)], w.total())), done(13))
        result = w.place_apart(priority=2).apply_async()
        self.assertEqual(result.get(timeout=PATIENCE_S), [result.id, None, 2])
        try:
            w.refuse_apart("not you", 13).apply_async().get(timeout=PATIENCE_S)
        except PermissionError as error:
            self.assertEqual(error.errno, 13)
        else:
            self.fail("it was done")


Replacement.add(SCENARIOS)

if __name__ == "__main__":
    main()

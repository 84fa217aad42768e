"""The rows of the table in table_test.py: a feature each, asked of one client, worker and serializer."""

import datetime
import decimal
import time
import uuid

import pika

from harness import wait_until

import celery
from celery import chain, chord, group
from celery.canvas import chunks, xmap, xstarmap
from kombu.exceptions import EncodeError

from table_cells import Failed, NotThere, PATIENCE_S

FEATURES = {}


def feature(title):
    def add(function):
        FEATURES[title] = function
        return function
    return add


@feature("arguments by position")
def positional(cell):
    cell.equal(cell.get("add", 20, 22), 42)


@feature("arguments by name")
def named(cell):
    cell.equal(cell.get("email.send", kwargs={"to": "a@b.c", "subject": "Hi"}), {"to": "a@b.c", "subject": "Hi", "attempts": 1})


@feature("countdown")
def countdown(cell):
    sent = time.time()
    if cell.get("when", countdown=1) - sent < 0.95:
        raise AssertionError("too early")


@feature("eta")
def eta(cell):
    when = datetime.datetime.now(datetime.timezone.utc) + datetime.timedelta(seconds=1)
    if cell.get("when", eta=when) < when.timestamp() - 0.05:
        raise AssertionError("too early")


@feature("expires")
def expires(cell):
    text = cell.text("expired")
    cell.client.send("noted", text, "", expires=0.3, countdown=0.8)
    cell.get("when", countdown=1.2)
    if cell.test.in_ledger(f"began {text}"):
        raise AssertionError("it was run")


@feature("retry")
def retry(cell):
    cell.equal(cell.get("flaky", 2), 2)


@feature("result by `rpc://`")
def rpc_result(cell):
    cell.equal(cell.get("add", 1, 2, backend="rpc"), 3)


@feature("result in Redis")
def redis_result(cell):
    result = cell.client.send("add", 1, 2)
    cell.equal(cell.client.get(result), 3)
    kept = cell.test.apps[cell.serializer].AsyncResult(cell.id_of(result))
    cell.equal((kept.state, kept.result), ("SUCCESS", 3))


@feature("a failure, its type and text")
def failure(cell):
    try:
        cell.get("fail", "on purpose")
    except Failed as failed:
        if "on purpose" not in failed.args[1]:
            raise
        return
    raise AssertionError("it did not fail")


@feature("priority")
def priority(cell):
    name, text = cell.text("priorities"), cell.text("priority")
    connection = pika.BlockingConnection(pika.URLParameters(cell.test.broker.url()))
    channel = connection.channel()
    channel.exchange_declare(name, "direct", durable=True)
    channel.queue_declare(name, durable=True, arguments={"x-max-priority": 9})
    channel.queue_bind(name, name, name)
    for level in (1, 9, 5):
        cell.client.send("noted", f"{text}-{level}", "", priority=level, exchange=name, routing_key=name, backend="rpc")
    wait_until(lambda: channel.queue_declare(name, passive=True).method.message_count == 3, "three wait", PATIENCE_S)
    connection.close()
    node = cell.test.solo_nodes[cell.worker]
    with cell.test.one_at_a_time:
        cell.test.control.add_consumer(name, destination=[node], reply=True, timeout=PATIENCE_S, limit=1,
                                       options={"queue_arguments": {"x-max-priority": 9}})
        for level in (9, 5, 1):
            cell.wait_ledger(f"ended {text}-{level}")
        cell.test.control.cancel_consumer(name, destination=[node], reply=True, timeout=PATIENCE_S, limit=1)
    order = [line.split()[1].rpartition("-")[2] for line in cell.test.in_ledger(f"began {text}")]
    cell.equal(order, ["9", "5", "1"])


@feature("soft time limit")
def soft_limit(cell):
    text = cell.text("soft")
    cell.client.send("until_stopped", text, soft_time_limit=1)
    cell.wait_ledger(f"stopped {text}")


@feature("hard time limit")
def hard_limit(cell):
    try:
        cell.get("hang", cell.text("hard"), time_limit=1)
    except Failed as failed:
        cell.equal("TimeLimitExceeded" in failed.args[0] or "time limit" in failed.args[1].lower(), True)
        return
    raise AssertionError("it did not fail")


@feature("revoke")
def revoke(cell):
    text = cell.text("revoked")
    result = cell.client.send("noted", text, "", countdown=8)  # Longer than the revoke takes to be heard of.
    cell.test.control.revoke(cell.id_of(result), destination=[cell.test.nodes[cell.worker]], reply=True,
                             timeout=PATIENCE_S, limit=1)
    try:
        cell.client.get(result)
    except celery.exceptions.TaskRevokedError:
        cell.equal(cell.test.in_ledger(f"began {text}"), [])
        return
    raise AssertionError("it was run")


def compressed(method):
    def check(cell):
        large = "x" * 20_000
        cell.equal(cell.get("mark", large, compression=method), f"{large}>{cell.language}")
    return check


for method in ("zlib", "bzip2", "zstd"):
    feature(f"compression `{method}`")(compressed(method))


@feature("`link`")
def link(cell):
    text = cell.text("linked")
    task, note = ("told", "told") if cell.worker == "wherry" else ("noted", "began")
    cell.client.send("mark", text, link=cell.client.sig(task))
    cell.wait_ledger(f"{note} {text}>{cell.language}")


@feature("`link_error`")
def link_error(cell):
    # Celery's worker calls what it knows itself in its own way; this one runs in C++ only.
    result = cell.client.send("fail", "linked", link_error=cell.client.sig("told", queue="wherry.json"))
    cell.wait_ledger(f"told {cell.id_of(result)}")


@feature("chain")
def chains(cell):
    sig = cell.client.sig
    cell.equal(cell.client.get(cell.client.run(chain(sig("add", 1, 2), sig("add", 3), sig("add", 4)))), 10)


@feature("group")
def groups(cell):
    parts = group([cell.client.sig("add", number, number) for number in range(5)])
    cell.equal(cell.client.get(cell.client.run(parts)), [0, 2, 4, 6, 8])


@feature("chord")
def chords(cell):
    sig = cell.client.sig
    whole = chord([sig("add", number, number) for number in range(5)], sig("total"), app=cell.client.app)
    cell.equal(cell.client.get(cell.client.run(whole)), 20)


@feature("`map`")
def maps(cell):
    whole = xmap(cell.client.sig("mark"), ["a", "b"], app=cell.client.app)
    cell.equal(cell.client.get(cell.client.run(whole)), [f"a>{cell.language}", f"b>{cell.language}"])


@feature("`starmap`")
def starmaps(cell):
    whole = xstarmap(cell.client.sig("add"), [(1, 2), (3, 4)], app=cell.client.app)
    cell.equal(cell.client.get(cell.client.run(whole)), [3, 7])


@feature("`chunks`")
def chunked(cell):
    whole = chunks(cell.client.sig("add"), [(1, 2), (3, 4), (5, 6)], 2, app=cell.client.app).group()
    whole.tasks = [each.set(queue=cell.queue) for each in whole.tasks]
    cell.equal(cell.client.get(cell.client.run(whole)), [[3, 7], [11]])


@feature("stamps are handed on")
def stamps(cell):
    if cell.worker == "celery":
        raise NotThere("Celery 5.2's worker knows no stamps; from 5.3 on it does")
    name, take = cell.spy()
    signature = cell.client.sig("mark", "stamped", stamped_headers=["tenant"], tenant=["a"])
    signature.link(cell.client.sig("mark", queue=name))
    if cell.client_name == "celery":
        # As Celery from 5.3 on writes them; 5.2 takes them for headers like others.
        cell.client.send("mark", "stamped", link=cell.client.sig("mark", queue=name),
                         headers={"stamped_headers": ["tenant"], "stamps": {"tenant": ["a"]}})
    else:
        cell.client.run(signature)
    properties, _ = take()
    cell.equal((properties.headers["stamped_headers"], properties.headers["stamps"]), (["tenant"], {"tenant": ["a"]}))


@feature("a task that nobody registered")
def unknown(cell):
    try:
        cell.get("nobody_knows", "x")
    except Failed as failed:
        cell.equal("NotRegistered" in failed.args[0] or "nobody_knows" in failed.args[1], True)
        return
    raise AssertionError("it did not fail")


@feature("a time: a string; refused by Celery's msgpack")
def times(cell):
    if cell.client_name == "wherry":
        cell.equal(kind_of(cell, "time"), "str")
    elif cell.serializer == "json":
        cell.equal(cell.get("kind", datetime.datetime(2026, 1, 31, 12)), "str")
    else:
        refused_by_the_client(cell, datetime.datetime(2026, 1, 31, 12))


@feature("bytes: refused by Celery's JSON; a map to Celery 5.2 in Wherry's")
def raw_bytes(cell):
    if cell.client_name == "celery" and cell.serializer == "json":
        return refused_by_the_client(cell, b"\x01\x02\xff")
    got = cell.get("kind", b"\x01\x02\xff") if cell.client_name == "celery" else kind_of(cell, "bytes")
    # kombu reads {"__type__": "bytes"} from 5.3 on.
    wanted = "dict" if (cell.client_name, cell.worker, cell.serializer) == ("wherry", "celery", "json") else "bytes"
    cell.equal(got, wanted)


@feature("a UUID and a decimal: strings; refused by Celery's msgpack")
def uuids(cell):
    if cell.client_name == "wherry":
        raise NotThere("not of the serializer: a C++ client sends them as the strings that they are written as")
    for value in (uuid.UUID(int=7), decimal.Decimal("12.50")):
        if cell.serializer == "json":
            cell.equal(cell.get("kind", value), "str")
        else:
            refused_by_the_client(cell, value)


def kind_of(cell, kind):
    answer = cell.client.ask("redis", op="kinds", task="tasks.kind", kind=kind, options={"queue": cell.queue})
    return cell.client.get(("redis", answer["id"]))


def refused_by_the_client(cell, value):
    try:
        cell.client.send("kind", value)
    except Exception as error:  # noqa: BLE001  (kombu's, whose class depends on the serializer)
        if "serializ" not in str(error).lower() and not isinstance(error, (TypeError, EncodeError)):
            raise
        return
    raise AssertionError("it was sent")


@feature("events")
def events(cell):
    result = cell.client.send("add", 1, 2)
    cell.equal(cell.client.get(result), 3)
    wanted = ["task-received", "task-started", "task-succeeded"]

    def heard():
        kinds = [kind for kind, task in list(cell.test.events) if task == cell.id_of(result)]
        return [kind for kind in kinds if kind in wanted] == wanted
    wait_until(heard, "the events of the task", PATIENCE_S)


@feature("`ignore_result`")
def ignore_result(cell):
    text = cell.text("ignored")
    result = cell.client.send("noted", text, "", ignore_result=True)
    cell.wait_ledger(f"ended {text}")
    cell.equal(cell.get("add", 1, 1), 2)
    cell.equal(cell.test.store.client().exists(f"celery-task-meta-{cell.id_of(result)}"), 0)


@feature("headers of one's own: seen by Python tasks, kept in dead letters by Wherry")
def headers(cell):
    if cell.worker == "celery":
        return cell.equal(cell.get("header", "tenant", headers={"tenant": "a"}), "a")
    # C++ functions are given none; what becomes of the message has them.
    text = cell.text("with headers")
    cell.client.send("impossible", text, headers={"tenant": "a"})
    cell.equal(cell.test.dead_letter(text)[0].headers["tenant"], "a")


@feature("`shadow`")
def shadow(cell):
    if cell.client_name == "wherry":
        raise NotThere("not an option of the C++ client")
    result = cell.client.send("mark", "x", shadow="tasks.by_another_name")
    cell.equal(cell.client.get(result), f"x>{cell.language}")


@feature("routed by exchange and key")
def exchange(cell):
    name, key = cell.text("exchange"), "tasks.of.somebody"
    connection = pika.BlockingConnection(pika.URLParameters(cell.test.broker.url()))
    channel = connection.channel()
    channel.exchange_declare(name, "topic", durable=True)
    channel.queue_bind(cell.queue, name, "tasks.#")
    cell.equal(cell.get("add", 1, 2, exchange=name, routing_key=key), 3)
    channel.exchange_delete(name)
    connection.close()


def foreign(serializer):
    def check(cell):
        if cell.client_name == "wherry":
            raise NotThere(f"the C++ client does not write {serializer}")
        text = cell.text(serializer)
        cell.client.send("noted", text, "", serializer=serializer)
        if cell.worker == "celery":
            # Taken where it is told to be, as yaml is here.
            if serializer == "yaml":
                return cell.wait_ledger(f"ended {text}")
            cell.equal(cell.get("add", 1, 1), 2)
        else:
            kind = {"pickle": "application/x-python-serialize"}.get(serializer, serializer)
            cell.equal(kind in cell.test.dead_letter(text)[0].headers["x-wherry-reason"], True)
        cell.equal(cell.test.in_ledger(f"began {text}"), [])
    return check


feature("YAML: read by Celery where it accepts it, a dead letter at Wherry")(foreign("yaml"))
feature("pickle: never run")(foreign("pickle"))

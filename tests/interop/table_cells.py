"""Who sends and who runs in table_test.py, and a cell of its table: what a feature asks of a client and a worker."""

import json
import os
import subprocess
import uuid

import pika

from brokers import BIN_DIR, TIME_SCALE
from harness import wait_until

import celery
from celery import group

PARTIES = ("celery", "wherry")
SERIALIZERS = ("json", "msgpack")
PATIENCE_S = 30 * TIME_SCALE


class NotThere(Exception):
    """The combination does not exist: the reason, as it stands below the table."""


class Failed(Exception):
    """A task failed: its exception's type, and its message."""


def full_name(task):
    return task if "." in task else f"tasks.{task}"


class CeleryClient:
    """Sends with Debian's Celery."""

    def __init__(self, cell):
        self.cell = cell
        self.app = cell.test.celery_app(cell.serializer)
        self.rpc = cell.test.celery_app(cell.serializer, backend="rpc://")

    def send(self, task, *args, backend="redis", **options):
        app = self.rpc if backend == "rpc" else self.app
        options.setdefault("serializer", self.cell.serializer)
        if "queue" not in options and "exchange" not in options:
            options["queue"] = self.cell.queue if backend == "redis" else self.cell.solo
        return app.send_task(full_name(task), args, **options)

    def sig(self, task, *args, **options):
        options = {"queue": self.cell.queue, "serializer": self.cell.serializer, **options}
        return self.app.signature(full_name(task), args=args, **options)

    def run(self, workflow):
        return workflow.apply_async(queue=self.cell.queue, serializer=self.cell.serializer)

    def get(self, result):
        try:
            return result.get(timeout=PATIENCE_S)
        except celery.exceptions.TaskRevokedError:
            raise
        except Exception as error:
            raise Failed(type(error).__name__, str(error)) from None

    def close(self):
        self.app.close()
        self.rpc.close()


class WherryClient:
    """Sends with libwherry, through a program that is told what."""

    def __init__(self, cell):
        self.cell = cell
        self.programs = {}
        self.made = cell.test.celery_app(cell.serializer)  # Only to write signatures down.

    def ask(self, backend, **request):
        if backend not in self.programs:
            url = self.cell.test.result_backend if backend == "redis" else "rpc"
            self.programs[backend] = subprocess.Popen(
                [BIN_DIR / "interop-producer", self.cell.test.broker.url(), self.cell.serializer], text=True,
                stdin=subprocess.PIPE, stdout=subprocess.PIPE, env={**os.environ, "RESULT_BACKEND": url})
        program = self.programs[backend]
        program.stdin.write(json.dumps(request) + "\n")
        program.stdin.flush()
        answer = json.loads(program.stdout.readline())
        if "error" in answer:
            raise AssertionError(answer)
        return answer

    def send(self, task, *args, backend="redis", **options):
        kwargs = options.pop("kwargs", {})
        if "queue" not in options and "exchange" not in options:
            options["queue"] = self.cell.queue if backend == "redis" else self.cell.solo
        if "eta" in options:
            options["eta"] = options["eta"].timestamp()
        follows = {name: options.pop(name) for name in ("link", "link_error") if name in options}
        if follows:
            signature = self.sig(task, *args)
            for name, value in follows.items():
                getattr(signature, name)(value)
            return self.run(signature, options)
        return (backend, self.ask(backend, op="send", task=full_name(task), args=args, kwargs=kwargs,
                                  options=options)["id"])

    sig = CeleryClient.sig
    app = property(lambda self: self.made)

    def run(self, workflow, options=None):
        options = options or {"queue": self.cell.queue}
        if isinstance(workflow, group):
            return "redis", self.ask("redis", op="group", signatures=[self.plain(each) for each in workflow.tasks],
                                     options=options)["id"]
        return "redis", self.ask("redis", op="workflow", signature=self.plain(workflow), options=options)["id"]

    @staticmethod
    def plain(signature):
        return json.loads(json.dumps(signature))

    def get(self, result):
        answer = self.ask(result[0], op="get", id=result[1])
        if "revoked" in answer:
            raise celery.exceptions.TaskRevokedError()
        if "failed" in answer:
            raise Failed(answer["failed"], answer["message"])
        return answer["result"]

    def close(self):
        for program in self.programs.values():
            program.stdin.close()
            program.wait(20)
            program.stdout.close()
        self.made.close()


class Cell:
    """One client, one worker, one serializer: what the features below are asked of."""

    def __init__(self, test, client, worker, serializer):
        self.test, self.client_name, self.worker, self.serializer = test, client, worker, serializer
        self.queue, self.solo = f"{worker}.{serializer}", f"{worker}.solo"
        self.language = "cpp" if worker == "wherry" else "py"
        self.client = (CeleryClient if client == "celery" else WherryClient)(self)

    @property
    def combination(self):
        return self.client_name, self.worker, self.serializer

    def text(self, what):
        """A text that no other cell uses."""
        return f"{what}-{'-'.join(self.combination)}-{uuid.uuid4().hex[:6]}"

    def get(self, task, *args, **options):
        return self.client.get(self.client.send(task, *args, **options))

    def equal(self, got, wanted):
        if got != wanted:
            raise AssertionError(f"{got!r} is not {wanted!r}")

    def wait_ledger(self, text):
        wait_until(lambda: self.test.in_ledger(text), text, PATIENCE_S)

    def id_of(self, result):
        return result.id if hasattr(result, "id") else result[1]

    def spy(self):
        """A queue that no worker takes from, and how its next message is taken."""
        name = self.text("spy")
        connection = pika.BlockingConnection(pika.URLParameters(self.test.broker.url()))
        channel = connection.channel()
        channel.queue_declare(name, durable=True)

        def take():
            def fetch():
                got = channel.basic_get(name, auto_ack=True)
                return got if got[0] is not None else None
            got = wait_until(fetch, f"a message in {name}", PATIENCE_S)
            connection.close()
            return got[1], got[2]
        return name, take

"""The Celery application under test: broker by AMQP_URL, results over rpc://, a ledger file by LEDGER."""

import os
import time

import celery

app = celery.Celery("tasks", broker=os.environ["AMQP_URL"], backend="rpc://")
app.conf.update(
    task_default_queue=os.environ.get("CELERY_QUEUE", "celery"),
    worker_send_task_events=True,
    task_send_sent_event=True,
    result_expires=600,
    broker_connection_retry_on_startup=True,
    task_acks_late=os.environ.get("ACKS_LATE") == "1",
    task_reject_on_worker_lost=os.environ.get("ACKS_LATE") == "1",
    worker_prefetch_multiplier=int(os.environ.get("PREFETCH", "4")),
)


def note(text):
    """One line of the ledger; a single write of an append-only file, so that lines of several workers never mix."""
    with open(os.environ["LEDGER"], "a", encoding="utf-8") as ledger:
        ledger.write(text + "\n")


@app.task
def add(x, y):
    return x + y


@app.task
def describe(**fields):
    return {name: f"{type(value).__name__} {value}" for name, value in sorted(fields.items())}


@app.task(name="email.send")
def send_email(to, subject="", attempts=1):
    return {"to": to, "subject": subject, "attempts": attempts}


@app.task
def fail(message):
    raise ValueError(message)


@app.task(bind=True, max_retries=5)
def flaky(self, failures):
    if self.request.retries < failures:
        raise self.retry(countdown=0.1, exc=RuntimeError(f"attempt {self.request.retries}"))
    return self.request.retries


@app.task
def when():
    return time.time()


@app.task(bind=True)
def noted(self, text, gate=None):
    """Notes that it began and that it ended; in between it waits until the file `gate` exists."""
    note(f"began {text} {os.getpid()}")
    while gate and not os.path.exists(gate):
        time.sleep(0.01)
    note(f"ended {text} {os.getpid()}")
    return text

"""The Celery application under test: broker by AMQP_URL, results by RESULT_BACKEND, a ledger file by LEDGER."""

import os
import time

import celery

app = celery.Celery("tasks", broker=os.environ["AMQP_URL"], backend=os.environ.get("RESULT_BACKEND", "rpc://"))
app.conf.update(
    task_default_queue=os.environ.get("CELERY_QUEUE", "celery"),
    worker_send_task_events=True,
    task_send_sent_event=True,
    result_expires=600,
    broker_connection_retry_on_startup=True,
    task_acks_late=os.environ.get("ACKS_LATE") == "1",
    task_reject_on_worker_lost=os.environ.get("ACKS_LATE") == "1",
    worker_prefetch_multiplier=int(os.environ.get("PREFETCH", "4")),
    accept_content=os.environ.get("ACCEPT", "json").split(","),
)


def note(text):
    """One line of the ledger; a single write of an append-only file, so that lines of several workers never mix."""
    with open(os.environ["LEDGER"], "a", encoding="utf-8") as ledger:
        ledger.write(text + "\n")


@app.task
def add(x, y):
    return x + y


@app.task
def total(numbers):
    return sum(numbers)


@app.task
def identity(value):
    return value


@app.task
def numbers(count):
    return list(range(count))


@app.task
def deep_total(value):
    """The sum of all numbers in lists of lists."""
    return sum(deep_total(each) for each in value) if isinstance(value, list) else value


@app.task
def mark(text):
    """Which language ran it."""
    return text + ">py"


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


@app.task(bind=True)
def header(self, name):
    """What the message's header of that name says."""
    return getattr(self.request, name, None)


@app.task
def until_stopped(text):
    """Works until its soft time limit is over."""
    note(f"began {text} {os.getpid()}")
    try:
        while True:
            time.sleep(0.01)
    except celery.exceptions.SoftTimeLimitExceeded:
        note(f"stopped {text} {os.getpid()}")


@app.task
def hang(text):
    """Deaf and for ever."""
    note(f"began {text} {os.getpid()}")
    while True:
        time.sleep(1)


@app.task
def kind(value):
    """The name of its argument's type."""
    return type(value).__name__


@app.task
def when():
    return time.time()


@app.task
def parent():
    add.delay(1, 1)
    return "has a child"


@app.task(bind=True)
def steps(self, gate):
    """Reports its first step, and goes on when the file `gate` exists."""
    self.update_state(state="PROGRESS", meta={"done": 1, "of": 2})
    while not os.path.exists(gate):
        time.sleep(0.01)
    return 2


@app.task(bind=True)
def noted(self, text, gate=None):
    """Notes that it began and that it ended; in between it waits until the file `gate` exists."""
    note(f"began {text} {os.getpid()}")
    while gate and not os.path.exists(gate):
        time.sleep(0.01)
    note(f"ended {text} {os.getpid()}")
    return text


@app.task(bind=True)
def replaced_by(self, given):
    return self.replace(celery.signature(given, app=app))


@app.task(bind=True)
def adding(self, parts):
    """Adds them to its own chord."""
    for each in parts:
        self.add_to_chord(celery.signature(each, app=app))
    return 0


@app.task(bind=True)
def place(self):
    """Where it stands in its workflow."""
    return self.request.root_id, self.request.parent_id, self.request.delivery_info["priority"]


@app.task
def refuse(reason, number):
    raise PermissionError(number, reason)

"""Tasks: a producer, a broker and a worker, Wherry's or Celery's, and what each task costs each of them.

The worker is started first and takes tasks from a queue that stays empty; the producer fills another, and only then is the
worker told to take from that one as well (remote control, which both have). So a run measures the worker at work and not
the start of a program, and never a worker that waits for its producer.
"""
import argparse
import json
import os
import select
import shlex
import subprocess
import time
from pathlib import Path

from processes import Failed, Processes, wait_for

IDLE_QUEUE, TASK_QUEUE = "bench.idle", "bench.tasks"
WORKER_NAME = "bench@worker"

# What is started for each kind of worker; the task that does nothing there.
WORKERS = {
    "celery": ("Celery, prefork", "noop"),
    "threads": ("Wherry, threads", "noop"),
    "coroutines": ("Wherry, coroutines", "noop_coroutine"),
    "processes": ("Wherry, processes", "noop"),
}


def options_of(workload):
    parser = argparse.ArgumentParser()
    parser.add_argument("--worker", choices=WORKERS, required=True)
    parser.add_argument("--concurrency", default="2")
    parser.add_argument("--prefetch")
    parser.add_argument("--results", choices=("none", "rpc"), default="none")
    parser.add_argument("--count", type=int)
    parser.add_argument("--rate", type=int)
    return parser.parse_args(shlex.split(workload.arguments))


class Tasks:
    """The worker and the producer of one run at one broker. Everything that it starts ends with it."""

    def __init__(self, options, peer, top, programs, folder):
        self.options, self.peer, self.top, self.programs = options, peer, top, programs
        self.started = Processes(folder)
        self.celery_environment = {
            "BENCH_BROKER": peer.uri.rstrip("/") + "//", "C_FORCE_ROOT": "1", "PYTHONDONTWRITEBYTECODE": "1",
            "PYTHONPATH": str(top / "tests/bench/tasks"),
        }

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.started.stop_all()

    # --- the runs ----------------------------------------------------------------------------------------------------

    def drain(self, count):
        self.start_worker()
        run = {"idle_mib": memory_mib(self.worker.pid), "tasks": count}
        broker_us = cpu_us(self.peer.process.pid)
        task = WORKERS[self.options.worker][1]
        producer = self.start_producer("drain", str(count), task, self.options.results)
        filled = self.answer(producer)
        worker_us = cpu_us(self.worker.pid)
        self.take_from(TASK_QUEUE)
        producer.stdin.write(b"go\n")
        producer.stdin.flush()
        drained = self.answer(producer)
        run["worker_us"] = (cpu_us(self.worker.pid) - worker_us) / count
        run["broker_us"] = (cpu_us(self.peer.process.pid) - broker_us) / count
        run["enqueue_us"], run["producer_us"] = filled["producer_us"], drained["producer_us"]
        run["enqueued_per_s"] = count / filled["enqueue_seconds"]
        run["tasks_per_s"] = count / drained["drain_seconds"]
        run["busy_mib"] = memory_mib(self.worker.pid)
        return run

    def pace(self, seconds):
        self.start_worker()
        self.take_from(TASK_QUEUE)
        return self.answer(self.start_producer("pace", str(self.options.rate), str(seconds)))

    def wait(self, count):
        self.start_worker()
        self.take_from(TASK_QUEUE)
        run = {"idle_mib": memory_mib(self.worker.pid)}
        self.answer(self.start_producer("wait", str(count)))
        run["waiting_mib"] = memory_mib(self.worker.pid)
        # A clean stop would wait for them.
        self.worker.kill()
        return run

    # --- its programs ------------------------------------------------------------------------------------------------

    def start_worker(self):
        self.delete_queues()
        concurrency = self.options.concurrency
        prefetch = ["-p", self.options.prefetch] if self.options.prefetch else []
        if self.options.worker == "celery":
            words = ["/usr/bin/python3", "-B", "-m", "celery", "-A", "celery_tasks", "worker", "-n", WORKER_NAME, "-Q", IDLE_QUEUE,
                     "-c", concurrency, "-l", "warning"]
            self.started.start("worker", words, env=self.celery_environment)
        else:
            pool = "processes" if self.options.worker == "processes" else "threads"
            library = self.programs.parent / "lib/libbench-tasks.so"
            words = [self.programs / "wherry-worker", "--load", library, "-b", self.peer.uri, "-Q", IDLE_QUEUE, "-n", WORKER_NAME,
                     "-c", concurrency, "-P", pool, "-L", "warning", *prefetch]
            self.started.start("worker", words)
        self.worker = self.started.running[-1]
        wait_for("the worker to answer", lambda: self.control().ping([WORKER_NAME], timeout=0.5, limit=1), 60)

    def start_producer(self, *words):
        if self.options.worker == "celery":
            program = ["/usr/bin/python3", "-B", self.top / "tests/bench/tasks/celery_tasks.py"]
        else:
            program = [self.programs / "bench-producer"]
        log = self.started.log_folder / "producer.log"
        with open(log, "ab") as errors:
            producer = subprocess.Popen(
                [str(word) for word in [*program, self.peer.uri, TASK_QUEUE, *words]],
                stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=errors, env={**os.environ, **self.celery_environment},
            )
        producer.name, producer.log_path = "the producer", log
        self.started.running.append(producer)
        return producer

    def answer(self, producer, timeout=240):
        """Its next line of JSON."""
        end = time.monotonic() + timeout
        while time.monotonic() < end:
            if select.select([producer.stdout], [], [], 0.2)[0]:
                line = producer.stdout.readline()
                if line:
                    return json.loads(line)
                raise Failed(f"the producer ended with {producer.wait()}:\n{producer.log_path.read_text()[-2000:]}")
            self.started.check()
        raise Failed(f"the producer said nothing within {timeout} s")

    # --- remote control ----------------------------------------------------------------------------------------------

    def app(self):
        from celery import Celery

        return Celery("bench", broker=self.celery_environment["BENCH_BROKER"])

    def control(self):
        self.started.check()
        return self.app().control

    def take_from(self, queue):
        answers = self.control().add_consumer(queue, destination=[WORKER_NAME], reply=True, timeout=10, limit=1)
        if not answers or "ok" not in answers[0].get(WORKER_NAME, {}):
            raise Failed(f"the worker does not take tasks from {queue}: {answers}")

    def delete_queues(self):
        """Nothing is left of a run that failed."""
        with self.app().connection_for_write() as connection:
            for queue in (IDLE_QUEUE, TASK_QUEUE):
                connection.default_channel.queue_delete(queue)


def broker_version(uri):
    from celery import Celery

    with Celery("bench", broker=uri.rstrip("/") + "//").connection_for_write() as connection:
        connection.connect()
        properties = connection.connection.server_properties
    text = [value.decode() if isinstance(value, bytes) else value for value in (properties["product"], properties["version"])]
    return " ".join(text)


def celery_version():
    import celery

    return f"Celery {celery.__version__}"


# --- processes -------------------------------------------------------------------------------------------------------


def stat_of(pid):
    try:
        return Path(f"/proc/{pid}/stat").read_text(encoding="ascii", errors="replace").rsplit(")", 1)[1].split()
    except OSError:
        return None


def tree(pid):
    """The process and all below it."""
    parents = {int(each): stat_of(each) for each in os.listdir("/proc") if each.isdigit()}
    found = [pid]
    for each in found:
        found += [child for child, stat in parents.items() if stat and int(stat[1]) == each]
    return found


def cpu_us(pid):
    """Processor time of the process and its children by the kernel's own clock, which is finer than its ticks."""
    total = 0
    for each in tree(pid):
        try:
            total += time.clock_gettime_ns((~each << 3) | 2) / 1e3
        except OSError:
            continue  # It has just ended.
    return total


def memory_mib(pid):
    """Resident memory of the process and its children; what they share counts once for each."""
    total = 0
    for each in tree(pid):
        try:
            status = Path(f"/proc/{each}/status").read_text(encoding="ascii", errors="replace")
        except OSError:
            continue
        total += sum(int(line.split()[1]) for line in status.splitlines() if line.startswith("VmRSS:"))
    return total / 1024

"""The tasks of tasks.h for Celery's worker (celery -A celery_tasks worker), and, run as a program, the producer that
bench-producer is in C++: the same words, the same lines of JSON.

As Celery is set up out of the box, but for one thing: a task is acknowledged when it is done (acks_late), as Wherry
always does it. Its producer does not wait for confirms, which Wherry's does.
"""
import json
import os
import sys
import time

from celery import Celery

PATIENCE = 300

app = Celery("bench", broker=os.environ["BENCH_BROKER"], backend="rpc://")
app.conf.task_acks_late = True


@app.task(name="bench.noop")
def noop(number):
    return number


@app.task(name="bench.start")
def start():
    return time.monotonic_ns()


def say(**line):
    print(json.dumps(line), flush=True)


def drain(queue, count, results):
    cpu, began = time.process_time(), time.monotonic()
    first = start.apply_async(queue=queue)
    jobs = [noop.apply_async(kwargs={"number": number}, queue=queue, ignore_result=not results) for number in range(count)]
    enqueue_seconds, enqueue_cpu = time.monotonic() - began, time.process_time() - cpu
    last = start.apply_async(queue=queue)
    say(enqueue_seconds=enqueue_seconds, producer_us=enqueue_cpu * 1e6 / count)
    if not sys.stdin.readline():
        return
    if results and [job.get(timeout=PATIENCE) for job in jobs] != list(range(count)):
        raise RuntimeError("a task returned something else than its number")
    drain_ns = last.get(timeout=PATIENCE) - first.get(timeout=PATIENCE)
    say(drain_seconds=drain_ns / 1e9, producer_us=(time.process_time() - cpu) * 1e6 / count)


def pace(queue, rate, seconds):
    start.apply_async(queue=queue).get(timeout=PATIENCE)
    sent = []
    began = time.monotonic_ns()
    for number in range(int(rate * (seconds + 1))):
        due = began + number * 1_000_000_000 // rate
        time.sleep(max(0, due - time.monotonic_ns()) / 1e9)
        sent.append((due, start.apply_async(queue=queue)))
    late = sorted(job.get(timeout=PATIENCE) - due for due, job in sent[rate:])
    say(tasks=len(late), p50_us=late[len(late) // 2] / 1e3, p99_us=late[len(late) * 99 // 100] / 1e3)


def main(_uri, queue, what, *words):
    if what == "drain":
        drain(queue, int(words[0]), words[2] == "rpc")
    elif what == "pace":
        pace(queue, int(words[0]), float(words[1]))
    else:
        sys.exit(f"nothing that it knows: {what}")


if __name__ == "__main__":
    main(*sys.argv[1:])

"""What a suite needs beside the broker: context managers that are entered in the suite's namespace, before its tests.

Each takes the run's folder, and ends what it started.
"""

import contextlib
import os
import pathlib

import brokers

HERE = pathlib.Path(__file__).resolve().parent
# Where suites look for them.
BROKER, RESULTS = "amqp://guest:guest@localhost:5672", "redis://localhost:6379/0"
CANVAS_TASKS = brokers.BIN_DIR.parent / "lib" / "libinterop-canvas-suite.so"


@contextlib.contextmanager
def redis(folder):
    program = brokers.Program(["redis-server", "--port", "6379", "--bind", "127.0.0.1", "--save", "", "--dir", folder])
    try:
        program.wait_line("eady to accept connections")
        yield
    finally:
        program.stop()


@contextlib.contextmanager
def wherry_worker(folder):
    """Has the tasks of Celery's integration tests in C++."""
    command = [brokers.BIN_DIR / "wherry-worker", "--load", CANVAS_TASKS, "-b", BROKER, "-Q", "celery", "-c", "4",
               "--result-backend", RESULTS]
    with worker(brokers.Program(command, cwd=folder), lambda program: program.wait_line("wherry-worker ready", timeout=30)):
        yield


@contextlib.contextmanager
def celery_worker(folder):
    """Celery's own, with its own tasks."""
    command = ["/usr/bin/python3", "-B", "-m", "celery", "-A", "celery_own", "worker", "-c", "4", "-l", "INFO"]
    path = f"{folder / 'sources'}:{HERE}:{HERE.parent}"
    program = brokers.Program(command, cwd=folder, env={"PYTHONPATH": path, "REDIS_HOST": "localhost"})
    with worker(program, lambda program: program.wait_error(" ready.", timeout=60)):
        yield


@contextlib.contextmanager
def worker(program, wait_ready):
    """What it logs is kept in the file WHERRY_SUITE_WORKER_LOG, for whoever wants to know."""
    try:
        wait_ready(program)
        yield
        program.terminate()
        program.check_success(60)
    finally:
        if log := os.environ.get("WHERRY_SUITE_WORKER_LOG"):
            pathlib.Path(log).write_text(program.errors, encoding="utf-8")
        program.stop()

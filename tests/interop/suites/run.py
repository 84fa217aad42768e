#!/usr/bin/env python3
"""run.py SUITE: runs another project's test suite, unmodified, against the broker under test (see brokers.py).

    python3 -B tests/interop/suites/run.py pika                                   against Wherry
    WHERRY_INTEROP_BROKER=rabbitmq python3 -B tests/interop/suites/run.py pika    against RabbitMQ

The suite is fetched by name (sources.py) into WHERRY_SUITES_CACHE, by default $XDG_CACHE_HOME/wherry/suites. It then runs
in a network namespace, where localhost is this run's alone and the broker has port 5672: that is where the suites look
for it, and any number of runs go on at once.

SUITE.listed names the tests that RabbitMQ 3.10.8 itself does not pass (of celery-canvas: Celery's own worker), each with the
reason; a failure of any other test fails the run. A listed test that passes is said. The exit code is 77, and nothing is said to have passed, when the suite
could not be fetched or the machine lets nobody have a namespace.
"""

import contextlib
import fcntl
import json
import os
import pathlib
import signal
import socket
import struct
import subprocess
import sys
import tempfile
import time

HERE = pathlib.Path(__file__).resolve().parent
sys.path.insert(0, str(HERE.parent))

import brokers  # noqa: E402
import sources  # noqa: E402
from suites import PYTHON, SUITES  # noqa: E402

SKIPPED = 77
# One test wants this name, and kombu knows by name and version how basic.qos is meant.
CONFIG = 'product: {name: RabbitMQ, version: "3.10.8"}\n'
INSIDE = "--in-namespace"  # run.py SUITE --in-namespace FOLDER: the second half, on sources that are there.


def cache_folder():
    home = os.environ.get("XDG_CACHE_HOME") or os.path.expanduser("~/.cache")
    return os.environ.get("WHERRY_SUITES_CACHE") or os.path.join(home, "wherry/suites")


def skip(suite, why):
    print(f"SKIPPED: {suite} was not run. {why}")
    return SKIPPED


def outside(name):
    """Fetches, then does the rest in a namespace without a network."""
    os.environ["WHERRY_SUITES_CACHE"] = os.path.abspath(cache_folder())
    with tempfile.TemporaryDirectory(prefix="wherry-suite-") as folder:
        sources_folder = pathlib.Path(folder) / "sources"
        try:
            with sources.Cache(cache_folder()) as cache:
                SUITES[name].fetch(cache, sources_folder)
        except sources.Unavailable as error:
            return skip(name, f"It could not be fetched: {'; '.join(str(error).splitlines())}")
        namespace = ["unshare", "--user", "--map-root-user", "--net"]
        tried = subprocess.run([*namespace, "true"], capture_output=True, text=True, check=False)
        if tried.returncode != 0:
            return skip(name, f"It needs a network namespace of its own: {tried.stderr.strip()}")
        return subprocess.run([*namespace, PYTHON, "-B", __file__, name, INSIDE, folder], check=False).returncode


def raise_loopback():
    """A new namespace has a loopback device that is down; up, it is 127.0.0.1 and ::1."""
    set_flags, up = 0x8914, 0x1
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as control:
        fcntl.ioctl(control, set_flags, struct.pack("16sH14x", b"lo", up))


def inside(name, folder):
    raise_loopback()
    os.environ.pop("WHERRY_INTEROP_NODE", None)  # Another namespace's.
    broker = brokers.start_broker(CONFIG, listen="[::]:5672")
    try:
        with contextlib.ExitStack() as services:
            for service in SUITES[name].services:
                services.enter_context(service(folder))
            began = time.monotonic()
            results, ended = run_suite(SUITES[name], folder)
            seconds = time.monotonic() - began
    finally:
        broker.stop()
        if brokers.KIND == "rabbitmq":
            brokers.RabbitBroker.stop_node()
    return judge(name, results, ended, seconds)


def run_suite(suite, folder):
    """([{test, outcome, detail}], how it ended): in the order of the tests, each once."""
    results = folder / "results"
    results.touch()
    environment = {**os.environ, "HOME": str(folder), "PYTHONDONTWRITEBYTECODE": "1", "PYTHONFAULTHANDLER": "1",
                   "WHERRY_SUITE_RESULTS": str(results), **suite.environment}
    process = subprocess.Popen([str(word) for word in suite.command], cwd=folder / "sources", env=environment,
                               stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True,
                               errors="replace", start_new_session=True)
    ended = None
    try:
        output, _ = process.communicate(timeout=suite.timeout_s)
    except subprocess.TimeoutExpired:
        os.killpg(process.pid, signal.SIGKILL)
        output, _ = process.communicate()
        ended = f"it was not done after {suite.timeout_s} s"
    # Of what was said about a test, the worst counts.
    order = ("passed", "skipped", "failed")
    by_name = {}
    for line in results.read_text(encoding="utf-8").splitlines():
        result = json.loads(line)
        known = by_name.setdefault(result["test"], result)
        if order.index(result["outcome"]) > order.index(known["outcome"]):
            by_name[result["test"]] = result
    if len(by_name) < suite.at_least:
        ended = ended or f"it reported {len(by_name)} tests, and has {suite.at_least} at least"
    if ended:
        print("\n".join(output.splitlines()[-60:]))
    return list(by_name.values()), ended


def read_listed(name):
    """{test: reason} of NAME.listed: a test's name in a line, and below it, indented, the reason."""
    listed, test = {}, None
    path = HERE / f"{name}.listed"
    for line in path.read_text(encoding="utf-8").splitlines() if path.exists() else ():
        if not line.strip() or line.startswith("#"):
            continue
        if line[0].isspace():
            listed[test] = f"{listed[test]} {line.strip()}".strip()
        else:
            test = line
            listed[test] = ""
    return listed


def judge(name, results, ended, seconds):
    """Prints every test and the count; returns the exit code."""
    listed = read_listed(SUITES[name].listed or name)
    counts = dict.fromkeys(("passed", "failed", "skipped", "listed"), 0)
    red, healed = [], []
    for result in results:
        outcome = result["outcome"]
        if outcome == "failed" and result["test"] in listed:
            outcome = "listed"
        elif outcome == "failed":
            red.append(result)
        elif outcome == "passed" and result["test"] in listed:
            healed.append(result["test"])
        counts[outcome] += 1
        print(f"{outcome:8} {result['test']}")
    for result in red:
        print(f"\n--- {result['test']}\n{result['detail']}")
    for test in healed:
        print(f"listed, but it passed: {test}")
    unknown = sorted(set(listed) - {result["test"] for result in results})
    for test in unknown:
        print(f"listed, but there is no such test: {test}")
    if ended:
        print(f"{name}: {ended}")
    failed = counts["failed"] + (1 if ended else 0) + len(unknown)
    print(f"\n{name} {SUITES[name].version} against {brokers.KIND}: {counts['passed']} passed, {counts['failed']} failed, "
          f"{counts['listed']} failed as listed, {counts['skipped']} skipped by the suite")
    print(f"Ran {counts['passed'] + failed} tests in {seconds:.1f}s\n")
    print(f"FAILED (failures={failed})" if failed else "OK")
    return 1 if failed else 0


def main():
    arguments = sys.argv[1:]
    if not arguments or arguments[0] not in SUITES:
        sys.exit(f"{__doc__}\nSUITE is one of {', '.join(SUITES)}")
    if arguments[1:2] == [INSIDE]:
        sys.exit(inside(arguments[0], pathlib.Path(arguments[2])))
    sys.exit(outside(arguments[0]))


if __name__ == "__main__":
    main()

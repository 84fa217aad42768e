"""A pytest plugin: writes each test's outcome to the file in WHERRY_SUITE_RESULTS.

One JSON object a line: {"test": name, "outcome": "passed" | "failed" | "skipped", "detail": why}. A test may have several
lines, of which the worst counts: one that passed may fail when it is cleaned up. A file that cannot be imported is a failed
test of that name.
"""

import json
import os

import pytest


def _say(test, outcome, detail):
    with open(os.environ["WHERRY_SUITE_RESULTS"], "a", encoding="utf-8") as file:
        file.write(json.dumps({"test": test, "outcome": outcome, "detail": detail}) + "\n")


def pytest_runtest_logreport(report):
    if report.when == "call" or report.outcome != "passed":
        _say(report.nodeid, report.outcome, report.longreprtext)


def pytest_collectreport(report):
    if report.outcome == "failed":
        _say(report.nodeid, "failed", report.longreprtext)


@pytest.hookimpl(trylast=True)
def pytest_configure(config):
    # Marks of plugins that the suites' projects use; here they mean nothing.
    for mark in ("env(name)", "flaky(reruns, reruns_delay)"):
        config.addinivalue_line("markers", f"{mark}: of a plugin that is not used here")

"""A pytest plugin: what Celery's integration tests want of their surroundings.

Their tasks run in a worker that is there before pytest (services.py); the suite's own, on a thread within pytest, is not
started.

The plugins that the suite's project uses have stand-ins here, which are stricter or the same:
  subtests   a part of a test that fails ends it
  timeout    a test that waits for longer has failed; no test may wait for ever
  flaky      nothing is tried again (pytest_results.py)
"""

import contextlib
import signal
import sys
import types

import pytest
from celery.contrib.testing import worker

TEST_TIMEOUT_S = 150

sys.modules.setdefault("pytest_subtests", types.ModuleType("pytest_subtests"))


class _Subtests:
    @staticmethod
    @contextlib.contextmanager
    def test(msg=None, **_):
        try:
            yield
        except Exception as error:
            raise AssertionError(f"{msg}: {error!r}") from error


@pytest.fixture
def subtests():
    return _Subtests


@contextlib.contextmanager
def _nobody(*_, **__):
    yield None


def pytest_configure(config):
    config.addinivalue_line("markers", "timeout(timeout): of a plugin that is not used here")
    worker.start_worker = _nobody


@pytest.hookimpl(hookwrapper=True)
def pytest_runtest_call(item):
    def on_alarm(*_):
        raise AssertionError(f"{item.name} was not done after {TEST_TIMEOUT_S} s")

    before = signal.signal(signal.SIGALRM, on_alarm)
    signal.alarm(TEST_TIMEOUT_S)
    try:
        yield
    finally:
        signal.alarm(0)
        signal.signal(signal.SIGALRM, before)

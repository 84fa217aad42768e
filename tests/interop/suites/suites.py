"""Which suites are run: where each comes from, and how it is started.

A suite is run as its project published it: nothing in it is changed, nothing is left out. All of them look for their broker
at localhost, port 5672, which run.py sees to.
"""

import dataclasses
import os
import pathlib
import shutil
import tempfile

import services
import sources

HERE = pathlib.Path(__file__).resolve().parent
PYTHON = "/usr/bin/python3"


@dataclasses.dataclass
class Suite:
    version: str
    at_least: int   # Tests that a run must report; fewer means that something kept them from being collected.
    fetch: object   # fetch(cache, folder): puts the sources into folder; raises sources.Unavailable.
    command: list   # Run in that folder; reports as pytest_results.py does.
    environment: dict = dataclasses.field(default_factory=dict)
    timeout_s: int = 300
    listed: str = ""      # LISTED.listed; by default of the suite's own name.
    services: tuple = ()  # Of services.py: what is there beside the broker, in this order.


def debian(release, package, version):
    def fetch(cache, folder):
        sources.unpack(cache.debian(release, package, version), folder)
    return fetch


def npm(package, *modules):
    """A package, and what its tests need beside it: (name, version, integrity as the registry has it) each."""
    def fetch(cache, folder):
        sources.unpack(cache.npm(*package), folder)
        for module in modules:
            sources.unpack(cache.npm(*module), folder / "node_modules" / module[0])
    return fetch


def php_amqplib(cache, folder):
    debian("trixie", "php-amqplib", "3.7.3")(cache, folder)
    (folder / "vendor").mkdir()
    shutil.copy(HERE / "php_autoload.php", folder / "vendor/autoload.php")


def celery(cache, folder):
    """Its integration tests alone, which are for the Celery that is installed. Where the archive has them not, or has them
    late, WHERRY_CELERY_SOURCE is a folder with the sources of Celery 5.2."""
    given = os.environ.get("WHERRY_CELERY_SOURCE")
    with tempfile.TemporaryDirectory(prefix="wherry-celery-") as unpacked:
        if not given:
            given = unpacked
            sources.unpack(cache.debian("bookworm", "celery", CELERY), pathlib.Path(unpacked))
        if not (pathlib.Path(given) / CANVAS).is_file():
            raise sources.Unavailable(f"WHERRY_CELERY_SOURCE: {given} has no {CANVAS}")
        shutil.copytree(pathlib.Path(given) / "t", folder / "t", ignore=shutil.ignore_patterns("__pycache__"))


def pytest(*arguments):
    return [PYTHON, "-B", "-W", "ignore", "-m", "pytest", "-p", "pytest_results", "-p", "no:cacheprovider", "-q",
            "--no-header", "--no-summary", "--continue-on-collection-errors", *arguments]


CELERY, CANVAS = "5.2.6", "t/integration/test_canvas.py"


def canvas(worker):
    """Celery's tests of its workflows, with their tasks in somebody's worker."""
    return Suite(
        version=CELERY,
        at_least=120,
        fetch=celery,
        command=pytest("-p", "celery.contrib.pytest", "-p", "celery_suite", "-o", "python_classes=test_*", CANVAS),
        environment={"PYTHONPATH": f".:{HERE}", "PYTEST_DISABLE_PLUGIN_AUTOLOAD": "1", "REDIS_HOST": "localhost",
                     "TEST_BROKER": services.BROKER, "TEST_BACKEND": services.RESULTS},
        timeout_s=1200,
        listed="celery-canvas",
        services=(services.redis, worker),
    )


SUITES = {
    # The first entry of PYTHONPATH makes the sources the client that is tested. pika's own runner takes every file that is
    # called so.
    "pika": Suite(
        version="1.3.2",
        at_least=588,
        fetch=debian("trixie", "python-pika", "1.3.2"),
        command=pytest("-o", "python_files=*test*.py", "tests/acceptance"),
        environment={"PYTHONPATH": f".:{HERE}"},
    ),
    "py-amqp": Suite(
        version="5.3.1",
        at_least=57,
        fetch=debian("trixie", "python-amqp", "5.3.1"),
        command=pytest("t/integration"),
        environment={"PYTHONPATH": f".:{HERE}"},
    ),
    "amqp091-go": Suite(
        version="1.10.0",
        at_least=134,
        fetch=debian("trixie", "golang-github-rabbitmq-amqp091-go", "1.10.0"),
        command=[PYTHON, "-B", HERE / "go_results.py", "github.com/rabbitmq/amqp091-go", ".", "-tags", "integration",
                 "-count", "1", "-timeout", "240s"],
    ),
    "php-amqplib": Suite(
        version="3.7.3",
        at_least=95,
        fetch=php_amqplib,
        command=[PYTHON, "-B", HERE / "junit_results.py", "report.xml", "/usr/bin/php", "/usr/bin/phpunit",
                 "--no-coverage", "--log-junit", "report.xml", "tests/Functional"],
    ),
    # The last release whose package has the tests.
    "amqplib": Suite(
        version="2.0.1",
        at_least=319,
        fetch=npm(
            ("amqplib", "2.0.1",
             "sha512-a3P2MgfCf9nzVis12VxWEn0dS6hcqve7dlEAhXDtIWR27BlhtMkILOc+H9aeHjDi6i6r94dYKc2Kx2OFe3avvg=="),
            ("claire", "0.4.1",
             "sha512-Fd148tEhlyv8PThI947v//49q6Vp7HyMB9BhC2HtQdH+rU8TPrZq07TTN/tg1hngjYK7Fa4GbHwAfQ0aXIqJ6g=="),
            ("boo", "1.2.4",
             "sha512-U+pq3vSlL93Wxpsz+o0aulYhZko1BG1sGVQ12k7VdhNHO07cCHOHHwmyB+n3sldyvF0VryIP/L+3i7ELxxaZdA=="),
            ("flaw", "0.1.0",
             "sha512-NvAz2EUV2aZthmFGVCyTW6Yjj/7owQNcDZy7Usb9eWu/+EDn+IhWdKQXf1pe3ti1Z1fkiIqljlGd4qcr29wjYg=="),
            ("prelude-ls", "0.6.0",
             "sha512-s9hoIvNWW0u3akb/QbeDfQ8MXHbZo0M/0Ln0JV9+oofedfN4kamH9LAbB5UY3HFG+nxNExZZ8Sp+wFPesKD+pQ=="),
        ),
        command=["/usr/bin/node", "--test", f"--test-reporter={HERE / 'node_results.mjs'}"],
    ),
    "celery-canvas": canvas(services.wherry_worker),
    # To compare with.
    "celery-canvas-own": canvas(services.celery_worker),
}

#!/usr/bin/env python3
"""The Debian packages, as somebody meets them who has nothing but Debian 12: installed with apt, run with the commands of
their units, built against, removed and purged. Takes minutes; `scripts/test --preset packages` builds them and runs this.
"""
import os
import pathlib
import re
import shutil
import subprocess
import sys
import time
import unittest

sys.dont_write_bytecode = True
sys.path.insert(0, str(pathlib.Path(__file__).parent))
from root import Root, Service, Unavailable  # noqa: E402

TOP = pathlib.Path(__file__).parents[2]
DEBS = pathlib.Path(os.environ.get("WHERRY_PACKAGES_DIR", TOP / "build/package/debs"))
PACKAGES = ("wherry-broker", "wherry-worker", "libwherry", "libwherry-dev")
UNITS = {"wherry-broker.service": "", "wherry-worker@.service": "email", "wherry-scheduler.service": ""}
# Namespaces of rooms that no public header shows.
INNER = re.compile(r"wherry::(amqp|broker|json|log|metrics|net|outbox|results|schedule|sdk|worker|yaml)::")
AS_BROKER = ("setpriv", "--reuid=wherry", "--regid=wherry", "--clear-groups")
ROOT = None


def setUpModule():
    global ROOT
    try:
        ROOT = Root(DEBS.parent / "packages-test.log")
        ROOT.enter()
    except Unavailable as error:
        print(f"SKIPPED: {error}")
        raise unittest.SkipTest(str(error)) from None
    unittest.addModuleCleanup(ROOT.close)
    for file in DEBS.glob("*.deb"):
        shutil.copy(file, ROOT.path / "root")
    ROOT.apt("install", *files(*PACKAGES))


def files(*packages):
    return [f"/root/{file.name}" for package in packages for file in DEBS.glob(f"{package}_*.deb")]


def broker():
    return Service(ROOT, "wherry-broker.service").wait_for("wherry-broker ready amqp=127.0.0.1:5672")


class AsInstalled(unittest.TestCase):
    """Before anything has been started."""

    def test_the_broker_is_enabled_and_nothing_else_is(self):
        wanted = "etc/systemd/system/multi-user.target.wants"
        self.assertEqual([name for name in os.listdir(ROOT.path / wanted) if name.startswith("wherry")], ["wherry-broker.service"])

    def test_users_are_systems_users_without_a_shell_or_password(self):
        for user, home in (("wherry", "/var/lib/wherry"), ("wherry-worker", "/var/lib/wherry-worker")):
            fields = ROOT.check("getent", "passwd", user).strip().split(":")
            self.assertLess(int(fields[2]), 1000)
            self.assertEqual(fields[5:], [home, "/usr/sbin/nologin"])
            self.assertRegex(ROOT.check("getent", "shadow", user), rf"^{user}:[!*]")

    def test_settings_are_files_that_an_upgrade_asks_about_and_all_of_them_are_right(self):
        listed = ROOT.check("dpkg-query", "-W", "-f", "${Conffiles}", "wherry-broker", "wherry-worker")
        self.assertEqual(sorted(re.findall(r"/\S+", listed)),
                         ["/etc/wherry/app.yaml", "/etc/wherry/broker.yaml", "/etc/wherry/schedule.yaml"])
        ROOT.check("wherryctl", "config", "check", "/etc/wherry/app.yaml", "/etc/wherry/broker.yaml", "/etc/wherry/schedule.yaml")

    def test_units_are_valid_and_hardened_where_they_are_installed(self):
        # The packages did without systemd until here, as in a container.
        ROOT.apt("install", "systemd", "procps")
        for unit, instance in UNITS.items():
            name = unit.replace("@", f"@{instance}")
            self.assertEqual([line for line in ROOT.run("systemd-analyze", "verify", "--man=no", name)[1].splitlines()
                              if "wherry" in line], [])
            ROOT.check("systemd-analyze", "security", "--offline=true", "--threshold=29", "--no-pager", name)

    def test_pages_that_units_name_are_there(self):
        for unit in UNITS:
            text = (ROOT.path / "lib/systemd/system" / unit).read_text(encoding="utf-8")
            self.assertTrue(ROOT.has(re.search(r"^Documentation=file:(\S+)", text, re.M).group(1)))

    def test_the_programs_say_the_packages_version(self):
        version = ROOT.check("dpkg-query", "-W", "-f", "${Version}", "wherry-broker").rpartition("-")[0]
        for program in ("wherry-broker", "wherryctl", "wherry-worker", "wherry-perf"):
            self.assertIn(version, ROOT.check(program, "--version"))

    def test_programs_and_library_depend_on_nothing_that_is_not_installed(self):
        for path in ("/usr/bin/wherry-broker", "/usr/bin/wherryctl", "/usr/bin/wherry-perf", "/usr/bin/wherry-worker",
                     next(str(path) for path in (ROOT.path / "usr/lib").glob("*/libwherry.so.*.*.*")).removeprefix(str(ROOT.path))):
            said = ROOT.check("ldd", path)
            self.assertNotIn("not found", said)

    def test_the_library_shows_what_public_headers_declare_and_no_more(self):
        library = next((ROOT.path / "usr/lib").glob("*/libwherry.so.*.*.*"))
        done = subprocess.run(["nm", "--dynamic", "--demangle", "--defined-only", library], capture_output=True, text=True,
                              check=True)
        names = [line.split(maxsplit=2)[2] for line in done.stdout.splitlines() if " A " not in line]
        self.assertGreater(len(names), 100)
        for name in names:
            self.assertRegex(name, r"^((vtable|typeinfo|typeinfo name) for )?wherry::")
            # Types of inner rooms may be parameters; what is shown is not theirs.
            self.assertIsNone(INNER.match(re.sub(r"^.* for ", "", name)), name)


class InUse(unittest.TestCase):
    @classmethod
    def setUpClass(cls):
        cls.broker = broker()

    @classmethod
    def tearDownClass(cls):
        assert cls.broker.stop() == 0

    def test_the_broker_answers_its_tools(self):
        self.assertIn('"port":5672', ROOT.check("wherryctl", "status", "--data-dir", "/var/lib/wherry"))
        ROOT.check(*AS_BROKER, "wherryctl", "ping", "--data-dir", "/var/lib/wherry")
        self.assertEqual((ROOT.path / "var/lib/wherry").stat().st_mode & 0o777, 0o750)
        ROOT.check("wherry-perf", "throughput", "--help")

    def test_a_project_is_built_against_the_library_and_a_packaged_worker_runs_its_tasks(self):
        ROOT.apt("install", "g++", "cmake", "make", "pkg-config")
        ROOT.check("cp", "-r", "/usr/share/doc/libwherry-dev/examples", "/root/project")
        shutil.copy(TOP / "tests/packages/surface.cpp", ROOT.path / "root/surface.cpp")
        ROOT.check("cmake", "-S", "/root/project", "-B", "/root/project/build")
        ROOT.check("cmake", "--build", "/root/project/build", timeout=600)
        # Without CMake, and with every function that the headers declare.
        ROOT.check("sh", "-c", "g++ -std=c++20 -o /root/surface /root/surface.cpp $(pkg-config --cflags --libs wherry)", timeout=600)
        ROOT.check("/root/surface")
        self.assertNotRegex(ROOT.check("readelf", "-d", "/root/project/build/greet"), r"NEEDED.*(re2|fmt|sqlite|hiredis|yaml)")

        ROOT.check("install", "-D", "-m", "0644", "/root/project/build/libtasks.so", "/usr/local/lib/wherry/libtasks.so")
        folder = ROOT.path / "etc/wherry/email"
        folder.mkdir()
        (folder / "worker.yaml").write_text(
            "app: ../app.yaml\nload: [/usr/local/lib/wherry/libtasks.so]\nqueues: [greetings]\n", encoding="utf-8")
        worker = Service(ROOT, "wherry-worker@.service", "email").wait_for("wherry-worker ready")
        self.assertEqual(ROOT.check("/root/project/build/greet", "world"), "Hello, world!\n")
        code, said = ROOT.run("/root/project/build/greet", "")
        self.assertEqual(code, 1)
        self.assertIn("nobody to greet", said)
        self.assertEqual(worker.stop(), 0)
        # Its worker's log is in between.
        self.assertIn("Hello, world!", ROOT.check("/root/project/build/quickstart").splitlines())

    def test_each_public_header_stands_by_itself(self):
        ROOT.apt("install", "g++")
        headers = sorted(path.relative_to(ROOT.path / "usr/include") for path in (ROOT.path / "usr/include/wherry").glob("*.h"))
        self.assertGreater(len(headers), 15)
        for header in headers:
            text = (ROOT.path / "usr/include" / header).read_text(encoding="utf-8")
            for included in re.findall(r'#include "([^"]+)"', text):
                self.assertTrue(included.startswith("wherry/"), f"{header} includes {included}")
        compile_one = "echo '#include <{}>' | g++ -std=c++20 -Wall -Wextra -fsyntax-only -x c++ - || exit 1\n"
        (ROOT.path / "root/headers.sh").write_text("".join(map(compile_one.format, headers)), encoding="utf-8")
        self.assertEqual(ROOT.check("sh", "/root/headers.sh", timeout=900), "")


class Later(unittest.TestCase):
    """After a change of settings and a message: an upgrade and a removal keep both, a purge takes them."""

    def test_what_is_kept_and_what_is_taken(self):
        settings = ROOT.path / "etc/wherry/broker.yaml"
        changed = settings.read_text(encoding="utf-8") + "log_level: debug\n"
        settings.write_text(changed, encoding="utf-8")
        running = broker()
        self.fill()
        self.assertEqual(running.stop(), 0)

        ROOT.apt("install", "--reinstall", *files("wherry-broker", "wherry-worker"))
        self.assertEqual(settings.read_text(encoding="utf-8"), changed)

        ROOT.apt("remove", "wherry-broker", "wherry-worker")
        self.assertFalse(ROOT.has("/usr/bin/wherry-broker"))
        self.assertEqual(settings.read_text(encoding="utf-8"), changed)
        self.assertTrue(ROOT.has("/var/lib/wherry/definitions.sqlite"))

        ROOT.apt("install", *files("wherry-broker"))
        ROOT.check(*AS_BROKER, "wherryctl", "store", "verify", "--data-dir", "/var/lib/wherry")
        running = broker()
        self.assertEqual(self.waiting(), 1)
        self.assertEqual(running.stop(), 0)

        ROOT.apt("purge", "wherry-broker", "wherry-worker", "libwherry", "libwherry-dev")
        for path in ("/var/lib/wherry", "/var/lib/wherry-worker", "/etc/wherry/broker.yaml", "/etc/wherry/app.yaml",
                     "/usr/include/wherry", "/etc/systemd/system/multi-user.target.wants/wherry-broker.service",
                     "/etc/systemd/system/wherry-broker.service"):
            self.assertFalse(ROOT.has(path), path)
        # What the administrator has made, and users that may own files elsewhere.
        self.assertTrue(ROOT.has("/etc/wherry/email/worker.yaml"))
        ROOT.check("getent", "passwd", "wherry")

    def fill(self):
        """A task that nobody takes."""
        client = subprocess.Popen([*ROOT.enter(), "/root/project/build/greet", "kept"], stdout=ROOT.log, stderr=ROOT.log)
        deadline = time.monotonic() + 60
        while self.waiting() != 1 and time.monotonic() < deadline:
            time.sleep(0.1)
        self.assertEqual(self.waiting(), 1)
        client.kill()
        client.wait()

    def waiting(self):
        said = ROOT.check("wherryctl", "list_queues", "-q", "-s", "--data-dir", "/var/lib/wherry", "name", "messages")
        return int(re.search(r"^greetings\s+(\d+)$", said, re.M).group(1))


if __name__ == "__main__":
    unittest.main()

#!/usr/bin/env python3
"""The benchmark after building: starts the brokers, runs the workloads in turns, prints medians, stops everything.

Called by scripts/bench, which says what there is to choose. Exits 0 when every run worked, 1 when one failed, 130 after
Ctrl-C; the table of what was measured is printed in each case.
"""
import argparse
import json
import os
import platform
import resource
import shlex
import shutil
import signal
import subprocess
import sys
import tempfile
import time
from pathlib import Path

sys.path.insert(1, str(Path(__file__).resolve().parents[1]))

from crowds import Running, Scraper, declare_queues
from peers import Peers, RabbitMQ, Wherry
from processes import Failed
from report import Results, picture, tables
from tasks import Tasks, broker_version, celery_version, options_of
from workloads import PERSISTENT, WORKLOADS, chosen

# Between these lines of docs/performance.md stand the figures of a set; the picture is of the main one.
BEGIN = {
    "main": "<!-- figures: scripts/bench --write-docs -->",
    "many": "<!-- figures: scripts/bench --set many --write-docs -->",
    "tasks": "<!-- figures: scripts/bench --set tasks --write-docs -->",
    "abuse": "<!-- figures: scripts/bench --set abuse --write-docs -->",
    "scrape": "<!-- figures: scripts/bench --set scrape --write-docs -->",
}
# About Wherry's own limits and figures.
ALONE = ("abuse", "scrape")
NORMAL_FLOW = f"latency --rate 1000 {PERSISTENT}"
END = "<!-- end of figures -->"
# Less of the bodies than this on disk, and a persistent message cannot have been there when it was confirmed.
LEAST_WRITTEN = 0.5


class Bench:
    def __init__(self, arguments):
        self.arguments = arguments
        self.perf = arguments.bin / "wherry-perf"
        self.workloads = chosen(arguments.only, arguments.set)
        self.reps = arguments.reps or (1 if arguments.quick else 3)
        self.seconds = arguments.seconds or (1 if arguments.quick else 4)
        self.backlog_size = arguments.messages or (100_000 if arguments.quick else 1_000_000)
        self.terminal = sys.stdout.isatty()
        self.runs = []
        self.done, self.began = 0, time.monotonic()
        self.versions = {}

    # --- running -----------------------------------------------------------------------------------------------------

    def run(self):
        out = self.arguments.out
        out.mkdir(parents=True, exist_ok=True)
        self.lines = open(out / "runs.jsonl", "w", encoding="utf-8")
        self.folder = Path(tempfile.mkdtemp(prefix="wherry-bench-", dir=self.arguments.data))
        peers = [] if self.arguments.no_rabbitmq else [RabbitMQ(self.folder / "rabbitmq")]
        with_http = any(workload.set in ALONE for workload in self.workloads)
        peers.append(Wherry(self.folder / "wherry", self.arguments.bin / "wherry-broker", self.arguments.config, with_http))
        self.peers = [peer.name for peer in peers]
        self.durability = {peer.name: peer.durability for peer in peers}
        self.filesystem = filesystem_of(self.folder)
        interrupted = False
        try:
            with Peers(peers, self.folder):
                for peer in peers:
                    self.progress(f"starting {peer.name}")
                    peer.start()
                for rep in range(self.reps):
                    for workload in self.workloads:
                        for peer in peers:
                            self.measure(rep, workload, peer)
        except KeyboardInterrupt:
            interrupted = True
        self.lines.close()
        self.progress("")
        if not self.runs:
            return 130 if interrupted else 1
        self.name_durability()
        self.report()
        if interrupted:
            print("interrupted: the table holds what was measured until then")
            return 130
        return 1 if any("error" in run for run in self.runs) else 0

    def measure(self, rep, workload, peer):
        total = self.reps * len(self.workloads) * len(self.peers)
        self.progress(f"{self.done} of {total}, {minutes(time.monotonic() - self.began)}: {workload.name} on {peer.name}, run {rep + 1}")
        if workload.fresh or not peer.running():
            peer.restart_empty()
        os.sync()
        time.sleep(0.3)
        run = {"workload_name": workload.name, "peer": peer.name, "rep": rep}
        try:
            run.update(getattr(self, workload.kind)(workload, peer))
        except Failed as failed:
            run["error"] = str(failed)
        self.versions[peer.name] = run.get("broker") or self.versions.get(peer.name, peer.name)
        self.runs.append(run)
        self.lines.write(json.dumps(run) + "\n")
        self.lines.flush()
        self.done += 1
        self.say_run(run)

    def call(self, peer, arguments):
        """One call of wherry-perf: its JSON lines. A failure is the last one's "error", or raised when there is none."""
        command = [self.perf, *shlex.split(arguments), "--uri", peer.uri, "--pid", str(peer.process.pid), "--json", "--quiet"]
        done = subprocess.run([str(word) for word in command], capture_output=True, text=True)
        found = [json.loads(line) for line in done.stdout.splitlines() if line.startswith("{")]
        if done.returncode == 130:
            raise KeyboardInterrupt
        if not found or (done.returncode and "error" not in found[-1]):
            raise Failed(done.stderr.strip() or f"wherry-perf ended with {done.returncode} and said nothing")
        return found

    # --- one for each kind of workload -------------------------------------------------------------------------------

    def messages(self, workload, peer):
        (run,) = self.call(peer, f"{workload.arguments} --seconds {self.seconds} --drain 30")
        # Until the last delivery: what a broker takes in and keeps for later is not yet through.
        run["through_per_s"] = run["published"] / run["seconds"] if run["seconds"] else 0
        return run

    def latency(self, workload, peer):
        run = self.messages(workload, peer)
        run.update(disk_sync(self.folder))
        return run

    def backlog(self, workload, peer):
        arguments = f"{workload.arguments} --count {self.backlog_size}"
        (fill,) = self.call(peer, f"{arguments} --phase fill --data-dir {shlex.quote(str(peer.data))}")
        run = {key: fill[key] for key in ("broker", "cpu_us_per_message", "memory_grown_mib", "disk_for_bodies", "error") if key in fill}
        run["fill_per_s"] = fill["confirmed_per_s"]
        run["written_for_bodies"] = written_for_bodies(fill, 1024)
        peer.kill()
        peer.spawn()
        try:
            (back,) = self.call(peer, f"{arguments} --phase await --drain 120")
            run["restart_accepted_s"], run["restart_ready_s"] = back["accepted_s"], back["ready_s"]
            (drain,) = self.call(peer, f"{arguments} --phase drain")
            run["drain_per_s"] = drain["delivered_per_s"]
            run["drain_cpu_us_per_message"] = drain.get("cpu_us_per_message")
        except Failed as failed:
            run["error"] = f"after SIGKILL: {failed}"
        return run

    def one(self, workload, peer):
        (run,) = self.call(peer, workload.arguments)
        return run

    idle = churn = declares = one

    def flow(self, peer):
        (run,) = self.call(peer, f"{NORMAL_FLOW} --seconds {self.seconds} --drain 30")
        return run

    def crowd(self, workload, peer):
        with Running(workload.arguments, peer, 20 if self.arguments.quick else 1):
            run = self.flow(peer)
        return {**run, **disk_sync(self.folder)}

    def scrape(self, workload, peer):
        declare_queues(peer.http_ports[0], 1_000 if self.arguments.quick else 50_000)
        with Scraper(workload.arguments, peer.http_ports[1]) as scraper:
            run = self.flow(peer)
        return {**run, **scraper.figures(), **disk_sync(self.folder)}

    def with_tasks(self, workload, peer):
        return Tasks(options_of(workload), peer, self.arguments.top, self.arguments.bin, self.folder)

    def count_of(self, workload):
        return options_of(workload).count // (50 if self.arguments.quick else 1)

    def tasks(self, workload, peer):
        with self.with_tasks(workload, peer) as tasks:
            return {**tasks.drain(self.count_of(workload)), "broker": broker_version(peer.uri)}

    def pace(self, workload, peer):
        with self.with_tasks(workload, peer) as tasks:
            return {**tasks.pace(self.seconds), **disk_sync(self.folder), "broker": broker_version(peer.uri)}

    def waiting(self, workload, peer):
        with self.with_tasks(workload, peer) as tasks:
            return {**tasks.wait(self.count_of(workload)), "broker": broker_version(peer.uri)}

    # --- what is said ------------------------------------------------------------------------------------------------

    def name_durability(self):
        """A claim about a disk is made only when something was seen to reach it."""
        for peer in self.peers:
            seen = [written_for_bodies(run, 1024) for run in self.runs if run["peer"] == peer and run["workload_name"] in ("b1", "b4")]
            seen += [run["written_for_bodies"] for run in self.runs if run["peer"] == peer and "written_for_bodies" in run]
            if self.filesystem in ("tmpfs", "ramfs"):
                self.durability[peer] += f"; but the data lay on {self.filesystem}, which is no disk"
            elif seen and max(seen) < LEAST_WRITTEN:
                self.durability[peer] = "in memory only: hardly anything of persistent messages was seen to reach the disk"

    def report(self):
        results = Results(self.runs, self.peers)
        text = f"{self.heading()}\n\n{tables(results, self.durability)}"
        print("\n" + text)
        out = self.arguments.out
        (out / "report.md").write_text(text, encoding="utf-8")
        (out / "bench.svg").write_text(picture(results, self.heading()), encoding="utf-8")
        print(f"written: {relative(out)}/report.md, bench.svg, runs.jsonl")
        if self.arguments.write_docs:
            write_docs(self.arguments.top, self.arguments.set, text, picture(results, self.heading()))

    def heading(self):
        versions = " and ".join(self.versions.get(peer, peer) for peer in self.peers)
        if any("celery" in workload.name for workload in self.workloads):
            versions = f"{celery_version()}, {versions}"
        length = f"{self.reps} run{'s' if self.reps > 1 else ''} of {self.seconds:g} s"
        return (
            f"{versions}, medians of {length} in turns, {time.strftime('%Y-%m-%d')}, {os.cpu_count()} cores, "
            f"Linux {platform.release().split('-')[0]}, {self.filesystem}"
        )

    def say_run(self, run):
        keys = (
            ("cpu_us_per_message", "µs/message"), ("through_per_s", "messages/s"), ("end_to_end_p99_us", "µs p99"),
            ("fill_per_s", "filled/s"), ("memory_grown_mib", "MiB more"), ("drain_per_s", "drained/s"),
            ("memory_kib_per_connection", "KiB/connection"), ("connections_per_s", "connections/s"), ("declares_per_s", "declares/s"),
            ("tasks_per_s", "tasks/s"), ("worker_us", "µs of worker"), ("broker_us", "µs of broker"), ("enqueue_us", "µs an enqueue"),
            ("scrape_ms", "ms a scrape"), ("p50_us", "µs p50"), ("p99_us", "µs p99"), ("idle_mib", "MiB idle"), ("waiting_mib", "MiB waiting"),
        )
        figures = "  ".join(f"{run[key]:,.4g} {unit}" if run[key] < 1000 else f"{run[key]:,.0f} {unit}" for key, unit in keys if key in run)
        self.progress("")
        print(f"run {run['rep'] + 1}  {run['workload_name']:15} {run['peer']:9} {figures}{'  failed: ' + run['error'] if 'error' in run else ''}", flush=True)

    def progress(self, text):
        if self.terminal:
            print(f"\r\x1b[K{text[:shutil.get_terminal_size().columns - 1]}", end="", flush=True)


def written_for_bodies(run, size):
    bodies = run.get("published", 0) * size / 1048576
    return run.get("disk_written_mib", 0) / bodies if bodies else 0


def disk_sync(folder, count=200):
    """What fdatasync of 4 KiB costs here and now: the least that a confirm can cost when it means 'on disk'."""
    path = folder / "sync"
    times = []
    with open(path, "wb", buffering=0) as file:
        for _ in range(count):
            file.write(b"x" * 4096)
            began = time.perf_counter()
            os.fdatasync(file.fileno())
            times.append((time.perf_counter() - began) * 1e6)
    path.unlink()
    times.sort()
    return {"disk_sync_p50_us": times[count // 2], "disk_sync_p99_us": times[count * 99 // 100]}


def filesystem_of(folder):
    found = subprocess.run(["stat", "-f", "-c", "%T", str(folder)], capture_output=True, text=True).stdout.strip()
    return {"ext2/ext3": "ext4"}.get(found, found or "unknown file system")


def write_docs(top, which, text, svg):
    page = top / "docs/performance.md"
    begin = BEGIN[which]
    before, found, rest = page.read_text(encoding="utf-8").partition(begin)
    _, ended, after = rest.partition(END)
    if not (found and ended):
        raise Failed(f"{page} does not have the lines between which the figures go: {begin} and {END}")
    written = ["docs/performance.md"]
    if which == "main":
        text += "\n![Processor time for each message](performance.svg)\n"
        (top / "docs/performance.svg").write_text(svg, encoding="utf-8")
        written.append("docs/performance.svg")
    page.write_text(f"{before}{begin}\n{text}{END}{after}", encoding="utf-8")
    print(f"written: {', '.join(written)}")


def minutes(seconds):
    return f"{int(seconds) // 60} min {int(seconds) % 60:02d} s"


def relative(path):
    return os.path.relpath(path)


def list_workloads():
    for workload in WORKLOADS:
        program = {"tasks": "tasks", "abuse": f"wherry-perf {NORMAL_FLOW} beside", "scrape": f"wherry-perf {NORMAL_FLOW} beside GET"}
        print(f"{workload.name:15} {workload.what}\n{'':15} {program.get(workload.set, 'wherry-perf')} {workload.arguments}")


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("--top", type=Path, required=True)
    parser.add_argument("--bin", type=Path, help="where the programs are; default: TOP/build/release/bin")
    parser.add_argument("--only", default="")
    parser.add_argument("--set", choices=sorted(BEGIN), default="main")
    parser.add_argument("--list", action="store_true")
    parser.add_argument("--quick", action="store_true")
    parser.add_argument("--no-rabbitmq", action="store_true")
    parser.add_argument("--reps", type=int)
    parser.add_argument("--seconds", type=float)
    parser.add_argument("--messages", type=int)
    parser.add_argument("--config", type=Path)
    parser.add_argument("--data", type=Path)
    parser.add_argument("--out", type=Path)
    parser.add_argument("--write-docs", action="store_true")
    arguments = parser.parse_args()
    if arguments.list:
        return list_workloads()
    arguments.no_rabbitmq = arguments.no_rabbitmq or any(workload.set in ALONE for workload in chosen(arguments.only, arguments.set))
    arguments.bin = (arguments.bin or arguments.top / "build/release/bin").resolve()
    arguments.out = arguments.out or arguments.top / "build/bench"
    arguments.config = arguments.config and arguments.config.resolve()
    # Ten thousand connections are as many files, here and in the brokers.
    most = resource.getrlimit(resource.RLIMIT_NOFILE)[1]
    resource.setrlimit(resource.RLIMIT_NOFILE, (most, most))
    signal.signal(signal.SIGTERM, lambda *_: (_ for _ in ()).throw(KeyboardInterrupt))
    try:
        sys.exit(Bench(arguments).run())
    except (Failed, ValueError, OSError) as error:
        sys.exit(f"scripts/bench: {error}")


if __name__ == "__main__":
    main()

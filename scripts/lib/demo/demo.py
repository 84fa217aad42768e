#!/usr/bin/env python3
"""The demo after building: starts everything, sends requests, checks what came of each task, shows it, stops everything.

Called by scripts/demo, which says what there is to see. Exits 0 when every task did what it should and nothing was left
behind, 1 otherwise.
"""
import argparse
import email
import email.policy
import json
import re
import shutil
import signal
import statistics
import sys
import time
from datetime import datetime
from pathlib import Path

sys.path.insert(1, str(Path(__file__).resolve().parents[1]))

import dead_letters
from kannel import Kannel
from processes import Failed, Processes, wait_for
from table import relative, show_columns, show_table
from web import Backend

DATA_SET = Path("/usr/share/ieee-data/oui.csv")
DATA_SET_NOTE = (
    "the IEEE's public list of MAC address blocks (MA-L), from Debian's package ieee-data;\n"
    "  public domain: the IEEE asserts no copyright in it and does not restrict its distribution"
)
BUSY = "ben@customers.example"
SEVERITIES = ("debug", "info", "warning", "error")
LOGS_PER_SEVERITY = 40


class Demo:
    def __init__(self, arguments):
        self.top = arguments.top
        self.build = arguments.build or arguments.top / "build/release"
        self.folder = arguments.folder or arguments.top / "build/demo"
        self.csv = arguments.csv
        self.smtp = arguments.smtp
        self.keep = arguments.keep
        self.terminal = sys.stdout.isatty()
        self.rows = []
        self.problems = []

    # --- the parts ---------------------------------------------------------------------------------------------------

    def start_parts(self, processes):
        config = self.top / "examples/config"
        self.say("starting the broker, a mail server and an SMS gateway")
        ready = processes.start(
            "broker",
            [self.build / "bin/wherry-broker", "--amqp", "127.0.0.1:0", "--data-dir", self.folder / "broker"],
            ready=r"ready amqp=(\S+)",
        )
        self.broker = f"amqp://guest:guest@{ready.group(1)}/"
        if self.smtp:
            smtp_url = f"smtp://{self.smtp}"
        else:
            smtp_url = processes.start(
                "smtp",
                ["/usr/bin/python3", "-B", self.top / "scripts/lib/demo/smtp_server.py", self.folder / "mail"]
                + ["--busy-once", BUSY],
                ready=r"listening on (smtp://\S+)",
            ).group(1)
        self.kannel = Kannel(processes, self.folder / "kannel")

        self.say("starting three workers and the web backend")
        environment = {"WHERRY_BROKER__URL": self.broker}
        tasks = {
            "EXAMPLE_SMTP_URL": smtp_url,
            "EXAMPLE_SMS_URL": self.kannel.url,
            "EXAMPLE_SMS_USER": "demo",
            "EXAMPLE_SMS_PASSWORD": self.kannel.password,
            "EXAMPLE_LOG_MAX_BYTES": "4000",
        }
        worker = [self.build / "bin/wherry-worker", "--config", config / "worker.yaml"]
        worker += ["--load", self.build / "lib/libtasks.so"]
        # Two subscribers of the topic exchange: one hears everything, one the errors of every service.
        for name, queues, threads in (
            ("tasks", "email,sms,analysis", "4"),
            ("all", "logs.all", "2"),
            ("errors", "logs.errors", "1"),
        ):
            processes.start(
                f"worker-{name}",
                worker + ["-Q", queues, "-c", threads],
                env={**environment, **tasks, "EXAMPLE_LOG_DIR": str(self.folder / "logs" / name)},
                ready=r"ready",
            )
        ready = processes.start(
            "backend",
            [self.build / "bin/example-backend", config / "app.yaml", "127.0.0.1:0"],
            env=environment,
            ready=r"listening on (http://\S+)",
        )
        self.backend = Backend(ready.group(1))

    # --- the requests ------------------------------------------------------------------------------------------------

    def send_requests(self):
        self.say(f"sending requests to the backend at {self.backend.url}")
        tasks = []
        for name, address, phone in (
            ("Ada", "ada@customers.example", "+15550101"),
            ("Ben", BUSY, "+15550102"),
            ("Zoë", "zoe@customers.example", "+15550103"),
        ):
            tasks += self.backend.post("/signups", {"name": name, "email": address, "phone": phone})
        tasks += self.backend.post("/analyses", {"path": str(self.csv)})
        tasks += self.backend.post("/analyses", {"path": "/nowhere/sales.csv"})
        self.tasks = [task["id"] for task in tasks]
        self.missing_table = self.tasks[-1]

        services = ("shop", "billing", "delivery")
        self.logs = {severity: [] for severity in SEVERITIES}
        for number in range(LOGS_PER_SEVERITY):
            for severity in SEVERITIES:
                service = services[number % len(services)]
                body = {"service": service, "severity": severity, "message": f"{severity} number {number + 1}"}
                self.logs[severity] += [task["id"] for task in self.backend.post("/logs", body)]

    def wait_for_results(self, processes):
        self.answers = {}

        def finished():
            processes.check()
            self.answers = {task: self.backend.task(task) for task in self.tasks}
            states = [answer["state"] for answer in self.answers.values()]
            done = sum(state in ("SUCCESS", "FAILURE", "REVOKED") for state in states)
            progress = next((a["progress"] for a in self.answers.values() if a["state"] == "PROGRESS"), None)
            percent = f", analysis at {100 * progress['bytes_done'] // progress['bytes_in_all']} %" if progress else ""
            self.progress(f"{done} of {len(states)} tasks are finished{percent}")
            return done == len(states)

        try:
            wait_for("all tasks finished", finished, timeout=60)
        except Failed as failed:
            self.problems.append(str(failed))
        (self.folder / "tasks.json").write_text(json.dumps(list(self.answers.values()), indent=2, ensure_ascii=False))

    # --- what came of them -------------------------------------------------------------------------------------------

    def check_results(self):
        for answer in self.answers.values():
            check = {"email.send": self.check_mail, "sms.send": self.check_sms, "analysis.summarize": self.check_analysis}
            check[answer["task"]](answer)
        self.check_logs()

    def row(self, answer, attempts, look):
        self.rows.append(
            {
                "task": answer["task"],
                "id": answer["id"],
                "state": answer["state"],
                "attempts": attempts,
                "latency": self.latency(answer["latency_ms"]),
                "look": look,
            }
        )

    @staticmethod
    def latency(milliseconds):
        if milliseconds < 1:
            return "< 1 ms"
        return f"{milliseconds:.0f} ms" if milliseconds < 10_000 else f"{milliseconds / 1000:.1f} s"

    def succeeded(self, answer):
        if answer["state"] != "SUCCESS":
            self.problems.append(f"{answer['task']} {answer['id']} ended as {answer['state']}: {answer.get('error', '')}")
            self.row(answer, "?", answer.get("error", ""))
            return False
        return True

    def check_mail(self, answer):
        if not self.succeeded(answer):
            return
        result = answer["result"]
        look = f"the mailbox at {self.smtp}, Message-ID {result['message_id']}"
        if not self.smtp:
            mails = [path for path in sorted((self.folder / "mail").glob("*.eml")) if self.is_mail(path, result)]
            look = relative(mails[0]) if mails else "MISSING"
            if len(mails) != 1:
                self.problems.append(f"mail {result['message_id']} arrived {len(mails)} times")
            elif BUSY in mails[0].name:
                if result["attempts"] < 2 or not (self.folder / "mail/refused.log").exists():
                    self.problems.append("the mail that was to be refused at first shows no second attempt")
                look += " (first refused: refused.log)"
        self.row(answer, result["attempts"], look)

    @staticmethod
    def is_mail(path, result):
        mail = email.message_from_bytes(path.read_bytes(), policy=email.policy.default)
        return mail["Message-ID"] == f"<{result['message_id']}>" and "your account is ready" in mail.get_content()

    def check_sms(self, answer):
        if not self.succeeded(answer):
            return
        result = answer["result"]
        message_id = self.kannel.message_id(result["reference"])
        if not message_id:
            self.problems.append(f"the gateway's log does not show SMS {result['reference']}")
        log = relative(self.folder / "kannel/access.log")
        self.row(answer, result["attempts"], f"{log}, id:{message_id or 'MISSING'}")

    def check_analysis(self, answer):
        if answer["id"] == self.missing_table:
            self.check_dead_letter(answer)
        elif self.succeeded(answer):
            result = answer["result"]
            self.summary = result
            reports = answer.get("progress_reports", 0)
            if not reports:
                self.problems.append("the analysis reported no progress")
            look = f"statistics below and in {relative(self.folder / 'tasks.json')}, {reports} progress reports"
            if result["rows"] == 0 or not result["columns"]:
                self.problems.append(f"{result['path']} has no rows")
            self.row(answer, result["attempts"], look)

    def check_dead_letter(self, answer):
        """The table that is not there: its task must have ended in the dead-letter queue, with the reason."""
        letter = dead_letters.find(self.broker, answer["id"])
        if answer["state"] != "FAILURE" or letter is None:
            self.problems.append(f"the impossible task {answer['id']} is {answer['state']} and not a dead letter")
            self.row(answer, "?", answer.get("error", "MISSING"))
            return
        if "No such file" not in letter.reason:
            self.problems.append(f"the dead letter's reason is '{letter.reason}'")
        # The states are Celery's; that a failed task is kept as a dead letter is the broker's word.
        self.row({**answer, "state": "DEAD"}, letter.attempts, f"queue {dead_letters.QUEUE}: {letter.reason}")

    def check_logs(self):
        """Both subscribers have exactly the records that their patterns name, each once, whatever files they rotated."""
        for severity, ids in self.logs.items():
            subscribers = ["all", "errors"] if severity == "error" else ["all"]
            try:
                wait_for(f"{severity} records", lambda: all(self.records(s, severity).keys() >= set(ids) for s in subscribers))
            except Failed as failed:
                self.problems.append(str(failed))
            records = self.records("all", severity)
            for subscriber in subscribers:
                seen = self.records(subscriber, severity)
                if set(seen) != set(ids):
                    self.problems.append(f"{subscriber} has {len(set(seen) & set(ids))} of {len(ids)} {severity} records")
            files = [self.folder / "logs" / s / f"{severity}.log" for s in subscribers]
            known = [record for record in map(records.get, ids) if record]
            for file in files:
                if not file.with_name(file.name + ".1").exists():
                    self.problems.append(f"{relative(file)} was not rotated")
            self.rows.append(
                {
                    "task": "log.record",
                    "id": f"{len(ids)} tasks, {severity}",
                    "state": "SUCCESS" if len(known) == len(ids) else "MISSING",
                    "attempts": max((record["attempt"] for record in known), default="?"),
                    "latency": self.latency(statistics.median(record["latency_ms"] for record in known)) if known else "",
                    "look": ", ".join(f"{relative(file)}, .1, ..." for file in files),
                }
            )
        strangers = [path.name for path in (self.folder / "logs/errors").glob("*") if not path.name.startswith("error.log")]
        if strangers:
            self.problems.append(f"the subscriber of errors also got {', '.join(strangers)}")

    LINE = re.compile(r"^(\S+) \S+ .* \[sent (\S+), task (\S+), attempt (\d+)\]$")

    def records(self, subscriber, severity):
        found = {}
        for path in (self.folder / "logs" / subscriber).glob(f"{severity}.log*"):
            for line in path.read_text().splitlines():
                match = self.LINE.match(line)
                if match:
                    written, sent = (datetime.fromisoformat(text.replace("Z", "+00:00")) for text in match.groups()[:2])
                    milliseconds = (written - sent).total_seconds() * 1000
                    found[match[3]] = {"latency_ms": milliseconds, "attempt": int(match[4])}
        return found

    # --- the whole ---------------------------------------------------------------------------------------------------

    def say(self, text):
        self.progress("")
        print(text, flush=True)

    def progress(self, text):
        if self.terminal:
            print(f"\r\x1b[K{text[:shutil.get_terminal_size().columns - 1]}", end="", flush=True)

    def show(self):
        self.progress("")
        print()
        show_table(self.rows, self.terminal)
        if self.summary:
            print(f"\n{self.summary['rows']} rows of {self.summary['path']}, {self.summary['bytes'] / 1e6:.1f} MB")
            print(f"  {DATA_SET_NOTE}" if self.csv == DATA_SET else "  (your table)")
            show_columns(self.summary)
        print()

    def run(self):
        if not self.csv.is_file():
            raise Failed(f"there is no table {self.csv}")
        shutil.rmtree(self.folder, ignore_errors=True)
        (self.folder / "logs").mkdir(parents=True)
        self.summary = None
        with Processes(self.folder) as processes:
            self.start_parts(processes)
            self.send_requests()
            self.wait_for_results(processes)
            self.check_results()
            processes.check()
            self.show()
            if self.keep:
                self.stay(processes)
            self.problems += [f"{name} had to be killed" for name in processes.stop_all()]
        return self.problems

    def stay(self, processes):
        print(f"everything is running: backend {self.backend.url}, broker {self.broker}, logs in {relative(self.folder)}")
        print(f"  curl {self.backend.url}/signups -d '{{\"name\":\"Eve\",\"email\":\"eve@x.example\",\"phone\":\"+1555\"}}'")
        print("Enter or Ctrl-C stops it", flush=True)
        try:
            sys.stdin.readline()
        except KeyboardInterrupt:
            pass


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("--top", type=Path, required=True)
    parser.add_argument("--build", type=Path, help="where bin/ and lib/ are; default: TOP/build/release")
    parser.add_argument("--folder", type=Path, help="emptied, then filled; default: TOP/build/demo")
    parser.add_argument("--csv", type=lambda text: Path(text).resolve(), default=DATA_SET)
    parser.add_argument("--smtp")
    parser.add_argument("--keep", action="store_true")
    demo = Demo(parser.parse_args())
    # A polite kill stops what was started, too.
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(143))
    began = time.monotonic()
    try:
        problems = demo.run()
    except Failed as failed:
        problems = [str(failed)]
    except OSError as error:
        problems = [f"cannot start or reach a part: {error}"]
    except KeyboardInterrupt:
        problems = ["interrupted"]
    for problem in problems:
        print(f"error: {problem}", file=sys.stderr)
    if problems:
        print(f"the logs are in {relative(demo.folder)}", file=sys.stderr)
        return 1
    print(f"everything worked and was stopped again; {time.monotonic() - began:.0f} s")
    return 0


if __name__ == "__main__":
    sys.exit(main())

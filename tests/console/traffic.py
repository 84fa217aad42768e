"""A broker with real traffic to look at: a shop's exchanges, queues, policies and users, publishers and consumers in
threads, and a worker whose tasks succeed, are retried and die.

    python3 -B tests/console/traffic.py [PORT]     until interrupted; says where the console is
"""

import json
import os
import pathlib
import re
import shutil
import signal
import sys
import tempfile
import threading
import time
import uuid

HERE = pathlib.Path(__file__).resolve().parent
sys.path.insert(0, str(HERE.parent / "interop"))

import pika  # noqa: E402
import pika.exceptions  # noqa: E402

from brokers import BIN_DIR, Program, WherryBroker  # noqa: E402
from management import call  # noqa: E402

PASSWORD = "a good long password"
QUEUES = {
    "orders.eu": {}, "orders.us": {}, "orders.audit": {"x-queue-type": "quorum"}, "invoices": {"x-max-priority": 5},
    "images.resize": {}, "mail.bounced": {"x-message-ttl": 3600000}, "analytics": {"x-max-length": 100000},
    "email": {}, "wherry.dead": {},
}
EXCHANGES = {"orders": "topic", "events": "fanout", "notify": "direct", "by.country": "headers"}
BINDINGS = [("orders", "orders.eu", "order.eu.*"), ("orders", "orders.us", "order.us.*"), ("orders", "orders.audit", "order.#"),
            ("events", "analytics", ""), ("notify", "email", "email"), ("notify", "images.resize", "image"),
            ("notify", "invoices", "invoice")]


class Traffic:
    def __init__(self, port=0, arguments=()):
        self.folder = tempfile.mkdtemp(prefix="wherry-console-")
        self.stopping = threading.Event()
        self.threads, self.programs = [], []
        self.broker = WherryBroker(None, ["--management", f"127.0.0.1:{port}", *arguments])
        ready = self.broker.program.wait_line("management=")
        self.http = int(re.search(r" management=\S+:(\d+)", ready).group(1))
        self.url = f"http://127.0.0.1:{self.http}/"

    def api(self, method, path, body=None):
        answer = call(self.http, method, "/api" + path, body)
        assert answer.status < 300, (method, path, answer.status, answer.text)
        return answer

    def set_up(self):
        for name, tags in (("ann", "administrator"), ("watcher", "monitoring"), ("shop", ""), ("limited", "management")):
            self.api("PUT", f"/users/{name}", {"password": PASSWORD, "tags": tags})
        self.api("PUT", "/vhosts/staging", {"description": "the shop's rehearsal", "tags": "test"})
        for user in ("shop", "ann", "limited"):
            read = "^(orders|email)" if user == "limited" else ".*"
            self.api("PUT", f"/permissions/%2F/{user}", {"configure": "" if user == "limited" else ".*", "write": "", "read": read})
        self.api("PUT", "/policies/%2F/keep-a-day", {"pattern": "^orders\\.", "definition": {"message-ttl": 86400000},
                                                     "apply-to": "queues", "priority": 1})
        for name, kind in EXCHANGES.items():
            self.api("PUT", f"/exchanges/%2F/{name}", {"type": kind})
        for name, arguments in QUEUES.items():
            self.api("PUT", f"/queues/%2F/{name}", {"arguments": arguments})
        for source, queue, key in BINDINGS:
            self.api("POST", f"/bindings/%2F/e/{source}/q/{queue}", {"routing_key": key})
        self.api("POST", "/bindings/%2F/e/orders/e/events", {"routing_key": "order.#"})
        self.api("POST", "/bindings/%2F/e/by.country/q/orders.eu", {"routing_key": "", "arguments": {"x-match": "all", "country": "fr"}})

    # --- who sends and takes ---------------------------------------------------------------------------------------------
    def connect(self, name):
        parameters = pika.URLParameters(self.broker.url())
        parameters.client_properties = {"connection_name": name}
        return pika.BlockingConnection(parameters)

    def run(self, body):
        def guarded():
            try:
                body()
            except pika.exceptions.AMQPError:
                pass  # Somebody has closed its connection: that is what the console is for.
        thread = threading.Thread(target=guarded, daemon=True)
        thread.start()
        self.threads.append(thread)

    def publish(self, name, exchange, keys, rate, body="{}"):
        def work():
            connection = self.connect(name)
            channel = connection.channel()
            sent = 0
            while not self.stopping.is_set():
                for _ in range(max(1, rate // 20)):
                    channel.basic_publish(exchange, keys[sent % len(keys)], body % {"n": sent} if "%" in body else body,
                                          pika.BasicProperties(content_type="application/json", delivery_mode=2,
                                                               timestamp=int(time.time()), message_id=str(uuid.uuid4())))
                    sent += 1
                connection.process_data_events(0)
                self.stopping.wait(max(1, rate // 20) / rate)
            connection.close()
        self.run(work)

    def consume(self, name, queue, prefetch=50, settle=True):
        def work():
            connection = self.connect(name)
            channel = connection.channel()
            channel.basic_qos(prefetch_count=prefetch)
            channel.basic_consume(queue, lambda ch, method, *_: settle and ch.basic_ack(method.delivery_tag))
            while not self.stopping.is_set():
                connection.process_data_events(0.1)
            connection.close()
        self.run(work)

    def start(self):
        self.set_up()
        self.publish("shop frontend", "orders", ["order.eu.new", "order.us.new", "order.eu.paid", "order.us.paid"], 200,
                     '{"order": %(n)d, "total": 49.9}')
        self.publish("thumbnailer", "notify", ["image", "invoice"], 40, '{"file": "%(n)d.png"}')
        for number in range(2):
            self.consume(f"warehouse {number + 1}", "orders.eu")
        self.consume("warehouse 3", "orders.us")
        self.consume("bookkeeping", "orders.audit")
        self.consume("statistics", "analytics")
        self.consume("renderer", "images.resize", prefetch=5, settle=False)
        self.consume("idle client", "mail.bounced")
        self.start_tasks()

    # --- tasks -----------------------------------------------------------------------------------------------------------
    def start_tasks(self):
        library = BIN_DIR.parent / "lib/libinterop-tasks.so"
        worker = Program([BIN_DIR / "wherry-worker", "--load", library, "-b", self.broker.url(), "-Q", "email", "-c", "4",
                          "-n", "mail-1@shop", "-E"], env={"LEDGER": os.path.join(self.folder, "ledger")}, cwd=self.folder)
        self.programs.append(worker)
        worker.wait_line("wherry-worker ready", timeout=30)
        self.start_scheduler()
        for number in range(30):
            self.task("email.send", kwargs={"to": f"customer{number}@example.org", "subject": f"Your order {number}"})
        for text in ("smtp.example.org: connection refused", "no such mailbox", "the attachment is too large"):
            self.task("tasks.fail", args=[text])
        self.task("tasks.no_such", args=[1])

    def start_scheduler(self):
        path = pathlib.Path(self.folder) / "schedule.yaml"
        path.write_text(json.dumps({"name": "shop.schedule", "timezone": "Europe/Berlin", "beat_schedule": {
            "newsletter": {"task": "email.send", "every": "30m", "kwargs": {"to": "all@example.org", "subject": "News"}, "options": {"queue": "email"}},
            "nightly-report": {"task": "email.send", "cron": "30 2 * * mon-fri", "kwargs": {"to": "ann@example.org", "subject": "Report"},
                               "options": {"queue": "email"}}}}), encoding="utf-8")
        scheduler = Program([BIN_DIR / "wherry-worker", "--schedule", path, "--schedule-only", "-b", self.broker.url(), "-n", "scheduler@shop"],
                            cwd=self.folder)
        self.programs.append(scheduler)
        scheduler.wait_line("wherry-worker ready", timeout=30)

    def task(self, name, **body):
        return self.api("POST", "/wherry/tasks/%2F", {"task": name, "queue": "email", **body}).json["id"]

    def keep_tasks_coming(self):
        def work():
            number = 1000
            while not self.stopping.wait(0.5):
                number += 1
                self.task("email.send", kwargs={"to": f"customer{number}@example.org", "subject": f"Your order {number}"})
        self.run(work)

    def stop(self):
        self.stopping.set()
        for thread in self.threads:
            thread.join(10)
        for program in self.programs:
            program.stop()
        try:
            self.broker.stop()
        finally:
            shutil.rmtree(self.folder, ignore_errors=True)


if __name__ == "__main__":
    signal.signal(signal.SIGTERM, signal.default_int_handler)
    traffic = Traffic(int(sys.argv[1]) if len(sys.argv) > 1 else 0)
    try:
        traffic.start()
        traffic.keep_tasks_coming()
        print(traffic.url, traffic.broker.url(), flush=True)
        while True:
            time.sleep(3600)
    except KeyboardInterrupt:
        pass
    finally:
        traffic.stop()

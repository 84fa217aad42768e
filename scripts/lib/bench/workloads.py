"""The workloads: what wherry-perf is told (those of the set "tasks": what tasks.py is), and what each is for."""
from dataclasses import dataclass

PERSISTENT = "--size 1KiB --persistent --confirm 1000 --ack each --prefetch 100"


@dataclass(frozen=True)
class Workload:
    name: str
    short: str  # For pictures.
    what: str
    arguments: str
    kind: str  # Which table it belongs to, and how it is run: see bench.py.
    durable: bool = False  # Whether a confirm's meaning matters to it.
    fresh: bool = False  # Begins with a broker that has done nothing yet: memory is measured.
    # "many": what grows with the number of bindings, queues and connections; "tasks": with workers; "abuse" and "scrape":
    # a normal flow beside a crowd of clients, or a scraper.
    set: str = "main"


WORKLOADS = [
    Workload("a16", "transient, 16 B", "transient, 16 B, automatic ack; 1 producer, 1 consumer, 1 queue", "throughput --size 16", "messages"),
    Workload("a1k", "transient, 1 KiB", "the same, 1 KiB", "throughput --size 1KiB", "messages"),
    Workload("b1", "persistent, confirmed", "persistent, 1 KiB, confirmed, acked one by one", f"throughput {PERSISTENT}", "messages", durable=True),
    Workload(
        "b4",
        "the same, 4 queues",
        "the same, 4 producers, consumers and queues",
        f"throughput {PERSISTENT} --producers 4 --consumers 4 --queues 4",
        "messages",
        durable=True,
    ),
    Workload("cfan", "fan-out to 10 queues", "fan-out to 10 queues, 256 B, for each publish", "throughput --size 256 --exchange fanout --queues 10", "messages"),
    Workload(
        "dtop",
        "topic, 1,000 bindings",
        "topic exchange, 1,000 bindings with wildcards over 10 queues, 64 B",
        "throughput --size 64 --exchange topic --bindings 1000 --queues 10",
        "messages",
    ),
    Workload("eping", "one at a time", "one message at a time, 16 B: round trips", "ping --size 16", "messages"),
    Workload("e1k", "1,000 messages/s", "1,000 messages/s, persistent, 1 KiB, confirmed", f"latency --rate 1000 {PERSISTENT}", "latency", durable=True),
    Workload("e5k", "5,000 messages/s", "5,000 messages/s, persistent, 1 KiB, confirmed", f"latency --rate 5000 {PERSISTENT}", "latency", durable=True),
    Workload("backlog", "backlog", "persistent 1 KiB messages without a consumer", "backlog", "backlog", durable=True, fresh=True),
    Workload("idle", "idle connections", "2,000 connections with a channel", "connections --idle 2000 --churn 0", "idle", fresh=True),
    Workload("churn", "connections", "connections opened with a channel and closed, 4 at a time", "connections --idle 0 --churn 3000", "churn"),
    Workload("declares", "declares, pipelined", "5,000 durable queues, 100 outstanding", "declares --count 5000 --outstanding 100", "declares", True, True),
    Workload("declare1", "declares, one by one", "1,000 durable queues, one by one", "declares --count 1000 --outstanding 1", "declares", True, True),
    *(
        Workload(
            f"topic{number}",
            f"topic, {count:,} bindings",
            f"topic exchange, {count:,} bindings with wildcards over 10 queues, 100,000 routing keys in turn, 64 B",
            f"throughput --size 64 --exchange topic --bindings {count} --keys 100000 --queues 10",
            "messages",
            set="many",
        )
        for number, count in (("10", 10), ("1k", 1000), ("100k", 100_000))
    ),
    Workload("fan100", "fan-out to 100 queues", "fan-out to 100 queues, 256 B, for each publish", "throughput --size 256 --exchange fanout --queues 100", "messages", set="many"),
    Workload("queues50k", "50,000 queues", "50,000 durable queues, 100 outstanding", "declares --count 50000 --outstanding 100", "declares", True, True, "many"),
    Workload("idle10k", "10,000 connections", "10,000 connections with a channel", "connections --idle 10000 --churn 0", "idle", fresh=True, set="many"),
    *(
        Workload(
            f"{results}-{worker}",
            f"{'no results' if results == 'none' else 'rpc results'}, {worker}",
            f"tasks that do nothing, {'without' if results == 'none' else 'with rpc'} results",
            f"--worker {worker} --results {results} --count {count}",
            "tasks",
            durable=True,
            set="tasks",
        )
        for results in ("none", "rpc")
        for worker, count in (("celery", 10_000), ("threads", 100_000), ("coroutines", 100_000), ("processes", 30_000))
    ),
    *(
        Workload(
            f"pace-{worker}",
            f"1,000 tasks/s, {worker}",
            "1,000 tasks/s with rpc results, from when a task is due to when its function starts",
            f"--worker {worker} --rate 1000",
            "pace",
            durable=True,
            set="tasks",
        )
        for worker in ("celery", "threads", "processes")
    ),
    Workload(
        "waiting", "waiting coroutines", "10,000 coroutines that wait", "--worker coroutines --concurrency 1 --prefetch 20000 --count 10000", "waiting", set="tasks"
    ),
    *(
        Workload(f"beside-{crowd}", crowd, what, crowd, "crowd", durable=True, fresh=True, set="abuse")
        for crowd, what in (
            ("quiet", "nobody else"),
            ("silent", "10,000 that connect for AMQP and say nothing, again and again"),
            ("half", "2,000 that begin AMQP's handshake and stop"),
            ("unread", "50 consumers that never read, of a queue with 200 MB"),
            ("http", "3,000 that say nothing or half a request to the API and the metrics, again and again"),
            ("unread-http", "100 that ask for listings and metrics, 50 times each, and never read"),
            ("all", "all of these"),
        )
    ),
    *(
        Workload(f"scrape-{name}", name, what, path, "scrape", durable=True, fresh=True, set="scrape")
        for name, what, path in (
            ("none", "nobody scrapes", ""),
            ("sums", "/metrics", "/metrics"),
            ("objects", "/metrics/per-object", "/metrics/per-object"),
            ("detailed", "/metrics/detailed?family=queue_coarse_metrics", "/metrics/detailed?family=queue_coarse_metrics"),
        )
    ),
]
BY_NAME = {workload.name: workload for workload in WORKLOADS}


def chosen(names, of_set):
    """The workloads of a list such as "a16,b1", in their own order, or of a set; ValueError names what is unknown."""
    if not names:
        return [workload for workload in WORKLOADS if workload.set == of_set]
    wanted = [name.strip() for name in names.split(",") if name.strip()]
    unknown = [name for name in wanted if name not in BY_NAME]
    if unknown or not wanted:
        raise ValueError(f"--only {names}: no workload {', '.join(unknown)}; there are {', '.join(BY_NAME)}")
    return [workload for workload in WORKLOADS if workload.name in wanted]

"""Medians of the runs as tables, in Markdown (which reads well on a terminal, too), and as a picture."""
import html
import statistics

from tasks import WORKERS, options_of
from workloads import WORKLOADS

COLOURS = {"RabbitMQ": "#d1711f", "Wherry": "#1f6feb"}
MISSING = "–"


class Results:
    """runs: dicts as wherry-perf prints them, with workload, peer and rep."""

    def __init__(self, runs, peers):
        self.runs, self.peers = runs, peers

    def values(self, workload, peer, key):
        return [run[key] for run in self.runs if run["workload_name"] == workload and run["peer"] == peer and key in run]

    def median(self, workload, peer, key):
        values = self.values(workload, peer, key)
        return statistics.median(values) if values else None

    def ran(self, kind):
        names = {run["workload_name"] for run in self.runs}
        return [workload for workload in WORKLOADS if workload.kind == kind and workload.name in names]


def number(value):
    if value is None:
        return MISSING
    if abs(value) >= 1000:
        return f"{value:,.0f}"
    if abs(value) >= 100:
        return f"{value:.0f}"
    return f"{value:.3g}"


def quotient(above, below):
    # A quotient of something near nothing says nothing.
    return MISSING if above is None or not below or below < 0 else f"{number(above / below)} ×"


def markdown(titles, rows, texts=2):
    """The first columns, as many as texts says, are words; the others are numbers."""
    widths = [max(len(str(row[i])) for row in [titles, *rows]) for i in range(len(titles))]

    def line(cells):
        parts = [str(cell).ljust(width) if i < texts else str(cell).rjust(width) for i, (cell, width) in enumerate(zip(cells, widths))]
        return "| " + " | ".join(parts) + " |"

    rule = "|" + "|".join("-" * (width + 1) + ("-" if i < texts else ":") for i, width in enumerate(widths)) + "|"
    return "\n".join([line(titles), rule, *map(line, rows)]) + "\n"


def messages_table(results):
    both = len(results.peers) == 2
    titles = ["workload", "what"]
    titles += [f"{peer} µs" for peer in results.peers] + (["less by"] if both else [])
    titles += [f"{peer} msg/s" for peer in results.peers] + (["more by"] if both else [])
    rows = []
    for workload in results.ran("messages"):
        cpu = [results.median(workload.name, peer, "cpu_us_per_message") for peer in results.peers]
        rate = [results.median(workload.name, peer, "through_per_s") for peer in results.peers]
        row = [workload.name, workload.what, *map(number, cpu)] + ([quotient(cpu[0], cpu[1])] if both else [])
        rows.append(row + [*map(number, rate)] + ([quotient(rate[1], rate[0])] if both else []))
    return markdown(titles, rows) if rows else ""


def latency_table(results):
    titles = ["workload", "what", "broker", "p50 µs", "p99 µs", "p99.9 µs", "confirm p99 µs", "sync p99 µs", "broker µs/msg"]
    keys = ["end_to_end_p50_us", "end_to_end_p99_us", "end_to_end_p999_us", "confirm_p99_us", "disk_sync_p99_us", "cpu_us_per_message"]
    rows = [
        [workload.name, workload.what, peer, *(number(results.median(workload.name, peer, key)) for key in keys)]
        for workload in results.ran("latency")
        for peer in results.peers
    ]
    return markdown(titles, rows, texts=3) if rows else ""


def rows_of_tasks(results, kind, keys):
    """A row for each worker and broker: Celery's at RabbitMQ first, which is what most have today."""
    return [
        [workload.what, WORKERS[options_of(workload).worker][0], peer, *(number(results.median(workload.name, peer, key)) for key in keys)]
        for workload in results.ran(kind)
        for peer in results.peers
    ]


def tasks_table(results):
    titles = ["what", "worker", "broker", "tasks/s", "worker µs", "broker µs", "enqueue µs", "producer µs", "idle MiB", "busy MiB"]
    keys = ["tasks_per_s", "worker_us", "broker_us", "enqueue_us", "producer_us", "idle_mib", "busy_mib"]
    rows = rows_of_tasks(results, "tasks", keys)
    return markdown(titles, rows, texts=3) if rows else ""


def pace_table(results):
    rows = rows_of_tasks(results, "pace", ["p50_us", "p99_us", "disk_sync_p99_us"])
    return markdown(["what", "worker", "broker", "p50 µs", "p99 µs", "sync p99 µs"], rows, texts=3) if rows else ""


def waiting_table(results):
    rows = rows_of_tasks(results, "waiting", ["idle_mib", "waiting_mib"])
    return markdown(["what", "worker", "broker", "idle MiB", "waiting MiB"], rows, texts=3) if rows else ""


FLOW = ["end_to_end_p50_us", "end_to_end_p99_us", "confirm_p99_us", "disk_sync_p99_us"]


def times_of(results, workload, first, key):
    """How much more it is than at the first workload of its kind, which is without anything beside it."""
    return quotient(results.median(workload.name, results.peers[-1], key), results.median(first.name, results.peers[-1], key))


def crowds_table(results):
    ran = results.ran("crowd")
    rows = [
        [workload.what, *(number(results.median(workload.name, results.peers[-1], key)) for key in FLOW), times_of(results, workload, ran[0], FLOW[1])]
        for workload in ran
    ]
    return markdown(["beside it", "p50 µs", "p99 µs", "confirm p99 µs", "sync p99 µs", "p99, times the first"], rows, texts=1) if rows else ""


def scrape_table(results):
    ran = results.ran("scrape")
    keys = ["scrape_mib", "scrape_ms", "scrape_max_ms", *FLOW]
    rows = [
        [workload.what, *(number(results.median(workload.name, results.peers[-1], key)) for key in keys), times_of(results, workload, ran[0], FLOW[1])]
        for workload in ran
    ]
    titles = ["each second", "MiB", "ms a scrape", "ms at most", "p50 µs", "p99 µs", "confirm p99 µs", "sync p99 µs", "p99, times the first"]
    return markdown(titles, rows, texts=1) if rows else ""


# workload, its key, what it is, and whether more is better.
OTHERS = [
    ("backlog", "fill_per_s", "filled, messages/s", True),
    ("backlog", "memory_grown_mib", "memory of the full queue, MiB more", False),
    ("backlog", "disk_for_bodies", "disk, times the bodies", False),
    ("backlog", "restart_accepted_s", "after SIGKILL: accepts clients, s", False),
    ("backlog", "restart_ready_s", "after SIGKILL: all messages are there, s", False),
    ("backlog", "drain_per_s", "drained, messages/s", True),
    ("idle", "memory_kib_per_connection", "memory, KiB for each connection", False),
    ("churn", "connections_per_s", "connections/s", True),
    ("declares", "declares_per_s", "declares/s", True),
    ("declares", "memory_kib_per_queue", "memory, KiB for each queue", False),
    ("declare1", "declares_per_s", "declares/s", True),
    ("queues50k", "declares_per_s", "declares/s", True),
    ("queues50k", "memory_kib_per_queue", "memory, KiB for each queue", False),
    ("idle10k", "memory_kib_per_connection", "memory, KiB for each connection", False),
]


def others_table(results):
    both = len(results.peers) == 2
    rows = []
    for name, key, what, more in OTHERS:
        values = [results.median(name, peer, key) for peer in results.peers]
        if not any(run["workload_name"] == name for run in results.runs):
            continue
        row = [name, what, *map(number, values)]
        rows.append(row + ([quotient(values[1], values[0]) if more else quotient(values[0], values[1])] if both else []))
    titles = ["workload", "what", *results.peers] + (["better by"] if both else [])
    return markdown(titles, rows) if rows else ""


def durability_lines(results, durability):
    return "\n".join(f"- {peer}: {durability[peer]}." for peer in results.peers) + "\n"


def tables(results, durability):
    parts = [
        ("Messages: processor time of the broker for each, and messages per second from the first publish to the last delivery",
         messages_table(results)),
        ("Latency, end to end, at a given rate; beside it what syncing a file cost on this disk in the same minute", latency_table(results)),
        ("Backlog, connections, queues", others_table(results)),
        ("Tasks: how many a second the worker runs, and processor time for each; memory of the worker and its children", tasks_table(results)),
        ("Latency of tasks at a given rate; beside it what syncing a file cost on this disk in the same minute", pace_table(results)),
        ("Memory of tasks that wait", waiting_table(results)),
        ("A normal flow, 1,000 persistent messages of 1 KiB a second, confirmed: latency end to end while others misbehave", crowds_table(results)),
        ("The same flow on a broker with 50,000 queues, while somebody scrapes", scrape_table(results)),
    ]
    text = "".join(f"{title}:\n\n{table}\n" for title, table in parts if table)
    failed = [run for run in results.runs if "error" in run]
    lines = [f"- {run['workload_name']}, {run['peer']}, run {run['rep'] + 1}: {run['error']}" for run in failed]
    if lines:
        text += "Runs that failed:\n\n" + "\n".join(lines) + "\n\n"
    # Said beside the figures that depend on it.
    names = {run["workload_name"] for run in results.runs}
    if any(workload.durable and workload.name in names for workload in WORKLOADS):
        text += "What a persistent message's confirm means:\n\n" + durability_lines(results, durability)
    return text


def picture(results, title):
    """Processor time for each message as bars, on a logarithmic axis: the brokers differ by factors."""
    import math

    rows = []
    for workload in results.ran("messages"):
        values = {peer: results.median(workload.name, peer, "cpu_us_per_message") for peer in results.peers}
        if any(values.values()):
            rows.append((workload, values))
    left, right, bar, gap, top = 250, 860, 14, 20, 104
    height = top + len(rows) * (bar * len(results.peers) + gap) + 50
    all_values = [value for _, values in rows for value in values.values() if value]
    low = 10 ** math.floor(math.log10(min(all_values, default=0.1)))
    high = 10 ** math.ceil(math.log10(max(all_values, default=10)))
    if high <= low:
        high = low * 10

    def x_of(value):
        return left + (right - left) * (math.log10(max(value, low)) - math.log10(low)) / (math.log10(high) - math.log10(low))

    def text(x, y, what, anchor="start", fill="#444", size=13):
        return f'<text x="{x:.0f}" y="{y:.0f}" text-anchor="{anchor}" fill="{fill}" font-size="{size}">{html.escape(what)}</text>\n'

    out = f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 920 {height}" width="920" height="{height}" font-family="sans-serif">\n'
    out += f'<rect width="920" height="{height}" fill="#ffffff"/>\n'
    out += text(20, 30, "Processor time of the broker for each message, µs (less is better)", fill="#222", size=18)
    out += text(20, 52, title, fill="#666")
    decade = low
    while decade <= high * 1.001:
        x = x_of(decade)
        out += f'<line x1="{x:.0f}" y1="{top - 8}" x2="{x:.0f}" y2="{height - 40}" stroke="#e4e4e4"/>\n'
        out += text(x, height - 22, f"{decade:g}", "middle", "#666")
        decade *= 10
    for i, peer in enumerate(results.peers):
        out += text(left + 110 * i, 80, f"■ {peer}", "start", COLOURS.get(peer, "#444"))
    y = top
    for workload, values in rows:
        out += text(left - 8, y + bar * len(results.peers) / 2 + 5, f"{workload.name}: {workload.short}", "end", size=12)
        for peer in results.peers:
            value = values[peer]
            if value:
                out += f'<rect x="{left}" y="{y}" width="{max(x_of(value) - left, 1):.1f}" height="{bar - 2}" fill="{COLOURS.get(peer, "#444")}"/>\n'
                out += text(x_of(value) + 5, y + bar - 4, number(value), size=11)
            y += bar
        y += gap
    return out + "</svg>\n"

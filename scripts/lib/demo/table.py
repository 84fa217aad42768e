"""What the demo prints at its end."""
import os
import shutil


def _colour(code, text, wanted):
    return f"\x1b[{code}m{text}\x1b[0m" if wanted else text


def show_table(rows, terminal):
    """rows: dicts with task, id, state, attempts, latency, look."""
    titles = {"task": "task", "id": "id", "state": "state", "attempts": "tries", "latency": "latency", "look": "where to look"}
    widths = {key: max(len(title), *(len(str(row[key])) for row in rows)) for key, title in titles.items()}
    right = {"attempts", "latency"}

    def line(cells, colour=None):
        parts = []
        for key, width in widths.items():
            text = str(cells[key])
            text = text.rjust(width) if key in right else text.ljust(width)
            if colour and key == "state":
                text = _colour(colour, text, terminal)
            parts.append(text)
        return "  ".join(parts).rstrip()

    print(_colour("1", line(titles), terminal))
    for row in rows:
        print(line(row, "32" if row["state"] == "SUCCESS" else "33"))


def show_columns(summary):
    """The statistics of a table, one line a column."""
    header = f"  {'column':22} {'kind':7} {'count':>7} {'missing':>8} {'min':>10} {'mean':>10} {'max':>10} {'stddev':>10} {'distinct':>9}  most frequent"
    print(header)
    for column in summary["columns"]:
        numbers = " ".join(f"{_number(column[key]):>10}" for key in ("min", "mean", "max", "stddev"))
        top = f"{column['top']} ({column['top_count']}x)" if column["top_count"] else ""
        text = (
            f"  {column['name'][:22]:22} {column['kind']:7} {column['count']:>7} {column['missing']:>8} {numbers}"
            f" {column['distinct']:>9}  {top}"
        )
        print(text[: max(shutil.get_terminal_size((160, 24)).columns - 1, 80)])
    print("  (of a text column, min to stddev are of the lengths of its texts)")


def _number(value):
    if value is None:
        return "-"
    return f"{value:.6g}"


def relative(path):
    return os.path.relpath(path)

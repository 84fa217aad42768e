"""Files of cases: what is sent, and below each command what RabbitMQ answered.

    == ack of a tag twice
      queue.declare q
    < queue.declare-ok queue=q message-count=0 consumer-count=0
      ack 1
      expect 1
    < channel.close 406 'PRECONDITION_FAILED - unknown delivery tag 1' basic.ack

A command is indented; `<` lines are RabbitMQ's, recorded. Where Wherry answers otherwise, and means to, `differs:` names the row
of docs/compatibility.md that says why, and the `~` lines below it are Wherry's. `#` begins a comment.
"""

import pathlib


class Step:
    def __init__(self, before, command):
        self.before, self.command = before, command  # comments and blank lines above; the command without indentation
        self.golden, self.differs, self.ours = [], None, []

    def expected(self, kind):
        return self.ours if kind == "wherry" and self.differs is not None else self.golden


class Case:
    def __init__(self, file, title, before):
        self.file, self.title, self.before, self.steps = file, title, before, []

    @property
    def id(self):
        return f"{self.file.stem}: {self.title}"

    def transcript(self, kind):
        """As text, for a comparison."""
        return self.render([step.expected(kind) for step in self.steps])

    def render(self, answers):
        lines = []
        for step, answer in zip(self.steps, answers):
            lines.append("  " + step.command)
            lines += ["< " + line for line in answer]
        return [line for line in lines if line != "  settle"]


def read(path):
    """The cases of a file, and what stands above the first."""
    cases, before = [], []
    for number, line in enumerate(path.read_text().splitlines(), 1):
        step = cases[-1].steps[-1] if cases and cases[-1].steps else None
        if line.startswith("== "):
            cases.append(Case(path, line[3:].strip(), before))
            before = []
        elif not line.strip() or line.startswith("#"):
            before.append(line)
        elif line.startswith("  ") and cases:
            cases[-1].steps.append(Step(before, line.strip()))
            before = []
        elif line.startswith("< ") and step:
            step.golden.append(line[2:])
        elif line.startswith("differs: ") and step:
            step.differs = line[9:].strip()
        elif line.startswith("~ ") and step and step.differs:
            step.ours.append(line[2:])
        else:
            raise ValueError(f"{path}:{number}: {line!r} has no place here")
    return cases


def write(path, cases):
    lines = []
    for case in cases:
        lines += [*case.before, "== " + case.title]
        for step in case.steps:
            lines += [*step.before, "  " + step.command]
            lines += ["< " + line for line in step.golden]
            if step.differs is not None:
                lines += ["differs: " + step.differs, *("~ " + line for line in step.ours)]
    path.write_text("\n".join(lines) + "\n")


def all_cases(folder):
    return [case for path in sorted(pathlib.Path(folder).glob("*.case")) for case in read(path)]

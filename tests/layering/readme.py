#!/usr/bin/env python3
"""readme.py TOP [--write]: the code in README.md is the code that is compiled, and its links lead somewhere.

A code block after a line "<!-- PATH -->" must be the text of that file; --write copies it there.
"""
import re
import sys
from pathlib import Path

BLOCK = re.compile(r"(<!-- (\S+) -->\n```\w*\n)(.*?)(\n```\n)", re.S)
LINK = re.compile(r"\]\(([^)#:]+)\)")


def main():
    top = Path(sys.argv[1])
    problems = []
    for page in [top / "README.md", *sorted((top / "docs").rglob("*.md"))]:
        text = page.read_text()
        if "--write" in sys.argv[2:]:
            text = BLOCK.sub(lambda found: found[1] + (top / found[2]).read_text().rstrip("\n") + found[4], text)
            page.write_text(text)
        for _, path, code, _ in BLOCK.findall(text):
            if code.strip("\n") != (top / path).read_text().strip("\n"):
                problems.append(f"{page.relative_to(top)}: the code of {path} differs; tests/layering/readme.py . --write")
        for link in LINK.findall(re.sub(r"```.*?```", "", text, flags=re.S)):
            if not (page.parent / link).exists():
                problems.append(f"{page.relative_to(top)}: a link to {link}, which is not there")
    print("\n".join(problems) or "code and links are right")
    sys.exit(1 if problems else 0)


if __name__ == "__main__":
    main()

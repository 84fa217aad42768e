"""junit_results.py REPORT COMMAND...: runs a command that writes a JUnit report to the file REPORT, and writes each test's
outcome to the file in WHERRY_SUITE_RESULTS, as pytest_results.py does.
"""

import json
import os
import subprocess
import sys
import xml.etree.ElementTree as xml


def outcome_of(case):
    """(outcome, detail): an element below a case says what was wrong with it."""
    for tag, outcome in (("error", "failed"), ("failure", "failed"), ("warning", "failed"), ("skipped", "skipped")):
        for found in case.iter(tag):
            return outcome, found.text or ""
    return "passed", ""


def main():
    report, *command = sys.argv[1:]
    subprocess.run(command, check=False)
    with open(os.environ["WHERRY_SUITE_RESULTS"], "a", encoding="utf-8") as results:
        for case in xml.parse(report).getroot().iter("testcase"):
            outcome, detail = outcome_of(case)
            results.write(json.dumps({"test": f"{case.get('class')}::{case.get('name')}", "outcome": outcome,
                                      "detail": detail}) + "\n")


if __name__ == "__main__":
    main()

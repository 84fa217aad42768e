#!/usr/bin/env python3
"""count_tests.py JUNIT: counts the tests of one ctest run and prints "PASSED FAILED SKIPPED".

A test program that says how many test cases it ran (Catch2, unittest, pytest) counts as that many, any other as one. A
program that failed without naming a failed case (a crash, a sanitizer's report, a timeout) counts as one failure more.
One that said by its exit code that it could not run is skipped, and has passed nothing.
"""
import re
import sys
import xml.etree.ElementTree as xml

CATCH_GREEN = re.compile(r"All tests passed \(.* in (\d+) test cases?\)")
CATCH_RED = re.compile(r"test cases: +(\d+)(?: \| +(\d+) passed)?(?: \| +(\d+) failed)?")
UNITTEST = re.compile(r"^Ran (\d+) tests? in", re.M)
UNITTEST_RED = re.compile(r"^FAILED \((.*)\)", re.M)
PYTEST = re.compile(r"^=* ?(?:(\d+) failed)?,? ?(?:(\d+) passed)?.* in [\d.]+s", re.M)


def cases(output):
    """(passed, failed) as the program itself says, or None."""
    if found := CATCH_GREEN.search(output):
        return int(found[1]), 0
    if found := CATCH_RED.search(output):
        failed = int(found[3] or 0)
        return int(found[2] or 0), failed
    if found := UNITTEST.search(output):
        red = UNITTEST_RED.search(output)
        failed = sum(int(number) for number in re.findall(r"(?:failures|errors)=(\d+)", red[1])) if red else 0
        return int(found[1]) - failed, failed
    if (found := PYTEST.search(output)) and (found[1] or found[2]):
        return int(found[2] or 0), int(found[1] or 0)
    return None


def main():
    passed = failed = skipped = 0
    for test in xml.parse(sys.argv[1]).getroot().iter("testcase"):
        status = test.get("status")
        if status in ("disabled", "notrun"):
            reason = test.find("skipped")
            if reason is not None and reason.get("message", "").startswith("SKIP_"):
                skipped += 1
            else:
                failed += status == "notrun"
            continue
        said = cases(test.findtext("system-out") or "")
        good, bad = said or (0, 0)
        if status == "run":
            good = good or (0 if said else 1)
        else:
            bad = max(bad, 1)
        passed, failed = passed + good, failed + bad
    print(passed, failed, skipped)


if __name__ == "__main__":
    main()

"""go_results.py PACKAGE FOLDER [OPTION...]: runs the tests of a Go package with `go test OPTION...` and writes each test's
outcome to the file in WHERRY_SUITE_RESULTS, as pytest_results.py does.

FOLDER holds the package's sources; what it imports is Debian's, under /usr/share/gocode. Compiled packages are kept in the
cache of the suites.
"""

import json
import os
import pathlib
import subprocess
import sys
import tempfile

OUTCOMES = {"pass": "passed", "fail": "failed", "skip": "skipped"}


def main():
    package, folder, *options = sys.argv[1:]
    with tempfile.TemporaryDirectory(prefix="wherry-go-") as gopath:
        place = pathlib.Path(gopath) / "src" / package
        place.parent.mkdir(parents=True)
        place.symlink_to(pathlib.Path(folder).resolve())
        environment = {**os.environ, "GO111MODULE": "off", "GOPATH": f"{gopath}:/usr/share/gocode", "GOFLAGS": "",
                       "CGO_ENABLED": "0", "GOCACHE": os.path.join(os.environ["WHERRY_SUITES_CACHE"], "go")}
        running = subprocess.Popen(["/usr/bin/go", "test", "-json", *options, package], env=environment, text=True,
                                   stdout=subprocess.PIPE)
        said = {}
        with running, open(os.environ["WHERRY_SUITE_RESULTS"], "a", encoding="utf-8") as results:
            for line in running.stdout:
                event = json.loads(line) if line.startswith("{") else {"Action": "output", "Output": line}
                test = event.get("Test")
                if event["Action"] == "output":
                    print(event["Output"], end="", flush=True)
                    said.setdefault(test, []).append(event["Output"])
                elif test and event["Action"] in OUTCOMES:
                    results.write(json.dumps({"test": test, "outcome": OUTCOMES[event["Action"]],
                                              "detail": "".join(said.get(test, []))}) + "\n")


if __name__ == "__main__":
    main()

"""The web console in Debian's Chromium: drive.mjs goes through every page, on a broker with real traffic.

Needs a broker that was built with the console, node 18 or newer with npm (two packages of the registry are fetched into
the build folder), and Chromium; says what is missing where it skips. Screenshots are left in build/PRESET/console-screenshots.
"""

import os
import pathlib
import shutil
import subprocess
import sys
import urllib.request

HERE = pathlib.Path(__file__).resolve().parent
SKIPPED = 77
longest_s = 240


def skip(why):
    print(f"SKIPPED: the console is not driven: {why}")
    sys.exit(SKIPPED)


def packages(folder):
    """npm's packages, in the build folder."""
    folder.mkdir(parents=True, exist_ok=True)
    lock = (HERE / "package-lock.json").read_text()
    kept = folder / "node_modules/.wherry-lock"
    if kept.exists() and kept.read_text() == lock:
        return
    for name in ("package.json", "package-lock.json", ".npmrc"):
        shutil.copy(HERE / name, folder / name)
    done = subprocess.run(["npm", "ci", "--no-audit", "--no-fund", "--loglevel=error"], cwd=folder, capture_output=True,
                          text=True, check=False, stdin=subprocess.DEVNULL)
    if done.returncode != 0:
        skip("npm ci: " + " ".join((done.stderr or done.stdout).split())[:300])
    kept.write_text(lock)


def main():
    build = pathlib.Path(os.environ.get("WHERRY_BIN_DIR") or HERE.parents[1] / "build/release/bin").resolve().parent
    node = shutil.which("node") or shutil.which("nodejs")
    if not node or not shutil.which("npm"):
        skip("there is no node or no npm")
    version = subprocess.run([node, "--version"], capture_output=True, text=True, check=True).stdout
    if int(version.strip().lstrip("v").split(".")[0]) < 18:
        skip(f"node {version.strip()} is older than 18")
    chromium = shutil.which("chromium")
    if not chromium:
        skip("there is no chromium")
    packages(build / "console-test")

    from traffic import Traffic
    traffic = Traffic()
    try:
        with urllib.request.urlopen(traffic.url, timeout=10) as page:
            if b"/assets/" not in page.read():
                skip("this broker was built without it")
        traffic.start()
        traffic.keep_tasks_coming()
        shots = build / "console-screenshots"
        shutil.rmtree(shots, ignore_errors=True)
        done = subprocess.run([node, HERE / "drive.mjs", traffic.url], check=False, timeout=longest_s, stdin=subprocess.DEVNULL,
                              env={**os.environ, "WHERRY_CONSOLE_PACKAGES": str(build / "console-test"),
                                   "WHERRY_CONSOLE_SHOTS": str(shots), "WHERRY_CHROMIUM": chromium})
    finally:
        traffic.stop()
    sys.exit(done.returncode)


if __name__ == "__main__":
    main()

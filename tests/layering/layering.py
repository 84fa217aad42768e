#!/usr/bin/env python3
"""Checks the house: every #include against the declared walls, and the few rules of style a machine can keep.

usage: layering.py TOP ROOMS

TOP is the top of the source tree. ROOMS is the file that CMake writes from the wherry_room() declarations, one room a
line in the order they were declared: "NAME PATH USED,USED,...". Prints one line for each violation, file and line first,
and exits 1 when there are any.
"""
import os
import re
import sys
from pathlib import Path

MAX_LINES = 600
# Written in two pieces, so that this file does not find itself.
FORBIDDEN = re.compile(r"\b(" + "|".join(("TO" "DO", "FIX" "ME", "XX" "X", "HA" "CK")) + r")\b")
INCLUDE = re.compile(r'^\s*#\s*include\s*([<"])([^>"]+)[>"]')
# What only net/ may see, and what slows down everybody who includes the header it stands in.
ASIO = re.compile(r"^(boost/)?(asio|beast)(/|\.hpp)")
HEAVY_IN_HEADERS = {"regex", "iostream"}
SOURCES = {".h", ".cpp"}
TEXTS = SOURCES | {".py", ".sh", ".md", ".yaml", ".txt", ".cmake", ".json", ""}
# Folders without a room of their own. Tests may look anywhere; examples see what a user sees.
EXAMPLES = "examples"
SKIPPED_FOLDERS = {"build", "__pycache__"}


class Room:
    def __init__(self, name, path, uses, place):
        self.name, self.path, self.uses, self.place = name, path, uses, place


def read_rooms(text):
    rooms = {}
    for place, line in enumerate(filter(None, map(str.strip, text.splitlines()))):
        name, path, *rest = line.split()
        rooms[name] = Room(name, path, [use for use in "".join(rest).split(",") if use], place)
    return rooms


def check_arrows(rooms):
    """Arrows point to rooms declared before; that also rules out cycles."""
    for room in rooms.values():
        for use in room.uses:
            if use not in rooms:
                yield f"{room.path}: uses {use}, which is no room"
            elif rooms[use].place >= room.place:
                yield f"{room.path}: uses {use}, which is declared after it: arrows go upward only"


def check_separation(rooms):
    """The SDK, the worker and the load tool run against any broker: nothing below them may be ours."""

    def reach(name, seen):
        for use in rooms[name].uses if name in rooms else []:
            if use not in seen:
                seen.add(use)
                reach(use, seen)
        return seen

    for room in rooms.values():
        if room.path.split("/")[0] in ("sdk", "worker", "perf"):
            for other in sorted(reach(room.name, set())):
                if other in rooms and rooms[other].path.split("/")[0] == "broker":
                    yield f"{room.path}: reaches {rooms[other].path}; sdk, worker and perf never see the broker"


class House:
    def __init__(self, top, rooms):
        self.top, self.rooms = Path(top), rooms
        self.by_depth = sorted(rooms.values(), key=lambda room: -len(room.path))

    def room_of(self, path):
        for room in self.by_depth:
            if path.startswith(room.path + "/"):
                return room
        return None

    def owner_of_include(self, included):
        """The room that a header belongs to, or None for a header from outside."""
        if included.startswith("wherry/"):
            for room in self.by_depth:
                if (self.top / room.path / "include" / included).exists():
                    return room
            return None
        return self.room_of(included) if (self.top / included).exists() else None

    def check_include(self, file, number, included):
        here = self.room_of(file)
        top_folder = file.split("/")[0]
        if ASIO.match(included) and top_folder not in ("net", "tests"):
            yield f"{file}:{number}: includes {included}: only net/ sees Asio"
        if file.endswith(".h") and included in HEAVY_IN_HEADERS and top_folder != "tests":
            yield f"{file}:{number}: includes <{included}> in a header, which everybody pays for"
        owner = self.owner_of_include(included)
        if owner is None:
            return
        if top_folder == EXAMPLES:
            if not included.startswith("wherry/") and not included.startswith(EXAMPLES + "/"):
                yield f"{file}:{number}: includes {included}: examples see only the public headers, wherry/..."
        elif here and owner is not here and owner.name not in here.uses:
            yield f"{file}:{number}: {here.path} includes {included} but does not declare USES {owner.name}"


def check_text(file, lines):
    suffix = Path(file).suffix
    if len(lines) > MAX_LINES and suffix in SOURCES | {".py", ".sh"}:
        yield f"{file}: {len(lines)} lines; more than {MAX_LINES} is more than one idea"
    for number, line in enumerate(lines, 1):
        found = FORBIDDEN.search(line)
        if found:
            yield f"{file}:{number}: says {found.group()}: do it or leave it"
    if suffix == ".h":
        first = next((line for line in lines if line.strip()), "")
        if not first.startswith("//"):
            yield f"{file}:1: a header begins with the comment that states its contract"
        if not any(line.strip() == "#pragma once" for line in lines):
            yield f"{file}:1: has no #pragma once"


def files_below(top):
    for folder, folders, names in os.walk(top):
        relative = os.path.relpath(folder, top)
        folders[:] = sorted(
            name for name in folders if name not in SKIPPED_FOLDERS and (not name.startswith(".") or name == ".ci")
        )
        for name in sorted(names):
            path = name if relative == "." else f"{relative}/{name}"
            if Path(name).suffix in TEXTS and not name.startswith("."):
                yield path


def check(top, rooms_text):
    rooms = read_rooms(rooms_text)
    yield from check_arrows(rooms)
    yield from check_separation(rooms)
    house = House(top, rooms)
    for file in files_below(top):
        try:
            lines = (Path(top) / file).read_text(encoding="utf-8").splitlines()
        except UnicodeDecodeError:
            if Path(file).suffix in SOURCES:
                yield f"{file}: is not UTF-8"
            continue
        yield from check_text(file, lines)
        if Path(file).suffix not in SOURCES:
            continue
        for number, line in enumerate(lines, 1):
            match = INCLUDE.match(line)
            if match:
                yield from house.check_include(file, number, match.group(2))


def main():
    if len(sys.argv) != 3:
        sys.exit(__doc__)
    top, rooms_file = sys.argv[1:]
    violations = list(check(top, Path(rooms_file).read_text()))
    print("\n".join(violations) or "every include is declared")
    sys.exit(1 if violations else 0)


if __name__ == "__main__":
    main()

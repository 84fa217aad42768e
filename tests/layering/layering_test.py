#!/usr/bin/env python3
"""Each rule of layering.py goes red on a planted violation, and stays green on a house in order."""
import sys
import tempfile
import unittest
from pathlib import Path

sys.dont_write_bytecode = True
sys.path.insert(0, str(Path(__file__).parent))
import layering  # noqa: E402

HEADER = "// What this is for.\n#pragma once\n"
ROOMS = "base base \nnet net base\nqueue broker/queue base\nshard broker/shard net,queue,base\nsdk sdk net,base\n"


class LayeringTest(unittest.TestCase):
    def check(self, files, rooms=ROOMS):
        with tempfile.TemporaryDirectory() as top:
            house = {
                "base/result.h": HEADER,
                "net/loop.h": HEADER,
                "broker/queue/queue.h": HEADER,
                "broker/shard/shard.h": HEADER,
                "sdk/include/wherry/client.h": HEADER,
            }
            for path, text in {**house, **files}.items():
                (Path(top) / path).parent.mkdir(parents=True, exist_ok=True)
                (Path(top) / path).write_text(text)
            return list(layering.check(top, rooms))

    def assert_red(self, files, says, rooms=ROOMS):
        found = self.check(files, rooms)
        self.assertEqual(len(found), 1, found)
        self.assertIn(says, found[0])

    def test_a_house_in_order_is_green(self):
        files = {
            "broker/shard/shard.cpp": '#include "broker/queue/queue.h"\n#include "broker/shard/shard.h"\n#include <map>\n',
            "net/loop.cpp": "#include <boost/asio.hpp>\n",
            "examples/mail/main.cpp": '#include "wherry/client.h"\n#include <iostream>\n',
            "tests/unit/net/loop_test.cpp": '#include "broker/shard/shard.h"\n',
        }
        self.assertEqual(self.check(files), [])

    def test_an_include_across_an_undeclared_wall(self):
        self.assert_red({"broker/queue/queue.cpp": '#include "net/loop.h"\n'}, "does not declare USES net")

    def test_a_declared_room_is_not_inherited_by_those_who_use_it(self):
        rooms = ROOMS.replace("net,queue,base", "net,queue")
        self.assert_red({"broker/shard/shard.cpp": '#include "base/result.h"\n'}, "does not declare USES base", rooms)

    def test_a_public_header_across_an_undeclared_wall(self):
        self.assert_red({"net/loop.cpp": "#include <wherry/client.h>\n"}, "does not declare USES sdk")

    def test_asio_outside_net(self):
        self.assert_red({"base/a.cpp": "#include <boost/asio/io_context.hpp>\n"}, "only net/ sees Asio")

    def test_an_arrow_that_points_down(self):
        self.assert_red({}, "arrows go upward only", "net net base\nbase base\n")

    def test_a_cycle(self):
        found = self.check({}, "base base net\nnet net base\n")
        self.assertTrue(any("arrows go upward only" in line for line in found), found)

    def test_a_room_that_does_not_exist(self):
        self.assert_red({}, "which is no room", "base base\nnet net base,nte\n")

    def test_sdk_over_a_detour_to_the_broker(self):
        rooms = "base base\nqueue broker/queue base\nhelp help queue\nsdk sdk help\n"
        self.assert_red({}, "never see the broker", rooms)

    def test_an_example_that_looks_behind_the_public_headers(self):
        self.assert_red({"examples/mail/main.cpp": '#include "base/result.h"\n'}, "only the public headers")

    def test_a_header_without_its_contract(self):
        self.assert_red({"net/a.h": "#pragma once\n"}, "states its contract")

    def test_a_header_without_pragma_once(self):
        self.assert_red({"net/a.h": "// What this is.\n"}, "#pragma once")

    def test_a_heavy_include_in_a_header(self):
        self.assert_red({"net/a.h": HEADER + "#include <regex>\n"}, "everybody pays for")

    def test_a_file_of_too_many_lines(self):
        self.assert_red({"net/a.cpp": "\n" * 601}, "more than one idea")

    def test_a_word_that_promises_work(self):
        self.assert_red({"docs/a.md": "This is to be done. TO" "DO: write it.\n"}, "do it or leave it")


if __name__ == "__main__":
    unittest.main()

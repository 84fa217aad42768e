#include "broker/session/confirms.h"

#include <map>
#include <random>
#include <set>

#include <catch2/catch.hpp>

using wherry::broker::Confirms;
using wherry::broker::Lsn;

namespace {

using Lines = std::vector<std::string>;

Lines flush(Confirms& confirms, Lsn durable = 0) {
  Lines lines;
  confirms.flush(durable, {[&](std::uint64_t tag, bool multiple) {
                             lines.push_back("ack " + std::to_string(tag) + (multiple ? " multiple" : ""));
                           },
                           [&](std::uint64_t tag) { lines.push_back("nack " + std::to_string(tag)); }});
  return lines;
}

}  // namespace

TEST_CASE("tags count from one") {
  Confirms confirms;
  CHECK(confirms.next_tag() == 1);
  CHECK(confirms.add(0, 0, false) == 1);
  CHECK(confirms.add(0, 0, false) == 2);
  flush(confirms);
  CHECK(confirms.next_tag() == 3);
}

TEST_CASE("a turn's publishes are answered by one ack with multiple") {
  Confirms confirms;
  for (int i = 0; i < 5; ++i) confirms.add(0, 0, false);
  CHECK(flush(confirms) == Lines{"ack 5 multiple"});
  CHECK(flush(confirms).empty());
  confirms.add(0, 0, false);
  CHECK(flush(confirms) == Lines{"ack 6"});
}

TEST_CASE("a refusal is answered for itself and parts the run") {
  Confirms confirms;
  confirms.add(0, 0, false);
  confirms.add(0, 0, false);
  confirms.add(0, 0, true);
  confirms.add(0, 0, false);
  CHECK(flush(confirms) == Lines{"ack 2 multiple", "nack 3", "ack 4"});
}

TEST_CASE("what waits for a far queue holds back multiple, not the others' answers") {
  Confirms confirms;
  confirms.add(0, 0, false);
  confirms.add(2, 0, false);
  confirms.add(0, 0, false);
  confirms.add(0, 0, false);
  CHECK(flush(confirms) == Lines{"ack 1", "ack 3", "ack 4"});
  confirms.answer(2, true);
  CHECK(flush(confirms).empty());
  confirms.answer(2, true);
  CHECK(flush(confirms) == Lines{"ack 2"});
}

TEST_CASE("one refusing queue of several makes the answer a nack") {
  Confirms confirms;
  confirms.add(2, 0, false);
  confirms.answer(1, false);
  confirms.answer(1, true);
  CHECK(flush(confirms) == Lines{"nack 1"});
}

TEST_CASE("a confirm waits for the store") {
  Confirms confirms;
  confirms.add(0, 10, false);
  confirms.add(0, 20, false);
  CHECK(flush(confirms, 9).empty());
  CHECK(confirms.waits_for_store());
  CHECK(flush(confirms, 10) == Lines{"ack 1"});
  CHECK(confirms.waits_for_store());
  CHECK(flush(confirms, 25) == Lines{"ack 2"});
  CHECK_FALSE(confirms.waits_for_store());
}

TEST_CASE("an answer for a tag that is not open is ignored") {
  Confirms confirms;
  confirms.add(0, 0, false);
  flush(confirms);
  confirms.answer(1, false);
  confirms.answer(7, true);
  CHECK(flush(confirms).empty());
}

TEST_CASE("whatever the order of answers, each publish is answered once, with the right verdict") {
  for (unsigned seed = 1; seed <= 500; ++seed) {
    INFO("seed " << seed);
    std::mt19937 random(seed);
    Confirms confirms;
    std::map<std::uint64_t, bool> expected;  // Tag to accepted.
    std::vector<std::uint64_t> owed;         // A tag for each far answer to come.
    std::set<std::uint64_t> open;
    std::map<std::uint64_t, bool> seen;
    Lsn next = 0, durable = 0;
    auto collect = [&] {
      confirms.flush(durable, {[&](std::uint64_t tag, bool multiple) {
                                 while (!open.empty() && (multiple ? *open.begin() <= tag : open.count(tag) > 0)) {
                                   const std::uint64_t each = multiple ? *open.begin() : tag;
                                   open.erase(each);
                                   REQUIRE(seen.emplace(each, true).second);
                                 }
                               },
                               [&](std::uint64_t tag) {
                                 REQUIRE(open.erase(tag) == 1);
                                 REQUIRE(seen.emplace(tag, false).second);
                               }});
    };
    for (int step = 0; step < 200; ++step) {
      switch (random() % 4) {
        case 0: {
          const unsigned far = random() % 3;
          const bool refused = random() % 5 == 0;
          const std::uint64_t tag = confirms.add(far, random() % 2 ? ++next : 0, refused);
          expected[tag] = !refused;
          open.insert(tag);
          owed.insert(owed.end(), far, tag);
          break;
        }
        case 1:
          if (!owed.empty()) {
            std::swap(owed[random() % owed.size()], owed.back());
            const bool accepted = random() % 5 != 0;
            expected[owed.back()] = expected[owed.back()] && accepted;
            confirms.answer(owed.back(), accepted);
            owed.pop_back();
          }
          break;
        case 2:
          if (durable < next) ++durable;
          break;
        case 3:
          collect();
      }
    }
    for (std::uint64_t tag : owed) confirms.answer(tag, true);
    durable = next;
    collect();
    CHECK(open.empty());
    CHECK(seen == expected);
  }
}

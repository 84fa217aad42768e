#include <chrono>
#include <random>

#include <catch2/catch.hpp>

#include "tests/unit/broker/routing/topology.h"

using namespace wherry::broker;
using namespace wherry::broker::test;

namespace {

std::vector<std::string> words_of(const std::string& key) {
  std::vector<std::string> words;
  if (key.empty()) return words;
  std::size_t from = 0;
  for (;;) {
    std::size_t dot = key.find('.', from);
    words.push_back(key.substr(from, dot == std::string::npos ? dot : dot - from));
    if (dot == std::string::npos) return words;
    from = dot + 1;
  }
}

// What the words mean, said as plainly as can be.
bool obviously_matches(const std::vector<std::string>& pattern, std::size_t p, const std::vector<std::string>& key,
                       std::size_t k) {
  if (p == pattern.size()) return k == key.size();
  if (pattern[p] == "#") {
    for (std::size_t rest = k; rest <= key.size(); ++rest) {
      if (obviously_matches(pattern, p + 1, key, rest)) return true;
    }
    return false;
  }
  if (k == key.size()) return false;
  return (pattern[p] == "*" || pattern[p] == key[k]) && obviously_matches(pattern, p + 1, key, k + 1);
}

bool matches(const std::string& pattern, const std::string& key) {
  Topology vhost;
  vhost.exchange("t", "topic");
  vhost.queue("q");
  vhost.bind_queue("t", "q", pattern);
  return vhost.reached("t", key) == Names{"q"};
}

}  // namespace

TEST_CASE("topic: a star is exactly one word") {
  CHECK(matches("a.*.c", "a.b.c"));
  CHECK(matches("*.*", "a.b"));
  CHECK(matches("*", "a"));
  CHECK_FALSE(matches("a.*.c", "a.c"));
  CHECK_FALSE(matches("a.*.c", "a.b.b.c"));
  CHECK_FALSE(matches("*.*", "a"));
  CHECK_FALSE(matches("*.*", "a.b.c"));
  CHECK_FALSE(matches("*", ""));
}

TEST_CASE("topic: a hash is any number of words, none included") {
  for (std::string key : {"", "a", "a.b", "a.b.c", ".", "..", "a."}) {
    CAPTURE(key);
    CHECK(matches("#", key));
    CHECK(matches("#.#", key));
    CHECK(matches("#.#.#", key));
  }
  CHECK(matches("a.#.b", "a.b"));
  CHECK(matches("a.#.b", "a.x.b"));
  CHECK(matches("a.#.b", "a.x.y.b"));
  CHECK(matches("a.#.b", "a.b.b"));
  CHECK_FALSE(matches("a.#.b", "a"));
  CHECK_FALSE(matches("a.#.b", "a.b.c"));
  CHECK(matches("a.#", "a"));
  CHECK(matches("#.a", "a"));
  CHECK_FALSE(matches("#.*", ""));
  CHECK(matches("#.*", "a"));
  CHECK(matches("*.#", "a.b.c"));
  CHECK_FALSE(matches("*.#.*", "a"));
  CHECK(matches("*.#.*", "a.b"));
}

TEST_CASE("topic: empty words are words") {
  CHECK(matches("", ""));
  CHECK_FALSE(matches("", "."));
  CHECK_FALSE(matches("", "a"));
  CHECK(matches("*.*", "."));
  CHECK(matches("a.", "a."));
  CHECK_FALSE(matches("a", "a."));
  CHECK(matches("a.*", "a."));
  CHECK(matches("a..b", "a..b"));
  CHECK(matches("a.*.b", "a..b"));
  CHECK_FALSE(matches("a.b", "a..b"));
}

TEST_CASE("topic: star and hash mean something only as a whole word, and nothing in a key") {
  CHECK(matches("a*", "a*"));
  CHECK_FALSE(matches("a*", "ab"));
  CHECK(matches("*", "*"));
  CHECK_FALSE(matches("a", "*"));
  CHECK_FALSE(matches("a", "#"));
}

TEST_CASE("topic: many hashes against a long key cost no more than a look at each word", "[cost]") {
  Topology vhost;
  vhost.exchange("t", "topic");
  vhost.queue("q");
  std::string pattern = "#";
  for (int i = 0; i < 40; ++i) pattern += ".a.#";
  vhost.bind_queue("t", "q", pattern + ".b");
  std::string key = "a";
  for (int i = 0; i < 100; ++i) key += ".a";
  auto started = std::chrono::steady_clock::now();
  CHECK(vhost.reached("t", key) == Names{});
  // A matcher that tries the ways one by one would need more than the age of the universe.
  CHECK(std::chrono::steady_clock::now() - started < std::chrono::seconds(5));
}

TEST_CASE("topic: the trie agrees with the obvious matcher on random patterns and keys") {
  std::uint32_t seed = std::random_device{}();
  INFO("seed " << seed);
  std::mt19937 random(seed);
  auto below = [&](unsigned n) { return random() % n; };
  auto text = [&](bool pattern) {
    const char* words[] = {"a", "b", "", "c", "#", "*", "#"};
    std::string made;
    unsigned count = below(6);
    for (unsigned i = 0; i < count; ++i) made += (i ? "." : "") + std::string(words[below(pattern ? 7 : 4)]);
    return made;
  };

  for (int round = 0; round < 150; ++round) {
    Topology vhost;
    vhost.exchange("t", "topic");
    std::vector<std::pair<std::string, std::string>> bound;  // Queue and pattern.
    for (unsigned i = 0; i < 25; ++i) {
      std::string queue = "q" + std::to_string(below(12));
      std::string pattern = text(true);
      vhost.queue(queue);
      if (std::find(bound.begin(), bound.end(), std::pair(queue, pattern)) == bound.end())
        bound.emplace_back(queue, pattern);
      vhost.bind_queue("t", queue, pattern);
    }
    for (int step = 0; step < 40; ++step) {
      if (!bound.empty() && below(3) == 0) {
        std::size_t gone = below(static_cast<unsigned>(bound.size()));
        must(vhost.unbind(Topology::binding("t", bound[gone].first, bound[gone].second), 1));
        bound.erase(bound.begin() + static_cast<std::ptrdiff_t>(gone));
      }
      std::string key = text(false);
      Names expected;
      for (const auto& [queue, pattern] : bound) {
        if (obviously_matches(words_of(pattern), 0, words_of(key), 0)) expected.push_back(queue);
      }
      std::sort(expected.begin(), expected.end());
      expected.erase(std::unique(expected.begin(), expected.end()), expected.end());
      CAPTURE(key);
      REQUIRE(vhost.reached("t", key) == expected);
    }
  }
}

#include "base/glob.h"

#include <catch2/catch.hpp>

using wherry::glob_match;

TEST_CASE("A glob without signs fits only itself") {
  CHECK(glob_match("email.send", "email.send"));
  CHECK_FALSE(glob_match("email.send", "email.sent"));
  CHECK_FALSE(glob_match("email.send", "email.send2"));
  CHECK_FALSE(glob_match("email.send", "Email.send"));
  CHECK(glob_match("", ""));
  CHECK_FALSE(glob_match("", "a"));
}

TEST_CASE("A star fits any text, with dots and empty") {
  CHECK(glob_match("email.*", "email.send"));
  CHECK(glob_match("email.*", "email."));
  CHECK(glob_match("email.*", "email.send.now"));
  CHECK_FALSE(glob_match("email.*", "email"));
  CHECK(glob_match("*.send", "a.b.send"));
  CHECK(glob_match("*", ""));
  CHECK(glob_match("a*b*c", "aXbXbXc"));
  CHECK_FALSE(glob_match("a*b*c", "aXbXbX"));
}

TEST_CASE("A question mark fits one byte") {
  CHECK(glob_match("v?", "v1"));
  CHECK_FALSE(glob_match("v?", "v"));
  CHECK_FALSE(glob_match("v?", "v12"));
}

TEST_CASE("A set fits one of its letters, a range, or none of them") {
  CHECK(glob_match("[abc]x", "bx"));
  CHECK_FALSE(glob_match("[abc]x", "dx"));
  CHECK(glob_match("[a-m]*", "kilo"));
  CHECK_FALSE(glob_match("[a-m]*", "zulu"));
  CHECK(glob_match("[!a-m]*", "zulu"));
  CHECK_FALSE(glob_match("[!a-m]*", "kilo"));
  CHECK(glob_match("[]]", "]"));
  CHECK(glob_match("[a-]", "-"));
  CHECK(glob_match("[open", "[open"));
  CHECK_FALSE(glob_match("[", "x"));
  CHECK_FALSE(glob_match("[!", "x"));
}

TEST_CASE("Many stars do not take exponential time") {
  std::string pattern;
  for (int i = 0; i < 200; ++i) pattern += "*a";
  CHECK_FALSE(glob_match(pattern + "b", std::string(5000, 'a')));
}

TEST_CASE("of entries the one of this very name is found, else the first whose pattern fits") {
  struct Entry {
    std::string pattern;
    int number;
  };
  const std::vector<Entry> all{{"*.b", 1}, {"a.*", 2}, {"a.b", 3}, {"a.b", 4}};
  CHECK(wherry::find_fitting(all, "a.b")->number == 3);
  CHECK(wherry::find_fitting(all, "x.b")->number == 1);
  CHECK(wherry::find_fitting(all, "a.c")->number == 2);
  CHECK(wherry::find_fitting(all, "c") == nullptr);
}

// That the code on a page of docs/ is code that is compiled and run: every ```cpp block stands in a test's source, but
// for the white space.
//
//   CHECK(check_page("docs/worker.md", "tests/unit/worker/page_test.cpp") == 6);   // 6 blocks
//
// Needs WHERRY_SOURCE_DIR. Threads: the test's.
#pragma once

#include <fstream>
#include <functional>
#include <sstream>
#include <string>

#include <catch2/catch.hpp>

namespace wherry::test {

inline std::string words_of(std::istream& from) {
  std::string words;
  for (std::string word; from >> word;) words += word + " ";
  return words;
}

// The number of blocks. own: changes the words of a block where the source has its own.
inline int check_page(
    const std::string& page, const std::string& source,
    const std::function<std::string(std::string)>& own = [](std::string words) { return words; }) {
  std::ifstream code_of(WHERRY_SOURCE_DIR "/" + source);
  std::ifstream text(WHERRY_SOURCE_DIR "/" + page);
  REQUIRE(code_of);
  REQUIRE(text);
  const std::string code = words_of(code_of);
  int blocks = 0;
  for (std::string line; std::getline(text, line);) {
    if (line != "```cpp") continue;
    std::stringstream block;
    while (std::getline(text, line) && line != "```") block << line << "\n";
    ++blocks;
    INFO(page << ":\n" << block.str());
    CHECK(code.find(own(words_of(block))) != std::string::npos);
  }
  return blocks;
}

}  // namespace wherry::test

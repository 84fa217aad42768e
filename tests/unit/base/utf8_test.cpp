#include "base/utf8.h"

#include <catch2/catch.hpp>

using namespace wherry;

TEST_CASE("text in UTF-8 is told from other bytes") {
  CHECK(is_utf8(""));
  CHECK(is_utf8("plain"));
  CHECK(is_utf8("Gr\xc3\xbc\xc3\x9f, \xe5\x90\x8d, \xf0\x9f\x90\xa6"));
  CHECK(find_bad_utf8("ab\xff") == 2);
  CHECK(find_bad_utf8("a\xc3") == 1);        // Cut.
  CHECK_FALSE(is_utf8("\x80"));              // Begins in the middle.
  CHECK_FALSE(is_utf8("\xc0\x80"));          // Overlong.
  CHECK_FALSE(is_utf8("\xed\xa0\x80"));      // A surrogate.
  CHECK_FALSE(is_utf8("\xf4\x90\x80\x80"));  // Above the last code.
}

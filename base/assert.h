// WHERRY_ASSERT(condition): for our own bugs. On in every build: a broker with a broken invariant stops and says
// where, rather than go on with somebody's messages.
#pragma once

namespace wherry {
[[noreturn]] void assert_failed(const char* condition, const char* file, int line);
}

#define WHERRY_ASSERT(condition) \
  (static_cast<bool>(condition) ? void(0) : ::wherry::assert_failed(#condition, __FILE__, __LINE__))

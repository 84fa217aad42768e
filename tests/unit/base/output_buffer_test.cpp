#include "base/output_buffer.h"

#include <algorithm>
#include <string>
#include <vector>

#include <catch2/catch.hpp>

using namespace wherry;

namespace {

int released = 0;
Pin counted() {
  static const int object = 0;
  return Pin(&object, [](const void*) { ++released; });
}

std::string gathered(const OutputBuffer& buffer, int most) {
  std::vector<iovec> parts(static_cast<std::size_t>(most));
  const int count = buffer.gather(parts.data(), most);
  std::string out;
  for (int i = 0; i < count; ++i) out.append(static_cast<const char*>(parts[i].iov_base), parts[i].iov_len);
  return out;
}

}  // namespace

TEST_CASE("Bytes leave a buffer in the order they came, copied and pinned") {
  released = 0;
  const std::string body(100'000, 'b');
  OutputBuffer buffer;
  CHECK(buffer.empty());
  buffer.append("head");
  buffer.append_pinned(body, counted());
  buffer.append("tail");
  CHECK(buffer.size() == body.size() + 8);
  CHECK(buffer.to_string() == "head" + body + "tail");
  CHECK(gathered(buffer, 8) == buffer.to_string());
  CHECK(gathered(buffer, 1) == "head");
}

TEST_CASE("A pinned block is not copied, and is released with its last byte") {
  released = 0;
  const std::string body(5000, 'b');
  OutputBuffer buffer;
  buffer.append_pinned(body, counted());
  iovec part{};
  REQUIRE(buffer.gather(&part, 1) == 1);
  CHECK(part.iov_base == body.data());
  buffer.consume(4999);
  CHECK(released == 0);
  buffer.consume(1);
  CHECK(released == 1);
  buffer.append_pinned(body, counted());
  buffer.clear();
  CHECK(released == 2);
  {
    OutputBuffer dies;
    dies.append_pinned(body, counted());
  }
  CHECK(released == 3);
}

TEST_CASE("Taking any number of bytes leaves the rest") {
  std::string expected;
  OutputBuffer buffer;
  for (int i = 0; i < 20'000; ++i) {
    const std::string piece = std::to_string(i) + ",";
    buffer.append(piece);
    expected += piece;
  }
  std::size_t step = 1;
  while (!expected.empty()) {
    const std::size_t count = std::min(step, expected.size());
    buffer.consume(count);
    expected.erase(0, count);
    REQUIRE(buffer.size() == expected.size());
    REQUIRE(buffer.to_string() == expected);
    step = step * 3 + 1;
  }
  CHECK(buffer.empty());
}

TEST_CASE("Room is contiguous, and only what is committed counts") {
  OutputBuffer buffer;
  buffer.append("a");
  char* room = buffer.reserve(64 * 1024);
  std::fill_n(room, 64 * 1024, 'x');
  buffer.commit(3);
  buffer.append("b");
  CHECK(buffer.to_string() == "axxxb");
}

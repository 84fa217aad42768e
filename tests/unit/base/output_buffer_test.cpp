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

TEST_CASE("Small writes between pinned blocks share memory, and everything comes out whole in any portions") {
  const std::string body(50'000, 'b');
  std::string expected;
  OutputBuffer buffer;
  released = 0;
  const auto fill = [&](int count) {
    for (int i = 0; i < count; ++i) {
      const std::string frame = "[" + std::to_string(i) + "]";
      buffer.append(frame);
      const std::size_t from = static_cast<std::size_t>(i) * 37 % 1000;
      buffer.append_pinned(std::string_view(body).substr(from, 4000), counted());
      expected += frame + body.substr(from, 4000);
      if (i % 7 == 0) {
        const std::string large(static_cast<std::size_t>(i) * 100, 'x');
        char* at = buffer.reserve(large.size());
        std::copy(large.begin(), large.end(), at);
        buffer.commit(large.size());
        expected += large;
      }
    }
  };
  fill(300);
  std::string out;
  std::size_t step = 1;
  while (!buffer.empty()) {
    const std::string front = gathered(buffer, 3);
    const std::size_t part = std::min(front.size(), step = step * 5 % 9973 + 1);
    out += front.substr(0, part);
    buffer.consume(part);
    if (step % 50 == 0 && expected.size() < 4'000'000) fill(10);
  }
  CHECK(out == expected);
  CHECK(buffer.total() == expected.size());
  fill(3);
  buffer.clear();
  CHECK(buffer.total() == expected.size());
  fill(3);
  CHECK(buffer.total() == expected.size());
}

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

TEST_CASE("What is held back is not gathered until it is let go") {
  OutputBuffer buffer;
  buffer.append("abcd");
  buffer.consume(1);
  buffer.hold_from(buffer.total() - 1);
  buffer.append("efgh");
  auto gathered = [&] {
    iovec pieces[4];
    std::string all;
    const int count = buffer.gather(pieces, 4);
    for (int i = 0; i < count; ++i) all.append(static_cast<const char*>(pieces[i].iov_base), pieces[i].iov_len);
    CHECK(all.size() == buffer.sendable());
    return all;
  };
  CHECK(gathered() == "bc");
  CHECK(buffer.size() == 7);
  buffer.consume(2);
  CHECK(gathered().empty());
  CHECK_FALSE(buffer.empty());
  buffer.hold_from(buffer.total() - 2);
  CHECK(gathered() == "def");
  buffer.let_go();
  CHECK(gathered() == "defgh");
}

#include "protocol/task/compression.h"

#include <catch2/catch.hpp>

#include "protocol/task/envelope.h"

using namespace wherry;
using namespace wherry::task;

namespace {

constexpr Compression all_methods[] = {Compression::zlib, Compression::bzip2, Compression::zstd};

std::string from_hex(std::string_view digits) {
  std::string out;
  for (std::size_t i = 0; i + 1 < digits.size(); i += 2) {
    out += static_cast<char>(std::stoi(std::string(digits.substr(i, 2)), nullptr, 16));
  }
  return out;
}

}  // namespace

TEST_CASE("What was compressed inflates to itself", "[compression]") {
  std::string large;
  for (int i = 0; i < 50'000; ++i) large += std::to_string(i * 7919);
  for (const Compression each : all_methods) {
    CAPTURE(mime_type(each));
    for (const std::string& bytes : {std::string(), std::string("x"), std::string(200'000, 'a'), large}) {
      const std::string small = compress(bytes, each);
      const auto back = decompress(small, each);
      REQUIRE(back);
      CHECK(*back == bytes);
    }
    CHECK(compress(std::string(200'000, 'a'), each).size() < 2'000);
  }
}

TEST_CASE("Streams that Python's libraries wrote are read", "[compression]") {
  // zlib.compress(b"wherry"), gzip.compress(b"wherry", mtime=0), bz2.compress(b"wherry")
  CHECK(decompress(from_hex("789c2bcf482d2aaa0400091f02a2"), Compression::zlib).value() == "wherry");
  CHECK(decompress(from_hex("1f8b08000000000002032bcf482d2aaa0400b5c9fa6106000000"), Compression::zlib).value() ==
        "wherry");
  CHECK(decompress(from_hex("425a683931415926535915c1a6980000020180024010a020002186819a08534e2ee48a70a1202b834d30"),
                   Compression::bzip2)
            .value() == "wherry");
}

TEST_CASE("A stream that is cut, damaged or followed by something is refused", "[compression]") {
  const std::string bytes(100'000, 'b');
  for (const Compression each : all_methods) {
    CAPTURE(mime_type(each));
    const std::string whole = compress(bytes, each);
    CHECK_FALSE(decompress(whole.substr(0, whole.size() - 3), each));
    CHECK_FALSE(decompress(whole.substr(0, 3), each));
    CHECK_FALSE(decompress("", each));
    CHECK_FALSE(decompress(whole + "x", each));
    CHECK_FALSE(decompress("no stream at all", each));
    std::string damaged = whole;
    damaged[damaged.size() / 2] = static_cast<char>(~damaged[damaged.size() / 2]);
    const auto read = decompress(damaged, each);
    CHECK((!read || *read != bytes));
  }
}

TEST_CASE("What would inflate beyond the limit is refused before it does", "[compression]") {
  for (const Compression each : all_methods) {
    const std::string bomb = compress(std::string(10'000'000, '\0'), each);
    CAPTURE(mime_type(each), bomb.size());
    const auto read = decompress(bomb, each, 1'000'000);
    REQUIRE_FALSE(read);
    CHECK(read.error().message == "it inflates to more than 1000000 bytes");
    CHECK(decompress(bomb, each, 10'000'000).value().size() == 10'000'000);
  }
}

TEST_CASE("kombu's names are known, those of other methods are not", "[compression]") {
  CHECK(compression_of("gzip") == Compression::zlib);
  CHECK(compression_of("application/x-gzip") == Compression::zlib);
  CHECK(compression_of("bzip2") == Compression::bzip2);
  CHECK(compression_of("zstandard") == Compression::zstd);
  CHECK_FALSE(compression_of("application/x-lzma"));
}

TEST_CASE("A compressed task is read as what it was", "[compression][envelope]") {
  for (const Compression each : all_methods) {
    Task task{.name = "store", .id = "1", .args = {std::string(5'000, 'x')}, .compression = each};
    const auto encoded = encode(task, {});
    REQUIRE(encoded);
    CHECK(encoded->body.size() < 500);
    CHECK(*encoded->properties.headers->string("compression") == mime_type(each));
    const auto read = decode(encoded->properties, encoded->body);
    REQUIRE(read);
    CHECK(read->args == task.args);
    CHECK(read->compression == each);
  }
}

TEST_CASE("A compressed body that is damaged is undecodable, another method unsupported", "[compression][envelope]") {
  Task task{.name = "store", .id = "1", .compression = Compression::zlib};
  auto encoded = encode(task, {});
  const auto damaged = decode(encoded->properties, encoded->body.substr(2));
  REQUIRE_FALSE(damaged);
  CHECK(damaged.error().kind == DecodeError::Kind::undecodable);
  encoded->properties.headers->set("compression", "application/x-lzma");
  const auto other = decode(encoded->properties, encoded->body);
  REQUIRE_FALSE(other);
  CHECK(other.error().kind == DecodeError::Kind::unsupported);
  CHECK_THAT(other.error().message, Catch::Contains("application/x-lzma"));
}

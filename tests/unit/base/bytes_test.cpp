#include "base/bytes.h"

#include <limits>

#include <catch2/catch.hpp>

using namespace wherry;
using namespace std::string_view_literals;

TEST_CASE("Numbers are written with their first byte first, and read back") {
  std::string out;
  ByteWriter writer(out);
  writer.u8(0x01);
  writer.u16(0x0203);
  writer.u32(0x04050607);
  writer.u64(0x08090a0b0c0d0e0f);
  writer.bytes("end");
  CHECK(out ==
        "\x01\x02\x03\x04\x05\x06\x07\x08\x09\x0a\x0b\x0c\x0d\x0e\x0f"
        "end"sv);

  ByteReader reader(out);
  CHECK(reader.u8() == 0x01);
  CHECK(reader.u16() == 0x0203);
  CHECK(reader.u32() == 0x04050607);
  CHECK(reader.u64() == 0x08090a0b0c0d0e0f);
  CHECK(reader.remaining() == 3);
  CHECK(reader.bytes(3) == "end");
  CHECK(reader.at_end());
  CHECK(reader.ok());
}

TEST_CASE("A read past the end fails for good and gives nothing") {
  ByteReader reader("\x01\x02\x03"sv);
  CHECK(reader.u16() == 0x0102);
  CHECK(reader.u32() == 0);
  CHECK_FALSE(reader.ok());
  CHECK(reader.u8() == 0);  // Although a byte was left.
  CHECK(reader.bytes(0).empty());
  CHECK_FALSE(reader.ok());
  CHECK(reader.remaining() == 0);
}

TEST_CASE("A length that is larger than memory is a read past the end") {
  ByteReader reader("abc");
  CHECK(reader.bytes(std::numeric_limits<std::size_t>::max()).empty());
  CHECK_FALSE(reader.ok());
}

#include "base/crc32c.h"

#include <random>
#include <string>

#include <catch2/catch.hpp>

using namespace wherry;

namespace {

using Extend = std::uint32_t (*)(std::uint32_t, std::string_view);

std::string ascending() {
  std::string bytes;
  for (int i = 0; i < 32; ++i) bytes.push_back(static_cast<char>(i));
  return bytes;
}

void check_vectors(Extend extend) {
  // RFC 3720, appendix B.4, read as numbers: the RFC lists their bytes in the order of the wire.
  const std::string up = ascending();
  CHECK(extend(0, std::string(32, '\0')) == 0x8a9136aa);
  CHECK(extend(0, std::string(32, '\xff')) == 0x62a8ab43);
  CHECK(extend(0, up) == 0x46dd794e);
  CHECK(extend(0, std::string(up.rbegin(), up.rend())) == 0x113fdb5c);
  // An iSCSI SCSI read (10) command.
  std::string pdu(48, '\0');
  pdu[0] = 0x01;
  pdu[1] = static_cast<char>(0xc0);
  pdu[16] = 0x14;
  pdu[22] = 0x04;
  pdu[27] = 0x14;
  pdu[31] = 0x18;
  pdu[32] = 0x28;
  pdu[40] = 0x02;
  CHECK(extend(0, pdu) == 0xd9963a56);
  CHECK(extend(0, "123456789") == 0xe3069283);
  CHECK(extend(0, "") == 0);
}

}  // namespace

TEST_CASE("crc32c agrees with the vectors of RFC 3720") {
  check_vectors(crc32c_extend);
  check_vectors(detail::crc32c_extend_by_table);
  if (detail::crc32c_has_instruction()) check_vectors(detail::crc32c_extend_by_instruction);
}

TEST_CASE("crc32c by tables and by the processor's instruction are the same, at any length, place and split") {
  if (!detail::crc32c_has_instruction()) return;
  std::mt19937_64 random(20);
  std::string bytes(4000, '\0');
  for (int run = 0; run < 4000; ++run) {
    for (char& byte : bytes) byte = static_cast<char>(random());
    const std::string_view piece = std::string_view(bytes)
                                       .substr(random() % 16)
                                       .substr(0, random() % (run % 3 == 0   ? 20
                                                              : run % 3 == 1 ? 580
                                                                             : 3980));
    const auto seed = static_cast<std::uint32_t>(random());
    const std::uint32_t whole = detail::crc32c_extend_by_table(seed, piece);
    REQUIRE(detail::crc32c_extend_by_instruction(seed, piece) == whole);
    const std::size_t split = random() % (piece.size() + 1);
    REQUIRE(crc32c_extend(detail::crc32c_extend_by_table(seed, piece.substr(0, split)), piece.substr(split)) == whole);
  }
}

TEST_CASE("crc32c notices every single flipped bit") {
  std::string bytes = ascending() + ascending();
  const std::uint32_t right = crc32c(bytes);
  for (std::size_t bit = 0; bit < bytes.size() * 8; ++bit) {
    bytes[bit / 8] = static_cast<char>(bytes[bit / 8] ^ (1 << (bit % 8)));
    REQUIRE(crc32c(bytes) != right);
    bytes[bit / 8] = static_cast<char>(bytes[bit / 8] ^ (1 << (bit % 8)));
  }
}

// CRC-32C (Castagnoli), the checksum of everything the store writes: RFC 3720, appendix B.4.
//
//   std::uint32_t crc = crc32c("123456789");                  // 0xe3069283
//   crc32c_extend(crc32c("1234"), "56789") == crc;            // in pieces, in order
//
// Finds every damage of one to three bits and every burst of up to 32 bits in a record of any size we write; it is no
// defence against somebody who means to deceive. Uses the processor's instruction where there is one (asked for once,
// at run time), tables of 8 bytes a step otherwise. Threads: any. Errors: none.
#pragma once

#include <cstdint>
#include <string_view>

namespace wherry {

// The checksum of what `crc` covers followed by `bytes`; 0 covers nothing.
std::uint32_t crc32c_extend(std::uint32_t crc, std::string_view bytes);

inline std::uint32_t crc32c(std::string_view bytes) {
  return crc32c_extend(0, bytes);
}

namespace detail {
// The two ways, for tests that compare them.
std::uint32_t crc32c_extend_by_table(std::uint32_t crc, std::string_view bytes);
bool crc32c_has_instruction();
// Only where crc32c_has_instruction().
std::uint32_t crc32c_extend_by_instruction(std::uint32_t crc, std::string_view bytes);
}  // namespace detail

}  // namespace wherry

#include "base/crc32c.h"

#include <array>
#include <bit>
#include <cstring>

#include "base/assert.h"

#if defined(__x86_64__)
#include <nmmintrin.h>
#elif defined(__aarch64__) && defined(__linux__)
#include <arm_acle.h>
#include <asm/hwcap.h>
#include <sys/auxv.h>
#endif

namespace wherry {
namespace {

constexpr std::uint32_t kPolynomial = 0x82f63b78;  // 0x1edc6f41, bits reversed.

using Tables = std::array<std::array<std::uint32_t, 256>, 8>;

// tables[k][b] is what byte b does to the checksum when k more bytes follow it.
constexpr Tables make_tables() {
  Tables tables{};
  for (std::uint32_t byte = 0; byte < 256; ++byte) {
    std::uint32_t crc = byte;
    for (int bit = 0; bit < 8; ++bit) crc = (crc >> 1) ^ ((crc & 1) != 0 ? kPolynomial : 0);
    tables[0][byte] = crc;
  }
  for (std::size_t k = 1; k < 8; ++k) {
    for (std::size_t byte = 0; byte < 256; ++byte) {
      const std::uint32_t before = tables[k - 1][byte];
      tables[k][byte] = (before >> 8) ^ tables[0][before & 0xff];
    }
  }
  return tables;
}

constexpr Tables kTables = make_tables();

std::uint64_t load_little(const char* from) {
  std::uint64_t value;
  std::memcpy(&value, from, sizeof value);
  if constexpr (std::endian::native == std::endian::big) value = __builtin_bswap64(value);
  return value;
}

#if defined(__x86_64__)
// What `count` zero bytes behind it do to a checksum, by the four bytes of the checksum: the operation is linear.
using ShiftTable = std::array<std::array<std::uint32_t, 256>, 4>;

constexpr ShiftTable make_shift(std::size_t count) {
  std::array<std::uint32_t, 32> of_bit{};
  for (std::size_t bit = 0; bit < 32; ++bit) {
    std::uint32_t crc = std::uint32_t{1} << bit;
    for (std::size_t n = 0; n < count; ++n) crc = (crc >> 8) ^ kTables[0][crc & 0xff];
    of_bit[bit] = crc;
  }
  ShiftTable table{};
  for (std::size_t byte = 0; byte < 4; ++byte) {
    for (std::size_t value = 0; value < 256; ++value) {
      for (std::size_t bit = 0; bit < 8; ++bit) {
        if (((value >> bit) & 1) != 0) table[byte][value] ^= of_bit[8 * byte + bit];
      }
    }
  }
  return table;
}

constexpr std::size_t kLongLane = 256;
constexpr std::size_t kShortLane = 64;
constexpr ShiftTable kLongShift = make_shift(kLongLane);
constexpr ShiftTable kShortShift = make_shift(kShortLane);

std::uint32_t shifted(const ShiftTable& table, std::uint32_t crc) {
  return table[0][crc & 0xff] ^ table[1][(crc >> 8) & 0xff] ^ table[2][(crc >> 16) & 0xff] ^ table[3][crc >> 24];
}

// The instruction takes three cycles, and one can begin in each: three lanes side by side.
template <std::size_t lane>
__attribute__((target("sse4.2"))) std::uint64_t three_lanes(const ShiftTable& shift, std::uint64_t crc, const char*& at,
                                                            std::size_t& count) {
  while (count >= 3 * lane) {
    std::uint64_t first = crc;
    std::uint64_t second = 0;
    std::uint64_t third = 0;
    for (std::size_t n = 0; n < lane; n += 8) {
      first = _mm_crc32_u64(first, load_little(at + n));
      second = _mm_crc32_u64(second, load_little(at + lane + n));
      third = _mm_crc32_u64(third, load_little(at + 2 * lane + n));
    }
    crc = shifted(shift, static_cast<std::uint32_t>(first)) ^ second;
    crc = shifted(shift, static_cast<std::uint32_t>(crc)) ^ third;
    at += 3 * lane;
    count -= 3 * lane;
  }
  return crc;
}

bool find_instruction() {
  return __builtin_cpu_supports("sse4.2");
}

__attribute__((target("sse4.2"))) std::uint32_t by_instruction(std::uint32_t crc, const char* at, std::size_t count) {
  std::uint64_t wide = ~crc;
  wide = three_lanes<kLongLane>(kLongShift, wide & 0xffffffff, at, count);
  wide = three_lanes<kShortLane>(kShortShift, wide, at, count);
  for (; count >= 8; at += 8, count -= 8) wide = _mm_crc32_u64(wide, load_little(at));
  auto narrow = static_cast<std::uint32_t>(wide);
  for (; count > 0; ++at, --count) narrow = _mm_crc32_u8(narrow, static_cast<unsigned char>(*at));
  return ~narrow;
}
#elif defined(__aarch64__) && defined(__linux__)
bool find_instruction() {
  return (getauxval(AT_HWCAP) & HWCAP_CRC32) != 0;
}

__attribute__((target("+crc"))) std::uint32_t by_instruction(std::uint32_t crc, const char* at, std::size_t count) {
  crc = ~crc;
  for (; count >= 8; at += 8, count -= 8) crc = __crc32cd(crc, load_little(at));
  for (; count > 0; ++at, --count) crc = __crc32cb(crc, static_cast<unsigned char>(*at));
  return ~crc;
}
#else
bool find_instruction() {
  return false;
}
std::uint32_t by_instruction(std::uint32_t, const char*, std::size_t) {
  return 0;
}
#endif

}  // namespace

namespace detail {

std::uint32_t crc32c_extend_by_table(std::uint32_t crc, std::string_view bytes) {
  const char* at = bytes.data();
  std::size_t count = bytes.size();
  crc = ~crc;
  for (; count >= 8; at += 8, count -= 8) {
    const std::uint64_t word = load_little(at) ^ crc;
    crc = 0;
    for (std::size_t k = 0; k < 8; ++k) crc ^= kTables[7 - k][(word >> (8 * k)) & 0xff];
  }
  for (; count > 0; ++at, --count) crc = (crc >> 8) ^ kTables[0][(crc ^ static_cast<unsigned char>(*at)) & 0xff];
  return ~crc;
}

bool crc32c_has_instruction() {
  static const bool has = find_instruction();
  return has;
}

std::uint32_t crc32c_extend_by_instruction(std::uint32_t crc, std::string_view bytes) {
  WHERRY_ASSERT(crc32c_has_instruction());
  return by_instruction(crc, bytes.data(), bytes.size());
}

}  // namespace detail

std::uint32_t crc32c_extend(std::uint32_t crc, std::string_view bytes) {
  if (detail::crc32c_has_instruction()) return by_instruction(crc, bytes.data(), bytes.size());
  return detail::crc32c_extend_by_table(crc, bytes);
}

}  // namespace wherry

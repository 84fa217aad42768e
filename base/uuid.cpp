#include "base/uuid.h"

#include <cstdint>
#include <random>
#include <vector>

namespace wherry {

namespace {
std::mt19937_64& generator() {
  thread_local std::mt19937_64 instance = [] {
    std::random_device device;
    std::seed_seq seed{device(), device(), device(), device(), device(), device(), device(), device()};
    return std::mt19937_64(seed);
  }();
  return instance;
}

std::string uuid_of(std::mt19937_64& numbers, unsigned char version) {
  constexpr char digits[] = "0123456789abcdef";
  unsigned char bytes[16];
  for (int half = 0; half < 2; ++half) {
    const std::uint64_t number = numbers();
    for (int i = 0; i < 8; ++i) bytes[8 * half + i] = static_cast<unsigned char>(number >> (8 * i));
  }
  bytes[6] = static_cast<unsigned char>((bytes[6] & 0x0F) | version << 4);
  bytes[8] = static_cast<unsigned char>((bytes[8] & 0x3F) | 0x80);  // and its variant.
  std::string text(36, '-');
  std::size_t at = 0;
  for (std::size_t i = 0; i < sizeof bytes; ++i) {
    if (i == 4 || i == 6 || i == 8 || i == 10) ++at;
    text[at++] = digits[bytes[i] >> 4];
    text[at++] = digits[bytes[i] & 15];
  }
  return text;
}
}  // namespace

std::string make_uuid() {
  return uuid_of(generator(), 4);
}

std::string make_uuid(std::string_view name) {
  // The standard fixes what comes of a seed, in every library.
  std::vector<std::uint32_t> letters;
  for (const char letter : name) letters.push_back(static_cast<unsigned char>(letter));
  std::seed_seq seed(letters.begin(), letters.end());
  std::mt19937_64 numbers(seed);
  return uuid_of(numbers, 8);
}

std::string random_name(std::size_t length) {
  constexpr char alphabet[] = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_";
  constexpr int letters_of_a_number = 64 / 6;
  std::string text(length, ' ');
  std::uint64_t bits = 0;
  int left = 0;
  for (char& c : text) {
    if (left == 0) {
      bits = generator()();
      left = letters_of_a_number;
    }
    c = alphabet[bits & 63];
    bits >>= 6;
    --left;
  }
  return text;
}

}  // namespace wherry

#include "base/uuid.h"

#include <cstdint>
#include <random>

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
}  // namespace

std::string make_uuid() {
  constexpr char digits[] = "0123456789abcdef";
  std::string text = "xxxxxxxx-xxxx-4xxx-yxxx-xxxxxxxxxxxx";
  std::uint64_t bits = 0;
  int left = 0;
  for (char& c : text) {
    if (c != 'x' && c != 'y') continue;
    if (left == 0) {
      bits = generator()();
      left = 16;
    }
    auto nibble = bits & 15;
    c = digits[c == 'y' ? (nibble & 3) | 8 : nibble];
    bits >>= 4;
    --left;
  }
  return text;
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

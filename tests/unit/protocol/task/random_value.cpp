#include "tests/unit/protocol/task/random_value.h"

#include <bit>
#include <cmath>

namespace wherry::task {

namespace {

std::string random_text(std::mt19937_64& random) {
  static const std::vector<std::string> letters = {
      "a", "Z", " ", "\"", "\\", "/", "\n", std::string(1, '\0'), "\x1f", "\x7f", "é", "€", "\xF0\x9F\x9A\xA3",
      "'", "{"};
  std::string text;
  for (auto left = random() % 12; left > 0; --left) text += letters[random() % letters.size()];
  return text;
}

std::string random_bytes(std::mt19937_64& random) {
  std::string bytes;
  for (auto left = random() % 9; left > 0; --left) bytes += static_cast<char>(random());
  return bytes;
}

double random_number(std::mt19937_64& random) {
  switch (random() % 3) {
    case 0:
      return static_cast<double>(static_cast<std::int64_t>(random() % 2001) - 1000);
    case 1:
      return std::ldexp(static_cast<double>(random() % 1000), -static_cast<int>(random() % 20));
    default: {
      const double any = std::bit_cast<double>(random());
      return std::isfinite(any) ? any : 0.0;
    }
  }
}

}  // namespace

Value random_value(std::mt19937_64& random, unsigned depth) {
  switch (random() % (depth == 0 ? 7 : 9)) {
    case 0:
      return nullptr;
    case 1:
      return random() % 2 == 0;
    case 2:
      return static_cast<std::int64_t>(random()) >> random() % 64;
    case 3:
      return random() >> random() % 64;
    case 4:
      return random_number(random);
    case 5:
      return random_text(random);
    case 6:
      return Bytes{random_bytes(random)};
    case 7: {
      Value::Array array;
      for (auto left = random() % 5; left > 0; --left) array.push_back(random_value(random, depth - 1));
      return array;
    }
    default: {
      Value::Map map;
      for (auto left = random() % 5; left > 0; --left) set(map, random_text(random), random_value(random, depth - 1));
      return map;
    }
  }
}

}  // namespace wherry::task

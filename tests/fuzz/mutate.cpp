#include <algorithm>
#include <cstdio>
#include <cstdlib>

#include "tests/fuzz/fuzz.h"

namespace wherry::fuzz {

void found(const char* condition, const char* file, int line) {
  std::fprintf(stderr, "%s:%d: found an input that breaks: %s\n", file, line, condition);
  std::abort();
}

void mutate(std::string& input, std::mt19937_64& random) {
  auto below = [&](std::size_t limit) { return static_cast<std::size_t>(random() % std::max<std::size_t>(limit, 1)); };
  for (std::size_t n = below(5); n > 0; --n) {
    if (input.empty()) {
      input.push_back(static_cast<char>(random()));
      continue;
    }
    std::size_t at = below(input.size());
    std::size_t length = below(std::min<std::size_t>(input.size() - at, 16) + 1);
    switch (below(7)) {
      case 0:
        input[at] = static_cast<char>(input[at] ^ (1 << below(8)));
        break;
      case 1:
        input[at] = static_cast<char>(random());
        break;
      case 2: {
        constexpr unsigned char interesting[] = {0x00, 0x01, 0x7f, 0x80, 0xce, 0xff, 'F', 'A', 'S'};
        input[at] = static_cast<char>(interesting[below(sizeof interesting)]);
        break;
      }
      case 3:
        input.erase(at, length);
        break;
      case 4:
        input.insert(at, input.substr(at, length));
        break;
      case 5:
        input.resize(at);
        break;
      default:
        input.insert(below(input.size()), std::string(1 + below(4), static_cast<char>(random())));
        break;
    }
  }
}

}  // namespace wherry::fuzz

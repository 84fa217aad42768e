// Runs a target without libFuzzer. No argument: inputs made from a fixed seed (WHERRY_SEED for another) for about a
// second, at least a thousand. Arguments: the files to run, for a finding.
#include <algorithm>
#include <chrono>
#include <cstdio>
#include <cstdlib>
#include <fstream>
#include <iterator>
#include <memory>

#include "tests/fuzz/fuzz.h"

namespace {

void run(const std::string& input) {
  // Exactly as long as the input, so that a sanitizer sees a read past its end.
  std::unique_ptr<std::uint8_t[]> exact(new std::uint8_t[input.size()]);
  std::copy(input.begin(), input.end(), exact.get());
  LLVMFuzzerTestOneInput(exact.get(), input.size());
}

}  // namespace

int main(int count, char** arguments) {
  for (int i = 1; i < count; ++i) {
    std::ifstream file(arguments[i], std::ios::binary);
    if (!file) {
      std::fprintf(stderr, "cannot read %s\n", arguments[i]);
      return 2;
    }
    run(std::string(std::istreambuf_iterator<char>(file), {}));
  }
  if (count > 1) return 0;

  const char* given = std::getenv("WHERRY_SEED");
  std::uint64_t seed = given ? std::strtoull(given, nullptr, 10) : 1;
  std::printf("WHERRY_SEED=%llu\n", static_cast<unsigned long long>(seed));
  std::fflush(stdout);
  std::mt19937_64 random(seed);
  auto stop = std::chrono::steady_clock::now() + std::chrono::seconds(1);
  int runs = 0;
  for (; runs < 1000 || std::chrono::steady_clock::now() < stop; ++runs) {
    std::string input = wherry::fuzz::make_input(random());
    wherry::fuzz::mutate(input, random);
    run(input);
  }
  std::printf("%d inputs\n", runs);
}

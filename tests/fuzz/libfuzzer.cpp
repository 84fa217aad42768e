// Gives libFuzzer the targets' valid inputs: now and then one replaces what it would have mutated, so that no corpus
// has to be kept in files.
#include <algorithm>

#include "tests/fuzz/fuzz.h"

extern "C" std::size_t LLVMFuzzerMutate(std::uint8_t* data, std::size_t size, std::size_t max_size);
extern "C" std::size_t LLVMFuzzerCustomMutator(std::uint8_t* data, std::size_t size, std::size_t max_size,
                                               unsigned int seed);

std::size_t LLVMFuzzerCustomMutator(std::uint8_t* data, std::size_t size, std::size_t max_size, unsigned int seed) {
  if (size > 1 && seed % 16 != 0) return LLVMFuzzerMutate(data, size, max_size);
  std::string input = wherry::fuzz::make_input(seed);
  std::mt19937_64 random(seed);
  if (seed % 32 == 0) wherry::fuzz::mutate(input, random);
  size = std::min(input.size(), max_size);
  std::copy_n(input.begin(), size, data);
  return size;
}

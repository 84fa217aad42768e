// What a fuzz target gives: the function under test, as libFuzzer calls it, and valid inputs to begin from. Inputs are
// made when they are needed; none is kept in the tree.
#pragma once

#include <cstddef>
#include <cstdint>
#include <random>
#include <string>
#include <string_view>

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size);

namespace wherry::fuzz {

// Of the target: valid inputs, different ones for different seeds.
std::string make_input(std::uint64_t seed);

// A finding: says which check failed and aborts, so that every driver keeps the input.
#define WHERRY_FUZZ_CHECK(condition) \
  (static_cast<bool>(condition) ? void(0) : ::wherry::fuzz::found(#condition, __FILE__, __LINE__))
[[noreturn]] void found(const char* condition, const char* file, int line);

// A few random changes: bits, bytes, interesting numbers, slices cut, doubled and moved.
void mutate(std::string& input, std::mt19937_64& random);

inline std::string_view view(const std::uint8_t* data, std::size_t size) {
  return {reinterpret_cast<const char*>(data), size};
}

}  // namespace wherry::fuzz

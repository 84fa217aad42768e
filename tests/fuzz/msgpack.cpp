// Task bodies as MessagePack: what was decoded encodes again, to bytes that mean the same.
#include "protocol/task/msgpack.h"

#include "protocol/task/repr.h"
#include "tests/fuzz/fuzz.h"
#include "tests/unit/protocol/task/random_value.h"

using namespace wherry;
using namespace wherry::task;

std::string fuzz::make_input(std::uint64_t seed) {
  std::mt19937_64 random(seed);
  return encode_msgpack(random_value(random)).value_or("");
}

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  auto value = decode_msgpack(fuzz::view(data, size));
  if (!value) {
    WHERRY_FUZZ_CHECK(!value.error().message.empty());
    return 0;
  }
  WHERRY_FUZZ_CHECK(repr(*value).size() <= max_repr);
  auto bytes = encode_msgpack(*value);
  WHERRY_FUZZ_CHECK(bytes);
  auto again = decode_msgpack(*bytes);
  WHERRY_FUZZ_CHECK(again);
  // By their bytes: NaN is not equal to itself.
  WHERRY_FUZZ_CHECK(encode_msgpack(*again).value() == *bytes);
  return 0;
}

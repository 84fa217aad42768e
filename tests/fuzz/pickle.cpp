// Results as pickles: what was decoded encodes again, to bytes that mean the same.
#include "sdk/results/pickle.h"

#include "tests/fuzz/fuzz.h"
#include "tests/unit/protocol/task/random_value.h"

using namespace wherry;
using namespace wherry::results;

std::string fuzz::make_input(std::uint64_t seed) {
  std::mt19937_64 random(seed);
  return encode_pickle(task::random_value(random)).value_or("");
}

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  auto value = decode_pickle(fuzz::view(data, size));
  if (!value) {
    WHERRY_FUZZ_CHECK(!value.error().message.empty());
    return 0;
  }
  // A number that is not finite can be read, but is written nowhere.
  auto bytes = encode_pickle(*value);
  if (!bytes) return 0;
  auto again = decode_pickle(*bytes);
  WHERRY_FUZZ_CHECK(again);
  WHERRY_FUZZ_CHECK(*again == *value);
  WHERRY_FUZZ_CHECK(encode_pickle(*again).value() == *bytes);
  return 0;
}

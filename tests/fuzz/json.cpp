// Task bodies as JSON: what was decoded encodes again, to a text that means the same.
#include "protocol/task/json.h"

#include "tests/fuzz/fuzz.h"
#include "tests/unit/protocol/task/random_value.h"

using namespace wherry;
using namespace wherry::task;

std::string fuzz::make_input(std::uint64_t seed) {
  std::mt19937_64 random(seed);
  return encode_json(random_value(random)).value_or("");
}

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  auto value = decode_json(fuzz::view(data, size));
  if (!value) {
    WHERRY_FUZZ_CHECK(!value.error().message.empty());
    return 0;
  }
  describe(*value);
  auto text = encode_json(*value);
  WHERRY_FUZZ_CHECK(text);
  auto again = decode_json(*text);
  WHERRY_FUZZ_CHECK(again);
  WHERRY_FUZZ_CHECK(*again == *value);
  WHERRY_FUZZ_CHECK(encode_json(*again).value() == *text);
  return 0;
}

// Content properties: the view and the decoded struct agree; what was decoded survives a round trip.
#include "protocol/amqp/properties.h"

#include "tests/fuzz/fuzz.h"
#include "tests/unit/protocol/amqp/generate.h"

using namespace wherry;
using namespace wherry::amqp;

std::string fuzz::make_input(std::uint64_t seed) {
  return encode_properties(test::Generator(seed).properties());
}

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  std::string_view input = fuzz::view(data, size);
  auto seen = view_properties(input);
  auto properties = decode_properties(input);
  WHERRY_FUZZ_CHECK(seen.has_value() == properties.has_value());
  if (!properties) return 0;
  WHERRY_FUZZ_CHECK(seen->message_id == properties->message_id);
  WHERRY_FUZZ_CHECK(seen->timestamp == properties->timestamp);
  WHERRY_FUZZ_CHECK(seen->headers.has_value() == properties->headers.has_value());
  std::string raw = encode_properties(*properties);
  auto again = decode_properties(raw);
  WHERRY_FUZZ_CHECK(again);
  WHERRY_FUZZ_CHECK(encode_properties(*again) == raw);
  return 0;
}

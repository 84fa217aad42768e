// Methods: what decodes prints, encodes to the size it said, and decodes to the same again.
#include "protocol/amqp/method_codec.h"
#include "tests/fuzz/fuzz.h"
#include "tests/unit/protocol/amqp/generate.h"

using namespace wherry;
using namespace wherry::amqp;

std::string fuzz::make_input(std::uint64_t seed) {
  std::string raw;
  test::Generator generate(seed);
  encode_method(generate.method(), raw);
  return raw;
}

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  auto method = decode_method(fuzz::view(data, size));
  if (!method) {
    WHERRY_FUZZ_CHECK(method.error().closes_connection());
    WHERRY_FUZZ_CHECK(!method.error().explanation.empty());
    return 0;
  }
  to_string(*method);
  std::string raw;
  encode_method(*method, raw);
  WHERRY_FUZZ_CHECK(raw.size() == encoded_size(*method));
  WHERRY_FUZZ_CHECK(raw.size() == size);
  auto again = decode_method(raw);
  WHERRY_FUZZ_CHECK(again);
  std::string twice;
  encode_method(*again, twice);
  WHERRY_FUZZ_CHECK(twice == raw);
  return 0;
}

// Field tables: checking and decoding agree; what was decoded encodes to something that decodes to the same.
#include "protocol/amqp/table.h"

#include "tests/fuzz/fuzz.h"
#include "tests/unit/protocol/amqp/generate.h"

using namespace wherry;
using namespace wherry::amqp;

std::string fuzz::make_input(std::uint64_t seed) {
  return encode_table(test::Generator(seed).table(4));
}

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  TableView input{fuzz::view(data, size)};
  auto checked = check_table(input);
  auto table = decode_table(input);
  WHERRY_FUZZ_CHECK(checked.has_value() == table.has_value());
  if (!table) {
    WHERRY_FUZZ_CHECK(checked.error().message == table.error().message);
    return 0;
  }
  to_string(*table);
  std::string raw = encode_table(*table);
  auto again = decode_table({raw});
  WHERRY_FUZZ_CHECK(again);
  WHERRY_FUZZ_CHECK(encode_table(*again) == raw);
  return 0;
}

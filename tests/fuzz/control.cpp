// Requests on the control socket: what was parsed is written again, to a text that means the same.
#include "broker/control/json.h"
#include "tests/fuzz/fuzz.h"

using namespace wherry;
using namespace wherry::broker;

std::string fuzz::make_input(std::uint64_t seed) {
  return R"({"verb":"set_policy","name":"p","pattern":"^q","definition":{"max-length":)" +
         std::to_string(static_cast<std::int64_t>(seed) - 100) + R"(},"columns":["name",null,1.5,true]})";
}

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  auto request = control::parse_object(fuzz::view(data, size));
  if (!request) {
    WHERRY_FUZZ_CHECK(!request.error().message.empty());
    return 0;
  }
  const std::string text = control::to_json(*request);
  WHERRY_FUZZ_CHECK(text.find('\n') == std::string::npos);
  auto again = control::parse_object(text, text.size());
  WHERRY_FUZZ_CHECK(again);
  WHERRY_FUZZ_CHECK(control::to_json(*again) == text);
  return 0;
}

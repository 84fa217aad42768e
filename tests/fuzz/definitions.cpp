// Definitions documents: whatever JSON they are, they are understood or refused with a reason.
#include "broker/admin/definitions_document.h"
#include "broker/control/json.h"
#include "tests/fuzz/fuzz.h"

using namespace wherry;
using namespace wherry::broker;

std::string fuzz::make_input(std::uint64_t seed) {
  const std::string number = std::to_string(static_cast<std::int64_t>(seed) - 100);
  return R"({"users":[{"name":"u","password_hash":"","tags":["a",null]}],"vhosts":[{"name":"/"}],)"
         R"("permissions":[{"user":"u","vhost":"/","configure":".*","write":".*","read":")" +
         number +
         R"("}],"policies":[{"vhost":"/","name":"p","pattern":"^q","apply-to":"all","definition":{"max-length":)" +
         number +
         R"(},"priority":1}],"queues":[{"name":"q","vhost":"/","durable":true,"arguments":{"x-expires":1}}],)"
         R"("exchanges":[{"name":"e","vhost":"/","type":"topic"}],"parameters":[{"component":"vhost-limits","name":"l",)"
         R"("vhost":"/","value":{"max-queues":)" +
         number +
         R"(}}],"bindings":[{"source":"e","vhost":"/","destination":"q","destination_type":"queue","routing_key":""}]})";
}

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  auto body = control::parse_object(fuzz::view(data, size));
  if (!body) return 0;
  for (const char* vhost : {"", "/"}) {
    auto document = admin::parse_definitions(*body, vhost);
    if (!document) {
      WHERRY_FUZZ_CHECK(!document.error().reason.empty());
      continue;
    }
    for (const auto& queue : document->queues) WHERRY_FUZZ_CHECK(queue.what.name.size() <= 255);
  }
  return 0;
}

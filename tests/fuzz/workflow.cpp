// Signatures of workflows as JSON: anything either is one or gives one clean error; what is planned can be sent and
// read, and each next link of it is planned in its turn.
#include "protocol/task/json.h"
#include "protocol/task/plan.h"
#include "tests/fuzz/fuzz.h"
#include "tests/unit/protocol/task/random_value.h"

using namespace wherry;
using namespace wherry::task;

namespace {

const WallTime begun{std::chrono::sys_days(std::chrono::year(2026) / 1 / 31)};
constexpr int most_links = 8;

Signature random_signature(std::mt19937_64& random, int depth) {
  auto some = [&] {
    std::vector<Signature> all;
    for (auto left = random() % 4; left > 0; --left) all.push_back(random_signature(random, depth - 1));
    return all;
  };
  Signature out;
  switch (depth == 0 ? 3 : random() % 5) {
    case 0:
      out = make_chain(some());
      break;
    case 1:
      out = make_group(some());
      break;
    case 2:
      out = make_chord(make_group(some()), random_signature(random, depth - 1));
      break;
    default:
      out.task = "t";
      if (random() % 2) out.args.push_back(random_value(random, 2));
      break;
  }
  out.immutable = random() % 4 == 0;
  if (random() % 4 == 0) set(out.options, "task_id", "the-id");
  if (random() % 4 == 0) set(out.options, "countdown", 5);
  if (random() % 4 == 0) set(out.options, "link", write_signatures({Signature{.task = "linked"}}));
  if (random() % 4 == 0) set(out.options, "link_error", write_signature(Signature{.task = "broken"}));
  return out;
}

void check_plan(const Signature& signature, const Start& start, int links) {
  auto plan = make_plan(signature, start, begun);
  if (!plan) {
    WHERRY_FUZZ_CHECK(!plan.error().message.empty());
    return;
  }
  for (const PlannedTask& each : plan->tasks) {
    WHERRY_FUZZ_CHECK(!each.task.id.empty());
    auto message = encode(each.task, begun);
    if (!message) continue;
    auto read = decode(message->properties, message->body);
    WHERRY_FUZZ_CHECK(read && read->id == each.task.id);
    const auto* chain = read->embed.chain.get<Value::Array>();
    if (chain == nullptr || links == 0) continue;
    auto next = read_signature(chain->back());
    if (!next) continue;
    Start after{.args = {1}, .root_id = read->root_id, .parent_id = read->id};
    after.chain = Value::Array(chain->begin(), chain->end() - 1);
    check_plan(*next, after, links - 1);
  }
}

}  // namespace

std::string fuzz::make_input(std::uint64_t seed) {
  std::mt19937_64 random(seed);
  return encode_json(write_signature(random_signature(random, 3))).value_or("");
}

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  auto value = decode_json(fuzz::view(data, size));
  if (!value) return 0;
  auto signature = read_signature(*value);
  if (!signature) {
    WHERRY_FUZZ_CHECK(!signature.error().message.empty());
    return 0;
  }
  WHERRY_FUZZ_CHECK(*read_signature(write_signature(*signature)) == *signature);
  count_parts(*signature);
  check_plan(*signature, {.args = {0}, .reply_to = "replies"}, most_links);
  return 0;
}

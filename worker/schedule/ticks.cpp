#include "worker/schedule/ticks.h"

#include <utility>

#include <fmt/chrono.h>
#include <fmt/format.h>

#include "base/iso8601.h"
#include "base/uuid.h"
#include "sdk/client/encode.h"
#include "wherry/error.h"

namespace wherry::schedule {

namespace {

// The ids of so many ticks are known.
constexpr std::int32_t most_ids = 10'000;

Result<sdk::Publication> make(const Entry& entry, std::string id, WallTime tick, const sdk::OnceTarget& target,
                              const sdk::Router& router, Serializer serializer, WallTime now) {
  EnqueueOptions options = entry.options;
  options.task_id = std::move(id);
  options.deduplication_key = options.task_id;
  options.headers.insert_or_assign("periodic_task_name", entry.name);
  options.headers.insert_or_assign("x-wherry-tick", format_iso8601(tick));
  try {
    sdk::Outgoing out = sdk::encode_call({entry.task, entry.args, entry.kwargs}, options,
                                         router.route(entry.task, options), {{}, serializer}, now);
    out.message.exchange = target.exchange;
    out.message.routing_key = target.routing_key;
    return std::move(out.message);
  } catch (const ClientError& error) {
    return fail(fmt::format("{}: {}", entry.name, error.what()));
  }
}

}  // namespace

Result<sdk::OnceTarget> make_target(const std::string& schedule, const Entry& entry, const sdk::Router& router) {
  auto target = sdk::once_target(schedule, most_ids, router.route(entry.task, entry.options));
  if (!target) return fail(fmt::format("{}: {}", entry.name, target.error().message));
  return target;
}

std::string tick_id(const Entry& entry, WallTime tick) {
  return fmt::format("{}:{:%Y-%m-%dT%H:%M:%S}Z", entry.name, fmt::gmtime(std::chrono::system_clock::to_time_t(tick)));
}

Result<sdk::Publication> make_message(const Entry& entry, WallTime tick, const sdk::OnceTarget& target,
                                      const sdk::Router& router, Serializer serializer, WallTime now) {
  return make(entry, tick_id(entry, tick), tick, target, router, serializer, now);
}

Result<sdk::Publication> make_message_now(const Entry& entry, const sdk::OnceTarget& target, const sdk::Router& router,
                                          Serializer serializer, WallTime now) {
  return make(entry, fmt::format("{}:now:{}", entry.name, make_uuid()), now, target, router, serializer, now);
}

}  // namespace wherry::schedule

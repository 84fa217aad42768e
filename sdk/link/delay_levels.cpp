#include "sdk/link/delay_levels.h"

#include <algorithm>

#include <fmt/format.h>

#include "base/assert.h"

namespace wherry::sdk {

namespace {

constexpr int levels = 28;
constexpr std::int64_t longest_s = (std::int64_t{1} << levels) - 1;
constexpr std::size_t longest_key = 255;

std::string level_name(int level) {
  return fmt::format("celery_delayed_{}", level);
}

// "*.*.1.#": the bit of that level is 1, or 0, whatever stands around it.
std::string level_key(int level, char bit) {
  std::string key;
  for (int above = levels - 1; above > level; --above) key += "*.";
  return key + bit + ".#";
}

}  // namespace

Topology delay_levels() {
  Topology all;
  for (int level = levels - 1; level >= 0; --level) {
    const std::string name = level_name(level);
    QueueSpec queue{.name = name};
    queue.arguments.set("x-queue-type", std::string("quorum"));
    queue.arguments.set("x-overflow", std::string("reject-publish"));
    queue.arguments.set("x-message-ttl", (std::int64_t{1} << level) * 1000);
    queue.arguments.set("x-dead-letter-exchange",
                        level > 0 ? level_name(level - 1) : std::string(delay_delivery_exchange));
    queue.arguments.set("x-dead-letter-strategy", std::string("at-least-once"));
    all.push_back(ExchangeSpec{.name = name, .type = "topic"});
    all.push_back(std::move(queue));
    all.push_back(BindingSpec{.source = name, .destination = name, .routing_key = level_key(level, '1')});
  }
  for (int level = levels - 1; level > 0; --level) {
    all.push_back(BindingSpec{.source = level_name(level),
                              .destination = level_name(level - 1),
                              .routing_key = level_key(level, '0'),
                              .to_exchange = true});
  }
  all.push_back(ExchangeSpec{.name = std::string(delay_delivery_exchange), .type = "topic"});
  all.push_back(BindingSpec{.source = level_name(0),
                            .destination = std::string(delay_delivery_exchange),
                            .routing_key = level_key(0, '0'),
                            .to_exchange = true});
  return all;
}

bool fits_delay_levels(std::string_view queue) {
  if (queue.size() + 2 * levels > longest_key) return false;
  for (std::size_t at = 0; at <= queue.size();) {
    const std::size_t end = std::min(queue.find('.', at), queue.size());
    const std::string_view word = queue.substr(at, end - at);
    if (word == "*" || word == "#") return false;
    at = end + 1;
  }
  return true;
}

std::int64_t delay_seconds(std::chrono::milliseconds delay) {
  return std::min<std::int64_t>(delay.count() / 1000, longest_s);
}

std::string_view first_delay_exchange() {
  static const std::string name = level_name(levels - 1);
  return name;
}

std::string delay_routing_key(std::int64_t seconds, std::string_view queue) {
  WHERRY_ASSERT(seconds >= 1 && seconds <= longest_s);
  std::string key;
  for (int level = levels - 1; level >= 0; --level) {
    key += (seconds >> level & 1) != 0 ? '1' : '0';
    key += '.';
  }
  return key.append(queue);
}

BindingSpec delay_binding(const std::string& queue) {
  std::string key;
  for (int level = 0; level < levels; ++level) key += "*.";
  return {.source = std::string(delay_delivery_exchange), .destination = queue, .routing_key = key + queue};
}

}  // namespace wherry::sdk

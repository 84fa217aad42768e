#include "perf/workload.h"

#include <charconv>
#include <numeric>

#include <fmt/format.h>

#include "protocol/amqp/wire.h"

namespace wherry::perf {

namespace {

constexpr std::uint64_t most_template_bytes = 256 * 1024 * 1024;
constexpr std::uint64_t stamp_bytes = 8;

std::string counted(std::uint64_t count, std::string_view noun) {
  return fmt::format("{} {}{}", count, noun, count == 1 ? "" : "s");
}

// Neighbouring publishes use distant keys, and every key has its turn: a step without a common divisor.
unsigned stride(unsigned count) {
  unsigned step = 7;
  while (std::gcd(step, count) != 1) ++step;
  return step;
}

std::string direct_key(unsigned index) {
  return fmt::format("k{}", index);
}

}  // namespace

std::string Workload::queue(unsigned index) const {
  return fmt::format("{}-q{}", prefix, index);
}

std::string Workload::exchange_name() const {
  return prefix + "-x";
}

std::string Workload::describe() const {
  std::string text = fmt::format("{}, {}, {}, {} B {}", counted(producers, "producer"), counted(consumers, "consumer"),
                                 counted(queues, "queue"), size_bytes, persistent ? "persistent" : "transient");
  if (confirm_window > 0) text += fmt::format(", confirm window {}", confirm_window);
  if (consumers > 0) {
    if (ack == AckMode::automatic) text += ", automatic ack";
    if (ack == AckMode::each) text += ", ack each";
    if (ack == AckMode::multiple) text += fmt::format(", ack every {}", ack_every);
    if (prefetch > 0) text += fmt::format(", prefetch {}", prefetch);
  }
  if (exchange == ExchangeKind::fanout) text += ", fan-out to all queues";
  if (exchange == ExchangeKind::direct) text += fmt::format(", direct exchange with {} bindings", bindings);
  if (exchange == ExchangeKind::topic) {
    text += fmt::format(", topic exchange with {} bindings", bindings);
    if (keys > 0) text += fmt::format(" and {} keys", keys);
  }
  if (in_flight > 0) text += fmt::format(", at most {} in flight", in_flight);
  if (rate > 0) text += fmt::format(", {:g} messages/s", rate);
  if (depth == 1) text += ", one message at a time";
  if (depth > 1) text += fmt::format(", {} messages at a time", depth);
  return text;
}

Result<void> check(const Workload& w) {
  if (w.producers == 0 && w.consumers == 0) return fail("no producers and no consumers: there is nothing to measure");
  if (w.queues == 0) return fail("--queues: at least one is needed");
  if (w.consumers > 0 && w.ack == AckMode::multiple && w.prefetch > 0 && w.ack_every > w.prefetch) {
    return fail(fmt::format("--ack-every {} is above --prefetch {}: the broker would wait for an ack that never comes",
                            w.ack_every, w.prefetch));
  }
  if ((w.exchange == ExchangeKind::topic || w.exchange == ExchangeKind::direct) && w.bindings == 0) {
    return fail("--bindings: at least one, or nothing is routed");
  }
  if (w.keys > 0 && (w.exchange != ExchangeKind::topic || w.keys < w.bindings)) {
    return fail("--keys: of a topic exchange, and not fewer than --bindings");
  }
  if (w.measures_latency() && (w.producers == 0 || w.consumers == 0)) {
    return fail("latency needs producers and consumers");
  }
  if (w.measures_latency() && w.size_bytes < stamp_bytes) {
    return fail(
        fmt::format("--size {}: the time of sending is in the body, {} bytes at least", w.size_bytes, stamp_bytes));
  }
  if (w.prefix.empty() || w.prefix.size() > 200) return fail("--prefix: 1 to 200 characters");
  const std::uint64_t keys = w.exchange == ExchangeKind::none || w.exchange == ExchangeKind::fanout
                                 ? (w.queues + w.producers) / std::max(w.producers, 1u)
                                 : w.key_count();
  if (w.size_bytes > most_template_bytes / std::max<std::uint64_t>(keys, 1)) {
    return fail(fmt::format("--size {} with {} routing keys: the messages of one round must fit into {} MiB",
                            w.size_bytes, keys, most_template_bytes >> 20));
  }
  return {};
}

std::string topic_pattern(unsigned index) {
  switch (index % 3) {
    case 0:
      return fmt::format("s{}.*.eu.#", index);
    case 1:
      return fmt::format("*.s{}.eu.#", index);
    default:
      return fmt::format("#.s{}", index);
  }
}

std::string topic_key(unsigned index, unsigned variant) {
  const std::string any = variant == 0 ? "a" : fmt::format("a{}", variant);
  switch (index % 3) {
    case 0:
      return fmt::format("s{}.{}.eu.b.c", index, any);
    case 1:
      return fmt::format("{}.s{}.eu.b.c", any, index);
    default:
      return fmt::format("{}.b.eu.s{}", any, index);
  }
}

std::vector<Route> routes_of(const Workload& w, unsigned producer) {
  std::vector<Route> routes;
  if (w.exchange == ExchangeKind::none) {
    if (w.queues <= w.producers) return {{"", w.queue(producer % w.queues)}};
    for (unsigned queue = producer; queue < w.queues; queue += w.producers) routes.push_back({"", w.queue(queue)});
    return routes;
  }
  if (w.exchange == ExchangeKind::fanout) return {{w.exchange_name(), "all"}};
  const unsigned keys = w.key_count();
  const unsigned step = stride(keys);
  for (unsigned i = 0; i < keys; ++i) {
    const auto index = static_cast<unsigned>((std::uint64_t(i) * step + std::uint64_t(producer) * 13) % keys);
    routes.push_back({w.exchange_name(), w.exchange == ExchangeKind::topic
                                             ? topic_key(index % w.bindings, index / w.bindings)
                                             : direct_key(index)});
  }
  return routes;
}

std::vector<BindingPlan> bindings_of(const Workload& w) {
  std::vector<BindingPlan> plans;
  if (w.exchange == ExchangeKind::none) return plans;
  if (w.exchange == ExchangeKind::fanout) {
    for (unsigned i = 0; i < w.queues; ++i) plans.push_back({w.queue(i), "all"});
    return plans;
  }
  for (unsigned i = 0; i < w.bindings; ++i) {
    plans.push_back({w.queue(i % w.queues), w.exchange == ExchangeKind::topic ? topic_pattern(i) : direct_key(i)});
  }
  return plans;
}

Result<void> add_argument(amqp::Table& to, std::string_view text) {
  const std::size_t equals = text.find('=');
  if (equals == std::string_view::npos || equals == 0 || equals > amqp::short_string_max) {
    return fail(fmt::format("--queue-argument '{}': NAME=VALUE is needed, such as x-max-length=1000", text));
  }
  const std::string_view name = text.substr(0, equals);
  const std::string_view value = text.substr(equals + 1);
  std::int64_t number = 0;
  const auto [end, error] = std::from_chars(value.data(), value.data() + value.size(), number);
  if (value == "true" || value == "false") {
    to.set(name, value == "true");
  } else if (!value.empty() && error == std::errc() && end == value.data() + value.size()) {
    to.set(name, number);
  } else {
    to.set(name, std::string(value));
  }
  return {};
}

}  // namespace wherry::perf

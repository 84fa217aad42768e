// Workload: what is published and consumed, in numbers; and the topology, keys and bindings that follow from them.
//
// Queues are called PREFIX-q0, PREFIX-q1, ...; the exchange of a fan-out, direct or topic workload PREFIX-x. A producer
// publishes round robin to its share of the queues (default exchange), or through all routing keys (direct, topic). A
// topic workload has as many bindings as asked for, each with wildcards, and each key matches exactly one of them: a
// third is found by the first word, a third by the second, a third by the last behind "#". With more keys than bindings
// several match the same one, and differ where it has a wildcard.
// Threads: plain data and functions.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

#include "base/result.h"
#include "protocol/amqp/table.h"

namespace wherry::perf {

enum class AckMode { automatic, each, multiple };
enum class ExchangeKind { none, fanout, direct, topic };  // none: the default exchange, by the queue's name.

struct Workload {
  unsigned producers = 1;
  unsigned consumers = 1;
  unsigned queues = 1;
  std::uint64_t size_bytes = 16;
  bool persistent = false;
  std::uint32_t confirm_window = 0;  // Most unconfirmed messages of one producer; 0: no confirms.
  AckMode ack = AckMode::automatic;
  std::uint32_t ack_every = 1;  // With AckMode::multiple: one ack for so many.
  std::uint16_t prefetch = 0;   // 0: no limit.
  ExchangeKind exchange = ExchangeKind::none;
  unsigned bindings = 1000;
  unsigned keys = 0;            // Different routing keys of a topic workload; 0: as many as bindings.
  std::uint64_t in_flight = 0;  // Most messages published and not yet delivered; 0: no cap.
  std::uint64_t count = 0;      // Messages in all; 0: for as long as seconds says.
  double seconds = 5;
  double drain_limit_s = 60;  // At the end, what is outstanding is waited for while something comes within this.
  bool durable_queues = true;
  amqp::Table queue_arguments;
  std::string prefix = "wherry-perf";

  // Paced instead of as fast as possible: messages per second with the time they were due in the body.
  double rate = 0;
  // One at a time (or this many): the next is sent when the one before has arrived. 0: not so.
  std::uint32_t depth = 0;
  double warm_s = 0;  // Latencies of the first seconds are left out.

  bool measures_latency() const { return rate > 0 || depth > 0; }
  unsigned key_count() const { return exchange == ExchangeKind::topic && keys > 0 ? keys : bindings; }
  std::uint64_t copies() const { return exchange == ExchangeKind::fanout ? queues : 1; }
  std::string queue(unsigned index) const;
  std::string exchange_name() const;
  // "2 producers, 2 consumers, 2 queues, 1024 B persistent, confirm window 1000, ack each, prefetch 100"
  std::string describe() const;
};

// What a mistake in the numbers would make hang or blow up, said before anything is connected.
Result<void> check(const Workload& workload);

struct Route {
  std::string exchange;
  std::string key;
  friend bool operator==(const Route&, const Route&) = default;
};
// Where a producer publishes to, in turn. Never empty.
std::vector<Route> routes_of(const Workload& workload, unsigned producer);

struct BindingPlan {
  std::string queue;
  std::string key;
};
std::vector<BindingPlan> bindings_of(const Workload& workload);

// The index-th of the bindings of a topic workload: its pattern, and a key that matches it and no other; keys with
// other variants differ.
std::string topic_pattern(unsigned index);
std::string topic_key(unsigned index, unsigned variant = 0);

// "x-queue-type=quorum", "x-max-length=1000", "x-single-active-consumer=true": text, number or boolean.
Result<void> add_argument(amqp::Table& to, std::string_view text);

}  // namespace wherry::perf

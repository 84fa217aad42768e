#include "broker/routing/deduplication.h"

#include <vector>

#include "base/bytes.h"
#include "protocol/amqp/properties.h"

namespace wherry::broker {
namespace {

constexpr std::string_view header = "x-deduplication-header";
constexpr std::size_t longest_key = 255;
constexpr std::size_t portion_bytes = std::size_t{64} << 10;

}  // namespace

std::optional<DeduplicationRule> deduplication_rule(const amqp::Table& arguments) {
  DeduplicationRule rule;
  std::int64_t window_ms = 0;
  std::int64_t count = 0;
  const bool timed = arguments.integer("x-dedup-window", window_ms) && window_ms > 0;
  const bool counted = arguments.integer("x-dedup-count", count) && count > 0;
  if (timed) rule.window_ms = static_cast<std::uint64_t>(window_ms);
  if (counted) rule.most_keys = static_cast<std::uint64_t>(count);
  rule.window = timed || counted;
  bool asked = false;
  if (!rule.window && !(arguments.boolean("x-message-deduplication", asked) && asked)) return std::nullopt;
  return rule;
}

std::optional<std::string> deduplication_key(std::string_view raw_properties) {
  if (raw_properties.find(header) == std::string_view::npos) return std::nullopt;
  const auto properties = amqp::view_properties(raw_properties);
  if (!properties || !properties->headers) return std::nullopt;
  const auto headers = amqp::decode_table(*properties->headers);
  if (!headers || headers->find("x-death") != nullptr) return std::nullopt;
  std::string key;
  if (const std::string* text = headers->string(header)) {
    key = *text;
  } else if (std::int64_t number = 0; headers->integer(header, number)) {
    key = std::to_string(number);
  }
  if (key.empty() || key.size() > longest_key) return std::nullopt;
  if (std::int64_t retries = 0; headers->integer("retries", retries) && retries > 0) {
    key += '#' + std::to_string(retries);
  }
  return key;
}

void Deduplication::set_rule(DeduplicationRule rule, std::uint64_t now_ms) {
  if (rule.window != rule_.window) {
    by_position_.clear();
    by_key_.clear();
    order_.clear();
  }
  rule_ = rule;
  trim(now_ms);
}

void Deduplication::erase(Order::iterator known) {
  by_key_.erase(known->key);
  if (known->at != 0) {
    const auto placed = by_position_.find(known->at);
    if (placed != by_position_.end() && placed->second == known) by_position_.erase(placed);
  }
  order_.erase(known);
}

void Deduplication::trim(std::uint64_t now_ms) {
  if (!rule_.window) return;
  while (!order_.empty() && (order_.size() > rule_.most_keys ||
                             (rule_.window_ms != 0 && order_.front().since_ms + rule_.window_ms <= now_ms))) {
    erase(order_.begin());
  }
}

const Deduplication::Known* Deduplication::find(std::string_view key, std::uint64_t now_ms) {
  trim(now_ms);
  const auto found = by_key_.find(key);
  return found == by_key_.end() ? nullptr : &*found->second;
}

void Deduplication::remember(Known known) {
  const std::uint64_t since_ms = known.since_ms;
  place(std::move(known));
  trim(since_ms);
}

void Deduplication::place(Known known) {
  if (const auto before = by_key_.find(known.key); before != by_key_.end()) erase(before->second);
  order_.push_back(std::move(known));
  const auto last = std::prev(order_.end());
  by_key_.emplace(last->key, last);
  if (!rule_.window && last->at != 0) by_position_[last->at] = last;
}

std::optional<Deduplication::Known> Deduplication::forget(std::string_view key) {
  const auto found = by_key_.find(key);
  if (found == by_key_.end()) return std::nullopt;
  Known known = *found->second;
  erase(found->second);
  return known;
}

void Deduplication::left(std::uint64_t at) {
  if (by_position_.empty()) return;
  if (const auto found = by_position_.find(at); found != by_position_.end()) erase(found->second);
}

void Deduplication::retain(const std::function<bool(std::uint64_t at)>& in_queue,
                           const std::function<void(const Known&)>& each) {
  if (rule_.window) return;
  for (auto at = order_.begin(); at != order_.end();) {
    const auto known = at++;
    if (in_queue(known->at)) continue;
    each(*known);
    erase(known);
  }
}

// --- what a restart is told ------------------------------------------------------------------------------------------

void Deduplication::encode(std::string& into, const Known& known) {
  ByteWriter writer(into);
  writer.u64(known.at);
  writer.u64(known.since_ms);
  writer.u16(static_cast<std::uint16_t>(known.key.size()));
  writer.bytes(known.key);
}

void Deduplication::encode_forgotten(std::string& into, std::string_view key) {
  ByteWriter writer(into);
  writer.u64(0);
  writer.u64(0);
  writer.u16(static_cast<std::uint16_t>(key.size()));
  writer.bytes(key);
}

bool Deduplication::replay(std::uint64_t noted, std::string_view entries) {
  ByteReader reader(entries);
  while (!reader.at_end()) {
    Known known{.noted = noted};
    known.at = reader.u64();
    known.since_ms = reader.u64();
    known.key = reader.bytes(reader.u16());
    if (!reader.ok()) return false;
    if (known.since_ms == 0) {
      forget(known.key);
    } else {
      place(std::move(known));
    }
  }
  return true;
}

// What was said again stands behind what came later.
void Deduplication::replayed(std::uint64_t now_ms) {
  order_.sort([](const Known& a, const Known& b) { return a.since_ms < b.since_ms; });
  trim(now_ms);
}

bool Deduplication::renew(std::uint64_t up_to, const std::function<std::uint64_t(std::string_view entries)>& note) {
  std::string entries;
  std::vector<Known*> portion;
  bool any = false;
  const auto write = [&] {
    if (portion.empty()) return;
    const std::uint64_t lsn = note(entries);
    for (Known* known : portion) known->noted = lsn;
    entries.clear();
    portion.clear();
  };
  for (Known& known : order_) {
    any = any || known.noted != 0;
    if (known.noted == 0 || known.noted > up_to) continue;
    encode(entries, known);
    portion.push_back(&known);
    if (entries.size() >= portion_bytes) write();
  }
  write();
  return any;
}

// --- of an exchange --------------------------------------------------------------------------------------------------

SharedDeduplication::SharedDeduplication(DeduplicationRule rule)
    : known_([&] {
        // Messages do not stay in an exchange: its keys always have a window.
        rule.window = true;
        return rule;
      }()) {}

bool SharedDeduplication::begin(const std::string& key, std::uint64_t now_ms) {
  const std::lock_guard lock(mutex_);
  if (known_.find(key, now_ms) != nullptr) {
    ++duplicates_;
    return false;
  }
  known_.remember({.key = key, .since_ms = now_ms});
  return true;
}

void SharedDeduplication::undo(const std::string& key) {
  const std::lock_guard lock(mutex_);
  known_.forget(key);
}

std::uint64_t SharedDeduplication::duplicates() const {
  const std::lock_guard lock(mutex_);
  return duplicates_;
}

}  // namespace wherry::broker

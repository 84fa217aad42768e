// x-consistent-hash: messages with the same key to the same destination, shares by weight, and few keys that move when
// a destination comes or goes.
//
// The keys are divided into slots, and each slot belongs to the destination that scores highest for it: -weight /
// ln(u), where u in (0, 1) is drawn from slot and destination (weighted rendezvous hashing). So a destination that
// comes takes only the slots it now wins, of one that goes only its own find new owners, and shares are proportional to
// weights. Nothing but the bindings decides: not their order, and a restart neither. Routing is one hash and one look
// into the table.
#include <algorithm>
#include <charconv>
#include <cmath>
#include <map>

#include <fmt/format.h>

#include "base/bytes.h"
#include "broker/routing/exchange.h"

namespace wherry::broker {

namespace {

constexpr std::size_t slots = 8 * 1024;  // 128 KiB; of ten destinations each has its share to some 3 %.

// FNV-1a, stirred: its low bits alone would follow the last byte.
std::uint64_t hash(std::string_view text, std::uint64_t seed = 0xcbf29ce484222325u) {
  for (const char c : text) seed = (seed ^ static_cast<std::uint8_t>(c)) * 0x100000001b3u;
  seed = (seed ^ (seed >> 30)) * 0xbf58476d1ce4e5b9u;
  seed = (seed ^ (seed >> 27)) * 0x94d049bb133111ebu;
  return seed ^ (seed >> 31);
}

enum class Fault { none, no_integer, not_positive };

// An integer with or without a sign, as Erlang reads one; larger ones than a double can tell apart are as good.
Fault parse_weight(std::string_view key, double& weight) {
  std::string_view digits = key;
  const bool negative = digits.starts_with('-');
  if (negative || digits.starts_with('+')) digits.remove_prefix(1);
  if (digits.empty() || !std::all_of(digits.begin(), digits.end(), [](char c) { return c >= '0' && c <= '9'; })) {
    return Fault::no_integer;
  }
  weight = 0;
  for (const char digit : digits) weight = std::min(weight * 10 + (digit - '0'), 1e15);
  return negative || weight < 1 ? Fault::not_positive : Fault::none;
}

class ConsistentHashExchange final : public Exchange {
 public:
  explicit ConsistentHashExchange(ExchangeSpec its_spec) : Exchange(std::move(its_spec)) {
    if (const std::string* header = spec().arguments.string("hash-header")) header_ = *header;
    if (const std::string* property = spec().arguments.string("hash-property")) property_ = *property;
  }

  void bind(const Binding& binding) override {
    Destination& to = destinations_[name_of(binding)];
    if (to.seed == 0) to.seed = hash(name_of(binding)) | 1;
    to.bindings.push_back(&binding);
    weigh(to);
  }

  void unbind(const Binding& binding) override {
    auto found = destinations_.find(name_of(binding));
    Destination& to = found->second;
    std::erase(to.bindings, &binding);
    weigh(to);
    if (to.bindings.empty()) destinations_.erase(found);
    if (destinations_.empty()) owners_ = {};
  }

  void route(RoutedBy& message, Reached& reached) const override {
    if (owners_.empty()) return;
    reached.add(*owners_[key_hash(message) % slots].to->bindings.front());
  }

  bool routes_by_key_alone() const override { return !header_ && !property_; }

  std::string binding_fault(const BindingSpec& binding) const override {
    double weight = 0;
    switch (parse_weight(binding.routing_key, weight)) {
      case Fault::no_integer:
        return fmt::format(
            "The binding key must be an integer: {}",
            binding.routing_key.empty() ? std::string("<<>>") : fmt::format("<<\"{}\">>", binding.routing_key));
      case Fault::not_positive:
        return "The binding key must be greater than 0";
      case Fault::none:
        break;
    }
    return {};
  }

 private:
  struct Destination {
    std::uint64_t seed = 0;
    double weight = 0;
    std::vector<const Binding*> bindings;  // However many, it is one destination.
  };
  struct Owner {
    const Destination* to = nullptr;
    float score = 0;
  };

  static std::string name_of(const Binding& binding) { return (binding.queue ? "q" : "e") + binding.spec.destination; }

  static float score(const Destination& to, std::size_t slot) {
    char bytes[sizeof slot];
    store_big(bytes, static_cast<std::uint64_t>(slot));
    const std::uint64_t drawn = hash({bytes, sizeof bytes}, to.seed) >> 11;
    const double u = (static_cast<double>(drawn) + 0.5) * 0x1p-53;
    return static_cast<float>(-to.weight / std::log(u));
  }

  // The heaviest of its bindings counts.
  void weigh(Destination& to) {
    double weight = 0;
    for (const Binding* binding : to.bindings) {
      double one = 0;
      parse_weight(binding->spec.routing_key, one);
      weight = std::max(weight, one);
    }
    const double before = std::exchange(to.weight, weight);
    if (weight == before) return;
    owners_.resize(slots);
    for (std::size_t slot = 0; slot < slots; ++slot) {
      Owner& owner = owners_[slot];
      if (owner.to == &to) owner = {};
      if (owner.to == nullptr && weight < before) {
        for (const auto& [name, other] : destinations_) contend(owner, other, slot);
      } else {
        contend(owner, to, slot);
      }
    }
  }

  static void contend(Owner& owner, const Destination& to, std::size_t slot) {
    if (to.weight == 0) return;
    const float own = score(to, slot);
    // Of equals the one with the greater seed, whoever came first.
    if (owner.to == nullptr || own > owner.score || (own == owner.score && to.seed > owner.to->seed)) {
      owner = {&to, own};
    }
  }

  std::uint64_t key_hash(RoutedBy& message) const {
    if (header_) {
      const amqp::FieldValue* value = message.headers().find(*header_);
      if (value == nullptr) return hash({});
      if (const auto* text = value->get<std::string>()) return hash(*text);
      return hash(amqp::to_string(*value));
    }
    if (property_) return hash(message.property(*property_));
    return hash(message.routing_key());
  }

  std::optional<std::string> header_;
  std::optional<std::string> property_;
  std::map<std::string, Destination> destinations_;
  std::vector<Owner> owners_;  // By slot; empty while nothing is bound.
};

}  // namespace

std::unique_ptr<Exchange> make_consistent_hash_exchange(ExchangeSpec spec) {
  return std::make_unique<ConsistentHashExchange>(std::move(spec));
}

std::string consistent_hash_fault(const amqp::Table& arguments) {
  const amqp::FieldValue* header = arguments.find("hash-header");
  const amqp::FieldValue* property = arguments.find("hash-property");
  if (header && property) return "hash-header and hash-property are mutually exclusive";
  if (header && !header->get<std::string>()) return "hash-header must be a string";
  if (!property) return {};
  const std::string* name = property->get<std::string>();
  if (!name) return "hash-property must be a string";
  if (*name == "correlation_id" || *name == "message_id" || *name == "timestamp") return {};
  return fmt::format("Unsupported property: {}", *name);
}

}  // namespace wherry::broker

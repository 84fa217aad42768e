// Exchange: one exchange's bindings, arranged so that its type answers quickly where a message goes.
//
// The vhost owns exchanges and bindings; an exchange only refers to the bindings that begin at it. route() changes
// nothing, so several threads may route at once as long as nobody binds.
#pragma once

#include <memory>
#include <optional>
#include <string_view>
#include <vector>

#include <boost/container/small_vector.hpp>

#include "broker/routing/vhost.h"

namespace wherry::broker {

class Exchange;

// A binding that exists. Its address is its identity while it does.
struct Binding {
  BindingSpec spec;
  QueueEntryRef queue;           // Where it leads: a queue,
  Exchange* exchange = nullptr;  // or an exchange.
  mutable std::size_t slot = 0;  // Its index in the BindingList it is in.
};

// Bindings in no order: adding and removing cost the same however many there are. A binding is in one list at a time.
class BindingList {
 public:
  void add(const Binding& binding) {
    binding.slot = bindings_.size();
    bindings_.push_back(&binding);
  }
  void remove(const Binding& binding) {
    bindings_[binding.slot] = bindings_.back();
    bindings_[binding.slot]->slot = binding.slot;
    bindings_.pop_back();
  }
  bool empty() const { return bindings_.empty(); }
  std::size_t size() const { return bindings_.size(); }
  const Binding& operator[](std::size_t index) const { return *bindings_[index]; }
  auto begin() const { return bindings_.begin(); }
  auto end() const { return bindings_.end(); }

 private:
  boost::container::small_vector<const Binding*, 1> bindings_;  // Mostly there is one: it lies here.
};

// What a message is routed by. The headers are decoded when the first headers exchange asks for them.
class RoutedBy {
 public:
  RoutedBy(std::string_view routing_key, std::string_view raw_properties)
      : routing_key_(routing_key), raw_properties_(raw_properties) {}
  std::string_view routing_key() const { return routing_key_; }
  const amqp::Table& headers();
  // correlation_id, message_id or timestamp as text; empty for one that is not there.
  std::string property(std::string_view name) const;

 private:
  std::string_view routing_key_;
  std::string_view raw_properties_;
  std::optional<amqp::Table> headers_;
};

// Collects what one routing reaches. Queues may be found twice; the vhost sorts that out at the end.
class Reached {
 public:
  Reached(const Exchange& first, std::vector<QueueEntryRef>& queues) : first_(first), queues_(queues) {}

  void add(const Binding& binding) {
    ++found_;
    if (binding.queue) {
      queues_.push_back(binding.queue);
    } else {
      visit(*binding.exchange);
    }
  }
  void add(const QueueEntryRef& queue) {
    ++found_;
    queues_.push_back(queue);
  }
  template <class Bindings>
  void add_all(const Bindings& bindings) {
    for (const Binding* binding : bindings) add(*binding);
  }
  // Each exchange is visited once, so circles of bindings end.
  void visit(const Exchange& exchange);
  const Exchange* next() { return next_ < exchanges_.size() ? exchanges_[next_++] : nullptr; }
  std::size_t found() const { return found_; }

 private:
  const Exchange& first_;
  std::vector<QueueEntryRef>& queues_;
  std::vector<const Exchange*> exchanges_;
  std::size_t next_ = 0;
  std::size_t found_ = 0;
};

class Exchange {
 public:
  explicit Exchange(ExchangeSpec spec) : spec_(std::move(spec)) {}
  virtual ~Exchange() = default;
  Exchange(const Exchange&) = delete;
  Exchange& operator=(const Exchange&) = delete;

  const ExchangeSpec& spec() const { return spec_; }

  // The binding outlives its place here. It was checked before.
  virtual void bind(const Binding& binding) = 0;
  virtual void unbind(const Binding& binding) = 0;
  virtual void route(RoutedBy& message, Reached& reached) const = 0;
  // False where the answer depends on more than the routing key.
  virtual bool routes_by_key_alone() const { return true; }
  // What is wrong with a binding's key or arguments for this type; empty when nothing is.
  virtual std::string binding_fault(const BindingSpec&) const { return {}; }

 private:
  ExchangeSpec spec_;
};

// The exchange for the type in the spec (for x-delayed-message, for its x-delayed-type). Null for an unknown type.
std::unique_ptr<Exchange> make_exchange(ExchangeSpec spec);
bool is_exchange_type(std::string_view type);

std::unique_ptr<Exchange> make_direct_exchange(ExchangeSpec spec);
std::unique_ptr<Exchange> make_fanout_exchange(ExchangeSpec spec);
std::unique_ptr<Exchange> make_topic_exchange(ExchangeSpec spec);
std::unique_ptr<Exchange> make_headers_exchange(ExchangeSpec spec);
std::unique_ptr<Exchange> make_consistent_hash_exchange(ExchangeSpec spec);
std::unique_ptr<Exchange> make_random_exchange(ExchangeSpec spec);

// What is wrong with the arguments of an x-consistent-hash exchange; empty when nothing is.
std::string consistent_hash_fault(const amqp::Table& arguments);

}  // namespace wherry::broker

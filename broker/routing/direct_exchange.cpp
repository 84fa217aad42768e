#include "broker/routing/exchange.h"
#include "broker/routing/string_map.h"

namespace wherry::broker {

namespace {

class DirectExchange final : public Exchange {
 public:
  using Exchange::Exchange;

  void bind(const Binding& binding) override { by_key_[binding.spec.routing_key].add(binding); }

  void unbind(const Binding& binding) override {
    auto found = by_key_.find(binding.spec.routing_key);
    found->second.remove(binding);
    if (found->second.empty()) by_key_.erase(found);
  }

  void route(RoutedBy& message, Reached& reached) const override {
    auto found = by_key_.find(message.routing_key());
    if (found != by_key_.end()) reached.add_all(found->second);
  }

 private:
  StringMap<BindingList> by_key_;
};

}  // namespace

std::unique_ptr<Exchange> make_direct_exchange(ExchangeSpec spec) {
  return std::make_unique<DirectExchange>(std::move(spec));
}

}  // namespace wherry::broker

// x-random: each message to one of the bound destinations, chosen anew.
#include <cstdint>
#include <random>

#include "broker/routing/exchange.h"

namespace wherry::broker {

namespace {

class RandomExchange final : public Exchange {
 public:
  using Exchange::Exchange;

  void bind(const Binding& binding) override { bindings_.add(binding); }
  void unbind(const Binding& binding) override { bindings_.remove(binding); }

  void route(RoutedBy&, Reached& reached) const override {
    if (bindings_.empty()) return;
    thread_local std::minstd_rand generator(std::random_device{}());
    reached.add(bindings_[std::uniform_int_distribution<std::size_t>(0, bindings_.size() - 1)(generator)]);
  }
  bool routes_by_key_alone() const override { return false; }

 private:
  BindingList bindings_;
};

}  // namespace

std::unique_ptr<Exchange> make_random_exchange(ExchangeSpec spec) {
  return std::make_unique<RandomExchange>(std::move(spec));
}

}  // namespace wherry::broker

#include "broker/routing/exchange.h"

namespace wherry::broker {

namespace {

class FanoutExchange final : public Exchange {
 public:
  using Exchange::Exchange;
  void bind(const Binding& binding) override { bindings_.add(binding); }
  void unbind(const Binding& binding) override { bindings_.remove(binding); }
  void route(RoutedBy&, Reached& reached) const override { reached.add_all(bindings_); }

 private:
  BindingList bindings_;
};

}  // namespace

std::unique_ptr<Exchange> make_fanout_exchange(ExchangeSpec spec) {
  return std::make_unique<FanoutExchange>(std::move(spec));
}

}  // namespace wherry::broker

// What policies make of exchanges and queues.
#include "broker/routing/vhost_impl.h"

namespace wherry::broker {

void Vhost::Impl::apply_policies(ExchangeNode& node) {
  const ExchangeSpec& spec = node.exchange->spec();
  node.effective = policies.of(spec);
  const amqp::Table& arguments = node.effective ? node.effective->arguments : spec.arguments;
  const std::string* alternate = arguments.string(alternate_exchange_name);
  node.alternate = alternate ? *alternate : std::string();
}

std::vector<QueueEntryRef> Vhost::Impl::apply_policies() {
  std::vector<QueueEntryRef> others;
  for (auto& [queue_name, node] : queues) {
    EffectiveRef now = policies.of(node.entry->spec);
    const bool same = now && node.effective ? *now == *node.effective : !now && !node.effective;
    if (!same) others.push_back(node.entry);
    node.effective = std::move(now);
  }
  for (auto& [exchange_name, node] : exchanges) apply_policies(node);
  changed();
  return others;
}

void Vhost::Impl::record_policy(bool added, PolicyKind kind, const PolicySpec& spec) {
  record(added, ParameterSpec{std::string(component_of(kind)), spec.name, to_table(spec)});
}

Result<std::vector<QueueEntryRef>> Vhost::set_policy(PolicyKind kind, PolicySpec spec) {
  const PolicySpec now = spec;
  auto before = impl_->policies.set(kind, std::move(spec));
  if (!before) return tl::unexpected(before.error());
  if (*before) impl_->record_policy(false, kind, **before);
  impl_->record_policy(true, kind, now);
  return impl_->apply_policies();
}

Result<std::vector<QueueEntryRef>> Vhost::clear_policy(PolicyKind kind, std::string_view policy) {
  auto before = impl_->policies.clear(kind, policy);
  if (!before) return tl::unexpected(before.error());
  if (!*before) return fail("Parameter does not exist");
  impl_->record_policy(false, kind, **before);
  return impl_->apply_policies();
}

std::vector<QueueEntryRef> Vhost::configure_policies(std::vector<Policies::Configured> plain,
                                                     std::vector<Policies::Configured> by_operator) {
  impl_->policies.configure(PolicyKind::plain, std::move(plain));
  impl_->policies.configure(PolicyKind::by_operator, std::move(by_operator));
  return impl_->apply_policies();
}

const Policies& Vhost::policies() const {
  return impl_->policies;
}

EffectiveRef Vhost::effective(const QueueEntry& queue) const {
  const QueueNode* node = impl_->queue(queue.spec.name);
  return node && node->entry.get() == &queue ? node->effective : nullptr;
}

EffectiveRef Vhost::effective_of(std::string_view exchange) const {
  const ExchangeNode* node = std::as_const(*impl_).exchange(exchange);
  return node ? node->effective : nullptr;
}

}  // namespace wherry::broker

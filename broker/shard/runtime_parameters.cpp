#include "broker/shard/runtime_parameters.h"

#include <utility>

#include <fmt/format.h>

#include "broker/shard/broker.h"

namespace wherry::broker {

namespace {
// A parameter's value may be anything; what is kept is a table.
constexpr std::string_view kept_as = "value";
}  // namespace

bool RuntimeParameters::knows(std::string_view component) {
  return component == "shovel" || component == "federation-upstream" || component == "federation-upstream-set";
}

bool RuntimeParameters::restore(std::string_view vhost, std::string_view component, std::string_view name,
                                const amqp::Table& kept) {
  const amqp::FieldValue* value = kept.find(kept_as);
  if (value == nullptr) return false;
  std::lock_guard lock(mutex_);
  values_.insert_or_assign(Key(component, vhost, name), *value);
  return true;
}

std::uint64_t RuntimeParameters::record(bool added, const Key& key, const amqp::FieldValue& value) {
  Definitions* definitions = shared_.config().definitions;
  if (definitions == nullptr) return 0;
  amqp::Table kept;
  kept.set(kept_as, value);
  const auto& [component, vhost, name] = key;
  return definitions->record({added, vhost, ParameterSpec{component, name, std::move(kept)}});
}

RuntimeParameters::Change RuntimeParameters::set(std::string_view vhost, std::string_view component,
                                                 std::string_view name, amqp::FieldValue value) {
  if (!shared_.find_vhost(vhost)) return fail(fmt::format("Virtual host '{}' does not exist", vhost));
  const Key key(component, vhost, name);
  std::uint64_t change = 0;
  {
    std::lock_guard lock(mutex_);
    const auto found = values_.find(key);
    if (found != values_.end()) record(false, key, found->second);
    change = record(true, key, value);
    values_.insert_or_assign(key, std::move(value));
  }
  tell();
  return change;
}

RuntimeParameters::Change RuntimeParameters::clear(std::string_view vhost, std::string_view component,
                                                   std::string_view name) {
  std::uint64_t change = 0;
  {
    std::lock_guard lock(mutex_);
    const auto found = values_.find(Key(component, vhost, name));
    if (found == values_.end()) return fail("Parameter does not exist");
    change = record(false, found->first, found->second);
    values_.erase(found);
  }
  tell();
  return change;
}

void RuntimeParameters::vhost_removed(std::string_view vhost) {
  {
    std::lock_guard lock(mutex_);
    for (auto it = values_.begin(); it != values_.end();) {
      const bool its = std::get<1>(it->first) == vhost;
      if (its) record(false, it->first, it->second);
      it = its ? values_.erase(it) : std::next(it);
    }
  }
  tell();
}

std::vector<RuntimeParameters::Parameter> RuntimeParameters::list() const {
  std::lock_guard lock(mutex_);
  std::vector<Parameter> out;
  for (const auto& [key, value] : values_) {
    out.push_back({std::get<0>(key), std::get<1>(key), std::get<2>(key), value});
  }
  return out;
}

std::optional<amqp::FieldValue> RuntimeParameters::find(std::string_view vhost, std::string_view component,
                                                        std::string_view name) const {
  std::lock_guard lock(mutex_);
  const auto found = values_.find(Key(component, vhost, name));
  return found == values_.end() ? std::nullopt : std::optional(found->second);
}

}  // namespace wherry::broker

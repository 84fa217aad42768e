#include "broker/routing/limits.h"

#include <algorithm>

#include <fmt/format.h>

#include "broker/routing/policy_keys.h"

namespace wherry::broker {

std::string limits_fault(LimitScope scope, const amqp::Table& limits) {
  const bool vhost = scope == LimitScope::vhost;
  for (const auto& [name, value] : limits.entries()) {
    if (name != "max-connections" && name != (vhost ? "max-queues" : "max-channels")) {
      return fmt::format("Unrecognised terms [{{<<\"{}\">>,{}}}] in {}", name, erlang_term(value),
                         vhost ? "limits" : "user-limits");
    }
    if (!value.is_integer()) return fmt::format("{} should be a number, actually was {}", name, erlang_term(value));
  }
  return {};
}

std::optional<std::uint64_t> limit_in(const amqp::Table& limits, std::string_view name) {
  std::int64_t number = 0;
  if (!limits.integer(name, number) || number < 0) return {};
  return static_cast<std::uint64_t>(number);
}

void Limits::configure(std::vector<Named> limits) {
  configured_.clear();
  for (Named& each : limits) {
    std::string name = each.name;
    configured_.insert_or_assign(std::move(name), std::move(each));
  }
}

Result<amqp::Table> Limits::set(std::string_view name, amqp::Table limits) {
  if (const auto found = configured_.find(name); found != configured_.end()) {
    return fail(fmt::format("the limits of {} '{}' stand in the configuration ({}): change them there",
                            scope_ == LimitScope::vhost ? "vhost" : "user", name, found->second.place));
  }
  if (std::string fault = limits_fault(scope_, limits); !fault.empty()) return fail(std::move(fault));
  amqp::Table before = set_of(name);
  if (limits.empty()) {
    if (const auto found = set_.find(name); found != set_.end()) set_.erase(found);
  } else {
    set_.insert_or_assign(std::string(name), std::move(limits));
  }
  return before;
}

amqp::Table Limits::set_of(std::string_view name) const {
  const auto found = set_.find(name);
  return found == set_.end() ? amqp::Table{} : found->second;
}

amqp::Table Limits::of(std::string_view name) const {
  const auto found = configured_.find(name);
  return found == configured_.end() ? set_of(name) : found->second.limits;
}

std::vector<Limits::Named> Limits::list() const {
  std::vector<Named> all;
  for (const auto& [name, named] : configured_) all.push_back(named);
  for (const auto& [name, limits] : set_) {
    if (!configured_.contains(name)) all.push_back({name, limits, {}});
  }
  std::sort(all.begin(), all.end(), [](const Named& a, const Named& b) { return a.name < b.name; });
  return all;
}

}  // namespace wherry::broker

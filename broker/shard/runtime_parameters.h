// RuntimeParameters: what an operator has set for the bridges: values by component, virtual host and name. They are
// kept in the definitions and mean nothing here: who sets one has looked at it first.
//
//   auto change = parameters.set("/", "shovel", "to-the-cluster", value);
//   ... Definitions::committed() >= *change: it is kept
//
// Errors: no such virtual host, or parameter. Threads: any; the restoring before the shards run.
#pragma once

#include <cstdint>
#include <functional>
#include <map>
#include <mutex>
#include <optional>
#include <string>
#include <string_view>
#include <tuple>
#include <vector>

#include "base/result.h"
#include "protocol/amqp/table.h"

namespace wherry::broker {

class Shared;

class RuntimeParameters {
 public:
  explicit RuntimeParameters(Shared& shared) : shared_(shared) {}

  // shovel, federation-upstream, federation-upstream-set
  static bool knows(std::string_view component);
  // One that the definitions kept; false: not as they keep it.
  bool restore(std::string_view vhost, std::string_view component, std::string_view name, const amqp::Table& kept);

  using Change = Result<std::uint64_t>;
  Change set(std::string_view vhost, std::string_view component, std::string_view name, amqp::FieldValue value);
  Change clear(std::string_view vhost, std::string_view component, std::string_view name);
  // Those of a virtual host that is gone.
  void vhost_removed(std::string_view vhost);

  struct Parameter {
    std::string component;
    std::string vhost;
    std::string name;
    amqp::FieldValue value;
  };
  std::vector<Parameter> list() const;  // By component, then virtual host, then name.
  std::optional<amqp::FieldValue> find(std::string_view vhost, std::string_view component, std::string_view name) const;

  // Called after each change, on the thread that made it, outside of any lock here. Set and taken away while nobody
  // changes anything.
  void on_change(std::function<void()> hear) { hear_ = std::move(hear); }

 private:
  using Key = std::tuple<std::string, std::string, std::string>;  // component, vhost, name
  std::uint64_t record(bool added, const Key& key, const amqp::FieldValue& value);
  void tell() const {
    if (hear_) hear_();
  }

  Shared& shared_;
  mutable std::mutex mutex_;
  std::map<Key, amqp::FieldValue> values_;
  std::function<void()> hear_;
};

}  // namespace wherry::broker

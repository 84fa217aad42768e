// A context for functions that are called without a runtime.
#pragma once

#include <optional>
#include <utility>
#include <vector>

#include "wherry/registry.h"

namespace wherry::worker::test {

class FakeContext final : public Context {
 public:
  const std::string& id() const override { return id_; }
  const std::string& name() const override { return name_; }
  std::uint32_t attempt() const override { return 1; }
  const std::string& queue() const override { return queue_; }
  const std::string& root_id() const override { return id_; }
  const std::string& parent_id() const override { return none_; }
  std::uint8_t priority() const override { return 0; }
  bool redelivered() const override { return false; }
  std::stop_token stop_token() const override { return {}; }
  std::optional<std::chrono::steady_clock::time_point> deadline() const override { return {}; }
  // Ends when the test settles sleeping.
  Pending<> sleep(std::chrono::milliseconds) override { return Pending<>(sleeping); }

  std::shared_ptr<detail::Shared<void>> sleeping = std::make_shared<detail::Shared<void>>();
  std::vector<task::Value> reports;
  std::vector<task::Signature> added;

 private:
  void report(task::Value meta) override { reports.push_back(std::move(meta)); }
  void add_part(task::Signature part) override { added.push_back(std::move(part)); }
  std::string id_ = "id";
  std::string none_;
  std::string name_ = "name";
  std::string queue_ = "queue";
};

// Calls name; what was wrong with the arguments, or the outcome so far.
struct Called {
  std::string refused;
  std::shared_ptr<std::optional<detail::Outcome>> outcome = std::make_shared<std::optional<detail::Outcome>>();
};
inline Called call(const Registry& registry, std::string_view name, Context& context, const task::Value::Array& args,
                   const task::Value::Map& kwargs = {}) {
  Called called;
  auto bound = registry.find(name)->run(
      {args, kwargs}, context, [outcome = called.outcome](detail::Outcome came) { *outcome = std::move(came); });
  if (!bound) called.refused = bound.error().message;
  return called;
}

}  // namespace wherry::worker::test

#include "worker/runtime/builtins.h"

#include <atomic>
#include <memory>
#include <utility>

#include "protocol/task/bind.h"
#include "protocol/task/signature.h"

namespace wherry::worker {

namespace {

using detail::Finish;
using detail::Outcome;

// One map under way. Each item is begun when the one before it has ended, which may be on another thread.
class Mapping : public std::enable_shared_from_this<Mapping> {
 public:
  Mapping(Registry::EntryRef entry, task::Value::Array items, bool spread, Context& context, Finish finish)
      : entry_(std::move(entry)),
        items_(std::move(items)),
        spread_(spread),
        context_(context),
        finish_(std::move(finish)) {
    results_.reserve(items_.size());
  }

  void go_on() {
    // In a loop, and not each from the end of the one before: there may be many, and most end at once.
    while (results_.size() < items_.size()) {
      if (context_.stop_token().stop_requested()) return stop();
      handed_over_ = false;
      if (!begin(items_[results_.size()])) return;
      if (!handed_over_.exchange(true)) return;  // It has not ended yet, and goes on from there.
      if (over_) return;
    }
    Outcome done;
    done.result = std::move(results_);
    finish_(std::move(done));
  }

 private:
  bool begin(const task::Value& item) {
    task::Value::Array args;
    if (!spread_) {
      args.push_back(item);
    } else if (const auto* several = item.get<task::Value::Array>()) {
      args = *several;
    } else {
      refuse("expected an array of arguments, got " + task::describe(item));
      return false;
    }
    auto bound = entry_->run({args, {}}, context_,
                             [self = shared_from_this()](Outcome outcome) { self->ended(std::move(outcome)); });
    if (!bound) refuse(bound.error().message);
    return bound.has_value();
  }

  void ended(Outcome outcome) {
    if (outcome.kind == Outcome::Kind::replaced) {
      over_ = true;
      refuse("the task wants to be replaced, and is no task of its own here");
    } else if (outcome.kind == Outcome::Kind::done) {
      results_.push_back(std::move(outcome.result));
    } else {
      outcome.reason = place() + outcome.reason;
      over_ = true;
      finish_(std::move(outcome));
    }
    // Whoever comes second goes on: this, or the loop that began it.
    if (handed_over_.exchange(true) && !over_) go_on();
  }

  void refuse(const std::string& why) {
    Outcome outcome;
    outcome.kind = Outcome::Kind::dead;
    outcome.error_type = "TypeError";
    outcome.reason = place() + why;
    finish_(std::move(outcome));
  }
  void stop() {
    Outcome outcome;
    outcome.kind = Outcome::Kind::failed;
    outcome.error_type = "SoftTimeLimitExceeded";
    outcome.reason = place() + "not begun, as the task was asked to stop";
    finish_(std::move(outcome));
  }
  std::string place() const { return "item " + std::to_string(results_.size() + 1) + ": "; }

  const Registry::EntryRef entry_;
  const task::Value::Array items_;
  const bool spread_;
  Context& context_;
  const Finish finish_;
  task::Value::Array results_;
  std::atomic<bool> handed_over_ = false;
  bool over_ = false;
};

Registry::Run map_with(const Registry& registry, bool spread) {
  return [&registry, spread](const Registry::Arguments& arguments, Context& context, Finish finish) -> Result<void> {
    // By keyword, as Celery sends them.
    const task::Value* it = task::find(arguments.kwargs, "it");
    const task::Value* which = task::find(arguments.kwargs, "task");
    const auto* items = it == nullptr ? nullptr : it->get<task::Value::Array>();
    if (items == nullptr || which == nullptr) return fail("takes 'task', a signature, and 'it', an array");
    auto signature = task::read_signature(*which);
    if (!signature) return fail("argument 'task': " + signature.error().message);
    auto entry = registry.find(signature->task);
    if (entry == nullptr) return fail("no task '" + signature->task + "' is registered in this worker");
    std::make_shared<Mapping>(std::move(entry), *items, spread, context, std::move(finish))->go_on();
    return {};
  };
}

Result<void> accumulate(const Registry::Arguments& arguments, Context&, Finish finish) {
  Outcome outcome;
  const task::Value* index = task::find(arguments.kwargs, "index");
  if (index == nullptr || index->is_null()) {
    outcome.result = arguments.args;
  } else {
    auto at = task::from_value<std::int64_t>(*index);
    if (!at) return fail("argument 'index': " + at.error().message);
    const auto size = static_cast<std::int64_t>(arguments.args.size());
    const std::int64_t place = *at < 0 ? *at + size : *at;  // From the end, as in Python.
    if (place < 0 || place >= size) return fail("argument 'index': out of range");
    outcome.result = arguments.args[static_cast<std::size_t>(place)];
  }
  finish(std::move(outcome));
  return {};
}

Result<void> nothing(const Registry::Arguments&, Context&, Finish finish) {
  finish({});
  return {};
}

}  // namespace

Builtins::Builtins(const Registry& registry) {
  auto add = [this](const char* name, Registry::Run run) {
    entries_.emplace(name, std::make_shared<const Registry::Entry>(Registry::Entry{std::move(run), {}}));
  };
  add("celery.map", map_with(registry, false));
  add("celery.starmap", map_with(registry, true));
  add("celery.accumulate", accumulate);
  add("celery.backend_cleanup", nothing);
}

Registry::EntryRef Builtins::find(std::string_view name) const {
  const auto found = entries_.find(name);
  return found == entries_.end() ? nullptr : found->second;
}

}  // namespace wherry::worker

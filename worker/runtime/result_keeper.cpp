#include "worker/runtime/result_keeper.h"

#include <utility>

#include "base/log.h"

namespace wherry::worker {

using namespace std::chrono_literals;

namespace {

constexpr auto store_timeout = 30s;
constexpr auto store_again_after = 1s;

}  // namespace

ResultKeeper::ResultKeeper(net::EventLoop& loop, std::unique_ptr<results::ResultBackend> backend)
    : loop_(loop), backend_(std::move(backend)) {}

ResultKeeper::~ResultKeeper() {
  over_ = true;
  backend_.reset();
}

void ResultKeeper::keep(task::ResultMeta meta, std::function<void()> done) {
  const std::uint64_t id = ++last_;
  entries_.emplace(id, Entry{std::move(meta), std::move(done)});
  store(id);
}

void ResultKeeper::store(std::uint64_t id) {
  backend_->store(entries_.at(id).meta, std::chrono::steady_clock::now() + store_timeout,
                  [this, id](const results::Outcome<void>& outcome) {
                    if (!over_) stored(id, outcome);
                  });
}

void ResultKeeper::stored(std::uint64_t id, const results::Outcome<void>& outcome) {
  Entry& entry = entries_.at(id);
  const bool final = task::state::is_ready(entry.meta.status);
  if (!outcome) {
    log::warning("worker", "{} of task [{}] is not stored{}: {}", entry.meta.status, entry.meta.task_id,
                 final ? " yet" : "", outcome.error().message);
  }
  if (!outcome && final && outcome.error().kind != results::Failure::Kind::refused) {
    entry.again = std::make_unique<net::Timer>(loop_);
    return entry.again->set(store_again_after, [this, id] { store(id); });
  }
  if (!outcome && final && !std::exchange(entry.replaced, true)) {
    entry.meta.status = std::string(task::state::failure);
    entry.meta.result = {};
    entry.meta.exception = task::TaskException{"EncodeError", {task::Value(outcome.error().message)}, {}};
    return store(id);
  }
  const auto done = std::move(entry.done);
  entries_.erase(id);
  if (done) done();
}

}  // namespace wherry::worker

#include "sdk/client/stored_results.h"

#include <utility>

namespace wherry::sdk {

StoredResults::StoredResults(net::EventLoop& loop, std::unique_ptr<results::ResultBackend> backend, Hear hear)
    : hear_(std::move(hear)), backend_(std::move(backend)), loop_(&loop) {}

StoredResults::~StoredResults() {
  close();
}

void StoredResults::seal() {
  std::lock_guard lock(mutex_);
  loop_ = nullptr;
}

void StoredResults::close() {
  seal();
  backend_.reset();
}

bool StoredResults::post(std::function<void()> work) {
  std::lock_guard lock(mutex_);
  if (loop_) loop_->post(std::move(work));
  return loop_ != nullptr;
}

void StoredResults::watch(const std::string& task_id) {
  post([this, task_id] { backend_->watch(task_id, hear_); });
}

void StoredResults::unwatch(const std::string& task_id) {
  post([this, task_id] { backend_->unwatch(task_id); });
}

void StoredResults::forget(const std::string& task_id, Monotonic deadline, results::Done<> done) {
  const bool posted = post([this, task_id, deadline, done] { backend_->forget(task_id, deadline, done); });
  if (!posted) done(tl::unexpected(results::Failure{results::Failure::Kind::unavailable, "the client is closed"}));
}

}  // namespace wherry::sdk

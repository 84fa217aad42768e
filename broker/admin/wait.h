// Waits for an answer that comes on another thread, a shard's mostly.
//
//   auto page = wait_for<Result<HeldPage>>([&](auto answered) { broker.list_scheduled(..., answered); });
//
// Nothing: it did not come in time, or never will; it may still come, to nobody. Threads: any but the one that answers.
#pragma once

#include <chrono>
#include <future>
#include <memory>
#include <optional>

namespace wherry::broker::admin {

// For work that is portioned.
constexpr const char* still_going_on = "not done yet, and going on: ask for fewer at once, by limit and next";

template <class T, class Ask>
std::optional<T> wait_for(const Ask& ask, std::chrono::seconds patience = std::chrono::seconds(60)) {
  const auto promise = std::make_shared<std::promise<T>>();
  std::future<T> answered = promise->get_future();
  ask([promise](T answer) { promise->set_value(std::move(answer)); });
  if (answered.wait_for(patience) != std::future_status::ready) return std::nullopt;
  return answered.get();
}

}  // namespace wherry::broker::admin

// The states of a task by Celery's names. A task may report any other name of its own, such as "PROGRESS".
#pragma once

#include <string_view>

namespace wherry::task::state {

inline constexpr std::string_view pending = "PENDING";    // Also: nobody knows this id.
inline constexpr std::string_view received = "RECEIVED";  // At a worker, not started.
inline constexpr std::string_view started = "STARTED";
inline constexpr std::string_view progress = "PROGRESS";  // The customary name of a task's own reports.
inline constexpr std::string_view success = "SUCCESS";
inline constexpr std::string_view failure = "FAILURE";
inline constexpr std::string_view retry = "RETRY";  // Failed; another attempt will come.
inline constexpr std::string_view revoked = "REVOKED";
inline constexpr std::string_view rejected = "REJECTED";
inline constexpr std::string_view ignored = "IGNORED";

// It ended: nothing more will be reported.
constexpr bool is_ready(std::string_view name) {
  return name == success || name == failure || name == revoked;
}
// Its result is an exception.
constexpr bool has_exception(std::string_view name) {
  return name == retry || name == failure || name == revoked;
}

}  // namespace wherry::task::state

#include "sdk/client/errors.h"

#include <fmt/format.h>

namespace wherry {

std::string_view to_string(Errc code) {
  switch (code) {
    case Errc::unroutable:
      return "unroutable";
    case Errc::refused:
      return "refused";
    case Errc::timed_out:
      return "timed_out";
    case Errc::disconnected:
      return "disconnected";
    case Errc::denied:
      return "denied";
    case Errc::overloaded:
      return "overloaded";
    case Errc::invalid_argument:
      return "invalid_argument";
    case Errc::task_failed:
      return "task_failed";
    case Errc::task_revoked:
      return "task_revoked";
    case Errc::bad_result:
      return "bad_result";
    case Errc::closed:
      return "closed";
  }
  return "?";
}

namespace sdk {

Errc code_of(Outcome outcome) {
  switch (outcome) {
    case Outcome::unroutable:
      return Errc::unroutable;
    case Outcome::refused:
      return Errc::refused;
    case Outcome::timed_out:
      return Errc::timed_out;
    case Outcome::disconnected:
      return Errc::disconnected;
    case Outcome::denied:
      return Errc::denied;
    case Outcome::overloaded:
      return Errc::overloaded;
    case Outcome::confirmed:
    case Outcome::closed:
      break;
  }
  return Errc::closed;
}

ClientError client_error(const std::string& task, const Report& report) {
  return ClientError(code_of(report.outcome),
                     fmt::format("{}: {}: {}", task, to_string(code_of(report.outcome)), report.text), report.code);
}

std::exception_ptr error_of(const std::string& task, const Report& report) {
  return std::make_exception_ptr(client_error(task, report));
}

}  // namespace sdk
}  // namespace wherry

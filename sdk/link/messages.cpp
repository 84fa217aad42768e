#include "sdk/link/messages.h"

namespace wherry::sdk {

std::string_view outcome_name(Outcome outcome) {
  switch (outcome) {
    case Outcome::confirmed:
      return "confirmed";
    case Outcome::unroutable:
      return "unroutable";
    case Outcome::refused:
      return "refused";
    case Outcome::timed_out:
      return "timed_out";
    case Outcome::disconnected:
      return "disconnected";
    case Outcome::denied:
      return "denied";
    case Outcome::overloaded:
      return "overloaded";
    case Outcome::closed:
      return "closed";
  }
  return "?";
}

}  // namespace wherry::sdk

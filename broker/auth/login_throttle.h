// LoginThrottle: makes guessing passwords slow, by the address that the guesses come from. Ten failed logins within a
// minute make an address guilty until the minute is over, or until a login from there succeeds.
//
//   if (!throttle.allows(address)) refuse;             // of HTTP: refused unseen
//   auto at = throttle.turn(address, now);             // of AMQP: looked at then, one a second
//
// Turns keep those who are in the right and share an address with somebody who is not: they wait, and get in. A turn
// that is too far away is not reserved for who asks: so many who ask at once do not push it away for good.
// Limit: 10,000 addresses; then those whose minute is over make room, or all. Threads: any.
#pragma once

#include <chrono>
#include <cstddef>
#include <map>
#include <mutex>
#include <string>

namespace wherry::broker {

class LoginThrottle {
 public:
  using Clock = std::chrono::steady_clock;
  static constexpr unsigned most_failures = 10;
  static constexpr std::chrono::seconds window{60};
  static constexpr std::chrono::seconds between_turns{1};
  static constexpr std::chrono::seconds farthest_turn{10};
  static constexpr std::size_t most_addresses = 10'000;

  bool allows(const std::string& address, Clock::time_point now = Clock::now());
  // When a login from there may be looked at: now, where it is not guilty.
  Clock::time_point turn(const std::string& address, Clock::time_point now);
  void failed(const std::string& address, Clock::time_point now = Clock::now());
  void succeeded(const std::string& address);

 private:
  struct Failures {
    Clock::time_point since{};
    unsigned count = 0;
    Clock::time_point next_turn{};
  };
  // Null: it is not guilty.
  Failures* guilty(const std::string& address, Clock::time_point now);

  std::mutex mutex_;
  std::map<std::string, Failures> failures_;
};

}  // namespace wherry::broker

// TokenBucket: how many deliveries a queue with a rate limit may make by now.
//
// Tokens come in evenly and are taken by deliveries; what nobody wants is kept up to the burst. Counted in billionths
// of a token and whole milliseconds, nothing is lost to rounding. While somebody waits for a token (set_wanted) a
// wake-up that comes late costs nothing either: what came in since the token was due is counted, for up to late_ms.
// Time: POSIX milliseconds; one that goes back brings nothing.
#pragma once

#include <algorithm>
#include <cstdint>

namespace wherry::broker {

struct RateLimit {
  static constexpr std::uint64_t token = 1'000'000'000;
  static constexpr std::uint64_t highest_per_second = 1'000'000'000;
  static constexpr std::uint64_t highest_burst = 1'000'000'000;

  std::uint64_t per_ms = 0;  // Billionths of a token; 1 to 10^15. So deliveries per second times a million.
  std::uint64_t burst = 1;   // Tokens; 1 to highest_burst.

  friend bool operator==(const RateLimit&, const RateLimit&) = default;
};

class TokenBucket {
 public:
  // Full at first.
  bool has(const RateLimit& limit, std::uint64_t now_ms) {
    fill(limit, now_ms);
    return credit_ >= RateLimit::token;
  }
  // Precondition: has().
  void take() { credit_ -= RateLimit::token; }
  // Of a delivery that did not happen after all.
  void put_back() { credit_ += RateLimit::token; }

  // Whether there is somebody who would take the next token at once.
  void set_wanted(const RateLimit& limit, std::uint64_t now_ms, bool wanted) {
    fill(limit, now_ms);
    wanted_ = wanted;
  }
  // When the next token will be there. Precondition: has() was asked now, and said no.
  std::uint64_t next_ms(const RateLimit& limit) const {
    return filled_ms_ + (RateLimit::token - credit_ + limit.per_ms - 1) / limit.per_ms;
  }

 private:
  static constexpr std::uint64_t late_ms = 100;

  void fill(const RateLimit& limit, std::uint64_t now_ms) {
    std::uint64_t most = limit.burst * RateLimit::token;
    if (filled_ms_ == 0) {
      credit_ = most;
      filled_ms_ = now_ms;
      return;
    }
    if (wanted_) most += limit.per_ms * late_ms;
    const std::uint64_t room = most - std::min(credit_, most);
    const std::uint64_t elapsed = now_ms > filled_ms_ ? now_ms - filled_ms_ : 0;
    credit_ = elapsed > room / limit.per_ms ? most : std::min(credit_, most) + elapsed * limit.per_ms;
    filled_ms_ = now_ms;
  }

  std::uint64_t credit_ = 0;
  std::uint64_t filled_ms_ = 0;
  bool wanted_ = false;
};

}  // namespace wherry::broker

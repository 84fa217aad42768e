// Delayer: publishes that the broker holds for a while, through the exchange "wherry.delayed" of type
// x-delayed-message.
//
// Whether the broker knows that type is found out on first use, once per connection: an exchange that is there already
// is enough; otherwise it is declared on a probing connection, because a broker that does not know the type may answer
// with the end of the connection. Then each queue is bound once, by its name, before the first message for it goes: so
// a delayed message always has a place to go, which mandatory could not tell. Without the exchange type a message goes
// to its queue at once.
//
// Threads: one at a time.
#pragma once

#include <chrono>
#include <functional>
#include <set>
#include <string>
#include <string_view>
#include <vector>

#include "base/clock.h"
#include "sdk/link/messages.h"
#include "sdk/link/topology.h"

namespace wherry::sdk {

class Delayer {
 public:
  static constexpr std::string_view exchange = "wherry.delayed";

  struct Ways {
    // Declares on the link's own connection, without remembering.
    std::function<void(Declaration, Done, Monotonic deadline)> declare;
    std::function<void(Declaration, Done)> probe;
    std::function<void(Publication, Done)> publish;
  };
  explicit Delayer(Ways ways) : ways_(std::move(ways)) {}

  void publish(Publication message, std::string queue, std::chrono::milliseconds delay, Done done);
  // A new connection: nothing is known of it.
  void connected();
  void on_time(Monotonic now, const Report& late);
  Monotonic next_deadline() const;
  void fail_all(const Report& report);

 private:
  enum class Support { unknown, asking, yes, no };
  struct Waiting {
    Publication message;
    std::string queue;
    std::chrono::milliseconds delay;
    Done done;
  };
  void ask();
  void learned(Support support);
  void send(Waiting what);

  Ways ways_;
  Support support_ = Support::unknown;
  std::uint64_t asked_ = 0;  // Answers to earlier questions are dropped.
  std::set<std::string> bound_;
  std::vector<Waiting> waiting_;
};

// The declaration of the exchange, for those who want it to exist beforehand.
ExchangeSpec delayed_exchange();

}  // namespace wherry::sdk

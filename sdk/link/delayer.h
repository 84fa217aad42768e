// Delayer: publishes that the broker holds for a while, through the exchange "wherry.delayed" of type
// x-delayed-message, or where the broker does not know that type through Celery's levels of delays (delay_levels.h).
//
// Which of them it is is found out on first use, once per connection. An exchange that is there already is enough;
// otherwise it is declared on a probing connection, because a broker that does not know the type may answer with the
// end of the connection, and because making the levels takes seconds. Then each queue is bound once before the first
// message for it goes: so a delayed message always has a place to go, which mandatory could not tell. A broker that
// takes neither gets the message for its queue at once; so it does where the levels cannot: a delay below a second, a
// queue's name that does not fit.
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
    std::function<void(Topology, Done)> probe;
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
  enum class Support { unknown, asking, plugin, levels, none };
  struct Waiting {
    Publication message;
    std::string queue;
    std::chrono::milliseconds delay;
    Done done;
  };
  void ask();
  void ask_for_levels(std::uint64_t asked);
  // Asks on this connection whether the exchange is there.
  void look_for(ExchangeSpec what, Support then, std::uint64_t asked, std::function<void()> otherwise);
  void make(Topology topology, Support then, std::uint64_t asked, std::function<void(const Report&)> refused);
  void learned(Support support);
  void send(Waiting what);
  void send_through_exchange(Waiting what);
  void send_through_levels(Waiting what);
  void send_bound(Waiting what, BindingSpec binding);
  void send_now(Waiting what);

  Ways ways_;
  Support support_ = Support::unknown;
  std::uint64_t asked_ = 0;  // Answers to earlier questions are dropped.
  std::set<std::string> bound_;
  std::vector<Waiting> waiting_;
};

// The declaration of the exchange, for those who want it to exist beforehand.
ExchangeSpec delayed_exchange();

}  // namespace wherry::sdk

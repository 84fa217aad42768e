// Renewal: when a channel in confirm mode is given up for a new one, because what is published on it gets nowhere.
//
// A channel of a RabbitMQ cluster stays with what it found out at its first publish to a quorum queue. Where the queue
// had no leader in that moment, because its node had just died, all that is published there on that channel is nacked
// for good, also when there is a leader again. And what was on its way to a leader that died can be lost, so that its
// confirm never comes. A new channel asks anew and is heard.
//
// Nacks: nothing more is sent; when all else is settled, and after a wait that grows (nack_wait_first to
// nack_wait_most), the channel is renewed and what was nacked goes out again. A queue that is full and rejects says the
// same as one without a leader: after nack_patience a nack is taken for the last word, and the channel is renewed only
// every nack_patience, in case it was not.
//
// Silence: where the oldest publish on the wire stays the oldest, without its confirm, for two seconds, the broker is
// asked something that it answers in turn: so it is known to have read that publish, and neither a full socket nor flow
// control is taken for silence. Where it stays the oldest for three seconds more the channel is renewed, and all that
// is unconfirmed goes out again: it may be there twice. Each renewal until that is confirmed doubles the patience, up
// to a minute. While the broker blocks publishers no time passes.
//
// How it is driven: by the Publisher. Times are looked at once a second while there is something to be confirmed.
// Threads: one at a time.
#pragma once

#include <chrono>
#include <cstddef>
#include <cstdint>

#include "base/clock.h"

namespace wherry::sdk {

class Renewal {
 public:
  static constexpr std::chrono::seconds look_every{1};
  static constexpr unsigned looks_before_asking = 2;  // Of those at which nothing has moved.
  static constexpr unsigned looks_before_renewing = 5;
  static constexpr unsigned most_looks = 60;
  static constexpr std::chrono::milliseconds nack_wait_first{250};
  static constexpr std::chrono::milliseconds nack_wait_most{2'000};
  static constexpr std::chrono::seconds nack_patience{30};

  // What the publisher has on the wire.
  struct Wire {
    bool sending = false;          // There is a channel, and the broker does not block.
    bool pending = false;          // Something is to be confirmed, be it on the wire or not.
    bool settled = false;          // Nothing on the wire is without its answer.
    std::uint64_t oldest_tag = 0;  // 0: nothing is on the wire.
  };
  enum class Step { none, ask, renew };

  // Where not enabled a nack is the last word and silence is borne: a single broker needs none of this.
  explicit Renewal(bool enabled) : enabled_(enabled) {}

  // A channel stands, or is gone; so many publishes were on the wire then and go out first on the next.
  void opened();
  void closed(std::size_t unconfirmed);

  // Something is to be confirmed from now on.
  void begin(Monotonic now);
  // A nack has come. Whether what it was for is to go out again.
  bool tries_again(Monotonic now);
  // Nothing more is to be sent on this channel.
  bool holds() const { return holds_; }
  // The answer to Step::ask.
  void answered() { answered_ = asked_; }

  // renew: the channel is to be closed now; until opened() nothing else is asked for.
  Step on_time(Monotonic now, const Wire& wire);
  Monotonic next() const;

 private:
  bool moved(const Wire& wire) const { return !wire.sending || wire.oldest_tag == 0 || wire.oldest_tag != oldest_; }
  Step look(const Wire& wire);
  Step renew();

  const bool enabled_;
  bool open_ = false;
  bool holds_ = false;
  Monotonic look_at_ = Monotonic::max();
  std::uint64_t oldest_ = 0;  // At the last look.
  unsigned looks_ = 0;        // In a row at which it was the oldest still.
  unsigned patience_ = looks_before_renewing;
  bool asked_ = false;
  bool answered_ = false;
  std::size_t resent_ = 0;  // With the first tags of this channel.

  Monotonic renew_at_ = Monotonic::max();  // After a nack.
  Monotonic renew_by_ = Monotonic::max();  // Whatever is not settled yet.
  Monotonic nacked_since_ = Monotonic::min();
  Monotonic last_nack_ = Monotonic::min();
  unsigned nack_round_ = 0;
};

}  // namespace wherry::sdk

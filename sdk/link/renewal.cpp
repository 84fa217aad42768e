#include "sdk/link/renewal.h"

#include <algorithm>

namespace wherry::sdk {

using namespace std::chrono_literals;

namespace {

// Without a nack for so long, the next one begins anew.
constexpr auto nacks_over_after = 10s;
// So long what is not nacked may take to be confirmed before it goes out again with the rest.
constexpr auto settled_within = 5s;
constexpr auto settled_asked_every = 50ms;

}  // namespace

void Renewal::opened() {
  open_ = true;
}

void Renewal::closed(std::size_t unconfirmed) {
  open_ = holds_ = asked_ = answered_ = false;
  oldest_ = 0;
  looks_ = 0;
  resent_ = unconfirmed;
  renew_at_ = renew_by_ = Monotonic::max();
}

void Renewal::begin(Monotonic now) {
  if (enabled_ && look_at_ == Monotonic::max()) look_at_ = now + look_every;
}

bool Renewal::tries_again(Monotonic now) {
  if (!enabled_) return false;
  if (last_nack_ == Monotonic::min() || now - last_nack_ > nacks_over_after) {
    nacked_since_ = now;
    nack_round_ = 0;
  }
  last_nack_ = now;
  const bool patient = now - nacked_since_ < nack_patience;
  if (patient) holds_ = true;
  if (renew_at_ != Monotonic::max() || !open_) return patient;
  const auto wait = std::min(nack_wait_first * (1 << std::min(nack_round_, 10u)), nack_wait_most);
  renew_at_ = now + (patient ? wait : std::chrono::milliseconds(nack_patience));
  ++nack_round_;
  return patient;
}

Renewal::Step Renewal::on_time(Monotonic now, const Wire& wire) {
  Step step = Step::none;
  if (look_at_ <= now) {
    look_at_ = wire.pending ? now + look_every : Monotonic::max();
    step = look(wire);
  }
  if (renew_at_ > now) return step;
  if (!wire.sending) {
    renew_at_ = now + look_every;
    return step;
  }
  holds_ = true;
  renew_by_ = std::min(renew_by_, now + settled_within);
  if (wire.settled || now >= renew_by_) return renew();
  renew_at_ = now + settled_asked_every;
  return step;
}

Renewal::Step Renewal::look(const Wire& wire) {
  if (!open_ || holds_) return Step::none;
  if (wire.oldest_tag == 0 || wire.oldest_tag > resent_) patience_ = looks_before_renewing;
  if (moved(wire)) {
    oldest_ = wire.sending ? wire.oldest_tag : 0;
    looks_ = 0;
    asked_ = answered_ = false;
    return Step::none;
  }
  if (asked_ && !answered_) return Step::none;
  ++looks_;
  if (!asked_ && looks_ >= looks_before_asking) {
    asked_ = true;
    return Step::ask;
  }
  if (!answered_ || looks_ < patience_) return Step::none;
  patience_ = std::min(patience_ * 2, most_looks);
  return renew();
}

Renewal::Step Renewal::renew() {
  open_ = false;
  holds_ = true;
  renew_at_ = renew_by_ = Monotonic::max();
  return Step::renew;
}

Monotonic Renewal::next() const {
  return std::min(look_at_, renew_at_);
}

}  // namespace wherry::sdk

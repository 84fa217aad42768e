#include "broker/shard/shard.h"

#include <unistd.h>

#include "base/log.h"
#include "broker/shard/home.h"

namespace wherry::broker {

Shard::Shard(unsigned index, Shared& shared)
    : index_(index),
      shared_(shared),
      mailbox_(shared.config().mailbox_high_mark, [this] { loop_.post([this] { read_mail(); }); }),
      store_(shared.config().make_store(index)) {
  outgoing_.resize(shared.config().shards);
  store_->on_durable([this](Lsn) { on_durable(); });
  loop_.at_turn_end([this] { end_turn(); });
}

Shard::~Shard() {
  // Before the rest: sessions settle and cancel as they go.
  endpoints_.clear();
  stand_ins_.clear();
}

void Shard::run() {
  loop_.run();
}

std::uint64_t Shard::next_key() {
  return ++last_key_ << 8 | index_;
}

std::uint64_t Shard::now_ms() const {
  return static_cast<std::uint64_t>(
      std::chrono::duration_cast<std::chrono::milliseconds>(std::chrono::system_clock::now().time_since_epoch())
          .count());
}

// --- connections -----------------------------------------------------------------------------------------------------

void Shard::adopt(int socket) {
  loop_.post([this, socket] {
    if (all_closed_) {
      ::close(socket);
      return;
    }
    const ConnectionId id = next_key();
    auto endpoint = std::make_unique<Endpoint>(*this, shared_.config().session, id, net::adopt(loop_, socket));
    Endpoint& made = *endpoints_.emplace(id, std::move(endpoint)).first->second;
    made.start();
    if (stalled_) made.set_stalled(true);
  });
}

void Shard::retire(ConnectionId id) {
  retired_.push_back(id);
  // A write that failed when the turn had ended: what the lost connection gave back must not wait for somebody else's
  // bytes.
  loop_.post([] {});
}

void Shard::close_all(std::string reason, std::function<void()> done) {
  loop_.post([this, reason = std::move(reason), done = std::move(done)] {
    all_closed_ = done;
    for (auto& [id, endpoint] : endpoints_) endpoint->shut_down(reason);
    if (endpoints_.empty()) all_closed_();
  });
}

// --- the turn --------------------------------------------------------------------------------------------------------

void Shard::end_turn() {
  // Each may cause more of the others; what one turn leaves is soon done, since nothing new is read meanwhile.
  while (!dead_letters_.empty() || !turn_end_visits_.empty() || !retired_.empty()) {
    route_dead_letters();
    for (ConnectionId id : std::exchange(turn_end_visits_, {})) {
      if (auto found = endpoints_.find(id); found != endpoints_.end()) found->second->session().on_turn_end();
    }
    for (ConnectionId id : std::exchange(retired_, {})) {
      // Taken out first: as it goes, the session must not be found any more.
      if (auto node = endpoints_.extract(id); node && endpoints_.empty() && all_closed_) all_closed_();
    }
  }
  flush_mail();
}

void Shard::send(unsigned to, Mail mail) {
  outgoing_[to].push_back(std::move(mail));
}

void Shard::tell_taken(ConsumerKey key, Local& local) {
  if (!local.took.empty()) send(local.queue_home, mail::Took{key, std::exchange(local.took, {})});
}

void Shard::flush_mail() {
  for (ConsumerKey key : std::exchange(took_, {})) {
    if (auto found = locals_.find(key); found != locals_.end()) tell_taken(key, found->second);
  }
  for (unsigned to = 0; to < outgoing_.size(); ++to) {
    if (!outgoing_[to].empty()) shared_.shards()[to]->mailbox().put(outgoing_[to]);
  }
  check_stall();
}

void Shard::check_stall() {
  bool full = false;
  for (const auto& other : shared_.shards()) full = full || (other.get() != this && other->mailbox().full());
  if (full != stalled_) {
    stalled_ = full;
    for (auto& [id, endpoint] : endpoints_) endpoint->set_stalled(full);
  }
  if (full) stall_timer_.set(std::chrono::milliseconds(1), [this] { check_stall(); });
}

}  // namespace wherry::broker

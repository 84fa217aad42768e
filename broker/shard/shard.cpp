#include "broker/shard/shard.h"

#include <unistd.h>

#include "base/log.h"
#include "broker/shard/home.h"

namespace wherry::broker {

Shard::Shard(unsigned index, Shared& shared)
    : index_(index),
      shared_(shared),
      mailbox_(shared.config().mailbox_high_mark, shared.config().mailbox_high_bytes,
               [this] { loop_.post([this] { read_mail(); }); }),
      gate_(shared.config().most_waiting_bytes) {
  outgoing_.resize(shared.config().shards);
  loop_.at_turn_end([this] { end_turn(); });
}

Result<void> Shard::open_store() {
  StoreOwner owner;
  owner.post = [this](std::function<void()> work) { loop_.post(std::move(work)); };
  owner.failed = [this](std::string why) { shared_.config().on_failure(std::move(why)); };
  owner.full = [this](bool full) {
    if (full) {
      log::error("store", "no room on the disk of shard {}: publishers wait until there is; make room, or drain queues",
                 index_);
    } else {
      log::info("store", "there is room again on the disk of shard {}", index_);
    }
    shared_.config().alarms->set(Alarm::store_full, full, index_);
  };
  auto store = shared_.config().make_store(index_, std::move(owner));
  if (!store) return tl::unexpected(store.error());
  store_ = std::move(*store);
  store_->on_durable([this] { on_durable(); });
  store_->on_renew_notes([this](QueueId id, Lsn up_to) {
    Queue* queue = find_queue(id);
    return queue != nullptr && queue->renew_notes(up_to);
  });
  store_->on_kept([this](QueueId id, std::uint64_t chunk, ChunkBits which, bool spilled) {
    if (Queue* queue = find_queue(id)) queue->on_kept(chunk, which, spilled);
  });
  return {};
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
      std::chrono::duration_cast<std::chrono::milliseconds>(loop_.wall_now().time_since_epoch()).count());
}

// --- connections -----------------------------------------------------------------------------------------------------

namespace {

// Closed when nobody takes it any more: whoever has the other end is to see that.
struct Fresh {
  Fresh(int descriptor, Taken taken) : socket(descriptor), seat(std::move(taken)) {}
  Fresh(const Fresh&) = delete;
  Fresh& operator=(const Fresh&) = delete;
  ~Fresh() {
    if (socket >= 0) ::close(socket);
  }
  int socket;
  Taken seat;
};

}  // namespace

void Shard::adopt(int socket, Taken seat) {
  loop_.post([this, fresh = std::make_shared<Fresh>(socket, std::move(seat))] {
    if (all_closed_) return;
    if (!fresh->seat) fresh->seat = seat_of_oldest_handshake();
    serve(net::adopt(loop_, std::exchange(fresh->socket, -1)), shared_.session_config(), std::move(fresh->seat));
  });
}

void Shard::adopt_internal(int socket, UserRef as) {
  // Of a quota of its own: it takes no client's place.
  const auto own = std::make_shared<Quota>();
  loop_.post([this, as = std::move(as), fresh = std::make_shared<Fresh>(socket, Taken::from(own, *own))] {
    if (all_closed_) return;
    serve(net::adopt(loop_, std::exchange(fresh->socket, -1)), shared_.session_config(), std::move(fresh->seat), as);
  });
}

void Shard::adopt_tls(int socket, Taken seat) {
  loop_.post([this, fresh = std::make_shared<Fresh>(socket, std::move(seat))] {
    if (all_closed_) return;
    if (!fresh->seat) fresh->seat = seat_of_oldest_handshake();
    const BrokerConfig& config = shared_.config();
    const ConnectionId id = next_key();
    shaking_[id].seat = std::move(fresh->seat);
    note_young(id);
    auto handshake = net::accept_tls(
        loop_, std::exchange(fresh->socket, -1), config.tls, config.session.amqp.handshake_timeout,
        [this, id](Result<std::unique_ptr<net::Stream>> stream) {
          auto over = shaking_.extract(id);
          if (stream) return serve(*std::move(stream), shared_.tls_session_config(), std::move(over.mapped().seat));
          log::info("broker", "a client did not come through the handshake: {}", stream.error().message);
        });
    if (const auto found = shaking_.find(id); found != shaking_.end()) found->second.handshake = std::move(handshake);
  });
}

void Shard::serve(std::unique_ptr<net::Stream> stream, const SessionConfig& config, Taken seat, UserRef internal) {
  const ConnectionId id = next_key();
  auto endpoint =
      std::make_unique<Endpoint>(*this, config, id, std::move(stream), std::move(seat), std::move(internal));
  Endpoint& made = *endpoints_.emplace(id, std::move(endpoint)).first->second;
  note_young(id);
  made.start();
  if (stalled_) made.set_stalled(true);
}

void Shard::note_young(ConnectionId id) {
  while (!young_.empty() && !in_handshake(young_.front())) young_.pop_front();
  young_.push_back(id);
}

bool Shard::in_handshake(ConnectionId id) const {
  if (shaking_.contains(id)) return true;
  const auto found = endpoints_.find(id);
  return found != endpoints_.end() && found->second->shakes();
}

Taken Shard::seat_of_oldest_handshake() {
  while (!young_.empty()) {
    const ConnectionId id = young_.front();
    young_.pop_front();
    if (!in_handshake(id)) continue;
    if (auto shaking = shaking_.extract(id)) return std::move(shaking.mapped().seat);
    return endpoints_.find(id)->second->give_way();
  }
  return {};
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
    shaking_.clear();
    for (auto& [id, endpoint] : endpoints_) endpoint->shut_down(reason);
    if (endpoints_.empty()) all_closed_();
  });
}

void Shard::close_where(const std::function<bool(const Session&)>& which, const std::string& text) {
  std::vector<Endpoint*> found;
  for (auto& [id, endpoint] : endpoints_) {
    if (!endpoint->over() && which(endpoint->session())) found.push_back(endpoint.get());
  }
  // An endpoint that ends is destroyed at the end of the turn.
  for (Endpoint* endpoint : found) endpoint->force_close(text);
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
      auto node = endpoints_.extract(id);
      if (node && node.mapped()->session().at_gate()) std::erase(at_gate_, id);
      if (node && endpoints_.empty() && all_closed_) all_closed_();
    }
  }
  store_->commit();
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
  check_gate();
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

// --- definitions -----------------------------------------------------------------------------------------------------

std::uint64_t Shard::recorded() const {
  const Definitions* definitions = shared_.config().definitions;
  return definitions == nullptr ? 0 : definitions->recorded();
}

std::uint64_t Shard::committed() const {
  const Definitions* definitions = shared_.config().definitions;
  return definitions == nullptr ? 0 : definitions->committed();
}

void Shard::definitions_committed() {
  // Sessions look before they ask to be visited, and both happen on this thread: no commit is missed.
  loop_.post([this] {
    for (ConnectionId id : std::exchange(commit_visits_, {})) {
      auto found = endpoints_.find(id);
      if (found == endpoints_.end()) continue;
      Session& session = found->second->session();
      session.on_committed();
      if (session.awaits_commit()) commit_visits_.push_back(id);
    }
  });
}

// --- publishers ------------------------------------------------------------------------------------------------------

void Shard::set_alarm(std::string reason, bool memory_short) {
  loop_.post([this, memory_short, reason = std::move(reason)]() mutable {
    if (gate_.set_alarm(std::move(reason))) gate_changed();
    if (std::exchange(memory_short_, memory_short) || !memory_short) return;
    // From now on each queue looks by itself as messages come.
    for (auto& [id, home] : homes_) home->queue.page_out();
  });
}

void Shard::await_gate(ConnectionId id) {
  if (at_gate_.empty()) watch_held();
  at_gate_.push_back(id);
}

// Nobody reads a held connection, so nobody would hear that its client is gone: what that had unacked must not wait.
void Shard::watch_held() {
  held_timer_.set(std::chrono::seconds(1), [this] {
    for (ConnectionId id : at_gate_) {
      if (auto found = endpoints_.find(id); found != endpoints_.end()) found->second->look_for_hang_up();
    }
    if (!at_gate_.empty()) watch_held();
  });
}

void Shard::check_gate() {
  // A publisher may write to any shard's queues: it waits for the slowest disk.
  bool others = false;
  for (const auto& other : shared_.shards()) others = others || (other.get() != this && other->behind());
  bool changed = gate_.set_waiting(store_->waiting_bytes());
  changed = gate_.set_others_behind(others) || changed;
  if (changed) gate_changed();
  if (gate_.waits_for_disk()) gate_timer_.set(std::chrono::milliseconds(5), [this] { check_gate(); });
}

void Shard::gate_changed() {
  for (ConnectionId id : std::exchange(at_gate_, {})) {
    auto found = endpoints_.find(id);
    if (found == endpoints_.end()) continue;
    found->second->session().on_gate_changed();
    if (found->second->session().at_gate()) at_gate_.push_back(id);
  }
}

}  // namespace wherry::broker

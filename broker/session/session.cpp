#include "broker/session/session.h"

#include <algorithm>

#include <fmt/format.h>

#include "base/log.h"
#include "broker/auth/sasl.h"

namespace wherry::broker {

using amqp::ReplyCode;

namespace {
// Unsent bytes that are no sign of a client that does not read.
constexpr std::size_t nearly_empty = 64 * 1024;
// Changes of the topology that may wait for the disk before those who make them do.
constexpr std::uint64_t most_uncommitted = 50'000;
// Of the protocol's header, with which a client begins.
constexpr std::size_t greeting_size = 8;
}  // namespace

Session::Session(const SessionConfig& config, Host& host, SessionOwner& owner, OutputBuffer& out, ConnectionId id,
                 Peer peer, Monotonic now)
    : config_(config),
      host_(host),
      gate_(host.gate()),
      owner_(owner),
      out_(out),
      id_(id),
      peer_(std::move(peer)),
      connected_ms_(host.now_ms()),
      connection_(amqp::Connection::server(config.amqp, *this, out, now)) {}

Session::~Session() {
  // Only a broker that does not wait for its clients: channels end one by one, none finding another half destroyed.
  if (!finished()) connection_->on_socket_lost("the broker stops");
}

// --- driven by the owner ---------------------------------------------------------------------------------------------

std::size_t Session::receive(std::string_view bytes, Monotonic now) {
  receiving_ = true;
  now_ = now;
  std::size_t used = 0;
  check_unread();
  while (!waiting() && used < bytes.size()) {
    // The greeting alone first: the login may stand behind it, and may have to wait.
    std::string_view rest = bytes.substr(used);
    if (!greeted_) rest = rest.substr(0, greeting_size);
    if (greeted_ && !user_ && waits_for_login(now)) break;
    const std::size_t part = connection_->receive(rest, now);
    if (part == 0) break;
    greeted_ = true;
    used += part;
  }
  receiving_ = false;
  if (!out_.empty() || finished()) owner_.on_output();
  return used;
}

// Asked once: who has got a turn is not sent away again when it has come.
bool Session::waits_for_login(Monotonic now) {
  if (std::exchange(login_asked_, true) || peer_.host.empty()) return false;
  const Monotonic turn = host_.users().throttle().turn(peer_.host, now);
  if (turn <= now) return false;
  login_turn_ = turn;
  connection_->hold();
  return true;
}

void Session::on_time(Monotonic now) {
  connection_->on_time(now);
  if (login_turn_ && now >= *login_turn_) {
    login_turn_.reset();
    want_input();
  }
  if (!out_.empty() || finished()) owner_.on_output();
}

void Session::on_writable() {
  check_unread();
  if (std::exchange(drowning_, false)) want_input();
  wake_waiting();
}

void Session::wake_waiting() {
  // Those that wait now once: a channel that fills the window again goes to the end of the line.
  for (std::size_t left = waiting_for_window_.size(); left > 0 && window_open(); --left) {
    Channel* channel = waiting_for_window_.front();
    waiting_for_window_.pop_front();
    channel->on_writable();
  }
}

void Session::on_socket_lost(std::string_view reason) {
  connection_->on_socket_lost(reason);
}

void Session::on_turn_end() {
  // A channel that has ended took itself out of the list.
  std::vector<Channel*> now;
  now.swap(confirming_);
  for (Channel* channel : now) channel->flush_confirms();
  retired_.clear();
  if (std::exchange(acked_again_, false)) {
    wake_waiting();
    owner_.on_output();
  }
}

void Session::on_gate_changed() {
  tell_alarm();
  if (gate_.open() && std::exchange(at_gate_, false)) want_input();
}

void Session::on_committed() {
  const std::uint64_t committed = host_.committed();
  auto kept = uncommitted_.begin();
  while (kept != uncommitted_.end() && kept->change <= committed) ++kept;
  uncommitted_.erase(uncommitted_.begin(), kept);
  if (uncommitted_.empty()) {
    out_.let_go();
  } else {
    out_.hold_from(uncommitted_.front().from);
  }
  // With nothing left that it waits for nobody would tell it of a later commit.
  if (ahead_ && (uncommitted_.empty() || host_.recorded() - committed <= most_uncommitted / 2)) {
    ahead_ = false;
    want_input();
  }
  owner_.on_output();
}

void Session::shut_down(std::string_view reason) {
  force_close(fmt::format("broker forced connection closure with reason '{}'", reason));
}

void Session::force_close(std::string text) {
  shutting_down_ = true;
  connection_->close({ReplyCode::connection_forced, std::move(text), {}, true});
  owner_.on_output();
  at_gate_ = drowning_ = ahead_ = false;
  login_turn_.reset();
  want_input();
}

void Session::on_published(const PublishTicket& ticket, bool accepted) {
  Channel* channel = find(ticket.channel);
  if (channel != nullptr && channel->incarnation() == ticket.incarnation) channel->on_published(ticket.tag, accepted);
}

void Session::on_reply(const ReplyAddress& to, const SharedVhostRef& vhost, const Message& message) {
  if (vhost != vhost_) return;
  if (Channel* channel = find(to.channel)) channel->on_reply(to, message);
}

// --- for those who look at it ----------------------------------------------------------------------------------------

ConnectionInfo Session::info() const {
  ConnectionInfo info;
  info.id = id_;
  info.user = user_name();
  if (vhost_) info.vhost = vhost_->name();
  info.mechanism = mechanism_;
  info.client_properties = client_properties_;
  info.tuning = connection_->tuning();
  info.connected_ms = connected_ms_;
  info.blocked = at_gate_;
  info.closing = !connection_->running();
  for (const auto& [number, channel] : channels_) info.channels.push_back(channel->info());
  return info;
}

void Session::add_counts(ChannelCounts& into) const {
  for (const auto& [number, channel] : channels_) into += channel->counts();
}

// --- for its channels ------------------------------------------------------------------------------------------------

bool Session::has_capability(std::string_view name) const {
  return std::find(capabilities_.begin(), capabilities_.end(), name) != capabilities_.end();
}

bool Session::takes_replies() {
  if (out_.size() < config_.unread_replies_bytes) return true;
  if (!std::exchange(drops_replies_, true)) {
    log::warning("session", "{}: its client does not read its direct replies: those above {} unread bytes are dropped",
                 peer_.address, config_.unread_replies_bytes);
  }
  return false;
}

// At the turn's end: what gave way may be anywhere inside a channel.
void Session::settled(std::uint64_t bytes) {
  const bool was_full = !takes_unacked();
  unacked_ -= bytes;
  if (!was_full || !takes_unacked() || acked_again_) return;
  acked_again_ = true;
  owner_.at_turn_end();
}

void Session::own(const QueueEntryRef& exclusive_queue) {
  if (exclusive_.size() == exclusive_.capacity()) {
    std::erase_if(exclusive_, [](const QueueEntryRef& queue) { return queue->deleted.load(); });
  }
  exclusive_.push_back(exclusive_queue);
}

void Session::await_commit(std::uint64_t change) {
  const std::uint64_t committed = host_.committed();
  if (change <= committed) return;
  const std::uint64_t from = out_.total();
  if (uncommitted_.empty()) {
    uncommitted_.push_back({change, from});
    out_.hold_from(from);
    owner_.when_committed();
  } else if (uncommitted_.back().from == from) {
    uncommitted_.back().change = std::max(uncommitted_.back().change, change);
  } else if (uncommitted_.back().change < change) {
    uncommitted_.push_back({change, from});
  }
  if (change - committed <= most_uncommitted || shutting_down_) return;
  ahead_ = true;
  connection_->hold();
}

void Session::await_commit(QueueEntry& queue) {
  const std::uint64_t change = queue.recorded_at.load(std::memory_order_relaxed);
  if (change == 0) return;
  if (change <= host_.committed()) {
    queue.recorded_at.store(0, std::memory_order_relaxed);
  } else {
    await_commit(change);
  }
}

void Session::answered() {
  touch();
  --waiting_;
  want_input();
}

void Session::want_input() {
  if (!waiting() && !receiving_) owner_.on_input_wanted();
}

// Nothing of the message but its header has been taken, or a part of its body: it goes on from there.
void Session::meet_gate(std::uint16_t channel) {
  if (at_gate_ || shutting_down_ || !connection_->is_open(channel)) return;
  at_gate_ = true;
  connection_->hold();
  owner_.on_gate_met();
  tell_alarm();
}

void Session::tell_alarm() {
  const std::string& alarm = gate_.alarm();
  if (!alarm.empty() && at_gate_ && !told_blocked_ && has_capability("connection.blocked")) {
    log::debug("session", "{}: a publish is held back: {}", peer_.address, alarm);
    told_blocked_ = true;
    connection_->send(0, amqp::ConnectionBlocked{alarm});
    touch();
  } else if (alarm.empty() && std::exchange(told_blocked_, false)) {
    connection_->send(0, amqp::ConnectionUnblocked{});
    touch();
  }
}

// Deliveries do not count, they have their window: a client may well send its acks before it reads on.
void Session::check_unread() {
  if (out_.size() <= nearly_empty) {
    output_from_ = out_.total();
    delivered_ = 0;
    return;
  }
  if (shutting_down_ || out_.total() - output_from_ - delivered_ <= config_.unread_answers_bytes) return;
  drowning_ = true;
  connection_->hold();
}

void Session::flush_confirms_of(Channel& channel) {
  confirming_.push_back(&channel);
  owner_.at_turn_end();
}

void Session::flush_confirms_when_durable(Channel& channel) {
  confirming_.push_back(&channel);
  owner_.when_durable();
}

Channel* Session::find(std::uint16_t number) {
  if (last_ != nullptr && last_->number() == number) return last_;
  auto found = channels_.find(number);
  return found == channels_.end() ? nullptr : last_ = found->second.get();
}

// --- the machine's events --------------------------------------------------------------------------------------------

Result<UserRef> Session::log_in(std::string_view mechanism, std::string_view response) const {
  const auto users = host_.users().now();
  if (mechanism == "EXTERNAL") {
    if (peer_.certified.empty()) return fail("it has shown no certificate that names a user");
    return users->admit(peer_.certified, peer_.loopback);
  }
  const auto credentials = parse_login(mechanism, response);
  if (!credentials) return tl::unexpected(credentials.error());
  return users->log_in(credentials->user, credentials->password, peer_.loopback);
}

Session::Login Session::on_login(std::string_view mechanism, std::string_view response, const amqp::Table& properties) {
  if (const amqp::FieldValue* value = properties.find("capabilities")) {
    if (const auto* capabilities = value->get<amqp::Table>()) {
      for (const auto& [name, wanted] : capabilities->entries()) {
        if (const bool* yes = wanted.get<bool>(); yes != nullptr && *yes) capabilities_.push_back(name);
      }
    }
  }
  mechanism_ = mechanism;
  client_properties_ = properties;
  user_version_ = host_.users().version();
  auto user = peer_.internal ? Result<UserRef>(peer_.internal) : log_in(mechanism, response);
  Login login;
  if (!user) {
    if (!peer_.host.empty()) host_.users().throttle().failed(peer_.host, now_);
    log::warning("session", "{}: login refused: {}", peer_.address, user.error().message);
    login.verdict = Login::Verdict::refused;
    login.reason = fmt::format(
        "Login was refused using authentication mechanism {}. For details see the broker logfile.", mechanism);
    return login;
  }
  if (!peer_.host.empty()) host_.users().throttle().succeeded(peer_.host);
  user_ = *user;
  login.verdict = Login::Verdict::granted;
  return login;
}

AmqpResult<void> Session::on_open(std::string_view virtual_host, const amqp::Tuning&) {
  auto refuse = [](std::string text) {
    return tl::unexpected<amqp::AmqpError>(
        amqp::AmqpError{ReplyCode::not_allowed, std::move(text), amqp::ConnectionOpen::id, true});
  };
  if (peer_.one_too_many) {
    log::warning("session", "{}: user '{}': {} connections are the most there may be (connection_max)", peer_.address,
                 user_->name(), config_.connection_max);
    return refuse(fmt::format("connection refused: node connection limit ({}) is reached", config_.connection_max));
  }
  vhost_ = host_.find_vhost(virtual_host);
  if (!vhost_) {
    log::warning("session", "{}: user '{}' asked for vhost '{}', which does not exist", peer_.address, user_->name(),
                 virtual_host);
    return refuse(fmt::format("vhost {} not found", virtual_host));
  }
  // Before the permission, as in RabbitMQ.
  if (auto taken = take_quotas(virtual_host); !taken) {
    log::warning("session", "{}: {}", peer_.address, taken.error().explanation);
    return taken;
  }
  if (!user_->may_open(virtual_host)) {
    log::warning("session", "{}: user '{}' may not open vhost '{}'", peer_.address, user_->name(), virtual_host);
    return refuse(fmt::format("access to vhost '{}' refused for user '{}'", virtual_host, user_->name()));
  }
  log::debug("session", "{}: user '{}' opened vhost '{}'", peer_.address, user_->name(), virtual_host);
  ++host_.counts().connections_opened;
  counted_ = true;
  return {};
}

void Session::follow_user() {
  user_version_ = host_.users().version();
  if (peer_.internal) return;
  if (UserRef found = host_.users().now()->find(user_->name())) user_ = std::move(found);
}

AmqpResult<void> Session::take_quotas(std::string_view virtual_host) {
  const auto refuse = [](std::string text) {
    return tl::unexpected<amqp::AmqpError>(
        amqp::AmqpError{ReplyCode::not_allowed, std::move(text), amqp::ConnectionOpen::id, true});
  };
  if (peer_.internal) {
    user_quota_ = std::make_shared<UserQuota>();
    return {};
  }
  of_vhost_ = Taken::from(vhost_, vhost_->connections());
  if (!of_vhost_) {
    return refuse(fmt::format("access to vhost '{}' refused for user '{}': connection limit ({}) is reached",
                              virtual_host, user_->name(), vhost_->connections().limit()));
  }
  user_quota_ = host_.user_quota(user_->name());
  // Deleted since it logged in.
  if (!user_quota_) return refuse(fmt::format("user '{}' is deleted", user_->name()));
  of_user_ = Taken::from(user_quota_, user_quota_->connections);
  if (!of_user_) {
    return refuse(fmt::format("connection refused for user '{}': user connection limit ({}) is reached", user_->name(),
                              user_quota_->connections.limit()));
  }
  return {};
}

AmqpResult<void> Session::on_channel_open(std::uint16_t number) {
  Taken taken = Taken::from(user_quota_, user_quota_->channels);
  if (!taken) {
    return tl::unexpected<amqp::AmqpError>(amqp::AmqpError{
        ReplyCode::not_allowed,
        fmt::format("number of channels opened for user '{}' has reached the maximum allowed user limit of ({})",
                    user_->name(), user_quota_->channels.limit()),
        amqp::ChannelOpen::id, true});
  }
  channels_[number] = std::make_unique<Channel>(*this, number, ++incarnations_, std::move(taken));
  return {};
}

void Session::on_method(std::uint16_t number, const amqp::Method& method) {
  if (std::holds_alternative<amqp::ChannelOpen>(method)) return;
  if (number == 0) {
    if (const auto* update = std::get_if<amqp::ConnectionUpdateSecret>(&method)) on_update_secret(*update);
    return;
  }
  if (Channel* channel = find(number)) channel->on_method(method);
  if (out_.size() > config_.unread_answers_bytes) check_unread();
}

void Session::on_update_secret(const amqp::ConnectionUpdateSecret& method) {
  // A login by password does not expire, so there is nothing to renew and nothing to refuse.
  log::info("session", "{}: user '{}' updated its secret: {}", peer_.address, user_->name(), method.reason);
  connection_->send(0, amqp::ConnectionUpdateSecretOk{});
}

void Session::on_content(std::uint16_t number, const amqp::Method& method, const amqp::ContentHeader& header) {
  Channel* channel = find(number);
  const auto* publish = std::get_if<amqp::BasicPublish>(&method);
  if (channel != nullptr && publish != nullptr) channel->on_publish(*publish, header);
  if (!gate_.open()) meet_gate(number);
}

void Session::on_body(std::uint16_t number, std::string_view fragment) {
  if (Channel* channel = find(number)) channel->on_body(fragment);
  if (!gate_.open()) meet_gate(number);
}

void Session::on_content_end(std::uint16_t number) {
  if (Channel* channel = find(number)) channel->on_publish_end();
  if (out_.size() > config_.unread_answers_bytes) check_unread();
}

void Session::end_channels() {
  Departures departures;
  for (auto& [number, channel] : channels_) channel->end(departures);
  departures.tell(host_, connection_->lost());
  for (auto& [number, channel] : channels_) channel->forget_consumers();
}

void Session::on_channel_closed(std::uint16_t number, const amqp::ChannelClose*) {
  // With the first of a connection that ends all do.
  if (!connection_->running() && !std::exchange(ending_, true)) end_channels();
  auto node = channels_.extract(number);
  if (node.empty()) return;
  if (last_ == node.mapped().get()) last_ = nullptr;
  std::erase(confirming_, node.mapped().get());
  std::erase(waiting_for_window_, node.mapped().get());
  node.mapped()->end();
  // The channel may be the one whose method is being handled: it goes when the call stack is gone.
  retired_.push_back(std::move(node.mapped()));
  owner_.at_turn_end();
}

void Session::on_ended(const Ended& why) {
  if (why.lost) {
    log::info("session", "{}: connection lost: {}", peer_.address, why.text);
  } else if (why.code != 200) {
    log::warning("session", "{}: connection closed {}: {} {}", peer_.address, why.by_peer ? "by the client" : "by us",
                 why.code, why.text);
  }
  client_closed_ = why.by_peer && !why.lost;
  if (std::exchange(counted_, false)) ++host_.counts().connections_closed;
  alive_.reset();
  of_vhost_ = {};
  of_user_ = {};
  if (!vhost_) return;
  for (const QueueEntryRef& queue : exclusive_) {
    host_.delete_queue(vhost_, queue, {}, [](const AmqpResult<std::uint32_t>&) {});
  }
  exclusive_.clear();
}

}  // namespace wherry::broker

#include "broker/session/session.h"

#include <algorithm>

#include <fmt/format.h>

#include "base/log.h"
#include "broker/auth/sasl.h"

namespace wherry::broker {

using amqp::ReplyCode;

Session::Session(const SessionConfig& config, Host& host, SessionOwner& owner, OutputBuffer& out, ConnectionId id,
                 Peer peer, Monotonic now)
    : config_(config),
      host_(host),
      owner_(owner),
      out_(out),
      id_(id),
      peer_(std::move(peer)),
      connection_(amqp::Connection::server(config.amqp, *this, out, now)) {}

Session::~Session() {
  // Only a broker that does not wait for its clients: channels end one by one, none finding another half destroyed.
  if (!finished()) connection_->on_socket_lost("the broker stops");
}

// --- driven by the owner ---------------------------------------------------------------------------------------------

std::size_t Session::receive(std::string_view bytes, Monotonic now) {
  receiving_ = true;
  std::size_t used = 0;
  while (waiting_ == 0 && used < bytes.size()) {
    const std::size_t part = connection_->receive(bytes.substr(used), now);
    if (part == 0) break;
    used += part;
  }
  receiving_ = false;
  if (!out_.empty() || finished()) owner_.on_output();
  return used;
}

void Session::on_time(Monotonic now) {
  connection_->on_time(now);
  if (!out_.empty() || finished()) owner_.on_output();
}

void Session::on_writable() {
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
}

void Session::shut_down(std::string_view reason) {
  connection_->close({ReplyCode::connection_forced,
                      fmt::format("broker forced connection closure with reason '{}'", reason),
                      {},
                      true});
  owner_.on_output();
}

void Session::on_published(const PublishTicket& ticket, bool accepted) {
  Channel* channel = find(ticket.channel);
  if (channel != nullptr && channel->incarnation() == ticket.incarnation) channel->on_published(ticket.tag, accepted);
}

// --- for its channels ------------------------------------------------------------------------------------------------

bool Session::has_capability(std::string_view name) const {
  return std::find(capabilities_.begin(), capabilities_.end(), name) != capabilities_.end();
}

void Session::own(const QueueEntryRef& exclusive_queue) {
  if (exclusive_.size() == exclusive_.capacity()) {
    std::erase_if(exclusive_, [](const QueueEntryRef& queue) { return queue->deleted.load(); });
  }
  exclusive_.push_back(exclusive_queue);
}

void Session::answered() {
  touch();
  if (--waiting_ == 0 && !receiving_) owner_.on_input_wanted();
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

Session::Login Session::on_login(std::string_view mechanism, std::string_view response, const amqp::Table& properties) {
  if (const amqp::FieldValue* value = properties.find("capabilities")) {
    if (const auto* capabilities = value->get<amqp::Table>()) {
      for (const auto& [name, wanted] : capabilities->entries()) {
        if (const bool* yes = wanted.get<bool>(); yes != nullptr && *yes) capabilities_.push_back(name);
      }
    }
  }
  auto credentials = parse_login(mechanism, response);
  auto user = credentials ? host_.users().log_in(credentials->user, credentials->password, peer_.loopback)
                          : Result<UserRef>(tl::unexpected(credentials.error()));
  Login login;
  if (!user) {
    log::warning("session", "{}: login refused: {}", peer_.address, user.error().message);
    login.verdict = Login::Verdict::refused;
    login.reason = fmt::format(
        "Login was refused using authentication mechanism {}. For details see the broker logfile.", mechanism);
    return login;
  }
  user_ = *user;
  login.verdict = Login::Verdict::granted;
  return login;
}

AmqpResult<void> Session::on_open(std::string_view virtual_host, const amqp::Tuning&) {
  auto refuse = [](std::string text) {
    return tl::unexpected<amqp::AmqpError>(
        amqp::AmqpError{ReplyCode::not_allowed, std::move(text), amqp::ConnectionOpen::id, true});
  };
  vhost_ = host_.find_vhost(virtual_host);
  if (!vhost_) {
    log::warning("session", "{}: user '{}' asked for vhost '{}', which does not exist", peer_.address, user_->name(),
                 virtual_host);
    return refuse(fmt::format("vhost {} not found", virtual_host));
  }
  if (!user_->may_open(virtual_host)) {
    log::warning("session", "{}: user '{}' may not open vhost '{}'", peer_.address, user_->name(), virtual_host);
    return refuse(fmt::format("access to vhost '{}' refused for user '{}'", virtual_host, user_->name()));
  }
  log::debug("session", "{}: user '{}' opened vhost '{}'", peer_.address, user_->name(), virtual_host);
  return {};
}

void Session::on_method(std::uint16_t number, const amqp::Method& method) {
  if (std::holds_alternative<amqp::ChannelOpen>(method)) {
    channels_[number] = std::make_unique<Channel>(*this, number, ++incarnations_);
    return;
  }
  if (number == 0) {
    if (const auto* update = std::get_if<amqp::ConnectionUpdateSecret>(&method)) on_update_secret(*update);
    return;
  }
  if (Channel* channel = find(number)) channel->on_method(method);
}

void Session::on_update_secret(const amqp::ConnectionUpdateSecret& method) {
  auto user = host_.users().log_in(user_->name(), method.new_secret.text, peer_.loopback);
  if (!user) {
    log::warning("session", "{}: new secret refused: {}", peer_.address, user.error().message);
    return connection_->close({ReplyCode::not_allowed, "New secret was refused by one of the backends",
                               amqp::ConnectionUpdateSecret::id, true});
  }
  log::info("session", "{}: user '{}' updated its secret: {}", peer_.address, user_->name(), method.reason);
  user_ = *user;
  connection_->send(0, amqp::ConnectionUpdateSecretOk{});
}

void Session::on_content(std::uint16_t number, const amqp::Method& method, const amqp::ContentHeader& header) {
  Channel* channel = find(number);
  const auto* publish = std::get_if<amqp::BasicPublish>(&method);
  if (channel != nullptr && publish != nullptr) channel->on_publish(*publish, header);
}

void Session::on_body(std::uint16_t number, std::string_view fragment) {
  if (Channel* channel = find(number)) channel->on_body(fragment);
}

void Session::on_content_end(std::uint16_t number) {
  if (Channel* channel = find(number)) channel->on_publish_end();
}

void Session::on_channel_closed(std::uint16_t number, const amqp::ChannelClose*) {
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
  alive_.reset();
  if (!vhost_) return;
  for (const QueueEntryRef& queue : exclusive_) {
    host_.delete_queue(vhost_, queue, {}, [](const AmqpResult<std::uint32_t>&) {});
  }
  exclusive_.clear();
}

}  // namespace wherry::broker

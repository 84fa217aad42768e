// The client's half of the handshake.
#include <algorithm>
#include <limits>

#include <fmt/format.h>

#include "protocol/amqp/connection_core.h"

namespace wherry::amqp {

namespace {

// A server's start and tune come before its limit is known.
constexpr std::uint32_t client_handshake_frame_max = 131072;

// The smaller of two limits, where 0 is none.
template <class T>
T agreed(T ours, T theirs) {
  if (ours == 0 || theirs == 0) return std::max(ours, theirs);
  return std::min(ours, theirs);
}

class ClientConnection final : public ConnectionCore {
 public:
  ClientConnection(const ClientConfig& config, ClientEvents& events, OutputBuffer& out_buffer, Monotonic now)
      : ConnectionCore(Side::client, events, out_buffer, now, config.handshake_timeout,
                       std::numeric_limits<std::uint64_t>::max()),
        config_(config),
        events_(events) {
    tuning_ = config.tuning;
    set_frame_max(client_handshake_frame_max);
    out().append(protocol_header);
  }

 private:
  enum class Step { starting, tuning, opening, running };

  std::size_t greet(std::string_view bytes) override;
  void on_connection_method(const Method& method) override;
  std::string_view state_name() const override;

  void on_start(const ConnectionStart& start);
  void on_tune(const ConnectionTune& tune);
  void on_open_ok();
  void give_up(ReplyCode code, std::string text);

  const ClientConfig& config_;
  ClientEvents& events_;
  Step step_ = Step::starting;
  Table server_properties_;
};

// A server answers with a frame; with a header of its own only when it wants another protocol.
std::size_t ClientConnection::greet(std::string_view bytes) {
  if (bytes[0] != 'A') {
    begin_handshake();
    return 0;
  }
  if (bytes.size() < protocol_header.size()) return 0;
  auto octet = [&](std::size_t i) { return static_cast<unsigned>(static_cast<unsigned char>(bytes[i])); };
  give_up(ReplyCode::not_implemented, fmt::format("the server does not speak AMQP 0-9-1; it offers {}-{}-{}-{}",
                                                  octet(4), octet(5), octet(6), octet(7)));
  return bytes.size();
}

std::string_view ClientConnection::state_name() const {
  switch (step_) {
    case Step::starting:
      return "starting";
    case Step::tuning:
      return "tuning";
    case Step::opening:
      return "opening";
    case Step::running:
      break;
  }
  return "running";
}

void ClientConnection::on_connection_method(const Method& method) {
  switch (step_) {
    case Step::starting:
      if (const auto* start = std::get_if<ConnectionStart>(&method)) return on_start(*start);
      break;
    case Step::tuning:
      if (const auto* tune = std::get_if<ConnectionTune>(&method)) return on_tune(*tune);
      if (std::holds_alternative<ConnectionSecure>(method)) {
        return fail({ReplyCode::command_invalid,
                     fmt::format("no answer to a challenge with mechanism {}", config_.mechanism),
                     ConnectionSecure::id});
      }
      break;
    case Step::opening:
      if (std::holds_alternative<ConnectionOpenOk>(method)) return on_open_ok();
      break;
    case Step::running:
      if (std::holds_alternative<ConnectionBlocked>(method) || std::holds_alternative<ConnectionUnblocked>(method) ||
          std::holds_alternative<ConnectionUpdateSecretOk>(method)) {
        return emit([&] { events_.on_method(0, method); });
      }
      break;
  }
  unexpected_method(method);
}

void ClientConnection::on_start(const ConnectionStart& start) {
  if (start.version_major != 0 || start.version_minor != 9) {
    return give_up(ReplyCode::not_implemented,
                   fmt::format("the server speaks AMQP {}-{}, not 0-9-1", start.version_major, start.version_minor));
  }
  std::string offered = " " + std::string(start.mechanisms.text) + " ";
  if (offered.find(" " + config_.mechanism + " ") == offered.npos) {
    return give_up(ReplyCode::command_invalid, fmt::format("the server offers the mechanisms '{}', not {}",
                                                           start.mechanisms.text, config_.mechanism));
  }
  auto properties = decode_table(start.server_properties);
  WHERRY_ASSERT(properties);  // Checked when the method was decoded.
  server_properties_ = std::move(*properties);
  std::string ours = encode_table(config_.properties);
  ConnectionStartOk answer;
  answer.client_properties = {ours};
  answer.mechanism = config_.mechanism;
  answer.response = {config_.response};
  answer.locale = "en_US";
  step_ = Step::tuning;
  send_now(answer);
}

void ClientConnection::on_tune(const ConnectionTune& tune) {
  if (tune.frame_max != 0 && tune.frame_max < frame_min_size) {
    return fail({ReplyCode::not_allowed,
                 fmt::format("negotiated frame_max = {} is lower than the minimum allowed value ({})", tune.frame_max,
                             frame_min_size),
                 ConnectionTune::id});
  }
  tuning_.channel_max = agreed(config_.tuning.channel_max, tune.channel_max);
  tuning_.frame_max = agreed(config_.tuning.frame_max, tune.frame_max);
  tuning_.heartbeat_s = agreed(config_.tuning.heartbeat_s, tune.heartbeat_s);
  set_frame_max(tuning_.frame_max);
  send_now(ConnectionTuneOk{tuning_.channel_max, tuning_.frame_max, tuning_.heartbeat_s});
  ConnectionOpen open;
  open.virtual_host = config_.virtual_host;
  step_ = Step::opening;
  send_now(open);
}

void ClientConnection::on_open_ok() {
  step_ = Step::running;
  begin_running();
  emit([&] { events_.on_ready(server_properties_, tuning_); });
}

// Before start-ok there is no connection that could be closed: leaving is all there is.
void ClientConnection::give_up(ReplyCode code, std::string text) {
  finish({.code = static_cast<std::uint16_t>(code), .text = reply_text(code, text), .by_peer = false, .lost = true});
}

}  // namespace

std::unique_ptr<Connection> Connection::client(const ClientConfig& config, ClientEvents& events, OutputBuffer& out,
                                               Monotonic now) {
  return std::make_unique<ClientConnection>(config, events, out, now);
}

}  // namespace wherry::amqp

// The server's half of the handshake: protocol header, login, tune, open.
#include <algorithm>
#include <array>

#include <fmt/format.h>

#include "protocol/amqp/connection_core.h"

namespace wherry::amqp {

namespace {

// Before anything was negotiated: enough for a start-ok with a long token in it, too little to be worth sending in
// bulk.
constexpr std::uint32_t server_handshake_frame_max = 8192;
constexpr std::size_t protocol_header_size = 8;
// Clients of 0-9 say it this way and speak the same language.
constexpr std::string_view protocol_header_09{"AMQP\x01\x01\x00\x09", 8};

class ServerConnection final : public ConnectionCore {
 public:
  ServerConnection(const ServerConfig& config, ServerEvents& events, OutputBuffer& out_buffer, Monotonic now)
      : ConnectionCore(Side::server, events, out_buffer, now, config.handshake_timeout, config.max_message_size),
        config_(config),
        events_(events) {
    tuning_ = config.tuning;
    set_frame_max(server_handshake_frame_max);
  }

 private:
  enum class Step { starting, securing, tuning, opening, running };

  std::size_t greet(std::string_view bytes) override;
  void on_connection_method(const Method& method) override;
  std::string_view state_name() const override;

  void on_start_ok(const ConnectionStartOk& start);
  void login(std::string_view response);
  void refuse(const std::string& reason);
  void on_tune_ok(const ConnectionTuneOk& tune);
  bool check_tuned(std::string_view name, std::uint32_t minimum, std::uint32_t ours, std::uint32_t theirs);
  void on_open(const ConnectionOpen& open);

  const ServerConfig& config_;
  ServerEvents& events_;
  Step step_ = Step::starting;
  Table client_properties_;
  std::string mechanism_;
};

// Refuses at the first byte that cannot be ours: whoever speaks something shorter than 8 bytes need not wait.
std::size_t ServerConnection::greet(std::string_view bytes) {
  std::string_view head = bytes.substr(0, protocol_header_size);
  if (!protocol_header.starts_with(head) && !protocol_header_09.starts_with(head)) {
    out().append(protocol_header);
    finish({.code = 0, .text = "the client did not begin with AMQP 0-9-1's header", .by_peer = false, .lost = true});
    return bytes.size();
  }
  if (head.size() < protocol_header_size) return 0;
  std::string properties = encode_table(config_.properties);
  std::string mechanisms = fmt::format("{}", fmt::join(config_.mechanisms, " "));
  ConnectionStart start;
  start.server_properties = {properties};
  start.mechanisms = {mechanisms};
  start.locales = {"en_US"};
  begin_handshake();
  send_now(start);
  return protocol_header_size;
}

std::string_view ServerConnection::state_name() const {
  switch (step_) {
    case Step::starting:
      return "starting";
    case Step::securing:
      return "securing";
    case Step::tuning:
      return "tuning";
    case Step::opening:
      return "opening";
    case Step::running:
      break;
  }
  return "running";
}

void ServerConnection::on_connection_method(const Method& method) {
  switch (step_) {
    case Step::starting:
      if (const auto* start = std::get_if<ConnectionStartOk>(&method)) return on_start_ok(*start);
      break;
    case Step::securing:
      if (const auto* secure = std::get_if<ConnectionSecureOk>(&method)) return login(secure->response.text);
      break;
    case Step::tuning:
      if (const auto* tune = std::get_if<ConnectionTuneOk>(&method)) return on_tune_ok(*tune);
      break;
    case Step::opening:
      if (const auto* open = std::get_if<ConnectionOpen>(&method)) return on_open(*open);
      break;
    case Step::running:
      if (std::holds_alternative<ConnectionUpdateSecret>(method)) {
        return emit([&] { events_.on_method(0, method); });
      }
      break;
  }
  unexpected_method(method);
}

void ServerConnection::on_start_ok(const ConnectionStartOk& start) {
  auto properties = decode_table(start.client_properties);
  WHERRY_ASSERT(properties);  // Checked when the method was decoded.
  client_properties_ = std::move(*properties);
  mechanism_ = start.mechanism;
  if (std::find(config_.mechanisms.begin(), config_.mechanisms.end(), mechanism_) == config_.mechanisms.end()) {
    return fail({ReplyCode::command_invalid, fmt::format("unknown authentication mechanism '{}'", mechanism_),
                 ConnectionStartOk::id});
  }
  login(start.response.text);
}

void ServerConnection::login(std::string_view response) {
  ServerEvents::Login verdict;
  emit([&] { verdict = events_.on_login(mechanism_, response, client_properties_); });
  if (phase() != Phase::handshake) return;  // The handler closed the connection.
  switch (verdict.verdict) {
    case ServerEvents::Login::Verdict::granted:
      step_ = Step::tuning;
      return send_now(ConnectionTune{config_.tuning.channel_max, config_.tuning.frame_max, config_.tuning.heartbeat_s});
    case ServerEvents::Login::Verdict::challenge:
      step_ = Step::securing;
      return send_now(ConnectionSecure{{verdict.challenge}});
    case ServerEvents::Login::Verdict::refused:
      return refuse(verdict.reason);
  }
}

void ServerConnection::refuse(const std::string& reason) {
  std::string text = !reason.empty() ? reason
                                     : fmt::format(
                                           "Login was refused using authentication mechanism {}. For details see the "
                                           "broker logfile.",
                                           mechanism_);
  bool wants_close = false;
  const FieldValue* capabilities = client_properties_.find("capabilities");
  if (const Table* table = capabilities ? capabilities->get<Table>() : nullptr) {
    table->boolean("authentication_failure_close", wants_close);
  }
  // RabbitMQ names no method here.
  if (wants_close) return fail({ReplyCode::access_refused, text, {}, true});
  refuse_silently(ReplyCode::access_refused, reply_text(ReplyCode::access_refused, text));
}

// False when the value was refused, with the connection closing.
bool ServerConnection::check_tuned(std::string_view name, std::uint32_t minimum, std::uint32_t ours,
                                   std::uint32_t theirs) {
  bool below = theirs != 0 && theirs < minimum;
  bool above = ours != 0 && (theirs == 0 || theirs > ours);
  if (!below && !above) return true;
  std::string_view detail = name == "channel_max" && theirs == 0 ? " (no limit)" : "";
  fail({ReplyCode::not_allowed,
        fmt::format("negotiated {} = {}{} is {} than the {} allowed value ({})", name, theirs, detail,
                    below ? "lower" : "higher", below ? "minimum" : "maximum", below ? minimum : ours),
        ConnectionTune::id});
  return false;
}

void ServerConnection::on_tune_ok(const ConnectionTuneOk& tune) {
  if (!check_tuned("frame_max", frame_min_size, config_.tuning.frame_max, tune.frame_max)) return;
  if (!check_tuned("channel_max", 1, config_.tuning.channel_max, tune.channel_max)) return;
  // The heartbeat is the client's word, even 0 or above the offer: it made the choice from both wishes.
  tuning_ = {tune.channel_max, tune.frame_max, tune.heartbeat_s};
  set_frame_max(tune.frame_max);
  step_ = Step::opening;
}

void ServerConnection::on_open(const ConnectionOpen& open) {
  Result<void, AmqpError> allowed;
  emit([&] { allowed = events_.on_open(open.virtual_host, tuning_); });
  if (phase() != Phase::handshake) return;
  if (!allowed) {
    AmqpError error = std::move(allowed.error());
    if (error.offender == MethodId{}) error.offender = ConnectionOpen::id;
    return fail(error);
  }
  step_ = Step::running;
  send_now(ConnectionOpenOk{});
  begin_running();
}

}  // namespace

std::unique_ptr<Connection> Connection::server(const ServerConfig& config, ServerEvents& events, OutputBuffer& out,
                                               Monotonic now) {
  return std::make_unique<ServerConnection>(config, events, out, now);
}

}  // namespace wherry::amqp

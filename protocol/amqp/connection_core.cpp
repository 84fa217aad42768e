// The connection as a whole: the loop over frames, channel 0, the ways to end, time.
#include "protocol/amqp/connection_core.h"

#include <algorithm>
#include <limits>
#include <utility>

#include <fmt/format.h>

namespace wherry::amqp {

namespace {

constexpr std::chrono::seconds close_timeout{5};
// How long the socket stays when nobody is listened to any more: the peer reads our last words meanwhile, and whoever
// guesses passwords waits.
constexpr std::chrono::seconds deaf_pause{1};
// What stands for "no limit" where one was negotiated: nobody makes the owner keep more of one frame than this.
constexpr std::uint32_t frame_max_ceiling = 64u << 20;

constexpr std::string_view close_ok_frame{"\x01\x00\x00\x00\x00\x00\x04\x00\x0a\x00\x33\xce", 12};

// Bytes as RabbitMQ prints them in its frame errors.
std::string erlang_binary(std::string_view bytes) {
  bool printable = !bytes.empty() && std::all_of(bytes.begin(), bytes.end(),
                                                 [](char c) { return c >= 0x20 && c < 0x7f && c != '"' && c != '\\'; });
  if (printable) return fmt::format("<<\"{}\">>", bytes);
  std::string text = "<<";
  for (std::size_t i = 0; i < bytes.size(); ++i) {
    fmt::format_to(std::back_inserter(text), "{}{}", i ? "," : "", static_cast<unsigned char>(bytes[i]));
  }
  return text + ">>";
}

std::string describe(const FrameHeader& frame, std::string_view payload) {
  bool all = payload.size() <= 16;
  return fmt::format("type {}, {} octets = {}", frame.type, all ? "all" : "first 16",
                     erlang_binary(payload.substr(0, 16)));
}

std::string close_text(const AmqpError& error) {
  if (error.code == ReplyCode::success) return error.explanation.substr(0, short_string_max);
  return reply_text(error.code, error.explanation);
}

}  // namespace

ConnectionCore::ConnectionCore(Side side, ConnectionEvents& events, OutputBuffer& out, Monotonic now,
                               std::chrono::milliseconds handshake_timeout, std::uint64_t max_message_size)
    : side_(side),
      events_(events),
      out_(out),
      max_message_size_(max_message_size),
      handshake_deadline_(now + handshake_timeout),
      now_(now),
      received_at_(now) {}

// --- input ----------------------------------------------------------------------------------------------------------

// What the frame's type asks of its payload.
inline bool ConnectionCore::sound(const FrameHeader& frame) {
  switch (static_cast<FrameType>(frame.type)) {
    case FrameType::method:
      return frame.size >= 4;
    case FrameType::header:
      return frame.size >= content_header_fixed_size;
    case FrameType::body:
      return true;
    case FrameType::heartbeat:
      return frame.size == 0;
    default:
      return false;
  }
}

void ConnectionCore::on_frame(const FrameHeader& frame, std::string_view payload) {
  if (phase_ == Phase::closing) return on_frame_while_closing(frame, payload);
  if (!sound(frame)) return fail({ReplyCode::frame_error, describe(frame, payload) + ": unknown_frame", {}});
  if (frame.type == static_cast<std::uint8_t>(FrameType::heartbeat)) {
    if (frame.channel == 0) return;
    return fail({ReplyCode::unexpected_frame, describe(frame, payload), {}});
  }
  if (frame.channel == 0) return on_connection_frame(frame, payload);
  if (phase_ == Phase::handshake) {
    return fail({ReplyCode::channel_error,
                 fmt::format("unexpected frame on channel {} in connection state {}", frame.channel, state_name()),
                 {}});
  }
  on_channel_frame(frame, payload);
}

inline std::size_t ConnectionCore::step(std::string_view bytes) {
  if (phase_ != Phase::running && phase_ != Phase::handshake && phase_ != Phase::closing) {
    const std::size_t used = step_apart(bytes);
    if (phase_ != Phase::handshake || used > 0) return used;
  }
  if (bytes.size() < frame_header_size) return 0;
  const FrameHeader frame = read_frame_header(bytes.data());
  const std::uint32_t limit = frame_max_ == 0 ? frame_max_ceiling : frame_max_;
  // RabbitMQ allows a payload as large as the whole frame may be: old clients counted so.
  if (frame.size > limit) return go_deaf_for_size(frame, limit);
  const std::size_t whole = frame.size + frame_overhead;
  if (bytes.size() < whole) return 0;
  const std::string_view payload(bytes.data() + frame_header_size, frame.size);
  if (static_cast<std::uint8_t>(bytes[whole - 1]) != frame_end)
    return go_deaf_for_end(frame, payload, bytes[whole - 1]);
  // Nearly every frame is of a channel.
  if (phase_ == Phase::running && frame.channel != 0 && frame.type != static_cast<std::uint8_t>(FrameType::heartbeat) &&
      sound(frame)) {
    on_channel_frame(frame, payload);
  } else {
    on_frame(frame, payload);
  }
  return whole;
}

std::size_t ConnectionCore::receive(std::string_view bytes, Monotonic now) {
  WHERRY_ASSERT(depth_ == 0);
  now_ = now;
  in_call_ = true;
  arm_close_deadline();
  if (!bytes.empty() || held_) received_at_ = now;
  held_ = false;
  std::size_t used = 0;
  while (!held_ && phase_ != Phase::finished) {
    std::size_t taken = step({bytes.data() + used, bytes.size() - used});
    if (!gone_.empty() || end_due_) settle();
    if (taken == 0) break;
    used += taken;
  }
  if (!unfinished_.empty()) keep_unfinished();
  in_call_ = false;
  return phase_ == Phase::finished ? bytes.size() : used;
}

// Before the first frame, and when frames mean nothing any more.
std::size_t ConnectionCore::step_apart(std::string_view bytes) {
  if (bytes.empty()) return 0;
  return phase_ == Phase::greeting ? greet(bytes) : step_deaf(bytes);
}

std::size_t ConnectionCore::go_deaf_for_size(const FrameHeader& frame, std::uint32_t limit) {
  go_deaf(fmt::format("{{frame_too_large,{},{}}}", frame.size, limit - frame_overhead), frame, {});
  return frame_header_size;
}

std::size_t ConnectionCore::go_deaf_for_end(const FrameHeader& frame, std::string_view payload, char end) {
  go_deaf(fmt::format("{{invalid_frame_end_marker,{}}}", static_cast<std::uint8_t>(end)), frame, payload);
  return frame.size + frame_overhead;
}

// Where frames begin is no longer known; the one thing worth finding is the answer to our close.
std::size_t ConnectionCore::step_deaf(std::string_view bytes) {
  if (!answer_matters_) return bytes.size();
  std::size_t at = bytes.find(close_ok_frame);
  if (at != bytes.npos) {
    finish(std::exchange(ended_, {}));
    return at + close_ok_frame.size();
  }
  std::size_t may_begin_it = close_ok_frame.size() - 1;
  return bytes.size() > may_begin_it ? bytes.size() - may_begin_it : 0;
}

void ConnectionCore::on_frame_while_closing(const FrameHeader& frame, std::string_view payload) {
  if (frame.channel != 0 || frame.type != static_cast<std::uint8_t>(FrameType::method)) return;
  if (!decode_method_into(payload, scratch_)) return;
  if (std::holds_alternative<ConnectionClose>(scratch_)) {
    send_now(ConnectionCloseOk{});
  } else if (std::holds_alternative<ConnectionCloseOk>(scratch_)) {
    finish(std::exchange(ended_, {}));
  }
}

void ConnectionCore::on_connection_frame(const FrameHeader& frame, std::string_view payload) {
  if (frame.type != static_cast<std::uint8_t>(FrameType::method)) {
    return fail({ReplyCode::unexpected_frame, describe(frame, payload), {}});
  }
  if (auto decoded = decode_method_into(payload, scratch_); !decoded) return fail(decoded.error());
  if (const auto* close = std::get_if<ConnectionClose>(&scratch_)) return on_peer_connection_close(*close);
  if (std::holds_alternative<ConnectionCloseOk>(scratch_)) return unexpected_method(scratch_);
  on_connection_method(scratch_);
}

void ConnectionCore::unexpected_method(const Method& method) {
  fail(
      {ReplyCode::channel_error, fmt::format("unexpected method in connection state {}", state_name()), id_of(method)});
}

void ConnectionCore::on_peer_connection_close(const ConnectionClose& close) {
  send_now(ConnectionCloseOk{});
  finish({.code = close.reply_code, .text = std::string(close.reply_text), .by_peer = true, .lost = false});
}

// --- the ways to end ------------------------------------------------------------------------------------------------

void ConnectionCore::fail(const AmqpError& error) {
  begin_close(static_cast<std::uint16_t>(error.code), close_text(error), error.offender);
}

void ConnectionCore::close(const AmqpError& error) {
  fail(error);
  settle();
}

void ConnectionCore::close_ok(std::string_view text) {
  begin_close(static_cast<std::uint16_t>(ReplyCode::success), std::string(text.substr(0, short_string_max)), {});
  settle();
}

void ConnectionCore::begin_close(std::uint16_t code, std::string text, MethodId offender) {
  if (phase_ >= Phase::closing) return;
  if (phase_ == Phase::greeting) return finish({.code = code, .text = std::move(text), .by_peer = false, .lost = true});
  ConnectionClose close;
  close.reply_code = code;
  close.reply_text = text;
  close.class_id = offender.class_id;
  close.method_id = offender.method_id;
  send_now(close);
  ended_ = {.code = code, .text = std::move(text), .by_peer = false, .lost = false};
  phase_ = Phase::closing;
  linger_ = close_timeout;
  arm_close_deadline();
  tell_all_gone();
}

void ConnectionCore::go_deaf(std::string_view what, const FrameHeader& frame, std::string_view payload) {
  fail({ReplyCode::frame_error, fmt::format("{}: {}", describe(frame, payload), what), {}});
  phase_ = Phase::deaf;
  answer_matters_ = true;
}

void ConnectionCore::refuse_silently(ReplyCode code, std::string text) {
  ended_ = {.code = static_cast<std::uint16_t>(code), .text = std::move(text), .by_peer = false, .lost = true};
  phase_ = Phase::deaf;
  answer_matters_ = false;
  linger_ = deaf_pause;
  arm_close_deadline();
}

void ConnectionCore::finish(Ended why) {
  if (phase_ == Phase::finished) return;
  tell_all_gone();
  phase_ = Phase::finished;
  ended_ = std::move(why);
  end_due_ = true;
}

void ConnectionCore::on_socket_lost(std::string_view reason) {
  if (phase_ == Phase::closing || phase_ == Phase::deaf) {
    ended_.lost = true;
    finish(std::exchange(ended_, {}));
  } else {
    finish({.code = 0, .text = std::string(reason), .by_peer = false, .lost = true});
  }
  settle();
}

// Tells what is queued, unless a handler is at work: then whoever called the handler does.
void ConnectionCore::settle() {
  if (depth_ > 0) return;
  ++depth_;
  while (!gone_.empty()) {
    for (Gone& gone : std::exchange(gone_, {})) {
      if (!gone.by_peer) {
        events_.on_channel_closed(gone.channel, nullptr);
        continue;
      }
      ChannelClose close;
      close.reply_code = gone.by_peer->code;
      close.reply_text = gone.by_peer->text;
      close.class_id = gone.by_peer->offender.class_id;
      close.method_id = gone.by_peer->offender.method_id;
      events_.on_channel_closed(gone.channel, &close);
    }
  }
  if (std::exchange(end_due_, false)) events_.on_ended(ended_);
  --depth_;
}

// --- time -----------------------------------------------------------------------------------------------------------

void ConnectionCore::begin_running() {
  phase_ = Phase::running;
  std::chrono::milliseconds interval = std::chrono::seconds(tuning_.heartbeat_s);
  send_check_at_ = now_ + interval / 2;
  dead_check_at_ = now_ + 2 * interval;
}

// close() may come at any time, but only receive() and on_time() know what time it is: until then the deadline is "ask
// me".
void ConnectionCore::arm_close_deadline() {
  if (phase_ != Phase::closing && phase_ != Phase::deaf) return;
  if (close_deadline_armed_ || !in_call_) return;
  close_deadline_ = now_ + linger_;
  close_deadline_armed_ = true;
}

Monotonic ConnectionCore::next_deadline() const {
  switch (phase_) {
    case Phase::greeting:
    case Phase::handshake:
      return handshake_deadline_;
    case Phase::running:
      return tuning_.heartbeat_s == 0 ? Monotonic::max() : std::min(send_check_at_, dead_check_at_);
    case Phase::closing:
    case Phase::deaf:
      return close_deadline_armed_ ? close_deadline_ : Monotonic::min();
    case Phase::finished:
      break;
  }
  return Monotonic::max();
}

void ConnectionCore::on_time(Monotonic now) {
  WHERRY_ASSERT(depth_ == 0);
  now_ = now;
  in_call_ = true;
  arm_close_deadline();
  switch (phase_) {
    case Phase::greeting:
    case Phase::handshake:
      if (now >= handshake_deadline_) {
        finish({.code = 0,
                .text = fmt::format("handshake timeout in connection state {}", state_name()),
                .by_peer = false,
                .lost = true});
      }
      break;
    case Phase::running:
      check_heartbeat();
      break;
    case Phase::closing:
    case Phase::deaf:
      if (now >= close_deadline_) {
        ended_.lost = true;
        finish(std::exchange(ended_, {}));
      }
      break;
    case Phase::finished:
      break;
  }
  settle();
  in_call_ = false;
}

void ConnectionCore::check_heartbeat() {
  if (tuning_.heartbeat_s == 0) return;
  std::chrono::milliseconds interval = std::chrono::seconds(tuning_.heartbeat_s);
  if (now_ >= dead_check_at_) {
    if (held_) received_at_ = now_;
    Monotonic dead_at = received_at_ + 2 * interval;
    if (now_ >= dead_at) {
      return finish({.code = 0,
                     .text = fmt::format("missed heartbeats from the {}, timeout: {}s",
                                         side_ == Side::server ? "client" : "server", tuning_.heartbeat_s),
                     .by_peer = false,
                     .lost = true});
    }
    dead_check_at_ = dead_at;
  }
  if (now_ >= send_check_at_) {
    if (!sent_) write_heartbeat_frame(out_);
    sent_ = false;
    send_check_at_ = now_ + interval / 2;
  }
}

}  // namespace wherry::amqp

// Frame types, reply codes and the names that go with them. Source: AMQP 0-9-1 section 1.1 and RabbitMQ's texts.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>

#include "protocol/amqp/methods.h"

namespace wherry::amqp {

enum class FrameType : std::uint8_t { method = 1, header = 2, body = 3, heartbeat = 8 };
constexpr std::uint8_t frame_end = 0xCE;
constexpr std::size_t frame_overhead = 8;  // Type, channel, size, end octet.
constexpr std::uint32_t frame_min_size = 4096;
constexpr std::string_view protocol_header{"AMQP\x00\x00\x09\x01", 8};

enum class ReplyCode : std::uint16_t {
  success = 200,
  content_too_large = 311,
  no_route = 312,
  no_consumers = 313,
  connection_forced = 320,
  invalid_path = 402,
  access_refused = 403,
  not_found = 404,
  resource_locked = 405,
  precondition_failed = 406,
  frame_error = 501,
  syntax_error = 502,
  command_invalid = 503,
  channel_error = 504,
  unexpected_frame = 505,
  resource_error = 506,
  not_allowed = 530,
  not_implemented = 540,
  internal_error = 541,
};

// "NOT_FOUND", "PRECONDITION_FAILED", ...
std::string_view reply_name(ReplyCode code);
// Whether the code closes the connection rather than the channel.
bool is_connection_error(ReplyCode code);

// What a peer did wrong: closes its channel, or its connection where the code says so (or where fatal is set).
struct AmqpError {
  ReplyCode code = ReplyCode::internal_error;
  std::string explanation;  // Without the name; reply_text() joins the two.
  MethodId offender;        // Zero when no method is to blame.
  bool fatal = false;       // Closes the connection even though the code is a channel's.

  bool closes_connection() const { return fatal || is_connection_error(code); }
};

// "NAME - explanation", cut to 255 bytes.
std::string reply_text(ReplyCode code, std::string_view explanation);

}  // namespace wherry::amqp

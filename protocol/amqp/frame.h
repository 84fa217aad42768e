// Frames: type, channel, size, payload, end octet. Written into an OutputBuffer in place, without temporary strings.
// Source: AMQP 0-9-1 section 2.3.5 and 4.2.3.
#pragma once

#include <cstdint>
#include <string_view>

#include "base/bytes.h"
#include "base/output_buffer.h"
#include "protocol/amqp/constants.h"
#include "protocol/amqp/method_codec.h"

namespace wherry::amqp {

constexpr std::size_t frame_header_size = 7;
constexpr std::size_t content_header_fixed_size = 12;  // Class, weight, body size; then the properties.
constexpr std::uint16_t basic_class = 60;

struct FrameHeader {
  std::uint8_t type = 0;
  std::uint16_t channel = 0;
  std::uint32_t size = 0;  // Of the payload.
};

// Precondition: frame_header_size bytes.
inline FrameHeader read_frame_header(const char* from) {
  return {static_cast<std::uint8_t>(from[0]), load_big<std::uint16_t>(from + 1), load_big<std::uint32_t>(from + 3)};
}

void write_method_frame(OutputBuffer& out, std::uint16_t channel, const Method& method);
void write_heartbeat_frame(OutputBuffer& out);
void write_frame(OutputBuffer& out, FrameType type, std::uint16_t channel, std::string_view payload);

// A method with its content: header and as many body frames as frame_max (0: no limit) asks for. An empty body has
// none. make_pin: see Connection::send_content.
void write_content(OutputBuffer& out, std::uint16_t channel, const Method& method, std::string_view raw_properties,
                   std::string_view body, std::uint32_t frame_max, Pin (*make_pin)(const void*), const void* context);
void write_content(OutputBuffer& out, std::uint16_t channel, const BasicDeliver& method,
                   std::string_view raw_properties, std::string_view body, std::uint32_t frame_max,
                   Pin (*make_pin)(const void*), const void* context);

}  // namespace wherry::amqp

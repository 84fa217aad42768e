// Frames appended to a std::string: what is built once and written many times.
// Limits: as the codec's; no content is longer than the caller's memory. Threads: plain functions.
#pragma once

#include <string>
#include <string_view>

#include "protocol/amqp/frame.h"

namespace wherry::perf {

inline void append_frame_start(std::string& out, amqp::FrameType type, std::uint16_t channel, std::size_t size) {
  ByteWriter<std::string> to(out);
  to.u8(static_cast<std::uint8_t>(type));
  to.u16(channel);
  to.u32(static_cast<std::uint32_t>(size));
}

inline void append_frame_end(std::string& out) {
  out += static_cast<char>(amqp::frame_end);
}

template <class M>
void append_method(std::string& out, std::uint16_t channel, const M& method) {
  append_frame_start(out, amqp::FrameType::method, channel, amqp::encoded_size(method));
  amqp::encode_method(method, out);
  append_frame_end(out);
}

// A publish with its content; the only property is the delivery mode. frame_max: of whole frames, as negotiated.
void append_publish(std::string& out, std::uint16_t channel, const amqp::BasicPublish& publish, bool persistent,
                    std::string_view body, std::uint32_t frame_max);

// Where the body of the first message in frames made by append_publish begins. Precondition: it is not empty.
std::size_t body_offset(std::string_view frames);

}  // namespace wherry::perf

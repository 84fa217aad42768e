#include "perf/frames.h"

#include <algorithm>

namespace wherry::perf {

namespace {

constexpr std::uint16_t delivery_mode_flag = 0x1000;

std::size_t frame_length(std::string_view frames) {
  return amqp::read_frame_header(frames.data()).size + amqp::frame_overhead;
}

}  // namespace

void append_publish(std::string& out, std::uint16_t channel, const amqp::BasicPublish& publish, bool persistent,
                    std::string_view body, std::uint32_t frame_max) {
  append_method(out, channel, publish);
  append_frame_start(out, amqp::FrameType::header, channel, amqp::content_header_fixed_size + 3);
  ByteWriter<std::string> to(out);
  to.u16(amqp::basic_class);
  to.u16(0);
  to.u64(body.size());
  to.u16(delivery_mode_flag);
  to.u8(persistent ? 2 : 1);
  append_frame_end(out);
  const std::size_t most = frame_max - amqp::frame_overhead;
  while (!body.empty()) {
    const std::string_view part = body.substr(0, std::min(body.size(), most));
    append_frame_start(out, amqp::FrameType::body, channel, part.size());
    out += part;
    append_frame_end(out);
    body.remove_prefix(part.size());
  }
}

std::size_t body_offset(std::string_view frames) {
  const std::size_t method = frame_length(frames);
  const std::size_t header = frame_length(frames.substr(method));
  return method + header + amqp::frame_header_size;
}

}  // namespace wherry::perf

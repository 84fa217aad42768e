// FrameScanner: an input buffer and the walk over the frames in it, a few nanoseconds a frame.
//
//   ssize_t n = recv(fd, scanner.room(), scanner.room_size(), 0);
//   scanner.commit(n);
//   for (Frame frame; scanner.next(frame);) ...
//
// Only lengths and end octets are looked at; what is in a payload is the caller's to read.
// Lifetime: a frame's payload is valid until the next call of room().
// Errors: next() gives false and broken() is true when an end octet is missing, or a frame is longer than the buffer
// can hold: the peer does not keep to what was negotiated. Threads: one at a time.
#pragma once

#include <cstdint>
#include <cstring>
#include <string_view>
#include <vector>

#include "protocol/amqp/frame.h"

namespace wherry::perf {

struct Frame {
  amqp::FrameType type = amqp::FrameType::heartbeat;
  std::uint16_t channel = 0;
  std::string_view payload;

  // Of a method frame: class and method, 0 for anything else.
  amqp::MethodId method() const {
    if (type != amqp::FrameType::method || payload.size() < 4) return {};
    return {load_big<std::uint16_t>(payload.data()), load_big<std::uint16_t>(payload.data() + 2)};
  }
};

class FrameScanner {
 public:
  // capacity: bytes read at once, plus the longest frame.
  explicit FrameScanner(std::size_t capacity) : bytes_(capacity) {}

  // Where the next bytes go. Moves a partial frame to the front when there is little room behind it.
  char* room() {
    if (from_ == to_) {
      from_ = to_ = 0;
    } else if (from_ > 0 && bytes_.size() - to_ < bytes_.size() / 4) {
      std::memmove(bytes_.data(), bytes_.data() + from_, to_ - from_);
      to_ -= from_;
      from_ = 0;
    }
    return bytes_.data() + to_;
  }
  std::size_t room_size() const { return bytes_.size() - to_; }
  void commit(std::size_t count) { to_ += count; }

  bool next(Frame& frame) {
    const std::size_t have = to_ - from_;
    if (have < amqp::frame_header_size || broken_) return false;
    const char* at = bytes_.data() + from_;
    const amqp::FrameHeader header = amqp::read_frame_header(at);
    const std::size_t whole = header.size + amqp::frame_overhead;
    if (have < whole) {
      broken_ = whole > bytes_.size();
      return false;
    }
    if (static_cast<std::uint8_t>(at[whole - 1]) != amqp::frame_end) {
      broken_ = true;
      return false;
    }
    frame.type = static_cast<amqp::FrameType>(header.type);
    frame.channel = header.channel;
    frame.payload = {at + amqp::frame_header_size, header.size};
    from_ += whole;
    return true;
  }

  bool broken() const { return broken_; }
  // Whether a whole frame waits: next() would give it without reading.
  bool holds_frame() const {
    const std::size_t have = to_ - from_;
    return have >= amqp::frame_header_size &&
           have >= amqp::read_frame_header(bytes_.data() + from_).size + amqp::frame_overhead;
  }
  // Only between frames are taken: grows to capacity, keeping what is there.
  void grow(std::size_t capacity) {
    if (capacity > bytes_.size()) bytes_.resize(capacity);
  }

 private:
  std::vector<char> bytes_;
  std::size_t from_ = 0;
  std::size_t to_ = 0;
  bool broken_ = false;
};

}  // namespace wherry::perf

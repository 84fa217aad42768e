#include "protocol/amqp/frame.h"

#include <algorithm>

namespace wherry::amqp {

namespace {

// Below this a copy into the block at hand costs less than a gathered entry of its own.
constexpr std::size_t pin_from = 16 * 1024;
// The pieces of a large body are gathered down to this size: with the smallest frames too, a body that waits for many
// slow sockets is in memory once.
constexpr std::size_t pin_fragment_from = 4000;
// What OutputBuffer gives in one piece.
constexpr std::size_t reserve_max = 64 * 1024;
// Body frames where the peers agreed on no limit.
constexpr std::uint32_t unlimited_frame = 131072;

void store_frame_header(char* to, FrameType type, std::uint16_t channel, std::size_t size) {
  to[0] = static_cast<char>(type);
  store_big(to + 1, channel);
  store_big(to + 3, static_cast<std::uint32_t>(size));
}

// Makes the frame in place where its payload fits one reservation; fill writes exactly size bytes.
template <class F>
void write_in_place(OutputBuffer& out, FrameType type, std::uint16_t channel, std::size_t size, F fill) {
  std::size_t whole = size + frame_overhead;
  if (whole <= reserve_max) {
    char* at = out.reserve(whole);
    store_frame_header(at, type, channel, size);
    fill(at + frame_header_size);
    at[whole - 1] = static_cast<char>(frame_end);
    out.commit(whole);
    return;
  }
  std::string large(whole, '\0');
  store_frame_header(large.data(), type, channel, size);
  fill(large.data() + frame_header_size);
  large.back() = static_cast<char>(frame_end);
  out.append(large);
}

void fill_content_header(char* at, std::uint64_t body_size, std::string_view raw) {
  store_big(at, basic_class);
  store_big(at + 2, std::uint16_t{0});
  store_big(at + 4, body_size);
  PointerSink(at + content_header_fixed_size).append(raw.data(), raw.size());
}

// A small message is most of the traffic: its three frames are made in one reservation.
template <class M>
bool write_small_content(OutputBuffer& out, std::uint16_t channel, const M& method, std::string_view raw,
                         std::string_view body) {
  std::size_t method_size = encoded_size(method);
  std::size_t header_size = content_header_fixed_size + raw.size();
  std::size_t whole = method_size + header_size + body.size() + (body.empty() ? 2 : 3) * frame_overhead;
  if (whole > reserve_max) return false;
  char* at = out.reserve(whole);
  auto frame = [&](FrameType type, std::size_t size, auto fill) {
    store_frame_header(at, type, channel, size);
    fill(at + frame_header_size);
    at += size + frame_overhead;
    at[-1] = static_cast<char>(frame_end);
  };
  frame(FrameType::method, method_size, [&](char* to) {
    PointerSink sink(to);
    encode_method(method, sink);
  });
  frame(FrameType::header, header_size, [&](char* to) { fill_content_header(to, body.size(), raw); });
  if (!body.empty()) {
    frame(FrameType::body, body.size(), [&](char* to) { PointerSink(to).append(body.data(), body.size()); });
  }
  out.commit(whole);
  return true;
}

void write_pinned_body_frame(OutputBuffer& out, std::uint16_t channel, std::string_view fragment, Pin pin) {
  char* at = out.reserve(frame_header_size);
  store_frame_header(at, FrameType::body, channel, fragment.size());
  out.commit(frame_header_size);
  out.append_pinned(fragment, std::move(pin));
  constexpr char end = static_cast<char>(frame_end);
  out.append(&end, 1);
}

template <class M>
void write_one_method(OutputBuffer& out, std::uint16_t channel, const M& method) {
  write_in_place(out, FrameType::method, channel, encoded_size(method), [&](char* at) {
    PointerSink sink(at);
    encode_method(method, sink);
  });
}

template <class M>
void write_content_of(OutputBuffer& out, std::uint16_t channel, const M& method, std::string_view raw_properties,
                      std::string_view body, std::uint32_t frame_max, Pin (*make_pin)(const void*),
                      const void* context) {
  std::size_t fragment_max = (frame_max == 0 ? unlimited_frame : frame_max) - frame_overhead;
  if (body.size() < pin_from && body.size() <= fragment_max &&
      write_small_content(out, channel, method, raw_properties, body)) {
    return;
  }
  write_one_method(out, channel, method);
  write_in_place(out, FrameType::header, channel, content_header_fixed_size + raw_properties.size(),
                 [&](char* at) { fill_content_header(at, body.size(), raw_properties); });
  const bool large = make_pin && body.size() >= pin_from;
  while (!body.empty()) {
    std::string_view fragment = body.substr(0, fragment_max);
    body.remove_prefix(fragment.size());
    if (large && fragment.size() >= pin_fragment_from) {
      write_pinned_body_frame(out, channel, fragment, make_pin(context));
    } else {
      write_frame(out, FrameType::body, channel, fragment);
    }
  }
}

}  // namespace

void write_method_frame(OutputBuffer& out, std::uint16_t channel, const Method& method) {
  std::visit([&](const auto& m) { write_one_method(out, channel, m); }, method);
}

void write_frame(OutputBuffer& out, FrameType type, std::uint16_t channel, std::string_view payload) {
  write_in_place(out, type, channel, payload.size(),
                 [&](char* at) { PointerSink(at).append(payload.data(), payload.size()); });
}

void write_heartbeat_frame(OutputBuffer& out) {
  write_frame(out, FrameType::heartbeat, 0, {});
}

void write_content(OutputBuffer& out, std::uint16_t channel, const Method& method, std::string_view raw_properties,
                   std::string_view body, std::uint32_t frame_max, Pin (*make_pin)(const void*), const void* context) {
  std::visit(
      [&](const auto& m) { write_content_of(out, channel, m, raw_properties, body, frame_max, make_pin, context); },
      method);
}

void write_content(OutputBuffer& out, std::uint16_t channel, const BasicDeliver& method,
                   std::string_view raw_properties, std::string_view body, std::uint32_t frame_max,
                   Pin (*make_pin)(const void*), const void* context) {
  write_content_of(out, channel, method, raw_properties, body, frame_max, make_pin, context);
}

}  // namespace wherry::amqp

// The protocol's small encodings that every codec file shares: short strings, long strings, tables behind their length.
//
// PointerSink: writes into memory whose size was computed before, for encoders that work in place.
#pragma once

#include <cstring>
#include <string_view>

#include "base/assert.h"
#include "base/bytes.h"

namespace wherry::amqp {

constexpr std::size_t short_string_max = 255;

// A sink for ByteWriter without bounds: the caller made room for encoded_size() bytes.
class PointerSink {
 public:
  explicit PointerSink(char* to) : at_(to) {}
  void append(const char* bytes, std::size_t count) {
    if (count > 0) std::memcpy(at_, bytes, count);
    at_ += count;
  }
  char* at() const { return at_; }

 private:
  char* at_;
};

inline std::string_view read_short_string(ByteReader& from) {
  return from.bytes(from.u8());
}
inline std::string_view read_long_string(ByteReader& from) {
  return from.bytes(from.u32());
}

template <class Sink>
void write_short_string(ByteWriter<Sink>& to, std::string_view text) {
  WHERRY_ASSERT(text.size() <= short_string_max);
  to.u8(static_cast<std::uint8_t>(text.size()));
  to.bytes(text);
}

template <class Sink>
void write_long_string(ByteWriter<Sink>& to, std::string_view text) {
  to.u32(static_cast<std::uint32_t>(text.size()));
  to.bytes(text);
}

}  // namespace wherry::amqp

// Reading and writing big-endian bytes: what AMQP puts on the wire.
//
// A view of bytes is a std::string_view throughout the project; it never owns, and a function that keeps one says so.
#pragma once

#include <bit>
#include <concepts>
#include <cstdint>
#include <cstring>
#include <string>
#include <string_view>

namespace wherry {

template <std::unsigned_integral T>
constexpr T big_endian(T value) {
  if constexpr (std::endian::native == std::endian::big || sizeof(T) == 1) return value;
  if constexpr (sizeof(T) == 2) return __builtin_bswap16(value);
  if constexpr (sizeof(T) == 4) return __builtin_bswap32(value);
  if constexpr (sizeof(T) == 8) return __builtin_bswap64(value);
}

template <std::unsigned_integral T>
T load_big(const char* from) {
  T value;
  std::memcpy(&value, from, sizeof value);
  return big_endian(value);
}

template <std::unsigned_integral T>
void store_big(char* to, T value) {
  value = big_endian(value);
  std::memcpy(to, &value, sizeof value);
}

// Reads forward through a view. The first read past the end makes it fail for good: every later read gives zero or an
// empty view, so a decoder may read a whole structure and ask ok() once.
class ByteReader {
 public:
  explicit ByteReader(std::string_view bytes) : at_(bytes.data()), end_(bytes.data() + bytes.size()) {}

  bool ok() const { return ok_; }
  bool at_end() const { return at_ == end_; }
  std::size_t remaining() const { return static_cast<std::size_t>(end_ - at_); }

  template <std::unsigned_integral T>
  T read() {
    if (!take(sizeof(T))) return 0;
    return load_big<T>(at_ - sizeof(T));
  }
  std::uint8_t u8() { return read<std::uint8_t>(); }
  std::uint16_t u16() { return read<std::uint16_t>(); }
  std::uint32_t u32() { return read<std::uint32_t>(); }
  std::uint64_t u64() { return read<std::uint64_t>(); }

  // A view into the bytes being read.
  std::string_view bytes(std::size_t count) {
    if (!take(count)) return {};
    return {at_ - count, count};
  }

 private:
  bool take(std::size_t count) {
    if (!ok_ || remaining() < count) {
      ok_ = false;
      at_ = end_;
      return false;
    }
    at_ += count;
    return true;
  }

  const char* at_;
  const char* end_;
  bool ok_ = true;
};

// Appends big-endian bytes to a std::string or anything with append(const char*, size_t).
template <class Sink>
class ByteWriter {
 public:
  explicit ByteWriter(Sink& sink) : sink_(sink) {}

  template <std::unsigned_integral T>
  void write(T value) {
    char raw[sizeof(T)];
    store_big(raw, value);
    sink_.append(raw, sizeof raw);
  }
  void u8(std::uint8_t value) { write(value); }
  void u16(std::uint16_t value) { write(value); }
  void u32(std::uint32_t value) { write(value); }
  void u64(std::uint64_t value) { write(value); }
  void bytes(std::string_view view) { sink_.append(view.data(), view.size()); }

 private:
  Sink& sink_;
};

}  // namespace wherry

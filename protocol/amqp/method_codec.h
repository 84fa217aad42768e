// Methods to bytes and back. A method's struct (methods.h) is its only description: the codec takes it apart field by
// field; neighbouring bools share octets, low bit first.
//
// Lifetime: what decode_method() gives has views into payload.
// Errors: an id that is no method is NOT_IMPLEMENTED; arguments that end early, go on after the last field, or hold a
// bad table are SYNTAX_ERROR. Both close the connection. Encoding a short string above 255 bytes is our own bug.
// Source: AMQP 0-9-1 section 2.3.5.1 and 4.2.
#pragma once

#include <string>
#include <string_view>

#include "base/bytes.h"
#include "base/reflect.h"
#include "base/result.h"
#include "protocol/amqp/constants.h"
#include "protocol/amqp/methods.h"
#include "protocol/amqp/wire.h"

namespace wherry::amqp {

// payload: of a method frame, class and method id first.
Result<Method, AmqpError> decode_method(std::string_view payload);
// The same without the copy: into is unspecified when it fails.
Result<void, AmqpError> decode_method_into(std::string_view payload, Method& into);

MethodId id_of(const Method& method);
std::string_view name_of(const Method& method);

// Who may send it: content goes with publish, return, deliver and get-ok.
enum class Sender { client, server, both };
Sender sender_of(const Method& method);
bool carries_content(const Method& method);

// "queue.declare{ticket: 0, queue: "tasks", ...}" on one line; secrets are given by their size only.
std::string to_string(const Method& method);

// --- encoding -------------------------------------------------------------------------------------------------------
namespace codec {

inline std::size_t size_of(std::string_view text) {
  return 1 + text.size();
}
inline std::size_t size_of(const LongString& text) {
  return 4 + text.text.size();
}
inline std::size_t size_of(const TableView& table) {
  return 4 + table.raw.size();
}
template <std::unsigned_integral T>
std::size_t size_of(T) {
  return sizeof(T);
}

// Gathers bools into octets; anything else flushes what is gathered.
template <class Writer>
class FieldWriter {
 public:
  explicit FieldWriter(Writer& to) : to_(to) {}
  void operator()(bool bit) {
    if (count_ == 8) flush();
    bits_ = static_cast<std::uint8_t>(bits_ | (bit ? 1u << count_ : 0u));
    ++count_;
  }
  void operator()(std::string_view text) {
    flush();
    write_short_string(to_, text);
  }
  void operator()(const LongString& text) {
    flush();
    write_long_string(to_, text.text);
  }
  void operator()(const TableView& table) {
    flush();
    write_long_string(to_, table.raw);
  }
  template <std::unsigned_integral T>
  requires(!std::is_same_v<T, bool>) void operator()(T value) {
    flush();
    to_.write(value);
  }
  void flush() {
    if (count_ > 0) to_.u8(bits_);
    bits_ = 0;
    count_ = 0;
  }

 private:
  Writer& to_;
  std::uint8_t bits_ = 0;
  int count_ = 0;
};

}  // namespace codec

// Bytes of the payload: ids and arguments.
template <class M>
std::size_t encoded_size(const M& method) {
  std::size_t size = 4;
  int bits = 0;
  auto add = [&](const auto& field) {
    if constexpr (std::is_same_v<std::remove_cvref_t<decltype(field)>, bool>) {
      if (bits++ % 8 == 0) ++size;
    } else {
      bits = 0;
      size += codec::size_of(field);
    }
  };
  std::apply([&](const auto&... field) { (add(field), ...); }, reflect::tie(method));
  return size;
}

// Sink: anything with append(const char*, size_t).
template <class M, class Sink>
void encode_method(const M& method, Sink& sink) {
  ByteWriter<Sink> to(sink);
  to.u16(M::id.class_id);
  to.u16(M::id.method_id);
  codec::FieldWriter write(to);
  std::apply([&](const auto&... field) { (write(field), ...); }, reflect::tie(method));
  write.flush();
}

inline std::size_t encoded_size(const Method& method) {
  return std::visit([](const auto& m) { return encoded_size(m); }, method);
}
template <class Sink>
void encode_method(const Method& method, Sink& sink) {
  std::visit([&](const auto& m) { encode_method(m, sink); }, method);
}

}  // namespace wherry::amqp

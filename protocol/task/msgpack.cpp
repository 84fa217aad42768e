#include "protocol/task/msgpack.h"

#include <bit>
#include <limits>
#include <vector>

#include <msgpack.hpp>

#include "base/bytes.h"
#include "base/utf8.h"
#include "protocol/task/builder.h"
#include "protocol/task/repr.h"
#include "protocol/task/types.h"

namespace wherry::task {

namespace {

struct Sink {
  void write(const char* from, std::size_t count) { out.append(from, count); }
  std::string out;
};

class MsgpackWriter {
 public:
  bool write(const Value& value, std::size_t depth) {
    depth_ = depth;
    return std::visit(*this, value.variant());
  }

  bool operator()(std::monostate) { return done(packer_.pack_nil()); }
  bool operator()(bool is) { return done(is ? packer_.pack_true() : packer_.pack_false()); }
  bool operator()(std::int64_t is) { return done(packer_.pack_int64(is)); }
  bool operator()(std::uint64_t is) { return done(packer_.pack_uint64(is)); }
  bool operator()(double is) {
    // Not by pack_double, which makes an integer of a number without a fraction.
    sink.out += '\xCB';
    ByteWriter(sink.out).u64(std::bit_cast<std::uint64_t>(is));
    return true;
  }
  bool operator()(const std::string& is) {
    if (!is_utf8(is)) return refuse("a string that is not UTF-8; raw bytes are sent as task::Bytes");
    if (is.size() > most) return refuse("a string of more than 4 GiB");
    packer_.pack_str(static_cast<std::uint32_t>(is.size()));
    return done(packer_.pack_str_body(is.data(), static_cast<std::uint32_t>(is.size())));
  }
  bool operator()(const Bytes& is) {
    if (is.data.size() > most) return refuse("more than 4 GiB of bytes");
    packer_.pack_bin(static_cast<std::uint32_t>(is.data.size()));
    return done(packer_.pack_bin_body(is.data.data(), static_cast<std::uint32_t>(is.data.size())));
  }
  bool operator()(const Value::Array& is) {
    const std::size_t depth = depth_ + 1;
    if (depth > max_depth) return refuse(too_deep());
    packer_.pack_array(static_cast<std::uint32_t>(is.size()));
    for (const Value& value : is) {
      if (!write(value, depth)) return false;
    }
    return true;
  }
  bool operator()(const Value::Map& is) {
    Value made;
    if (const Value* plain = plain_form(is, made)) return write(*plain, depth_);
    const std::size_t depth = depth_ + 1;
    if (depth > max_depth) return refuse(too_deep());
    packer_.pack_map(static_cast<std::uint32_t>(is.size()));
    for (const auto& [key, value] : is) {
      if (!(*this)(key) || !write(value, depth)) return false;
    }
    return true;
  }

  static std::string too_deep() { return "nested deeper than " + std::to_string(max_depth) + " levels"; }

  Sink sink;
  std::string error;

 private:
  static constexpr std::size_t most = std::numeric_limits<std::uint32_t>::max();

  bool done(const msgpack::packer<Sink>&) { return true; }
  bool refuse(std::string why) {
    error = std::move(why);
    return false;
  }

  msgpack::packer<Sink> packer_{sink};
  std::size_t depth_ = 0;
};

// What msgpack's parser calls. false from any of them ends the parsing, with error set.
class MsgpackEvents : public msgpack::null_visitor {
 public:
  bool visit_nil() { return put(nullptr); }
  bool visit_boolean(bool is) { return put(is); }
  bool visit_positive_integer(std::uint64_t is) { return put(is); }
  bool visit_negative_integer(std::int64_t is) { return put(is); }
  bool visit_float32(float is) { return put(is); }
  bool visit_float64(double is) { return put(is); }
  bool visit_str(const char* at, std::uint32_t size) {
    const std::string_view text(at, size);
    return is_utf8(text) ? put(text) : refuse("a string that is not UTF-8");
  }
  bool visit_bin(const char* at, std::uint32_t size) { return put(Bytes{std::string(at, size)}); }
  bool visit_ext(const char*, std::uint32_t) { return refuse("an extension type"); }

  bool start_array(std::uint32_t size) { return begin(builder_.begin_array(size)); }
  bool end_array() { return put(builder_.end()); }
  bool start_map(std::uint32_t size) { return begin(builder_.begin_map(size)); }
  bool end_map() {
    Value done = builder_.end(), made;
    const Value* plain = plain_form(*done.get<Value::Map>(), made);
    return plain != nullptr ? put(Value(*plain)) : put(std::move(done));
  }
  bool start_map_key() {
    in_key_ = true;
    return true;
  }
  bool end_map_key() {
    in_key_ = false;
    return true;
  }

  void parse_error(std::size_t, std::size_t at) { stopped("not MessagePack", at); }
  void insufficient_bytes(std::size_t, std::size_t at) { stopped("cut short", at); }

  std::string error;
  bool placed() const { return placed_; }  // error says where.
  Value take() && { return std::move(builder_).take(); }

 private:
  bool begin(bool begun) {
    if (in_key_) return refuse("an array or a map as key");
    return begun || refuse(MsgpackWriter::too_deep());
  }
  bool put(Value value) {
    if (!in_key_) {
      builder_.put(std::move(value));
      return true;
    }
    if (auto* text = value.get<std::string>()) {
      builder_.key(std::move(*text));
    } else if (auto* bytes = value.get<Bytes>()) {
      if (!is_utf8(bytes->data)) return refuse("a key that is not UTF-8");
      builder_.key(std::move(bytes->data));
    } else if (value.is_null()) {
      builder_.key("null");
    } else if (auto* flag = value.get<bool>()) {
      builder_.key(*flag ? "true" : "false");
    } else {
      builder_.key(repr(value));
    }
    return true;
  }
  bool refuse(std::string why) {
    error = std::move(why);
    return false;
  }
  void stopped(std::string_view why, std::size_t at) {
    error = std::string(why) + " at byte " + std::to_string(at);
    placed_ = true;
  }

  Builder builder_;
  bool in_key_ = false;
  bool placed_ = false;
};

}  // namespace

Result<std::string> encode_msgpack(const Value& value) {
  MsgpackWriter writer;
  writer.sink.out.reserve(128);
  if (!writer.write(value, 0)) return fail(std::move(writer.error));
  return std::move(writer.sink.out);
}

Result<Value> decode_msgpack(std::string_view bytes) {
  MsgpackEvents events;
  std::size_t offset = 0;
  const bool parsed = msgpack::parse(bytes.data(), bytes.size(), offset, events);
  if (!parsed || !events.error.empty()) {
    if (events.error.empty()) return fail("cut short at byte " + std::to_string(bytes.size()));
    if (!events.placed()) events.error += " at byte " + std::to_string(offset);
    return fail(std::move(events.error));
  }
  if (offset != bytes.size()) return fail("something after the end at byte " + std::to_string(offset));
  return std::move(events).take();
}

}  // namespace wherry::task

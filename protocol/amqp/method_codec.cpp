#include "protocol/amqp/method_codec.h"

#include <array>
#include <utility>

#include <fmt/format.h>

#include "protocol/amqp/table.h"

namespace wherry::amqp {

namespace {

constexpr std::size_t method_count = std::variant_size_v<Method>;
template <std::size_t I>
using MethodAt = std::variant_alternative_t<I, Method>;

// Class ids are 10, 20 ... 90 and 85; method ids are below 128: a dense table finds a method's place in the variant.
constexpr std::size_t class_row(std::uint16_t class_id) {
  if (class_id == 85) return 0;
  return class_id % 10 == 0 && class_id <= 90 ? class_id / 10u : 10u;
}
constexpr std::size_t row_size = 128;
constexpr std::uint8_t no_method = 0xFF;

template <std::size_t... I>
constexpr auto make_places(std::index_sequence<I...>) {
  std::array<std::uint8_t, 10 * row_size> places{};
  places.fill(no_method);
  ((places[class_row(MethodAt<I>::id.class_id) * row_size + MethodAt<I>::id.method_id] = I), ...);
  return places;
}
constexpr auto places = make_places(std::make_index_sequence<method_count>{});

std::uint8_t place_of(MethodId id) {
  std::size_t row = class_row(id.class_id);
  if (row > 9 || (row == 0 && id.class_id != 85) || id.method_id >= row_size) return no_method;
  return places[row * row_size + id.method_id];
}

class FieldReader {
 public:
  explicit FieldReader(ByteReader& from) : from_(from) {}
  void operator()(bool& bit) {
    if (next_bit_ == 8) {
      bits_ = from_.u8();
      next_bit_ = 0;
    }
    bit = (bits_ >> next_bit_++) & 1;
  }
  void operator()(std::string_view& text) {
    next_bit_ = 8;
    text = read_short_string(from_);
  }
  void operator()(LongString& text) {
    next_bit_ = 8;
    text.text = read_long_string(from_);
  }
  void operator()(TableView& table) {
    next_bit_ = 8;
    table.raw = read_long_string(from_);
    if (auto checked = check_table(table); !checked && bad_table_.empty()) bad_table_ = checked.error().message;
  }
  template <std::unsigned_integral T>
  requires(!std::is_same_v<T, bool>) void operator()(T& value) {
    next_bit_ = 8;
    value = from_.read<T>();
  }
  const std::string& bad_table() const { return bad_table_; }

 private:
  ByteReader& from_;
  std::uint8_t bits_ = 0;
  int next_bit_ = 8;  // 8: the next bit begins an octet.
  std::string bad_table_;
};

tl::unexpected<AmqpError> syntax_error(std::string_view name, MethodId id, std::string_view what) {
  return tl::unexpected<AmqpError>({ReplyCode::syntax_error, fmt::format("{}: {}", name, what), id});
}

template <std::size_t I>
Result<void, AmqpError> decode_as(ByteReader& from, Method& into) {
  using M = MethodAt<I>;
  // Each field is read: what was there of the same method needs no clearing.
  M* same = std::get_if<I>(&into);
  M& method = same != nullptr ? *same : into.emplace<I>();
  FieldReader read(from);
  std::apply([&](auto&... field) { (read(field), ...); }, reflect::tie(method));
  if (!from.ok()) return syntax_error(M::name, M::id, "the arguments end early");
  if (!read.bad_table().empty()) return syntax_error(M::name, M::id, read.bad_table());
  if (!from.at_end()) return syntax_error(M::name, M::id, "bytes behind the last argument");
  return {};
}

using Decoder = Result<void, AmqpError> (*)(ByteReader&, Method&);
template <std::size_t... I>
constexpr std::array<Decoder, method_count> make_decoders(std::index_sequence<I...>) {
  return {decode_as<I>...};
}
constexpr auto decoders = make_decoders(std::make_index_sequence<method_count>{});

template <class M>
constexpr Sender sender() {
  constexpr auto is = []<class... T>(std::variant<T...>*) { return (std::is_same_v<M, T> || ...); };
  using Both = std::variant<ConnectionClose, ConnectionCloseOk, ChannelFlow, ChannelFlowOk, ChannelClose,
                            ChannelCloseOk, BasicAck, BasicNack, BasicCancel, BasicCancelOk>;
  using Client = std::variant<ConnectionStartOk, ConnectionSecureOk, ConnectionTuneOk>;
  using Server = std::variant<ConnectionStart, ConnectionSecure, ConnectionTune, ConnectionBlocked, ConnectionUnblocked,
                              BasicReturn, BasicDeliver, BasicGetEmpty>;
  if (is(static_cast<Both*>(nullptr))) return Sender::both;
  if (is(static_cast<Client*>(nullptr))) return Sender::client;
  // Every other answer is the server's.
  if (is(static_cast<Server*>(nullptr)) || M::name.ends_with("-ok")) return Sender::server;
  return Sender::client;
}

void print_field(std::string& to, bool value, std::string_view) {
  to += value ? "true" : "false";
}
void print_field(std::string& to, std::string_view text, std::string_view) {
  to += to_string(FieldValue(std::string(text)));
}
void print_field(std::string& to, const LongString& text, std::string_view name) {
  bool secret = name == "response" || name == "challenge" || name == "new_secret";
  if (secret) {
    fmt::format_to(std::back_inserter(to), "({} bytes)", text.text.size());
  } else {
    print_field(to, text.text, name);
  }
}
void print_field(std::string& to, const TableView& view, std::string_view) {
  auto table = decode_table(view);
  to += table ? to_string(*table) : "{bad table}";
}
template <std::unsigned_integral T>
requires(!std::is_same_v<T, bool>) void print_field(std::string& to, T value, std::string_view) {
  fmt::format_to(std::back_inserter(to), "{}", static_cast<std::uint64_t>(value));
}

}  // namespace

Result<void, AmqpError> decode_method_into(std::string_view payload, Method& into) {
  ByteReader from(payload);
  MethodId id;
  id.class_id = from.u16();
  id.method_id = from.u16();
  if (!from.ok()) return tl::unexpected<AmqpError>({ReplyCode::frame_error, "a method frame without a method", {}});
  std::uint8_t place = place_of(id);
  if (place == no_method) {
    return tl::unexpected<AmqpError>(
        {ReplyCode::not_implemented, fmt::format("class {} has no method {}", id.class_id, id.method_id), id});
  }
  return decoders[place](from, into);
}

Result<Method, AmqpError> decode_method(std::string_view payload) {
  Method method;
  if (auto done = decode_method_into(payload, method); !done) return tl::unexpected(std::move(done.error()));
  return method;
}

MethodId id_of(const Method& method) {
  return std::visit([]<class M>(const M&) { return M::id; }, method);
}

std::string_view name_of(const Method& method) {
  return std::visit([]<class M>(const M&) { return M::name; }, method);
}

Sender sender_of(const Method& method) {
  return std::visit([]<class M>(const M&) { return sender<M>(); }, method);
}

bool carries_content(const Method& method) {
  return std::holds_alternative<BasicPublish>(method) || std::holds_alternative<BasicDeliver>(method) ||
         std::holds_alternative<BasicReturn>(method) || std::holds_alternative<BasicGetOk>(method);
}

std::string to_string(const Method& method) {
  return std::visit(
      []<class M>(const M& m) {
        std::string text(M::name);
        if constexpr (reflect::field_count < M >> 0) {
          constexpr auto names = reflect::field_names<M>();
          std::size_t i = 0;
          auto one = [&](const auto& field) {
            text += i == 0 ? "{" : ", ";
            text += names[i];
            text += ": ";
            print_field(text, field, names[i]);
            ++i;
          };
          std::apply([&](const auto&... field) { (one(field), ...); }, reflect::tie(m));
          text += '}';
        }
        return text;
      },
      method);
}

}  // namespace wherry::amqp

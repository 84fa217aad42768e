#include "protocol/amqp/properties.h"

#include <bit>
#include <tuple>

#include <fmt/format.h>

#include "protocol/amqp/wire.h"

namespace wherry::amqp {

namespace {

// The fields in wire order, of either struct: bit 15 is the first. Bits 1 and 0 name no property.
template <class P>
auto fields(P& p) {
  return std::tie(p.content_type, p.content_encoding, p.headers, p.delivery_mode, p.priority, p.correlation_id,
                  p.reply_to, p.expiration, p.message_id, p.timestamp, p.type, p.user_id, p.app_id, p.cluster_id);
}
constexpr std::uint16_t no_property = 0x0003;

// Calls visit with each field that a flag is set for, in wire order: most messages have few properties, or none.
template <class Visit>
void each_flagged(std::uint16_t flags, PropertiesView& p, Visit&& visit) {
  for (; flags != 0; flags = static_cast<std::uint16_t>(flags & ~std::bit_floor(flags))) {
    switch (std::countl_zero(flags)) {
      case 0:
        visit(p.content_type);
        break;
      case 1:
        visit(p.content_encoding);
        break;
      case 2:
        visit(p.headers);
        break;
      case 3:
        visit(p.delivery_mode);
        break;
      case 4:
        visit(p.priority);
        break;
      case 5:
        visit(p.correlation_id);
        break;
      case 6:
        visit(p.reply_to);
        break;
      case 7:
        visit(p.expiration);
        break;
      case 8:
        visit(p.message_id);
        break;
      case 9:
        visit(p.timestamp);
        break;
      case 10:
        visit(p.type);
        break;
      case 11:
        visit(p.user_id);
        break;
      case 12:
        visit(p.app_id);
        break;
      case 13:
        visit(p.cluster_id);
        break;
    }
  }
}

void read(ByteReader& from, std::optional<std::string_view>& into) {
  into = read_short_string(from);
}
void read(ByteReader& from, std::optional<TableView>& into) {
  into = TableView{read_long_string(from)};
}
void read(ByteReader& from, std::optional<std::uint8_t>& into) {
  into = from.u8();
}
void read(ByteReader& from, std::optional<std::uint64_t>& into) {
  into = from.u64();
}

using Writer = ByteWriter<std::string>;
void write(Writer& to, const std::string& text) {
  write_short_string(to, text);
}
void write(Writer& to, std::uint8_t value) {
  to.u8(value);
}
void write(Writer& to, std::uint64_t value) {
  to.u64(value);
}

// All but what is in the headers, which is not looked at.
Result<void> read_flagged(std::string_view raw, PropertiesView& into) {
  ByteReader from(raw);
  std::uint16_t flags = from.u16();
  if (!from.ok()) return fail("content header: no property flags");
  if (flags & no_property) return fail(fmt::format("content header: property flags 0x{:04x} name no property", flags));
  each_flagged(into.flags, into, [](auto& field) { field.reset(); });
  into.flags = flags;
  each_flagged(flags, into, [&](auto& field) { read(from, field); });
  if (!from.ok()) return fail("content header: ends in the middle of a property");
  if (!from.at_end()) {
    return fail(fmt::format("content header: {} bytes behind the last property", from.remaining()));
  }
  return {};
}

}  // namespace

Result<void> view_properties_into(std::string_view raw, PropertiesView& into) {
  if (auto done = read_flagged(raw, into); !done) return done;
  if (into.headers) return check_table(*into.headers);
  return {};
}

Result<PropertiesView> view_properties(std::string_view raw) {
  Result<PropertiesView> view;
  if (auto done = view_properties_into(raw, *view); !done) return tl::unexpected(std::move(done.error()));
  return view;
}

Result<Properties> decode_properties(std::string_view raw) {
  auto view = view_properties(raw);
  if (!view) return tl::unexpected(std::move(view.error()));
  return keep_properties(*view);
}

Properties keep_properties(const PropertiesView& view) {
  Properties properties;
  auto copy = [](auto& to, const auto& from) {
    if (from) to.emplace(*from);
  };
  copy(properties.content_type, view.content_type);
  copy(properties.content_encoding, view.content_encoding);
  copy(properties.delivery_mode, view.delivery_mode);
  copy(properties.priority, view.priority);
  copy(properties.correlation_id, view.correlation_id);
  copy(properties.reply_to, view.reply_to);
  copy(properties.expiration, view.expiration);
  copy(properties.message_id, view.message_id);
  copy(properties.timestamp, view.timestamp);
  copy(properties.type, view.type);
  copy(properties.user_id, view.user_id);
  copy(properties.app_id, view.app_id);
  copy(properties.cluster_id, view.cluster_id);
  if (view.headers) properties.headers = Headers::of_bytes(std::string(view.headers->raw));
  return properties;
}

std::string encode_properties(const Properties& properties) {
  std::string raw;
  std::string room;
  std::string_view headers;
  if (properties.headers) headers = properties.headers->bytes(room);
  raw.reserve(256 + headers.size());
  raw.append(2, '\0');
  Writer to(raw);
  std::uint16_t flags = 0;
  std::uint16_t bit = 0x8000;
  auto put = [&]<class T>(const std::optional<T>& field) {
    if (field) {
      flags |= bit;
      if constexpr (std::same_as<T, Headers>) {
        write_long_string(to, headers);
      } else {
        write(to, *field);
      }
    }
    bit = static_cast<std::uint16_t>(bit >> 1);
  };
  std::apply([&](const auto&... field) { (put(field), ...); }, fields(properties));
  store_big(raw.data(), flags);
  return raw;
}

}  // namespace wherry::amqp

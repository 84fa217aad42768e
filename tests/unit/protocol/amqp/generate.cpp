#include "tests/unit/protocol/amqp/generate.h"

#include <array>
#include <cstdlib>
#include <utility>

namespace wherry::amqp::test {

std::uint64_t seed() {
  static const std::uint64_t once = [] {
    const char* given = std::getenv("WHERRY_SEED");
    return given ? std::strtoull(given, nullptr, 10) : std::uint64_t{std::random_device{}()};
  }();
  return once;
}

std::string Generator::bytes(std::size_t size) {
  std::string all(size, '\0');
  for (char& c : all) c = static_cast<char>(engine_());
  return all;
}

FieldValue Generator::value(int depth) {
  switch (below(depth > 0 ? 17 : 15)) {
    case 0:
      return {};
    case 1:
      return coin();
    case 2:
      return static_cast<std::int8_t>(number());
    case 3:
      return static_cast<std::uint8_t>(number());
    case 4:
      return static_cast<std::int16_t>(number());
    case 5:
      return static_cast<std::uint16_t>(number());
    case 6:
      return static_cast<std::int32_t>(number());
    case 7:
      return static_cast<std::uint32_t>(number());
    case 8:
      return static_cast<std::int64_t>(number());
    case 9:
      return static_cast<float>(static_cast<std::int32_t>(number()) / 64);
    case 10:
      return static_cast<double>(static_cast<std::int64_t>(number())) / 1024.0;
    case 11:
      return Decimal{static_cast<std::uint8_t>(number()), static_cast<std::int32_t>(number())};
    case 12:
      return text(300);
    case 13:
      return ByteArray{text(300)};
    case 14:
      return Timestamp{number()};
    case 15: {
      FieldArray array;
      for (std::size_t n = below(4); n > 0; --n) array.push_back(value(depth - 1));
      return array;
    }
    default:
      return table(depth - 1);
  }
}

Table Generator::table(int depth) {
  Table made;
  for (std::size_t n = below(5); n > 0; --n) made.entries().emplace_back(text(255), value(depth));
  return made;
}

Properties Generator::properties() {
  Properties p;
  for (auto* field : {&p.content_type, &p.content_encoding, &p.correlation_id, &p.reply_to, &p.expiration,
                      &p.message_id, &p.type, &p.user_id, &p.app_id, &p.cluster_id}) {
    if (coin()) *field = text(255);
  }
  if (coin()) p.headers = table(3);
  if (coin()) p.delivery_mode = static_cast<std::uint8_t>(number());
  if (coin()) p.priority = static_cast<std::uint8_t>(number());
  if (coin()) p.timestamp = number();
  return p;
}

template <class T>
void Generator::fill(T& field) {
  if constexpr (std::is_same_v<T, bool>) {
    field = coin();
  } else if constexpr (std::is_same_v<T, std::string_view>) {
    field = keep(text(255));
  } else if constexpr (std::is_same_v<T, LongString>) {
    field.text = keep(text(1000));
  } else if constexpr (std::is_same_v<T, TableView>) {
    field.raw = keep(encode_table(table(3)));
  } else {
    field = static_cast<T>(number());
  }
}

template <class M>
M Generator::make() {
  M made;
  std::apply([&](auto&... field) { (fill(field), ...); }, reflect::tie(made));
  return made;
}

Method Generator::method(std::size_t place) {
  return [&]<std::size_t... I>(std::index_sequence<I...>) {
    std::array<Method (*)(Generator&), sizeof...(I)> makers{
        [](Generator& self) -> Method { return self.make<std::variant_alternative_t<I, Method>>(); }...};
    return makers[place](*this);
  }
  (std::make_index_sequence<std::variant_size_v<Method>>{});
}

}  // namespace wherry::amqp::test

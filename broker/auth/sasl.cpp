#include "broker/auth/sasl.h"

#include <fmt/format.h>

#include "protocol/amqp/table.h"

namespace wherry::broker {

namespace {

Result<Credentials> parse_plain(std::string_view response) {
  const auto first = response.find('\0');
  const auto second = first == response.npos ? first : response.find('\0', first + 1);
  if (second == response.npos) return fail("PLAIN response without two NUL bytes");
  return Credentials{std::string(response.substr(first + 1, second - first - 1)),
                     std::string(response.substr(second + 1))};
}

Result<Credentials> parse_amqplain(std::string_view response) {
  auto table = amqp::decode_table({response});
  if (!table) return fail("AMQPLAIN response: " + table.error().message);
  const std::string* user = table->string("LOGIN");
  const std::string* password = table->string("PASSWORD");
  if (user == nullptr || password == nullptr) return fail("AMQPLAIN response without LOGIN and PASSWORD");
  return Credentials{*user, *password};
}

}  // namespace

Result<Credentials> parse_login(std::string_view mechanism, std::string_view response) {
  if (mechanism == "PLAIN") return parse_plain(response);
  if (mechanism == "AMQPLAIN") return parse_amqplain(response);
  return fail(fmt::format("unknown mechanism {}", mechanism));
}

}  // namespace wherry::broker

#include "broker/bridges/parameter_reader.h"

#include <algorithm>
#include <utility>

#include <fmt/format.h>

#include "broker/routing/policy_keys.h"
#include "sdk/endpoint/local_broker.h"

namespace wherry::broker::bridges {

using amqp::FieldValue;
using amqp::Properties;
using amqp::Table;

namespace {

constexpr std::string_view plain_scheme = "amqp://";

// Whether the URI names a virtual host.
bool names_vhost(std::string_view uri) {
  uri = uri.substr(0, uri.find('?'));
  const auto authority = uri.find("://");
  const auto slash = uri.find('/', authority == uri.npos ? 0 : authority + 3);
  return slash != uri.npos && slash + 1 < uri.size();
}

Result<BridgeUri> parse_uri(const std::string& text, std::string_view vhost) {
  if (text.starts_with(sdk::embedded_scheme)) {
    return wherry::fail("broker URL: the scheme is amqp or amqps; this broker itself is amqp:// with no host");
  }
  auto endpoint = sdk::parse_endpoint(text);
  if (!endpoint) return tl::unexpected(endpoint.error());
  BridgeUri uri;
  if (text.starts_with(plain_scheme)) {
    const std::string_view rest = std::string_view(text).substr(plain_scheme.size());
    const std::string_view authority = rest.substr(0, rest.find_first_of("/?"));
    uri.local = authority.empty();
    if (authority.ends_with('@')) {
      return wherry::fail("broker URL: a user has no meaning where there is no host: this broker asks itself for none");
    }
  }
  uri.endpoint = *std::move(endpoint);
  if (!names_vhost(text)) uri.endpoint.virtual_host = vhost;
  return uri;
}

std::string listed(std::initializer_list<const char*> names) {
  return *names.begin();
}

// The text properties, by RabbitMQ's names for them.
constexpr std::pair<std::string_view, std::optional<std::string> Properties::*> text_properties[] = {
    {"content_type", &Properties::content_type},
    {"content_encoding", &Properties::content_encoding},
    {"correlation_id", &Properties::correlation_id},
    {"reply_to", &Properties::reply_to},
    {"expiration", &Properties::expiration},
    {"message_id", &Properties::message_id},
    {"type", &Properties::type},
    {"user_id", &Properties::user_id},
    {"app_id", &Properties::app_id},
    {"cluster_id", &Properties::cluster_id},
};

// What the property should be; empty when it is that, and set.
std::string set_property(Properties& into, std::string_view name, const FieldValue& value) {
  for (const auto& [known, member] : text_properties) {
    if (known != name) continue;
    const std::string* text = value.get<std::string>();
    if (text == nullptr || text->size() > 255) return "a text of at most 255 bytes";
    into.*member = *text;
    return {};
  }
  std::int64_t number = 0;
  const bool whole = value.integer(number);
  if (name == "delivery_mode") {
    if (!whole || (number != 1 && number != 2)) return "1 or 2";
    into.delivery_mode = static_cast<std::uint8_t>(number);
  } else if (name == "priority") {
    if (!whole || number < 0 || number > 255) return "a number from 0 to 255";
    into.priority = static_cast<std::uint8_t>(number);
  } else if (name == "timestamp") {
    if (!whole || number < 0) return "a time in seconds since 1970";
    into.timestamp = static_cast<std::uint64_t>(number);
  } else if (name == "headers") {
    if (value.get<Table>() == nullptr) return "an object";
    into.headers = *value.get<Table>();
  } else {
    return "no property of a message has that name";
  }
  return {};
}

}  // namespace

const FieldValue* ParameterReader::take(std::initializer_list<const char*> names) {
  const FieldValue* found = nullptr;
  for (const char* each : names) {
    const FieldValue* value = table_.find(each);
    if (value == nullptr) continue;
    taken_.insert(each);
    if (found != nullptr) fail(fmt::format("'{}' and '{}' are one key: give it once", listed(names), each));
    found = value;
  }
  return found;
}

std::optional<std::string> ParameterReader::text(std::initializer_list<const char*> names) {
  const FieldValue* value = take(names);
  if (value == nullptr) return std::nullopt;
  const std::string* found = value->get<std::string>();
  if (found == nullptr || found->size() > 255) {
    refuse(listed(names), "a text of at most 255 bytes");
    return std::nullopt;
  }
  return *found;
}

std::optional<std::int64_t> ParameterReader::integer(std::initializer_list<const char*> names, std::int64_t least,
                                                     std::int64_t most) {
  const FieldValue* value = take(names);
  std::int64_t number = 0;
  if (value == nullptr) return std::nullopt;
  if (!value->integer(number) || number < least || number > most) {
    refuse(listed(names), fmt::format("a number from {} to {}", least, most));
    return std::nullopt;
  }
  return number;
}

std::optional<bool> ParameterReader::boolean(std::initializer_list<const char*> names) {
  const FieldValue* value = take(names);
  if (value == nullptr) return std::nullopt;
  if (const bool* found = value->get<bool>()) return *found;
  refuse(listed(names), "true or false");
  return std::nullopt;
}

Table ParameterReader::table(std::initializer_list<const char*> names) {
  const FieldValue* value = take(names);
  if (value == nullptr) return {};
  if (const Table* found = value->get<Table>()) return *found;
  refuse(listed(names), "an object");
  return {};
}

Properties ParameterReader::properties(std::initializer_list<const char*> names) {
  Properties out;
  const Table given = table(names);
  for (const auto& [name, value] : given.entries()) {
    // With either mark between the words.
    std::string known = name;
    std::replace(known.begin(), known.end(), '-', '_');
    if (auto wanted = set_property(out, known, value); !wanted.empty()) {
      fail(fmt::format("{}: {} should be {}, actually was {}", listed(names), name, wanted, erlang_term(value)));
    }
  }
  return out;
}

std::vector<BridgeUri> ParameterReader::uris(const char* name, std::string_view vhost) {
  const FieldValue* value = take({name});
  if (value == nullptr) {
    fail(fmt::format("Key \"{}\" not found in {}", name, component_));
    return {};
  }
  amqp::FieldArray all;
  if (const auto* list = value->get<amqp::FieldArray>()) {
    all = *list;
  } else {
    all.push_back(*value);
  }
  if (all.empty()) fail(fmt::format("{} should be a URI or a list of them, and is empty", name));
  std::vector<BridgeUri> out;
  for (const FieldValue& each : all) {
    const std::string* text = each.get<std::string>();
    if (text == nullptr) {
      fail(fmt::format("{} should be a URI or a list of them", name));
      return {};
    }
    auto uri = parse_uri(*text, vhost);
    if (!uri) {
      fail(fmt::format("{}: {}", name, uri.error().message));
      return {};
    }
    out.push_back(*std::move(uri));
  }
  return out;
}

void ParameterReader::protocol(const char* name) {
  const FieldValue* value = take({name});
  const std::string* text = value ? value->get<std::string>() : nullptr;
  if (value != nullptr && (text == nullptr || *text != "amqp091")) refuse(name, "amqp091, which is all there is here");
}

void ParameterReader::fail(std::string fault) {
  if (fault_.empty()) fault_ = std::move(fault);
}

void ParameterReader::refuse(std::string_view key, std::string_view wanted) {
  const FieldValue* value = table_.find(key);
  fail(value == nullptr ? fmt::format("{} should be {}", key, wanted)
                        : fmt::format("{} should be {}, actually was {}", key, wanted, erlang_term(*value)));
}

std::string ParameterReader::done() {
  for (const auto& [name, value] : table_.entries()) {
    if (!taken_.contains(name)) fail(fmt::format("Unrecognised terms [<<\"{}\">>] in {}", name, component_));
  }
  return std::move(fault_);
}

}  // namespace wherry::broker::bridges

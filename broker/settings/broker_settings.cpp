#include "broker/settings/broker_settings.h"

#include <algorithm>
#include <charconv>

#include <fmt/format.h>

#include "base/nearest.h"

namespace wherry::broker {

namespace {

template <class T>
std::vector<std::string> names_of(const std::vector<T>& all) {
  std::vector<std::string> names;
  for (const T& each : all) names.push_back(each.name);
  return names;
}

bool among(const std::vector<std::string>& names, const std::string& name) {
  return std::find(names.begin(), names.end(), name) != names.end();
}

void unknown(yaml::Map& map, std::string_view key, std::string_view what, const std::string& name,
             const std::vector<std::string>& known) {
  const auto near = nearest(name, known);
  map.error(key, fmt::format("there is no {} '{}' in this file{}", what, name,
                             near ? fmt::format("; did you mean '{}'?", *near) : std::string()));
}

template <class T>
void add_unique(yaml::Map& map, std::string_view what, std::vector<T>& all, T one) {
  if (among(names_of(all), one.name))
    map.error("name", fmt::format("the {} '{}' is there twice", what, one.name));
  else
    all.push_back(std::move(one));
}

bool is_host_and_port(std::string_view text) {
  const std::size_t colon = text.rfind(':');
  if (colon == text.npos || colon == 0) return false;
  const std::string_view host = text.substr(0, colon);
  if (host.find(':') != host.npos && !(host.starts_with('[') && host.ends_with(']'))) return false;
  unsigned port = 0;
  const auto [end, error] = std::from_chars(text.data() + colon + 1, text.data() + text.size(), port);
  return error == std::errc{} && end == text.data() + text.size() && port <= 65'535;
}

// What is the broker's own may not be named.
template <class T>
T check_name(yaml::Map& map, std::string_view what, T one) {
  if (map.has("name") && (one.name.empty() || one.name.starts_with("amq."))) {
    map.error("name", fmt::format("{} needs a name, and names that begin with 'amq.' are the broker's own", what));
  }
  return one;
}

// At the broker, both ends of a binding must be there when it starts.
amqp::BindingSettings read_binding(yaml::Map& map, const VhostSettings& vhost) {
  amqp::BindingSettings out = amqp::read_binding(map);
  const std::vector<std::string> exchanges = names_of(vhost.exchanges);
  const std::vector<std::string> queues = names_of(vhost.queues);
  if (map.has("exchange") && !among(exchanges, out.exchange) && !out.exchange.starts_with("amq.")) {
    unknown(map, "exchange", "exchange", out.exchange, exchanges);
  }
  if (out.to_exchange) {
    if (!among(exchanges, out.destination)) unknown(map, "to_exchange", "exchange", out.destination, exchanges);
  } else if (map.has("queue") && !among(queues, out.destination)) {
    unknown(map, "queue", "queue", out.destination, queues);
  }
  return out;
}

VhostSettings read_vhost(yaml::Map& map) {
  VhostSettings out;
  map.required("name", out.name);
  for (yaml::Map each : map.maps("exchanges"))
    add_unique(each, "exchange", out.exchanges, check_name(each, "an exchange", amqp::read_exchange(each)));
  for (yaml::Map each : map.maps("queues", "name"))
    add_unique(each, "queue", out.queues, check_name(each, "a queue", amqp::read_queue(each)));
  for (yaml::Map each : map.maps("bindings")) out.bindings.push_back(read_binding(each, out));
  return out;
}

UserSettings read_user(yaml::Map& map, const std::vector<std::string>& vhosts) {
  UserSettings out;
  map.required("name", out.name);
  map.secret("password", out.password);
  map.get("password_hash", out.password_hash);
  const bool password = map.has("password") || map.has("password_file");
  if (password && map.has("password_hash"))
    map.error("password_hash", "'password' and 'password_hash' exclude each other");
  if (!password && !map.has("password_hash"))
    map.error("a user needs one of 'password', 'password_file' and 'password_hash'");
  map.get("tags", out.tags);
  out.loopback_only = out.name == "guest";
  map.get("loopback_only", out.loopback_only);
  for (yaml::Map each : map.maps("permissions")) {
    PermissionSettings permission;
    if (each.get("vhost", permission.vhost) && !among(vhosts, permission.vhost))
      unknown(each, "vhost", "vhost", permission.vhost, vhosts);
    each.get("configure", permission.configure);
    each.get("write", permission.write);
    each.get("read", permission.read);
    out.permissions.push_back(std::move(permission));
  }
  return out;
}

}  // namespace

BrokerSettings read_broker_settings(yaml::Document& document) {
  BrokerSettings out;
  yaml::Map root = document.root();

  if (root.map("listen").get("amqp", out.amqp) && !is_host_and_port(out.amqp))
    root.map("listen").error("amqp", fmt::format("'amqp' wants HOST:PORT, got '{}'", out.amqp));
  root.get("data_dir", out.data_dir);
  root.get("shards", out.shards, 1, 256);
  std::chrono::seconds heartbeat(out.heartbeat_s);
  root.get("heartbeat", heartbeat, std::chrono::seconds(0), std::chrono::seconds(65'535));
  out.heartbeat_s = static_cast<std::uint16_t>(heartbeat.count());
  std::uint64_t frame_max = out.frame_max;
  root.size("frame_max", frame_max, 4096, 0x7fffffff);
  out.frame_max = static_cast<std::uint32_t>(frame_max);
  root.get("channel_max", out.channel_max, 1, 65'535);
  root.size("max_message_size", out.max_message_size, 1, 1ull << 31);
  root.choice<log::Level>("log_level", out.log_level,
                          {{"debug", log::Level::debug},
                           {"info", log::Level::info},
                           {"warning", log::Level::warning},
                           {"error", log::Level::error},
                           {"off", log::Level::off}});

  std::vector<VhostSettings> vhosts;
  for (yaml::Map each : root.maps("vhosts", "name")) add_unique(each, "vhost", vhosts, read_vhost(each));
  if (!vhosts.empty()) out.vhosts = std::move(vhosts);
  const std::vector<std::string> names = names_of(out.vhosts);
  for (yaml::Map each : root.maps("users")) add_unique(each, "user", out.users, read_user(each, names));
  return out;
}

Result<BrokerSettings> load_broker_settings(const std::optional<std::string>& path, Environment environment) {
  yaml::Document document =
      path ? yaml::Document::load(*path, std::move(environment)) : yaml::Document::empty(std::move(environment));
  BrokerSettings settings = read_broker_settings(document);
  if (auto read = document.finish(); !read) return tl::unexpected(read.error());
  return settings;
}

}  // namespace wherry::broker

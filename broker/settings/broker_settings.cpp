#include "broker/settings/broker_settings.h"

#include <algorithm>
#include <charconv>

#include <fmt/format.h>

#include "base/host_port.h"
#include "base/nearest.h"
#include "base/units.h"

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

constexpr std::string_view memory_mark_help = "a share such as 0.4 or 40%, or a size such as 2GiB";

void read_memory_mark(yaml::Map& root, MemoryMark& into) {
  std::string text = fmt::format("{}", into.share);
  if (!root.get("memory_high_watermark", text)) return;
  auto mark = parse_memory_mark(text);
  if (mark) {
    into = *mark;
  } else {
    root.error("memory_high_watermark",
               fmt::format("'memory_high_watermark' wants {}, got '{}'", memory_mark_help, text));
  }
}

// A log file holds its header and a batch at least, and a log of fewer than two files could never let one go.
StoreSettings read_store(yaml::Map map) {
  StoreSettings out;
  constexpr std::uint64_t most = 1ull << 40;
  map.size("log_file_size", out.log_file_size, 64ull << 10, 1ull << 30);
  map.size("log_budget", out.log_budget, 128ull << 10, most);
  map.size("memory_budget", out.memory_budget, 0, most);
  map.size("garbage_limit", out.garbage_limit, 0, most);
  if (out.log_budget < 2 * out.log_file_size) {
    map.error(map.has("log_budget") ? "log_budget" : "log_file_size",
              "'log_budget' must be twice 'log_file_size' at least");
  }
  return out;
}

HttpSettings read_http(yaml::Map map) {
  using std::chrono::milliseconds;
  HttpSettings out;
  map.get("connection_max", out.connection_max, 1, 1'000'000);
  map.size("max_head_size", out.max_head_size, 1024, 1u << 20);
  map.size("max_body_size", out.max_body_size, 0, 1u << 30);
  for (auto [name, into] : {std::pair("head_timeout", &out.head_timeout), std::pair("body_timeout", &out.body_timeout),
                            std::pair("idle_timeout", &out.idle_timeout)}) {
    map.get(name, *into, milliseconds(1), milliseconds(std::chrono::hours(1)));
  }
  return out;
}

void read_tls(yaml::Map& root, BrokerSettings& out) {
  TlsSettings& tls = out.tls;
  yaml::Map map = root.map("tls");
  map.get("certificate", tls.certificate);
  map.get("key", tls.key);
  map.get("ca", tls.ca);
  map.choice<TlsSettings::Verify>("verify", tls.verify,
                                  {{"none", TlsSettings::Verify::none},
                                   {"peer", TlsSettings::Verify::peer},
                                   {"required", TlsSettings::Verify::required}});
  map.choice<TlsSettings::LoginFrom>("login_from", tls.login_from,
                                     {{"common_name", TlsSettings::LoginFrom::common_name},
                                      {"distinguished_name", TlsSettings::LoginFrom::distinguished_name}});
}

}  // namespace

// A number alone is a share up to 1, and bytes above.
Result<MemoryMark> parse_memory_mark(std::string_view text) {
  const bool percent = text.ends_with('%');
  const std::string_view digits = percent ? text.substr(0, text.size() - 1) : text;
  double number = 0;
  const auto [end, error] = std::from_chars(digits.data(), digits.data() + digits.size(), number);
  const bool whole = error == std::errc{} && end == digits.data() + digits.size();
  const double share = percent ? number / 100 : number;
  if (whole && share >= 0 && share <= 1) return MemoryMark{.share = share, .bytes = {}};
  if (auto bytes = parse_size(text); bytes && !percent) return MemoryMark{.share = 0, .bytes = *bytes};
  return fail(std::string(memory_mark_help));
}

Result<DurabilitySetting> parse_durability(std::string_view text) {
  if (text == "sync") return DurabilitySetting::sync;
  if (text == "os") return DurabilitySetting::os;
  if (text == "none") return DurabilitySetting::none;
  return fail("one of sync, os, none");
}

BrokerSettings read_broker_settings(yaml::Document& document) {
  BrokerSettings out;
  yaml::Map root = document.root();

  yaml::Map listen = root.map("listen");
  if (listen.get("amqp", out.amqp) && !is_host_and_port(out.amqp))
    listen.error("amqp", fmt::format("'amqp' wants HOST:PORT, got '{}'", out.amqp));
  for (auto [name, into] : {std::pair("amqps", &out.amqps), std::pair("management", &out.management),
                            std::pair("management_https", &out.management_https), std::pair("metrics", &out.metrics),
                            std::pair("metrics_https", &out.metrics_https)}) {
    if (listen.get(name, *into) && !is_host_and_port(**into))
      listen.error(name, fmt::format("'{}' wants HOST:PORT, got '{}'", name, **into));
  }
  root.get("console", out.console);
  read_tls(root, out);
  root.get("data_dir", out.data_dir);
  root.get("shards", out.shards, 1, 256);
  std::chrono::seconds heartbeat(out.heartbeat_s);
  root.get("heartbeat", heartbeat, std::chrono::seconds(0), std::chrono::seconds(65'535));
  out.heartbeat_s = static_cast<std::uint16_t>(heartbeat.count());
  std::uint64_t frame_max = out.frame_max;
  root.size("frame_max", frame_max, 4096, 0x7fffffff);
  out.frame_max = static_cast<std::uint32_t>(frame_max);
  root.get("channel_max", out.channel_max, 1, 65'535);
  root.get("connection_max", out.connection_max, 1, 10'000'000);
  root.get("queue_max", out.queue_max, 0, 1'000'000'000);
  root.get("handshake_timeout", out.handshake_timeout, std::chrono::milliseconds(1),
           std::chrono::milliseconds(std::chrono::hours(1)));
  root.size("unacked_max", out.unacked_max, 0, 1ull << 40);
  root.size("max_message_size", out.max_message_size, 1, 1ull << 31);
  root.choice<DurabilitySetting>(
      "durability", out.durability,
      {{"sync", DurabilitySetting::sync}, {"os", DurabilitySetting::os}, {"none", DurabilitySetting::none}});
  read_memory_mark(root, out.memory_high_watermark);
  root.size("disk_free_limit", out.disk_free_limit, 0, 1ull << 60);
  root.get("disk_stall_warning", out.disk_stall_warning);
  root.get("consumer_timeout", out.consumer_timeout);
  out.http = read_http(root.map("http"));
  out.store = read_store(root.map("store"));
  yaml::Map tasks = root.map("tasks");
  tasks.get("observe", out.tasks.observe);
  tasks.get("most", out.tasks.most, 1, 1'000'000);
  tasks.size("most_bytes", out.tasks.most_bytes, 1ull << 20, 16ull << 30);
  yaml::Map product = root.map("product");
  product.get("name", out.product.name);
  product.get("version", out.product.version);
  root.choice<log::Level>("log_level", out.log_level,
                          {{"debug", log::Level::debug},
                           {"info", log::Level::info},
                           {"warning", log::Level::warning},
                           {"error", log::Level::error},
                           {"off", log::Level::off}});
  root.choice<log::Format>("log_format", out.log_format, {{"text", log::Format::text}, {"json", log::Format::json}});

  std::vector<VhostSettings> vhosts;
  for (yaml::Map each : root.maps("vhosts", "name")) add_unique(each, "vhost", vhosts, read_vhost(each));
  if (!vhosts.empty()) out.vhosts = std::move(vhosts);
  const std::vector<std::string> names = names_of(out.vhosts);
  for (yaml::Map each : root.maps("users")) add_unique(each, "user", out.users, read_user(each, names));
  std::vector<std::string> users = names_of(out.users);
  if (users.empty()) users.emplace_back("guest");
  out.policies = read_policy_settings(root, names, users);
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

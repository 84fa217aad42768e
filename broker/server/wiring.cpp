#include "broker/server/wiring.h"

#include <fmt/format.h>

#include "base/units.h"
#include "broker/auth/password_hash.h"
#include "broker/server/machine.h"
#include "broker/store/data_dir.h"
#include "broker/store/disk_store.h"
#include "broker/store/memory_store.h"
#include "broker/store/posix_vfs.h"

namespace wherry::broker {

namespace {

BrokerConfig::Entities to_entities(const VhostSettings& vhost) {
  BrokerConfig::Entities entities;
  entities.vhost = vhost.name;
  for (const amqp::ExchangeSettings& each : vhost.exchanges) {
    entities.exchanges.push_back({each.name, each.type, each.durable, each.auto_delete, each.internal, each.arguments});
  }
  for (const amqp::QueueSettings& each : vhost.queues) {
    entities.queues.push_back({each.name, each.durable, false, each.auto_delete, each.arguments});
  }
  for (const amqp::BindingSettings& each : vhost.bindings) {
    entities.bindings.push_back({each.exchange, each.to_exchange ? DestinationKind::exchange : DestinationKind::queue,
                                 each.destination, each.routing_key, each.arguments});
  }
  return entities;
}

UserSpec to_user(const UserSettings& settings) {
  UserSpec spec;
  spec.name = settings.name;
  spec.password_hash = settings.password_hash ? *settings.password_hash : hash_password(settings.password.value_or(""));
  spec.tags = settings.tags;
  spec.loopback_only = settings.loopback_only;
  for (const PermissionSettings& each : settings.permissions) {
    spec.permissions.push_back({each.vhost, each.configure, each.write, each.read});
  }
  return spec;
}

UserSettings guest(const std::vector<VhostSettings>& vhosts) {
  UserSettings user;
  user.name = "guest";
  user.password = "guest";
  user.tags = {"administrator"};
  user.loopback_only = true;
  for (const VhostSettings& vhost : vhosts) user.permissions.push_back({.vhost = vhost.name});
  return user;
}

Durability to_durability(DurabilitySetting setting) {
  switch (setting) {
    case DurabilitySetting::sync:
      return Durability::sync;
    case DurabilitySetting::os:
      return Durability::os;
    case DurabilitySetting::none:
      break;
  }
  return Durability::none;
}

std::uint64_t to_bytes(const MemoryMark& mark) {
  if (mark.bytes) return *mark.bytes;
  return static_cast<std::uint64_t>(mark.share * static_cast<double>(memory_there_is()));
}

// The command line over what the settings say.
Result<void> take_options(const Options& options, BrokerSettings& settings) {
  if (options.durability) {
    auto durability = parse_durability(*options.durability);
    if (!durability) return fail(fmt::format("--durability: {}", durability.error().message));
    settings.durability = *durability;
  }
  if (options.memory_high_watermark) {
    auto mark = parse_memory_mark(*options.memory_high_watermark);
    if (!mark) return fail(fmt::format("--memory-high-watermark: {}", mark.error().message));
    settings.memory_high_watermark = *mark;
  }
  if (options.disk_free_limit) {
    auto limit = parse_size(*options.disk_free_limit);
    if (!limit) return fail(fmt::format("--disk-free-limit: {}", limit.error().message));
    settings.disk_free_limit = *limit;
  }
  return {};
}

Result<void> read_listeners(const Options& options, const BrokerSettings& settings, Plan& plan) {
  struct Listener {
    const char* name;
    std::optional<std::string> option;
    std::optional<std::string> setting;
    std::uint16_t port;  // RabbitMQ's.
    std::optional<net::Address>& into;
  };
  for (const Listener& each :
       {Listener{"amqps", options.amqps, settings.amqps, 5671, plan.amqps},
        Listener{"management", options.management, settings.management, 15672, plan.management},
        Listener{"management_https", {}, settings.management_https, 15671, plan.management_https},
        Listener{"metrics", options.metrics, settings.metrics, 15692, plan.metrics},
        Listener{"metrics_https", {}, settings.metrics_https, 15691, plan.metrics_https}}) {
    const std::optional<std::string>& given = each.option ? each.option : each.setting;
    if (!given) continue;
    auto parsed = net::parse_address(*given, each.port);
    if (!parsed) {
      return fail(fmt::format("{}{}: {}", each.option ? "--" : "listen.", each.name, parsed.error().message));
    }
    each.into = *parsed;
  }
  return {};
}

// What one client, and all of them together, may take: docs/limits.md.
void take_limits(const BrokerSettings& settings, Plan& plan) {
  BrokerConfig& broker = plan.broker;
  SessionConfig& session = broker.session;
  session.amqp.max_message_size = settings.max_message_size;
  session.amqp.handshake_timeout = settings.handshake_timeout;
  session.most_unacked_bytes = settings.unacked_max > 0 ? settings.unacked_max : UINT64_MAX;
  broker.connection_max = session.connection_max = settings.connection_max.value_or(most_connections());
  broker.queue_max = settings.queue_max;
  plan.http.connections = settings.http.connection_max;
  plan.http.head_bytes = settings.http.max_head_size;
  plan.http.body_bytes = settings.http.max_body_size;
  plan.http.head = settings.http.head_timeout;
  plan.http.progress = settings.http.body_timeout;
  plan.http.idle = settings.http.idle_timeout;
}

// What the listeners for TLS need: the files, which have to be there when the broker starts.
Result<void> open_tls(const TlsSettings& settings, Plan& plan) {
  if (!plan.amqps && !plan.management_https && !plan.metrics_https) return {};
  if (!settings.certificate) return fail("to listen for TLS the broker wants tls.certificate, and tls.key");
  net::TlsConfig config;
  config.certificate = *settings.certificate;
  config.key = settings.key.value_or("");
  config.ca = settings.ca.value_or("");
  config.verify = settings.verify == TlsSettings::Verify::none   ? net::TlsVerify::none
                  : settings.verify == TlsSettings::Verify::peer ? net::TlsVerify::peer
                                                                 : net::TlsVerify::required;
  auto context = net::TlsContext::server(std::move(config));
  if (!context) return fail("tls: " + context.error().message);
  BrokerConfig& broker = plan.broker;
  broker.tls = *context;
  broker.tls_session = broker.session;
  if (settings.verify != TlsSettings::Verify::none) broker.tls_session.amqp.mechanisms.emplace_back("EXTERNAL");
  broker.tls_session.login_by_common_name = settings.login_from == TlsSettings::LoginFrom::common_name;
  return {};
}

}  // namespace

namespace {

std::string refusal(const DiskError& error) {
  if (error.code == std::errc::not_supported) {
    return error.message + "; start the version of Wherry that wrote it, or give --data-dir another directory";
  }
  return error.message;
}

DiskStore::Options store_options(const StoreSettings& settings) {
  DiskStore::Options options;
  options.log_file_bytes = settings.log_file_size;
  options.log_budget_bytes = settings.log_budget;
  options.memory_budget_bytes = settings.memory_budget;
  options.dead_bytes_allowed = settings.garbage_limit;
  return options;
}

Result<std::unique_ptr<MessageStore>> open_store(const std::shared_ptr<PosixVfs>& disk, DiskStore::Options options,
                                                 StoreOwner owner) {
  DiskStore::Owner told;
  told.post = std::move(owner.post);
  told.failed = [failed = std::move(owner.failed)](const DiskError& error) { failed(error.message); };
  told.full = std::move(owner.full);
  auto store = DiskStore::open(*disk, std::move(options), std::move(told));
  if (!store) return fail("message store: " + refusal(store.error()));
  return std::unique_ptr<MessageStore>(std::move(*store));
}

}  // namespace

amqp::Table server_properties(const ProductSettings& product) {
  amqp::Table capabilities;
  for (const char* name : {"publisher_confirms", "exchange_exchange_bindings", "basic.nack", "consumer_cancel_notify",
                           "connection.blocked", "consumer_priorities", "authentication_failure_close",
                           "per_consumer_qos", "direct_reply_to"}) {
    capabilities.set(name, true);
  }
  // What no client library looks for: capabilities are RabbitMQ's, name for name.
  amqp::Table extensions;
  extensions.set("message_deduplication", true);
  amqp::Table properties;
  properties.set("capabilities", std::move(capabilities));
  properties.set("extensions", std::move(extensions));
  properties.set("product", product.name.value_or("Wherry"));
  properties.set("version", product.version.value_or(WHERRY_VERSION));
  properties.set("platform", "C++20");
  properties.set("information", "A task queue for C++ services with its broker built in");
  return properties;
}

Result<ConfiguredSettings> read_settings_again(const Options& options) {
  auto settings = load_broker_settings(options.config);
  if (!settings) return tl::unexpected(settings.error());
  return std::move(settings->policies);
}

Result<Plan> make_plan(const Options& options) {
  auto settings = load_broker_settings(options.config);
  if (!settings) return tl::unexpected(settings.error());
  return make_plan(options, std::move(*settings));
}

Result<Plan> make_plan(const Options& options, BrokerSettings settings) {
  Plan plan;
  auto address = net::parse_address(options.amqp.value_or(settings.amqp), 5672);
  if (!address) return fail((options.amqp ? "--amqp: " : "listen.amqp: ") + address.error().message);
  plan.amqp = *address;
  if (auto read = read_listeners(options, settings, plan); !read) return tl::unexpected(read.error());
  plan.console = settings.console;
  if (options.data_dir) settings.data_dir = options.data_dir;
  plan.data_dir = settings.data_dir ? std::filesystem::path(*settings.data_dir) : DataDir::default_path();
  plan.log_level = settings.log_level;
  if (options.log_level && !log::parse_level(*options.log_level, plan.log_level)) {
    return fail(fmt::format("--log-level: '{}' is none of debug, info, warning, error, off", *options.log_level));
  }
  plan.log_format = settings.log_format;
  if (options.log_format && !log::parse_format(*options.log_format, plan.log_format)) {
    return fail(fmt::format("--log-format: '{}' is neither text nor json", *options.log_format));
  }
  plan.shards = options.shards.value_or(settings.shards);
  if (plan.shards < 1 || plan.shards > most_shards) {
    return fail(fmt::format("{}: a number from 1 to {}", options.shards ? "--shards" : "shards", most_shards));
  }
  if (auto taken = take_options(options, settings); !taken) return tl::unexpected(taken.error());

  std::vector<UserSpec> users;
  if (settings.users.empty()) users.push_back(to_user(guest(settings.vhosts)));
  for (const UserSettings& each : settings.users) users.push_back(to_user(each));
  auto built = Users::build(std::move(users));
  if (!built) return tl::unexpected(built.error());

  BrokerConfig& broker = plan.broker;
  broker.shards = plan.shards;
  broker.users = *built;
  broker.vhosts.clear();
  for (const VhostSettings& vhost : settings.vhosts) {
    broker.vhosts.push_back(vhost.name);
    broker.entities.push_back(to_entities(vhost));
  }
  broker.settings = std::move(settings.policies);
  broker.session.amqp.properties = server_properties(settings.product);
  broker.session.amqp.tuning = {settings.channel_max, settings.frame_max, settings.heartbeat_s};
  take_limits(settings, plan);
  if (auto opened = open_tls(settings.tls, plan); !opened) return tl::unexpected(opened.error());
  broker.durability = to_durability(settings.durability);
  broker.consumer_timeout_ms = static_cast<std::uint64_t>(settings.consumer_timeout.count());
  plan.watch.memory_mark = to_bytes(settings.memory_high_watermark);
  plan.watch.disk_free_limit = settings.disk_free_limit;
  plan.tasks = settings.tasks;
  plan.watch.data_dir = plan.data_dir.string();
  plan.watch.stall_warning = settings.disk_stall_warning;
  broker.make_store = [disk = std::make_shared<PosixVfs>(), options = store_options(settings.store),
                       folder = plan.data_dir.string()](unsigned shard, StoreOwner owner) {
    DiskStore::Options own = options;
    own.folder = fmt::format("{}/shard-{}", folder, shard);
    return open_store(disk, std::move(own), std::move(owner));
  };
  return plan;
}

void keep_in_memory(Plan& plan) {
  plan.data_dir.clear();
  plan.broker.make_store = [](unsigned, const StoreOwner&) -> Result<std::unique_ptr<MessageStore>> {
    return std::make_unique<MemoryStore>();
  };
}

}  // namespace wherry::broker

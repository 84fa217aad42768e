#include "broker/server/wiring.h"

#include <fmt/format.h>

#include "broker/auth/password_hash.h"
#include "broker/server/data_dir.h"
#include "broker/settings/broker_settings.h"
#include "broker/store/memory_store.h"

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

}  // namespace

amqp::Table server_properties() {
  amqp::Table capabilities;
  for (const char* name : {"publisher_confirms", "exchange_exchange_bindings", "basic.nack", "consumer_cancel_notify",
                           "consumer_priorities", "authentication_failure_close", "per_consumer_qos"}) {
    capabilities.set(name, true);
  }
  amqp::Table properties;
  properties.set("capabilities", std::move(capabilities));
  properties.set("product", "Wherry");
  properties.set("version", WHERRY_VERSION);
  properties.set("platform", "C++20");
  properties.set("information", "A task queue for C++ services with its broker built in");
  return properties;
}

Result<Plan> make_plan(const Options& options) {
  auto settings = load_broker_settings(options.config);
  if (!settings) return tl::unexpected(settings.error());

  Plan plan;
  auto address = net::parse_address(options.amqp.value_or(settings->amqp), 5672);
  if (!address) return fail((options.amqp ? "--amqp: " : "listen.amqp: ") + address.error().message);
  plan.amqp = *address;
  if (options.data_dir) settings->data_dir = options.data_dir;
  plan.data_dir = settings->data_dir ? std::filesystem::path(*settings->data_dir) : DataDir::default_path();
  plan.log_level = settings->log_level;
  if (options.log_level && !log::parse_level(*options.log_level, plan.log_level)) {
    return fail(fmt::format("--log-level: '{}' is none of debug, info, warning, error, off", *options.log_level));
  }
  plan.shards = options.shards.value_or(settings->shards);
  if (plan.shards < 1 || plan.shards > most_shards) {
    return fail(fmt::format("{}: a number from 1 to {}", options.shards ? "--shards" : "shards", most_shards));
  }

  std::vector<UserSpec> users;
  if (settings->users.empty()) users.push_back(to_user(guest(settings->vhosts)));
  for (const UserSettings& each : settings->users) users.push_back(to_user(each));
  auto built = Users::build(std::move(users));
  if (!built) return tl::unexpected(built.error());

  BrokerConfig& broker = plan.broker;
  broker.shards = plan.shards;
  broker.users = *built;
  broker.vhosts.clear();
  for (const VhostSettings& vhost : settings->vhosts) {
    broker.vhosts.push_back(vhost.name);
    broker.entities.push_back(to_entities(vhost));
  }
  broker.session.amqp.properties = server_properties();
  broker.session.amqp.tuning = {settings->channel_max, settings->frame_max, settings->heartbeat_s};
  broker.session.amqp.max_message_size = settings->max_message_size;
  broker.make_store = [](unsigned) { return std::make_unique<MemoryStore>(); };
  return plan;
}

}  // namespace wherry::broker

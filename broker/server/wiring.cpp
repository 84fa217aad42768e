#include "broker/server/wiring.h"

#include <fmt/format.h>

#include "broker/auth/password_hash.h"
#include "broker/server/data_dir.h"
#include "broker/store/memory_store.h"

namespace wherry::broker {

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
  Plan plan;
  auto address = net::parse_address(options.amqp.value_or("127.0.0.1:5672"), 5672);
  if (!address) return tl::unexpected(Error{"--amqp: " + address.error().message});
  plan.amqp = *address;
  plan.data_dir = options.data_dir ? std::filesystem::path(*options.data_dir) : DataDir::default_path();
  if (options.log_level && !log::parse_level(*options.log_level, plan.log_level)) {
    return fail(fmt::format("--log-level: '{}' is none of debug, info, warning, error, off", *options.log_level));
  }
  plan.shards = options.shards.value_or(1);
  if (plan.shards < 1 || plan.shards > 64) return fail("--shards: a number from 1 to 64");

  UserSpec guest;
  guest.name = "guest";
  guest.password_hash = hash_password("guest");
  guest.tags = {"administrator"};
  guest.permissions = {Permission{}};
  guest.loopback_only = true;
  std::vector<UserSpec> users;
  users.push_back(std::move(guest));
  auto built = Users::build(std::move(users));
  if (!built) return tl::unexpected(built.error());

  plan.broker.shards = plan.shards;
  plan.broker.users = *built;
  plan.broker.session.amqp.properties = server_properties();
  plan.broker.make_store = [](unsigned) { return std::make_unique<MemoryStore>(); };
  return plan;
}

}  // namespace wherry::broker

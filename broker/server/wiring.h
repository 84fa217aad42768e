// From options and configuration to what the broker is made of.
#pragma once

#include <filesystem>

#include "base/log.h"
#include "broker/server/options.h"
#include "broker/shard/broker.h"

namespace wherry::broker {

constexpr unsigned most_shards = 64;

struct Plan {
  net::Address amqp;
  std::filesystem::path data_dir;
  log::Level log_level = log::Level::info;
  unsigned shards = 1;
  BrokerConfig broker;
};

// Errors name the option, or file, line and column.
Result<Plan> make_plan(const Options& options);

// What the broker says about itself in connection.start. Only capabilities that work are named.
amqp::Table server_properties();

}  // namespace wherry::broker

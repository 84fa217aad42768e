// From options and configuration to what the broker is made of.
#pragma once

#include <filesystem>
#include <optional>

#include "base/log.h"
#include "broker/server/options.h"
#include "broker/server/resource_watch.h"
#include "broker/settings/broker_settings.h"
#include "broker/shard/broker.h"
#include "net/http.h"

namespace wherry::broker {

constexpr unsigned most_shards = 64;

struct Plan {
  std::optional<net::Address> amqp;   // None: it does not listen; connections are given to Broker::adopt().
  std::optional<net::Address> amqps;  // None: nobody listens; so for the others.
  std::optional<net::Address> management;
  std::optional<net::Address> management_https;
  bool console = true;
  std::optional<net::Address> metrics;
  std::optional<net::Address> metrics_https;
  std::filesystem::path data_dir;  // Empty: nothing is kept.
  log::Level log_level = log::Level::info;
  log::Format log_format = log::Format::text;
  unsigned shards = 1;
  BrokerConfig broker;
  net::HttpLimits http;
  WatchConfig watch;
  TaskSettings tasks;
};

// What the file says now of policies and limits. Errors: every mistake, with its place.
Result<ConfiguredSettings> read_settings_again(const Options& options);

// Errors name the option, or file, line and column.
Result<Plan> make_plan(const Options& options);
// The same, of settings that were loaded before.
Result<Plan> make_plan(const Options& options, BrokerSettings settings);
// Takes the disk out of the plan: messages and definitions are in memory, and gone with the process.
void keep_in_memory(Plan& plan);

// What the broker says about itself in connection.start: the product as it is configured, and only capabilities that
// work.
amqp::Table server_properties(const ProductSettings& product);

}  // namespace wherry::broker

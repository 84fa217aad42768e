// The broker's settings: config/broker.yaml, overridden by WHERRY_ variables, over the defaults that stand here. The
// command line wins over all of them and is the server's business. Every key has its page in docs/configuration.md.
//
// Plain data: arguments are passed on as they were written, patterns and hashes are checked by the rooms that use them.
// Threads: plain functions and data.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include "base/log.h"
#include "base/result.h"
#include "base/yaml.h"
#include "protocol/amqp/topology_settings.h"

namespace wherry::broker {

// A virtual host and what is declared in it when the broker starts, in this order.
struct VhostSettings {
  std::string name = "/";
  std::vector<amqp::ExchangeSettings> exchanges = {};
  std::vector<amqp::QueueSettings> queues = {};
  std::vector<amqp::BindingSettings> bindings = {};  // Between what is listed here, and from amq.* exchanges.
};

struct PermissionSettings {
  std::string vhost = "/";
  std::string configure = ".*";
  std::string write = ".*";
  std::string read = ".*";
};

struct UserSettings {
  std::string name = {};
  // One of the two is set.
  std::optional<std::string> password = {};
  std::optional<std::string> password_hash = {};  // As RabbitMQ exports it: base64 of salt and SHA-256.
  std::vector<std::string> tags = {};
  std::vector<PermissionSettings> permissions = {};  // None: the user may open no virtual host.
  bool loopback_only = false;                        // The default is true for guest, as in RabbitMQ.
};

struct BrokerSettings {
  std::string amqp = "127.0.0.1:5672";           // HOST:PORT, [IPv6]:PORT; port 0 takes a free one.
  std::optional<std::string> data_dir = {};      // None: see the server's default.
  unsigned shards = 1;                           // Threads that serve connections and queues.
  std::uint16_t heartbeat_s = 60;                // Offered to clients; 0 = none.
  std::uint32_t frame_max = 131'072;             // Bytes of a whole frame.
  std::uint16_t channel_max = 2047;              // Channels of a connection.
  std::uint64_t max_message_size = 134'217'728;  // Bytes of one message's body.
  log::Level log_level = log::Level::info;
  std::vector<VhostSettings> vhosts = {VhostSettings{}};
  std::vector<UserSettings> users =
      {};  // Empty: guest with password guest and all rights on all vhosts, from loopback only.
};

// Reads what the document holds; mistakes stay in the document.
BrokerSettings read_broker_settings(yaml::Document& document);

// path: none for defaults and environment alone. Errors: every mistake, one a line, "FILE:LINE:COLUMN: text".
Result<BrokerSettings> load_broker_settings(const std::optional<std::string>& path,
                                            Environment environment = process_environment());

}  // namespace wherry::broker

// The broker's settings: config/broker.yaml, overridden by WHERRY_ variables, over the defaults that stand here. The
// command line wins over all of them and is the server's business. Every key has its page in docs/configuration.md.
//
// Plain data: arguments are passed on as they were written; patterns of permissions and hashes are checked by the room
// that uses them.
// Threads: plain functions and data.
#pragma once

#include <chrono>
#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "base/log.h"
#include "base/result.h"
#include "base/yaml.h"
#include "broker/settings/policy_settings.h"
#include "protocol/amqp/topology_settings.h"

namespace wherry::broker {

// When a publish counts as kept: synced to the disk, handed to the operating system, or in memory.
enum class DurabilitySetting { sync, os, none };

// "0.4" or "40%": a share of the memory the broker may use; "2GiB": bytes.
struct MemoryMark {
  double share = 0.4;                       // From 0 (publishers always wait) to 1.
  std::optional<std::uint64_t> bytes = {};  // Instead of the share.
};
Result<MemoryMark> parse_memory_mark(std::string_view text);
Result<DurabilitySetting> parse_durability(std::string_view text);

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

// How the message store shares out the disk and the memory; for each shard. See docs/store-format.md.
struct StoreSettings {
  std::uint64_t log_budget = std::uint64_t{128} << 20;    // Bytes of log above which messages move to segments.
  std::uint64_t log_file_size = std::uint64_t{16} << 20;  // Bytes of one file of the log.
  std::uint64_t memory_budget = std::uint64_t{24} << 20;  // Bytes of messages that are in the log alone.
  std::uint64_t garbage_limit = std::uint64_t{64} << 20;  // Bytes of settled messages in segments, beside live ones.
};

// Who the broker is to those who connect over TLS, and whom it believes. Files in PEM.
struct TlsSettings {
  enum class Verify { none, peer, required };
  enum class LoginFrom { common_name, distinguished_name };
  std::optional<std::string> certificate = {};    // With the chain behind it.
  std::optional<std::string> key = {};            // None: in the certificate's file.
  std::optional<std::string> ca = {};             // Who has signed the clients' certificates.
  Verify verify = Verify::none;                   // Clients, by their certificates.
  LoginFrom login_from = LoginFrom::common_name;  // Whose name a client has that logs in by EXTERNAL.
};

// What is remembered of tasks for the management API, of each virtual host. See docs/management.md.
struct TaskSettings {
  bool observe = true;
  std::uint32_t most = 10'000;                         // Tasks.
  std::uint64_t most_bytes = std::uint64_t{64} << 20;  // Of memory that they take.
};

// What the listeners for HTTP (the management API, the metrics) allow; for each of them. See net/http.h.
struct HttpSettings {
  std::uint64_t connection_max = 1'000;
  std::uint64_t max_head_size = 16u << 10;         // Bytes of request line and headers.
  std::uint64_t max_body_size = 20u << 20;         // Bytes.
  std::chrono::milliseconds head_timeout{10'000};  // For TLS' handshake, and for a request's headers.
  std::chrono::milliseconds body_timeout{10'000};  // In which bodies and answers come further by 64 KiB, or end.
  std::chrono::milliseconds idle_timeout{60'000};  // Between two requests.
};

// What clients are told in connection.start. None: Wherry, and its version.
struct ProductSettings {
  std::optional<std::string> name = {};
  std::optional<std::string> version = {};
};

struct BrokerSettings {
  std::string amqp = "127.0.0.1:5672";  // HOST:PORT, [IPv6]:PORT; port 0 takes a free one.
  // AMQP over TLS, the management API and the metrics, without TLS and with it; HOST:PORT as well. None: nobody
  // listens.
  std::optional<std::string> amqps = {};
  std::optional<std::string> management = {};
  std::optional<std::string> management_https = {};
  std::optional<std::string> metrics = {};
  std::optional<std::string> metrics_https = {};
  bool console = true;  // The web console, where the management API listens.
  TlsSettings tls = {};
  std::optional<std::string> data_dir = {};             // None: see the server's default.
  unsigned shards = 1;                                  // Threads that serve connections and queues.
  std::uint16_t heartbeat_s = 60;                       // Offered to clients; 0 = none.
  std::uint32_t frame_max = 131'072;                    // Bytes of a whole frame.
  std::uint16_t channel_max = 2047;                     // Channels of a connection.
  std::optional<std::uint64_t> connection_max = {};     // At once; none: nine tenths of the open files there may be.
  std::uint64_t queue_max = 1'000'000;                  // In all virtual hosts; 0: no limit.
  std::chrono::milliseconds handshake_timeout{10'000};  // From a client's connect to its connection.open.
  std::uint64_t unacked_max = 256u << 20;  // Bytes of a connection's deliveries that wait for an ack; 0: no limit.
  std::uint64_t max_message_size = 134'217'728;  // Bytes of one message's body.
  DurabilitySetting durability = DurabilitySetting::sync;
  MemoryMark memory_high_watermark = {};                // Resident memory above which publishers wait.
  std::uint64_t disk_free_limit = 50'000'000;           // Bytes free beside the data below which publishers wait.
  std::chrono::milliseconds disk_stall_warning{1'000};  // A sync that takes longer is logged; 0: never.
  std::chrono::milliseconds consumer_timeout{0};        // Unsettled deliveries come back after it; 0: never.
  HttpSettings http = {};
  StoreSettings store = {};
  TaskSettings tasks = {};
  ProductSettings product = {};
  log::Level log_level = log::Level::info;
  log::Format log_format = log::Format::text;
  std::vector<VhostSettings> vhosts = {VhostSettings{}};
  std::vector<UserSettings> users =
      {};  // Empty: guest with password guest and all rights on all vhosts, from loopback only.
  ConfiguredSettings policies = {};  // And limits.
};

// Reads what the document holds; mistakes stay in the document.
BrokerSettings read_broker_settings(yaml::Document& document);

// path: none for defaults and environment alone. Errors: every mistake, one a line, "FILE:LINE:COLUMN: text".
Result<BrokerSettings> load_broker_settings(const std::optional<std::string>& path,
                                            Environment environment = process_environment());

}  // namespace wherry::broker

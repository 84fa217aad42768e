// Exchanges, queues and bindings as configuration files name them: the same words in broker.yaml and app.yaml.
//
// Arguments become field tables as a client would send them: whole numbers signed 32-bit where they fit, else 64-bit,
// the forms that every client reads alike. Mistakes stay in the document (base/yaml.h). Threads: plain functions and
// data.
#pragma once

#include <string>
#include <string_view>

#include "base/yaml.h"
#include "protocol/amqp/table.h"

namespace wherry::amqp {

struct ExchangeSettings {
  std::string name = {};
  std::string type = "direct";  // direct | fanout | topic | headers | x-delayed-message
  bool durable = true;
  bool auto_delete = false;
  bool internal = false;
  Table arguments = {};
};

struct QueueSettings {
  std::string name = {};
  bool durable = true;
  bool auto_delete = false;
  Table arguments = {};
};

struct BindingSettings {
  std::string exchange = {};     // The source.
  std::string destination = {};  // A queue, or an exchange when to_exchange.
  bool to_exchange = false;
  std::string routing_key = {};
  Table arguments = {};
};

// A map of anything, as a table.
Table read_table(yaml::Map& map, std::string_view key);
ExchangeSettings read_exchange(yaml::Map& map);
QueueSettings read_queue(yaml::Map& map);
BindingSettings read_binding(yaml::Map& map);

}  // namespace wherry::amqp

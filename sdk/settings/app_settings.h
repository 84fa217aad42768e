// What an application says about its tasks: config/app.yaml, overridden by WHERRY_ variables, over the defaults that
// stand here. Clients and workers read the same file. Every key has its page in docs/configuration.md.
//
// Plain data: arguments are passed on as they were written. Threads: plain functions and data.
#pragma once

#include <chrono>
#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "base/result.h"
#include "base/yaml.h"
#include "protocol/amqp/topology_settings.h"

namespace wherry::sdk {

// Either a queue, or an exchange with a routing key; neither for a route that only sets the priority.
struct TaskRoute {
  std::string pattern = {};  // base/glob.h
  std::optional<std::string> queue = {};
  std::optional<std::string> exchange = {};
  std::optional<std::string> routing_key = {};
  std::optional<std::uint8_t> priority = {};
  std::string place = {};  // Where its queue or exchange stands, "FILE:LINE:COLUMN"; empty without.
};

// The wait before retry n is a random part (jitter) of base * factor^(n-1), which never grows beyond max.
struct TaskRetry {
  std::string pattern = {};
  std::uint32_t max_retries = 3;  // Attempts beyond the first.
  std::chrono::milliseconds base{1'000};
  double factor = 2;
  std::chrono::milliseconds max{600'000};
  bool jitter = true;
};

enum class BodyFormat { msgpack, json };

struct AppSettings {
  std::string broker_url = {};    // Ready for parse_endpoints(): one, or several separated by ';'. Holds the password.
  std::string broker_place = {};  // Where it was said ("app.yaml:3:8"), for errors in it; empty for the default.
  std::vector<amqp::ExchangeSettings> exchanges = {};
  std::vector<amqp::QueueSettings> queues = {};
  std::vector<amqp::BindingSettings> bindings = {};
  std::vector<TaskRoute> task_routes = {};   // In the order of the file.
  std::vector<TaskRetry> task_retries = {};  // In the order of the file.
  std::string default_queue = "celery";
  bool quorum_queues = false;  // Key queue_type: classic or quorum.
  BodyFormat serializer = BodyFormat::msgpack;
  bool results = true;                    // result_backend is not none.
  std::string result_backend = "rpc";     // Or the URL of a store, as results::open() takes it. May hold a password.
  std::string result_backend_place = {};  // Where it was said; empty for the default.
  std::chrono::milliseconds result_expires{86'400'000};
  std::chrono::milliseconds enqueue_timeout{10'000};
  std::string dead_letter_queue = "wherry.dead";
};

// The entry for exactly this name, else the first whose pattern fits, else null. Lifetime: that of the settings.
const TaskRoute* find_route(const AppSettings& settings, std::string_view task);
const TaskRetry* find_retry(const AppSettings& settings, std::string_view task);

// Reads what the document holds; mistakes stay in the document.
AppSettings read_app_settings(yaml::Document& document);

// path: none for defaults and environment alone. Errors: every mistake, one a line, "FILE:LINE:COLUMN: text".
Result<AppSettings> load_app_settings(const std::optional<std::string>& path,
                                      Environment environment = process_environment());

}  // namespace wherry::sdk

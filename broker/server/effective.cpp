#include "broker/server/effective.h"

#include <fmt/format.h>

#include "base/yaml.h"
#include "broker/server/wiring.h"
#include "broker/settings/broker_settings.h"

namespace wherry::broker {

Result<std::string> effective_settings(const Options& options) {
  if (auto plan = make_plan(options); !plan) return tl::unexpected(plan.error());
  std::vector<yaml::Override> given;
  const auto give = [&](const char* path, const auto& value, const char* option) {
    if (value) given.push_back({path, fmt::format("{}", *value), option});
  };
  give("listen.amqp", options.amqp, "--amqp");
  give("listen.amqps", options.amqps, "--amqps");
  give("listen.management", options.management, "--management");
  give("listen.metrics", options.metrics, "--metrics");
  give("data_dir", options.data_dir, "--data-dir");
  give("shards", options.shards, "--shards");
  give("durability", options.durability, "--durability");
  give("memory_high_watermark", options.memory_high_watermark, "--memory-high-watermark");
  give("disk_free_limit", options.disk_free_limit, "--disk-free-limit");
  give("log_level", options.log_level, "--log-level");
  give("log_format", options.log_format, "--log-format");
  yaml::Document document = options.config ? yaml::Document::load(*options.config, process_environment())
                                           : yaml::Document::empty(process_environment());
  read_broker_settings(document);
  return "# broker.yaml\n" + document.effective(given);
}

}  // namespace wherry::broker

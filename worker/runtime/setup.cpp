#include "worker/runtime/setup.h"

#include <algorithm>
#include <memory>
#include <thread>
#include <utility>

#include <fmt/format.h>
#include <unistd.h>

#include "sdk/client/configure.h"
#include "wherry/error.h"

namespace wherry::worker {

namespace {

std::string default_name() {
  char host[256] = "localhost";
  ::gethostname(host, sizeof host - 1);
  return fmt::format("wherry@{}", host);
}

}  // namespace

RetryPolicy policy_of(const sdk::AppSettings& settings, const RetryPolicy& otherwise, std::string_view task) {
  const sdk::TaskRetry* retry = sdk::find_retry(settings, task);
  if (retry == nullptr) return otherwise;
  return {retry->max_retries, retry->base, retry->factor, retry->max, retry->jitter};
}

void fill_in(WorkerOptions& options) {
  if (options.concurrency > most_concurrency || options.prefetch > most_prefetch) {
    throw ClientError(Errc::invalid_argument, fmt::format("a worker runs at most {} tasks at once and takes at most {}",
                                                          most_concurrency, most_prefetch));
  }
  if (options.concurrency == 0) options.concurrency = std::max(1u, std::thread::hardware_concurrency());
  if (options.autoscale_max > most_concurrency ||
      (options.autoscale_max > 0 && options.autoscale_min > options.autoscale_max)) {
    throw ClientError(
        Errc::invalid_argument,
        fmt::format("autoscale: the bounds are a smaller and a larger number up to {}", most_concurrency));
  }
  if (options.autoscale_max > 0) options.concurrency = std::max(1u, options.autoscale_min);
  if (options.prefetch == 0) options.prefetch = std::max(options.concurrency, options.autoscale_max);
  if (options.name.empty()) options.name = default_name();
  if (options.queues.empty()) throw ClientError(Errc::invalid_argument, "a worker needs at least one queue");
}

RuntimeConfig runtime_config(const sdk::AppSettings& settings, const WorkerOptions& options,
                             std::vector<sdk::Endpoint> endpoints) {
  RuntimeConfig config;
  config.link.endpoints = std::move(endpoints);
  config.link.name = options.name;
  config.link.log_connection = false;  // The runtime says it in its own words.
  config.link.quorum_queues = options.queue_type == QueueType::quorum;
  config.topology = sdk::configured_topology(settings);
  for (const std::string& queue : options.queues) {
    auto configured = [&](const amqp::QueueSettings& each) { return each.name == queue; };
    if (std::any_of(settings.queues.begin(), settings.queues.end(), configured)) continue;
    for (sdk::Declaration& each : sdk::queue_topology(queue)) config.if_missing.push_back(std::move(each));
  }
  config.if_missing.push_back(sdk::QueueSpec{.name = options.dead_letter_queue});
  const auto kept = std::make_shared<const sdk::AppSettings>(settings);
  config.router = sdk::configured_router(kept, settings.default_queue);
  config.options = options;
  config.policy = [kept, otherwise = options.retry](std::string_view task) {
    return policy_of(*kept, otherwise, task);
  };
  return config;
}

}  // namespace wherry::worker

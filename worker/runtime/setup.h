// From what a worker was told (settings and options) to what its runtime is made of.
//
// Threads: plain functions. Errors: ClientError with Errc::invalid_argument.
#pragma once

#include <vector>

#include "sdk/endpoint/endpoint.h"
#include "sdk/settings/app_settings.h"
#include "wherry/worker.h"
#include "worker/runtime/runtime.h"

namespace wherry::worker {

// The defaults that depend on the machine. Throws for what is out of range.
void fill_in(WorkerOptions& options);

// Of a task that does not say its own.
RetryPolicy policy_of(const sdk::AppSettings& settings, const RetryPolicy& otherwise, std::string_view task);

// options: filled in. The policy of a task is the settings', else the options'.
RuntimeConfig runtime_config(const sdk::AppSettings& settings, const WorkerOptions& options,
                             std::vector<sdk::Endpoint> endpoints);

}  // namespace wherry::worker

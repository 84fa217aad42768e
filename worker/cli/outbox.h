// The outbox's part of the command line: what wherry-worker does with --outbox.
#pragma once

#include <string>

#include "worker/outbox/relay.h"
#include "worker/settings/worker_settings.h"

namespace wherry::worker {

// Throws ClientError for a broker's address that cannot be used.
outbox::RelayConfig relay_config(const std::string& url, const std::string& table, const sdk::AppSettings& app,
                                 const std::string& name);

// Runs a relay until SIGTERM, SIGINT or SIGQUIT, and prints one line when it is the one of its table. Returns 0. Throws
// likewise.
int run_relay(outbox::RelayConfig config);

}  // namespace wherry::worker

// A client from config/app.yaml: its addresses, routes and defaults.
#pragma once

#include <memory>
#include <string>
#include <vector>

#include "sdk/client/routes.h"
#include "sdk/endpoint/endpoint.h"
#include "sdk/settings/app_settings.h"
#include "wherry/options.h"

namespace wherry::sdk {

struct Configured {
  std::vector<Endpoint> endpoints;
  Router router;
  ClientOptions options;
};

// What options sets to something else than its default beats the file.
// Errors: ClientError(invalid_argument) with file, line and column.
Configured configure(const std::string& path, ClientOptions options);

// The routes that a program gives in code, for a client without a file. Errors: ClientError(invalid_argument) that
// names the entry.
Router coded_router(const std::vector<wherry::TaskRoute>& routes, std::string default_queue);

// What the settings say shall exist at the broker, in an order in which it can be declared.
Topology configured_topology(const AppSettings& settings);

// The settings' routes, for tasks that do not say where they go; what has none goes to default_queue.
Router configured_router(std::shared_ptr<const AppSettings> settings, std::string default_queue);

}  // namespace wherry::sdk

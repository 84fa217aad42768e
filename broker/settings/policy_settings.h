// The sections of broker.yaml that a running broker reads again (SIGHUP): policies, operator_policies and limits.
//
// Each policy and limit is checked, and knows where it stands: whoever tries to change it at run time is told.
// Threads: plain functions and data.
#pragma once

#include <string>
#include <vector>

#include "base/yaml.h"
#include "broker/routing/configured_settings.h"

namespace wherry::broker {

// Mistakes stay in the document. vhosts, users: those that the file knows.
ConfiguredSettings read_policy_settings(yaml::Map& root, const std::vector<std::string>& vhosts,
                                        const std::vector<std::string>& users);

}  // namespace wherry::broker

// What the configuration says of policies and limits: what a running broker takes anew when the file is read again.
//
// Plain data.
#pragma once

#include <map>
#include <string>
#include <vector>

#include "broker/routing/limits.h"
#include "broker/routing/policies.h"

namespace wherry::broker {

// Each policy and limit is without fault.
struct ConfiguredSettings {
  struct OfVhost {
    std::vector<Policies::Configured> plain = {};
    std::vector<Policies::Configured> by_operator = {};
  };
  std::map<std::string, OfVhost, std::less<>> policies = {};  // By vhost.
  std::vector<Limits::Named> vhost_limits = {};
  std::vector<Limits::Named> user_limits = {};
};

}  // namespace wherry::broker

// Where messages go whose sender may send them twice: through an exchange of the sender's own, which lets one message
// of a key through (x-dedup-window) and passes it on.
//
// One direct exchange NAME for all that goes to queues; one fanout exchange "NAME.to.OTHER" in front of each other
// exchange. A broker that does not look for duplicates takes the same topology and passes both on.
// Threads: plain functions.
#pragma once

#include <cstdint>
#include <string>

#include "base/result.h"
#include "sdk/client/routes.h"

namespace wherry::sdk {

struct OnceTarget {
  Topology as_it_is = {};  // What is there with other arguments is used as it is.
  Topology own = {};       // The sender's exchange and its way on.
  std::string exchange = {};
  std::string routing_key = {};
};

// A key is known for a day, and as long as not so many others came since.
// Errors: an exchange whose name becomes too long.
Result<OnceTarget> once_target(const std::string& name, std::int32_t most_keys, const Route& route);

}  // namespace wherry::sdk

// The way to a broker elsewhere: POST /api/wherry/control of its management API, by libcurl. See reach.h.
#pragma once

#include "broker/ctl/reach.h"

namespace wherry::broker::ctl {

// Errors: an address that is none, or whose password would be readable on its way.
Result<std::unique_ptr<Reach>> open_https(const Where& where, const std::string& password);

}  // namespace wherry::broker::ctl

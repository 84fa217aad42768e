// Whether a text is where to listen, as settings want it: "127.0.0.1:5672", "[::1]:0", "localhost:5672". What the name
// means is the network's business: net/address.h.
//
// Threads: a plain function.
#pragma once

#include <string_view>

namespace wherry {

bool is_host_and_port(std::string_view text);

}  // namespace wherry

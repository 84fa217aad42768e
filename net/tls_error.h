// What OpenSSL says of the last failure on this thread, in its words; forgotten then. For this room's sources only.
#pragma once

#include <string>

namespace wherry::net {

std::string tls_error();

}  // namespace wherry::net

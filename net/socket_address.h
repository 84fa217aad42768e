// Addresses of a plain socket descriptor; for this room's sources only.
#pragma once

#include "net/address.h"

namespace wherry::net {

Address local_address(int socket);
Address peer_address(int socket);

}  // namespace wherry::net

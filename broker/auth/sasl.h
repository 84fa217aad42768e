// What a client's login says, by mechanism. Source: RFC 4616 (PLAIN), RabbitMQ's AMQPLAIN.
#pragma once

#include <string>
#include <string_view>

#include "base/result.h"

namespace wherry::broker {

struct Credentials {
  std::string user;
  std::string password;
};

// PLAIN: [authzid] NUL user NUL password. AMQPLAIN: a field table with LOGIN and PASSWORD, without its length.
Result<Credentials> parse_login(std::string_view mechanism, std::string_view response);

}  // namespace wherry::broker

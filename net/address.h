// Host and port as people write them: "127.0.0.1:5672", "[::1]:5672", "localhost:0", ":5672" (all interfaces).
#pragma once

#include <cstdint>
#include <string>
#include <string_view>

#include "base/result.h"

namespace wherry::net {

struct Address {
  std::string host;
  std::uint16_t port = 0;  // 0 when listening: the system picks a free one.

  std::string text() const;  // Brackets around an IPv6 host.
  bool is_loopback() const;  // By its spelling: 127.*, ::1, localhost.
  friend bool operator==(const Address&, const Address&) = default;
};

// default_port is taken when text has none. Errors name what is wrong with the text.
Result<Address> parse_address(std::string_view text, std::uint16_t default_port);

}  // namespace wherry::net

#include "net/address.h"

#include <charconv>

#include <fmt/format.h>

namespace wherry::net {

std::string Address::text() const {
  return host.find(':') == std::string::npos ? fmt::format("{}:{}", host, port) : fmt::format("[{}]:{}", host, port);
}

bool Address::is_loopback() const {
  return host.starts_with("127.") || host == "::1" || host == "localhost" || host.starts_with("::ffff:127.");
}

Result<Address> parse_address(std::string_view text, std::uint16_t default_port) {
  Address address;
  address.port = default_port;
  std::string_view port;
  bool has_port = false;
  if (text.starts_with('[')) {
    auto close = text.find(']');
    if (close == text.npos) return fail(fmt::format("address '{}': no ']' after the IPv6 host", text));
    address.host = text.substr(1, close - 1);
    auto rest = text.substr(close + 1);
    if (!rest.empty() && rest.front() != ':')
      return fail(fmt::format("address '{}': expected ':PORT' after ']'", text));
    has_port = !rest.empty();
    if (has_port) port = rest.substr(1);
  } else {
    auto colon = text.rfind(':');
    has_port = colon != text.npos;
    address.host = text.substr(0, colon);
    if (has_port) port = text.substr(colon + 1);
    if (address.host.find(':') != std::string::npos) {
      return fail(fmt::format("address '{}': write an IPv6 host in brackets, as [::1]:5672", text));
    }
  }
  if (address.host.empty()) address.host = "0.0.0.0";
  if (has_port) {
    auto [end, error] = std::from_chars(port.data(), port.data() + port.size(), address.port);
    if (error != std::errc{} || end != port.data() + port.size() || port.empty()) {
      return fail(fmt::format("address '{}': '{}' is not a port (0 to 65535)", text, port));
    }
  }
  return address;
}

}  // namespace wherry::net

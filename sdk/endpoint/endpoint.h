// Where a broker is and who we are there: AMQP URLs taken apart.
//
//   amqp://user:password@host:5672/vhost?heartbeat=30&connection_timeout=5000
//
// Several URLs separated by ';' are one list: the next is tried when one fails. What a URL leaves out: guest, guest,
// 127.0.0.1, 5672, "/". User, password, host and vhost are percent-decoded; the path "/" alone and no path at all mean
// the vhost "/", "/%2F" too, and "/a" means "a". Query: heartbeat in seconds, connection_timeout in milliseconds.
// Errors: one sentence that names the part which is wrong; never the password.
//
// amqps:// is TLS, at port 5671 unless it says another. The server must show a good certificate for its host. Query:
// cacertfile (whom to trust instead of the system's), certfile and keyfile (our own certificate), verify=verify_none
// (any server), server_name_indication (another name than the host), auth_mechanism=external (log in by certificate).
//
// embedded: is a broker in this process (local_broker.h): `embedded:`, `embedded:NAME` or, with its data in a
// folder, `embedded:///var/lib/app/queue`.
// Source: rabbitmq.com/uri-spec and uri-query-parameters. Threads: plain functions and data.
#pragma once

#include <chrono>
#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "base/result.h"
#include "net/tls.h"

namespace wherry::sdk {

struct Endpoint {
  std::string embedded = {};  // The URL of a broker in this process; empty: it is at the address.
  net::Address address{"127.0.0.1", 5672};
  // Over TLS; none: as it is.
  std::optional<net::TlsConfig> tls = {};
  std::string server_name = {};  // Whose certificate is wanted; empty: the address's host.
  bool external = false;         // Log in by certificate, with the mechanism EXTERNAL.
  std::string user = "guest";
  std::string password = "guest";
  std::string virtual_host = "/";
  std::chrono::seconds heartbeat{60};                    // 0 = none.
  std::chrono::milliseconds connection_timeout{10'000};  // For the connect and again for the handshake.

  // "amqp://user@host:port/vhost", without the password, or "embedded:...": for logs and errors.
  std::string text() const;
  friend bool operator==(const Endpoint&, const Endpoint&) = default;
};

Result<Endpoint> parse_endpoint(std::string_view url);
// One or more, separated by ';'. Never empty.
Result<std::vector<Endpoint>> parse_endpoints(std::string_view urls);

}  // namespace wherry::sdk

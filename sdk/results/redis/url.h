// Where a Redis server is, as Celery's result_backend says it: redis://[[user]:password@]host[:port][/db], and
// rediss:// over TLS, with Celery's parameters behind a '?':
//
//   ssl_cert_reqs    CERT_REQUIRED (or required; the default), CERT_OPTIONAL, CERT_NONE: whether the server's
//   certificate must
//                    be good, which for a client means the first two alike; and then it must be one for the host
//   ssl_ca_certs     a file with the authorities; without it the system's
//   ssl_certfile, ssl_keyfile   what is shown to a server that asks for it
//
// User, password and values are percent-decoded. What is left out is 127.0.0.1, 6379 and 0. Errors: one sentence,
// without the password.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>

#include "base/result.h"
#include "net/address.h"
#include "net/tls.h"

namespace wherry::results {

struct RedisEndpoint {
  net::Address address{"127.0.0.1", 6379};
  std::string user = {};  // Empty: the server's default user.
  std::string password = {};
  std::uint32_t db = 0;
  std::optional<net::TlsConfig> tls = {};  // Of rediss://.
  net::TlsContextRef context = {};         // Made by read_files().

  // Of the files that are named, if any. Errors: which cannot be used, and why.
  Result<void> read_files();
  std::string text() const;  // For logs: without the password.
};

Result<RedisEndpoint> parse_redis_url(std::string_view url);

}  // namespace wherry::results

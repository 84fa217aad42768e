// Where a Redis server is, as Celery's result_backend says it: redis://[[user]:password@]host[:port][/db]
//
// User and password are percent-decoded. What is left out is 127.0.0.1, 6379 and 0. Errors: one sentence, without the
// password. rediss is refused: there is no TLS yet.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>

#include "base/result.h"
#include "net/address.h"

namespace wherry::results {

struct RedisEndpoint {
  net::Address address{"127.0.0.1", 6379};
  std::string user = {};  // Empty: the server's default user.
  std::string password = {};
  std::uint32_t db = 0;

  std::string text() const;  // For logs: without the password.
};

Result<RedisEndpoint> parse_redis_url(std::string_view url);

}  // namespace wherry::results

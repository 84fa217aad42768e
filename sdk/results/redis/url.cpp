#include "sdk/results/redis/url.h"

#include <charconv>

#include <fmt/format.h>

#include "base/percent.h"

namespace wherry::results {

std::string RedisEndpoint::text() const {
  return fmt::format("redis://{}/{}", address.text(), db);
}

Result<RedisEndpoint> parse_redis_url(std::string_view url) {
  constexpr std::string_view scheme = "redis://";
  if (url.starts_with("rediss://")) {
    return fail("result backend: rediss is not supported: there is no TLS in this version; use redis://");
  }
  if (!url.starts_with(scheme)) return fail("result backend: it begins with redis://, as in redis://127.0.0.1:6379/0");
  url.remove_prefix(scheme.size());
  if (url.find('?') != url.npos) return fail("result backend: a redis:// URL takes no parameters behind a '?'");

  RedisEndpoint out;
  const std::string_view authority = url.substr(0, url.find('/'));
  const std::size_t at = authority.rfind('@');
  if (at != authority.npos) {
    const std::string_view login = authority.substr(0, at);
    const std::size_t colon = login.find(':');
    const auto user = percent_decoded(login.substr(0, colon));
    const auto password = percent_decoded(colon == login.npos ? std::string_view() : login.substr(colon + 1));
    if (!user || !password) {
      return fail("result backend: a '%' in the user or password needs two hex digits behind it");
    }
    if (!user->empty() && password->empty()) return fail("result backend: a user needs a password: user:password@host");
    out.user = *user;
    out.password = *password;
  }
  const std::string_view host = at == authority.npos ? authority : authority.substr(at + 1);
  if (!host.empty()) {
    auto address = net::parse_address(host, out.address.port);
    if (!address) return fail("result backend: " + address.error().message);
    if (address->port == 0) return fail("result backend: the port is a number from 1 to 65535");
    if (address->host.empty()) address->host = out.address.host;
    out.address = *address;
  }
  if (authority.size() < url.size()) {
    const std::string_view db = url.substr(authority.size() + 1);
    const auto [end, error] = std::from_chars(db.data(), db.data() + db.size(), out.db);
    if (!db.empty() && (error != std::errc() || end != db.data() + db.size())) {
      return fail(fmt::format("result backend: behind the host comes the number of a database, not \"{}\"", db));
    }
  }
  return out;
}

}  // namespace wherry::results

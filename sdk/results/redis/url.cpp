#include "sdk/results/redis/url.h"

#include <algorithm>
#include <charconv>

#include <fmt/format.h>

#include "base/percent.h"

namespace wherry::results {

std::string RedisEndpoint::text() const {
  return fmt::format("{}://{}/{}", tls ? "rediss" : "redis", address.text(), db);
}

Result<void> RedisEndpoint::read_files() {
  if (!tls) return {};
  auto made = net::TlsContext::client(*tls);
  if (!made) return fail("result backend: " + made.error().message);
  context = std::move(*made);
  return {};
}

namespace {

Result<void> read_tls_parameters(std::string_view query, net::TlsConfig& tls) {
  tls.verify = net::TlsVerify::required;
  while (!query.empty()) {
    const std::string_view pair = query.substr(0, query.find('&'));
    query.remove_prefix(std::min(query.size(), pair.size() + 1));
    const std::size_t equals = pair.find('=');
    const std::string_view name = pair.substr(0, equals);
    const auto value = percent_decoded(equals == pair.npos ? std::string_view() : pair.substr(equals + 1));
    if (!value) return fail(fmt::format("result backend: a '%' in {} needs two hex digits behind it", name));
    if (name == "ssl_ca_certs") {
      tls.ca = *value;
    } else if (name == "ssl_certfile") {
      tls.certificate = *value;
    } else if (name == "ssl_keyfile") {
      tls.key = *value;
    } else if (name != "ssl_cert_reqs") {
      return fail(
          "result backend: a rediss:// URL takes ssl_cert_reqs, ssl_ca_certs, ssl_certfile and ssl_keyfile behind '?'");
    } else if (*value == "CERT_NONE" || *value == "none") {
      tls.verify = net::TlsVerify::none;
    } else if (*value != "CERT_REQUIRED" && *value != "required" && *value != "CERT_OPTIONAL" && *value != "optional") {
      return fail("result backend: ssl_cert_reqs is CERT_REQUIRED, CERT_OPTIONAL or CERT_NONE");
    }
  }
  if (!tls.key.empty() && tls.certificate.empty()) return fail("result backend: ssl_keyfile wants ssl_certfile");
  return {};
}

}  // namespace

Result<RedisEndpoint> parse_redis_url(std::string_view url) {
  RedisEndpoint out;
  constexpr std::string_view plain = "redis://", over_tls = "rediss://";
  if (url.starts_with(over_tls)) {
    out.tls.emplace();
  } else if (!url.starts_with(plain)) {
    return fail("result backend: it begins with redis:// or rediss://, as in redis://127.0.0.1:6379/0");
  }
  url.remove_prefix(out.tls ? over_tls.size() : plain.size());
  const std::size_t mark = url.find('?');
  if (mark != url.npos && !out.tls) return fail("result backend: a redis:// URL takes no parameters behind a '?'");
  if (out.tls) {
    const auto query = mark == url.npos ? std::string_view() : url.substr(mark + 1);
    if (auto read = read_tls_parameters(query, *out.tls); !read) return tl::unexpected(read.error());
    url = url.substr(0, mark);
  }
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

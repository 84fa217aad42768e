#include "sdk/endpoint/endpoint.h"

#include <algorithm>
#include <array>
#include <charconv>
#include <optional>

#include <fmt/format.h>

#include "base/percent.h"
#include "sdk/endpoint/local_broker.h"

namespace wherry::sdk {

namespace {

Result<std::string> decoded(std::string_view text, std::string_view part) {
  auto plain = percent_decoded(text);
  if (!plain) return fail(fmt::format("broker URL: a '%' in the {} needs two hex digits behind it", part));
  return *std::move(plain);
}

std::optional<std::int64_t> whole_number(std::string_view text) {
  std::int64_t value = 0;
  const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), value);
  if (error != std::errc() || end != text.data() + text.size() || value < 0) return std::nullopt;
  return value;
}

// Of those that RabbitMQ's clients know for amqps.
Result<void> read_tls_parameter(std::string_view key, std::string_view text, Endpoint& into) {
  constexpr std::array<std::string_view, 6> known = {"cacertfile", "certfile",       "keyfile",
                                                     "verify",     "auth_mechanism", "server_name_indication"};
  if (std::find(known.begin(), known.end(), key) == known.end()) {
    return fail(fmt::format(
        "broker URL: unknown parameter \"{}\"; known are heartbeat and connection_timeout, and for amqps {}", key,
        fmt::join(known, ", ")));
  }
  if (!into.tls) return fail(fmt::format("broker URL: {} is for amqps://", key));
  auto value = decoded(text, key);
  if (!value) return tl::unexpected(value.error());
  if (key == "cacertfile") {
    into.tls->ca = *value;
  } else if (key == "certfile") {
    into.tls->certificate = *value;
  } else if (key == "keyfile") {
    into.tls->key = *value;
  } else if (key == "server_name_indication") {
    into.server_name = *value;
  } else if (key == "verify" && (*value == "verify_peer" || *value == "verify_none")) {
    into.tls->verify = *value == "verify_peer" ? net::TlsVerify::required : net::TlsVerify::none;
  } else if (key == "auth_mechanism" && (*value == "external" || *value == "plain")) {
    into.external = *value == "external";
  } else {
    return fail(fmt::format("broker URL: {} is {}, not \"{}\"", key,
                            key == "verify" ? "verify_peer or verify_none" : "external or plain", *value));
  }
  return {};
}

Result<void> read_query(std::string_view query, Endpoint& into) {
  while (!query.empty()) {
    const std::string_view pair = query.substr(0, query.find('&'));
    query.remove_prefix(std::min(query.size(), pair.size() + 1));
    if (pair.empty()) continue;
    const std::string_view key = pair.substr(0, pair.find('='));
    const std::string_view text = key.size() < pair.size() ? pair.substr(key.size() + 1) : std::string_view{};
    const auto number = whole_number(text);
    if (key == "heartbeat") {
      if (!number || *number > 65'535) {
        return fail(fmt::format("broker URL: heartbeat is a number of seconds up to 65535, not \"{}\"", text));
      }
      into.heartbeat = std::chrono::seconds(*number);
    } else if (key == "connection_timeout") {
      if (!number || *number == 0 || *number > 86'400'000) {
        return fail(fmt::format(
            "broker URL: connection_timeout is a number of milliseconds from 1 to 86400000, not \"{}\"", text));
      }
      into.connection_timeout = std::chrono::milliseconds(*number);
    } else if (auto known = read_tls_parameter(key, text, into); !known) {
      return known;
    }
  }
  return {};
}

std::string_view trimmed(std::string_view text) {
  while (!text.empty() && (text.front() == ' ' || text.front() == '\t')) text.remove_prefix(1);
  while (!text.empty() && (text.back() == ' ' || text.back() == '\t')) text.remove_suffix(1);
  return text;
}

// What is behind "embedded:" is nothing, a name, or "//" and an absolute path.
Result<Endpoint> parse_embedded(std::string_view url) {
  const std::string_view rest = url.substr(std::string_view(embedded_scheme).size());
  Endpoint out;
  out.user = local_user;
  out.password = local_password();
  if (rest.starts_with("//")) {
    if (!rest.starts_with("///") || rest.size() == 3) {
      return fail(
          "broker URL: the folder of an embedded broker is an absolute path behind two slashes, as in "
          "embedded:///var/lib/app/queue");
    }
    auto folder = decoded(rest.substr(2), "folder");
    if (!folder) return tl::unexpected(folder.error());
  } else if (rest.find_first_of("/?#@:%") != rest.npos) {
    return fail("broker URL: an embedded broker is written embedded:, embedded:NAME or embedded:///FOLDER");
  }
  out.embedded = url;
  return out;
}

}  // namespace

std::string Endpoint::text() const {
  if (!embedded.empty()) return embedded;
  const std::string login = external ? "" : user + "@";
  return fmt::format("{}://{}{}{}{}", tls ? "amqps" : "amqp", login, address.text(),
                     virtual_host.starts_with('/') ? "" : "/", virtual_host);
}

Result<Endpoint> parse_endpoint(std::string_view url) {
  url = trimmed(url);
  if (url.starts_with(embedded_scheme)) return parse_embedded(url);
  const auto scheme_end = url.find("://");
  if (scheme_end == url.npos) {
    return fail("broker URL: it begins with amqp://, as in amqp://guest:guest@127.0.0.1:5672/");
  }
  const std::string_view scheme = url.substr(0, scheme_end);
  const bool secure = scheme == "amqps";
  if (scheme != "amqp" && !secure) {
    return fail(fmt::format(
        "broker URL: the scheme is amqp or amqps (or embedded:, a broker in this process), not \"{}\"", scheme));
  }
  url.remove_prefix(scheme_end + 3);

  Endpoint out;
  const std::uint16_t usual_port = secure ? 5671 : 5672;
  out.address.port = usual_port;
  if (secure) out.tls.emplace().verify = net::TlsVerify::required;
  const std::string_view before_query = url.substr(0, url.find('?'));
  const std::string_view authority = before_query.substr(0, before_query.find('/'));
  const auto at = authority.rfind('@');
  if (at != authority.npos) {
    const std::string_view login = authority.substr(0, at);
    const auto colon = login.find(':');
    auto user = decoded(login.substr(0, colon), "user");
    if (!user) return tl::unexpected(user.error());
    out.user = *user;
    if (colon != login.npos) {
      auto password = decoded(login.substr(colon + 1), "password");
      if (!password) return tl::unexpected(password.error());
      out.password = *password;
    }
  }
  const std::string_view host = at == authority.npos ? authority : authority.substr(at + 1);
  if (!host.empty()) {
    auto address = net::parse_address(host, usual_port);
    if (!address) return fail("broker URL: " + address.error().message);
    if (address->port == 0) return fail("broker URL: the port is a number from 1 to 65535");
    if (address->host.empty()) address->host = out.address.host;
    out.address = *address;
  }
  if (authority.size() < before_query.size()) {
    const std::string_view path = before_query.substr(authority.size() + 1);
    if (path.find('/') != path.npos) return fail("broker URL: a '/' inside the vhost's name is written %2F");
    auto vhost = decoded(path, "vhost");
    if (!vhost) return tl::unexpected(vhost.error());
    if (!vhost->empty()) out.virtual_host = *vhost;
  }
  if (before_query.size() < url.size()) {
    if (auto read = read_query(url.substr(before_query.size() + 1), out); !read) return tl::unexpected(read.error());
  }
  if (out.external && out.tls->certificate.empty()) {
    return fail("broker URL: auth_mechanism=external wants certfile: the certificate that says who we are");
  }
  return out;
}

Result<std::vector<Endpoint>> parse_endpoints(std::string_view urls) {
  std::vector<Endpoint> out;
  while (true) {
    const auto end = urls.find(';');
    if (const auto url = trimmed(urls.substr(0, end)); !url.empty()) {
      auto endpoint = parse_endpoint(url);
      if (!endpoint) return tl::unexpected(endpoint.error());
      out.push_back(*std::move(endpoint));
    }
    if (end == urls.npos) break;
    urls.remove_prefix(end + 1);
  }
  if (out.empty()) return fail("broker URL: it is empty");
  return out;
}

}  // namespace wherry::sdk

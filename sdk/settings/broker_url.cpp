#include "sdk/settings/broker_url.h"

#include <algorithm>

#include <fmt/format.h>

#include "base/percent.h"

namespace wherry::sdk {

namespace {

// The URL with this user and password in place of its own; what is not given stays.
std::string with_login(const std::string& url, const std::optional<std::string>& user,
                       const std::optional<std::string>& password) {
  const std::size_t scheme = url.find("://");
  if (scheme == url.npos) return url;  // The link says what is wrong with it.
  const std::size_t begin = scheme + 3;
  const std::size_t end = std::min(url.find_first_of("/?", begin), url.size());
  const std::string authority = url.substr(begin, end - begin);
  const std::size_t at = authority.rfind('@');
  const std::string login = at == authority.npos ? std::string() : authority.substr(0, at);
  const std::size_t colon = login.find(':');
  const std::string old_user = login.empty() ? "guest" : login.substr(0, colon);
  const std::string old_password = colon == login.npos ? std::string("guest") : login.substr(colon + 1);
  return fmt::format("{}{}:{}@{}{}", url.substr(0, begin), user ? percent_encoded(*user) : old_user,
                     password ? percent_encoded(*password) : old_password,
                     at == authority.npos ? authority : authority.substr(at + 1), url.substr(end));
}

}  // namespace

void read_broker_url(yaml::Map broker, std::string& url, std::string& place) {
  std::vector<std::string> urls;
  std::string host = "127.0.0.1";
  std::uint16_t port = 5672;
  std::optional<std::string> user;
  std::optional<std::string> password;
  std::string vhost = "/";
  std::chrono::seconds heartbeat(60);
  std::chrono::milliseconds connection_timeout(10'000);

  const bool has_url = broker.get("url", urls) && !urls.empty();
  broker.get("host", host);
  broker.get("port", port, 1, 65'535);
  broker.get("user", user);
  broker.secret("password", password);
  broker.get("vhost", vhost);
  broker.get("heartbeat", heartbeat, std::chrono::seconds(0), std::chrono::seconds(65'535));
  broker.get("connection_timeout", connection_timeout, std::chrono::milliseconds(1), std::chrono::hours(1));

  if (has_url) {
    place = broker.place("url");
    for (const char* part : {"host", "port", "vhost", "heartbeat", "connection_timeout"}) broker.hide(part);
    // A variable with the URL replaces all that the file says of the address.
    if (!place.starts_with("WHERRY_")) {
      for (const char* part : {"host", "port", "vhost", "heartbeat", "connection_timeout"})
        if (broker.has(part)) broker.error(part, fmt::format("'{}' belongs into the 'url' that is given too", part));
    }
    for (const std::string& each : urls) {
      if (!url.empty()) url += ';';
      url += user || password ? with_login(each, user, password) : each;
    }
    return;
  }
  place = broker.place("host");
  if (host.find(':') != host.npos && !host.starts_with('[')) host = fmt::format("[{}]", host);
  url = fmt::format("amqp://{}:{}@{}:{}/{}?heartbeat={}&connection_timeout={}", percent_encoded(user.value_or("guest")),
                    percent_encoded(password.value_or("guest")), host, port, percent_encoded(vhost), heartbeat.count(),
                    connection_timeout.count());
}

}  // namespace wherry::sdk

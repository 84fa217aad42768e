#include "broker/console/console.h"

#include <algorithm>
#include <cstdlib>

#include "broker/console/page_without.h"

namespace wherry::broker::console {

namespace {

constexpr std::string_view policy =
    "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self' data:; connect-src 'self'; "
    "manifest-src 'self'; base-uri 'none'; form-action 'none'; frame-ancestors 'none'";
constexpr std::string_view policy_without =
    "default-src 'none'; style-src 'unsafe-inline'; base-uri 'none'; form-action 'none'; frame-ancestors 'none'";

std::string_view trimmed(std::string_view text) {
  const std::size_t from = std::min(text.find_first_not_of(" \t"), text.size());
  const std::size_t to = text.find_last_not_of(" \t");
  return to == text.npos ? std::string_view() : text.substr(from, to + 1 - from);
}

// Calls with each part of "a, b;q=0.5", trimmed, until one is answered true.
template <class F>
bool any_of_list(std::string_view list, F&& is) {
  while (!list.empty()) {
    const std::size_t comma = std::min(list.find(','), list.size());
    if (is(trimmed(list.substr(0, comma)))) return true;
    list.remove_prefix(std::min(comma + 1, list.size()));
  }
  return false;
}

bool takes_gzip(std::string_view accept_encoding) {
  return any_of_list(accept_encoding, [](std::string_view each) {
    const std::size_t semicolon = std::min(each.find(';'), each.size());
    std::string name(trimmed(each.substr(0, semicolon)));
    std::transform(name.begin(), name.end(), name.begin(), [](unsigned char c) { return std::tolower(c); });
    if (name != "gzip" && name != "x-gzip" && name != "*") return false;
    const std::size_t quality = each.find("q=", semicolon);
    return quality == each.npos || std::strtod(std::string(each.substr(quality + 2)).c_str(), nullptr) > 0;
  });
}

bool is_known(std::string_view if_none_match, std::string_view etag) {
  return any_of_list(if_none_match, [&](std::string_view each) {
    if (each.starts_with("W/")) each.remove_prefix(2);
    return each == "*" || each == etag;
  });
}

const ConsoleFile& page_without() {
  static const ConsoleFile page{.path = "/",
                                .type = "text/html; charset=utf-8",
                                .etag = "\"without\"",
                                .plain = page_without_console,
                                .gzip = {}};
  return page;
}

}  // namespace

std::optional<ConsoleAnswer> console_answer(std::span<const ConsoleFile> files, const ConsoleRequest& request) {
  std::string_view path = request.target.substr(0, request.target.find('?'));
  if (path == "/index.html") path = "/";
  const auto found =
      std::find_if(files.begin(), files.end(), [&](const ConsoleFile& each) { return each.path == path; });
  if (found == files.end() && !(files.empty() && path == "/")) return std::nullopt;
  const ConsoleFile& file = found == files.end() ? page_without() : *found;

  ConsoleAnswer answer;
  auto& headers = answer.headers;
  headers["Content-Security-Policy"] = files.empty() ? policy_without : policy;
  headers["X-Content-Type-Options"] = "nosniff";
  headers["X-Frame-Options"] = "DENY";
  headers["Referrer-Policy"] = "no-referrer";
  headers["Cross-Origin-Opener-Policy"] = "same-origin";
  headers["Cross-Origin-Resource-Policy"] = "same-origin";
  if (request.method != "GET" && request.method != "HEAD") {
    answer.status = 405;
    answer.type = "text/plain; charset=utf-8";
    answer.body = "this path takes GET and HEAD\n";
    headers["Allow"] = "GET, HEAD";
    return answer;
  }
  headers["Cache-Control"] = file.forever ? "public, max-age=31536000, immutable" : "no-cache";
  headers["Vary"] = "Accept-Encoding";
  const bool zipped = !file.gzip.empty() && takes_gzip(request.accept_encoding);
  // The two forms are two representations, each with a tag of its own.
  std::string etag(file.etag);
  if (zipped) etag.insert(etag.size() - 1, "-gz");
  headers["ETag"] = etag;
  if (is_known(request.if_none_match, etag)) {
    answer.status = 304;
    return answer;
  }
  answer.type = file.type;
  answer.body = zipped ? file.gzip : file.plain;
  if (zipped) headers["Content-Encoding"] = "gzip";
  return answer;
}

}  // namespace wherry::broker::console

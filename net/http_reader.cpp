#include "net/http_reader.h"

#include <algorithm>
#include <cctype>
#include <ctime>

#include <boost/beast/http/parser.hpp>
#include <boost/beast/http/status.hpp>
#include <boost/beast/http/string_body.hpp>
#include <fmt/format.h>

#include "base/assert.h"

namespace wherry::net {

namespace http = boost::beast::http;

struct HttpReader::Parser {
  http::request_parser<http::string_body> http;
};

namespace {

std::string lower_case(std::string_view text) {
  std::string out(text);
  std::transform(out.begin(), out.end(), out.begin(), [](unsigned char c) { return std::tolower(c); });
  return out;
}

std::string_view view_of(boost::beast::string_view text) {
  return {text.data(), text.size()};
}

HttpRequest request_of(const http::request<http::string_body>& from) {
  HttpRequest request;
  request.method = view_of(from.method_string());
  request.target = view_of(from.target());
  for (const auto& field : from) request.headers.emplace(lower_case(view_of(field.name_string())), field.value());
  return request;
}

// What a client has said may be part of a value, and must not become a header of its own.
std::string one_line(std::string value) {
  std::replace_if(
      value.begin(), value.end(), [](char c) { return c == '\r' || c == '\n' || c == '\0'; }, ' ');
  return value;
}

std::string date_now() {
  const std::time_t now = std::time(nullptr);
  std::tm utc{};
  ::gmtime_r(&now, &utc);
  char text[64];
  return {text, std::strftime(text, sizeof text, "%a, %d %b %Y %H:%M:%S GMT", &utc)};
}

}  // namespace

HttpAnswer http_refusal(int status, std::string_view error, std::string_view reason) {
  HttpAnswer answer;
  answer.status = status;
  answer.body = fmt::format(R"({{"error":"{}","reason":"{}"}})", error, reason);
  return answer;
}

namespace {
constexpr std::size_t least_of_chunks = std::string_view("0\r\n\r\n").size();
}  // namespace

HttpReader::HttpReader(const HttpLimits& limits) : limits_(limits) {}
HttpReader::~HttpReader() = default;

std::size_t HttpReader::put(std::string_view bytes) {
  WHERRY_ASSERT(state_ != State::complete && state_ != State::refused);
  if (bytes.empty()) return 0;
  if (!parser_) {
    parser_ = std::make_unique<Parser>();
    parser_->http.header_limit(static_cast<std::uint32_t>(limits_.head_bytes));
    parser_->http.body_limit(limits_.body_bytes);
    keep_alive_ = false;
  }
  auto& parser = parser_->http;
  std::size_t used = 0;
  while (used < bytes.size() && !parser.is_done()) {
    const bool was_head = !parser.is_header_done();
    // The parser asserts that what ends a chunked body does not come in smaller pieces; so much is always still to
    // come.
    if (!was_head && parser.chunked() && bytes.size() - used < least_of_chunks) break;
    boost::beast::error_code error;
    const std::size_t took = parser.put(boost::asio::buffer(bytes.data() + used, bytes.size() - used), error);
    used += took;
    if (error == http::error::need_more) error = {};
    if (error) {
      if (error == http::error::header_limit) {
        refuse(431, "request_header_fields_too_large",
               fmt::format("request line and headers have at most {} bytes", limits_.head_bytes));
      } else if (error == http::error::body_limit) {
        refuse(413, "payload_too_large", fmt::format("the body has at most {} bytes", limits_.body_bytes));
      } else {
        refuse(400, "bad_request", fmt::format("this is no HTTP/1.1 request: {}", error.message()));
      }
      return used;
    }
    if (was_head && parser.is_header_done()) break;
    if (took == 0) break;
  }
  if (parser.is_done()) {
    state_ = State::complete;
    keep_alive_ = parser.get().keep_alive();
  } else {
    state_ = parser.is_header_done() ? State::body : State::head;
  }
  return used;
}

HttpRequest HttpReader::head() const {
  WHERRY_ASSERT(state_ == State::body);
  return request_of(parser_->http.get());
}

bool HttpReader::expects_continue() const {
  WHERRY_ASSERT(state_ == State::body);
  const auto& request = parser_->http.get();
  return request.version() >= 11 && lower_case(view_of(request[http::field::expect])) == "100-continue";
}

bool HttpReader::may_exceed(std::size_t bytes) const {
  WHERRY_ASSERT(state_ == State::body);
  const auto length = parser_->http.content_length();
  return !length || *length > bytes;
}

std::size_t HttpReader::body_bytes() const {
  return parser_ ? parser_->http.get().body().size() : 0;
}

HttpRequest HttpReader::take() {
  WHERRY_ASSERT(state_ == State::complete);
  HttpRequest request = request_of(parser_->http.get());
  request.body = std::move(parser_->http.get().body());
  parser_.reset();
  state_ = State::idle;
  return request;
}

void HttpReader::refuse(int status, std::string_view error, std::string_view reason) {
  state_ = State::refused;
  keep_alive_ = false;
  refusal_ = http_refusal(status, error, reason);
  parser_.reset();
}

std::string http_head_of(const HttpAnswer& answer, bool keep_alive) {
  std::string head = fmt::format("HTTP/1.1 {} {}\r\nDate: {}\r\n", answer.status,
                                 view_of(http::obsolete_reason(http::int_to_status(answer.status))), date_now());
  for (const auto& [name, value] : answer.headers) {
    fmt::format_to(std::back_inserter(head), "{}: {}\r\n", name, one_line(value));
  }
  if (!answer.headers.contains("Cache-Control")) head += "Cache-Control: no-cache\r\n";
  if (!answer.type.empty()) fmt::format_to(std::back_inserter(head), "Content-Type: {}\r\n", answer.type);
  if (answer.status != 204 && answer.status != 304) {
    fmt::format_to(std::back_inserter(head), "Content-Length: {}\r\n", answer.type.empty() ? 0 : answer.body.size());
  }
  head += keep_alive ? "Connection: keep-alive\r\n\r\n" : "Connection: close\r\n\r\n";
  return head;
}

}  // namespace wherry::net

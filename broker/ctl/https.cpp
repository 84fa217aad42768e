#include "broker/ctl/https.h"

#include <curl/curl.h>
#include <fmt/format.h>

#include "broker/control/json.h"

namespace wherry::broker::ctl {

namespace {

using control::AskError;
using control::AskFailure;

// Lists of all queues are long.
constexpr std::size_t most_answer_bytes = std::size_t{1} << 30;

struct Easy {
  CURL* handle = curl_easy_init();
  Easy() = default;
  Easy(const Easy&) = delete;
  Easy& operator=(const Easy&) = delete;
  ~Easy() { curl_easy_cleanup(handle); }
};

std::size_t collect_bytes(char* bytes, std::size_t one, std::size_t size, void* into) {
  auto& body = *static_cast<std::string*>(into);
  if (body.size() + size > most_answer_bytes) return 0;
  body.append(bytes, size);
  return one * size;
}

std::string part_of(CURLU* url, CURLUPart part) {
  char* text = nullptr;
  if (curl_url_get(url, part, &text, 0) != CURLUE_OK) return {};
  std::string out = text;
  curl_free(text);
  return out;
}

Result<std::string> checked_url(const Where& where) {
  const std::unique_ptr<CURLU, decltype(&curl_url_cleanup)> url(curl_url(), curl_url_cleanup);
  const bool read = curl_url_set(url.get(), CURLUPART_URL, where.url.c_str(), 0) == CURLUE_OK;
  const std::string scheme = read ? part_of(url.get(), CURLUPART_SCHEME) : "";
  const std::string host = read ? part_of(url.get(), CURLUPART_HOST) : "";
  if ((scheme != "https" && scheme != "http") || host.empty()) {
    return fail(fmt::format("--url '{}' is no address such as https://broker.example:15671", where.url));
  }
  if (!part_of(url.get(), CURLUPART_USER).empty() || !part_of(url.get(), CURLUPART_QUERY).empty()) {
    return fail("--url is an address alone: the user is --username");
  }
  const bool here = host == "localhost" || host == "[::1]" || host.starts_with("127.");
  if (scheme == "http" && !here && !where.insecure) {
    return fail(
        fmt::format("{} would show the password to the network: use https:// (listen.management_https), or "
                    "--insecure where that does not matter",
                    where.url));
  }
  std::string base = where.url;
  while (base.ends_with('/')) base.pop_back();
  return base + "/api/wherry/control";
}

class OverHttps final : public Reach {
 public:
  OverHttps(const Where& where, std::string endpoint, const std::string& password)
      : where_(where), endpoint_(std::move(endpoint)) {
    CURL* const easy = easy_.handle;
    curl_easy_setopt(easy, CURLOPT_URL, endpoint_.c_str());
    curl_easy_setopt(easy, CURLOPT_PROTOCOLS, static_cast<long>(CURLPROTO_HTTP | CURLPROTO_HTTPS));
    curl_easy_setopt(easy, CURLOPT_NOSIGNAL, 1L);
    curl_easy_setopt(easy, CURLOPT_HTTPAUTH, static_cast<long>(CURLAUTH_BASIC));
    curl_easy_setopt(easy, CURLOPT_USERNAME, where_.username.c_str());
    curl_easy_setopt(easy, CURLOPT_PASSWORD, password.c_str());
    if (!where_.cacert.empty()) curl_easy_setopt(easy, CURLOPT_CAINFO, where_.cacert.c_str());
    if (!where_.cert.empty()) curl_easy_setopt(easy, CURLOPT_SSLCERT, where_.cert.c_str());
    if (!where_.key.empty()) curl_easy_setopt(easy, CURLOPT_SSLKEY, where_.key.c_str());
    if (where_.insecure) {
      curl_easy_setopt(easy, CURLOPT_SSL_VERIFYPEER, 0L);
      curl_easy_setopt(easy, CURLOPT_SSL_VERIFYHOST, 0L);
    }
    headers_ = curl_slist_append(curl_slist_append(nullptr, "Content-Type: application/json"), "Expect:");
    curl_easy_setopt(easy, CURLOPT_HTTPHEADER, headers_);
    curl_easy_setopt(easy, CURLOPT_WRITEFUNCTION, collect_bytes);
    curl_easy_setopt(easy, CURLOPT_WRITEDATA, &body_);
    curl_easy_setopt(easy, CURLOPT_ERRORBUFFER, said_);
  }
  ~OverHttps() override { curl_slist_free_all(headers_); }
  bool is_here() const override { return false; }

  Answer ask(const amqp::Table& request, std::chrono::milliseconds patience) override {
    CURL* const easy = easy_.handle;
    const std::string text = control::to_json(request);
    body_.clear();
    said_[0] = '\0';
    curl_easy_setopt(easy, CURLOPT_POSTFIELDS, text.c_str());
    curl_easy_setopt(easy, CURLOPT_POSTFIELDSIZE_LARGE, static_cast<curl_off_t>(text.size()));
    curl_easy_setopt(easy, CURLOPT_TIMEOUT_MS, static_cast<long>(patience.count()));
    if (const CURLcode code = curl_easy_perform(easy); code != CURLE_OK) return lost(code, patience);
    long status = 0;
    curl_easy_getinfo(easy, CURLINFO_RESPONSE_CODE, &status);
    auto answer = control::parse_object(body_, most_answer_bytes);
    if (!answer)
      return refused(
          fmt::format("{} is no management API of Wherry: its answer ({}) is no JSON object", where_.url, status));
    if (status != 200) return refused(why(status, *answer));
    const amqp::FieldValue* result = answer->find("result");
    return result ? *result : amqp::FieldValue();
  }

 private:
  static tl::unexpected<AskError> refused(std::string message) {
    return tl::unexpected<AskError>(AskError{AskFailure::refused, std::move(message)});
  }

  tl::unexpected<AskError> lost(CURLcode code, std::chrono::milliseconds patience) const {
    const std::string detail = said_[0] != '\0' ? said_ : curl_easy_strerror(code);
    switch (code) {
      case CURLE_PEER_FAILED_VERIFICATION:
        return refused(
            fmt::format("the certificate of {} is not trusted: {}\nName who signed it with --cacert FILE; "
                        "the host in --url has to be one of its names.",
                        where_.url, detail));
      case CURLE_SSL_CACERT_BADFILE:
        return refused(fmt::format("--cacert: {}", detail));
      case CURLE_SSL_CERTPROBLEM:
        return refused(fmt::format("--cert and --key: {}", detail));
      case CURLE_SSL_CONNECT_ERROR:
        return refused(
            fmt::format("no TLS with {}: {}\nIs that the port of listen.management_https? Does the broker "
                        "want a certificate (--cert, --key)?",
                        where_.url, detail));
      case CURLE_OPERATION_TIMEDOUT:
        return refused(fmt::format("{} did not answer within {} s", where_.url, patience.count() / 1000));
      default:
        return tl::unexpected<AskError>(
            AskError{AskFailure::no_broker, fmt::format("cannot reach {}: {}\nDoes a broker run there, with "
                                                        "listen.management_https (or management) in its settings?",
                                                        where_.url, detail)});
    }
  }

  std::string why(long status, const amqp::Table& answer) const {
    const std::string* error = answer.string("error");
    const std::string* reason = answer.string("reason");
    const std::string text = reason ? *reason : fmt::format("refused with status {}", status);
    if (status == 404 && error && *error == "Object Not Found") {
      return fmt::format("{} takes no commands of wherryctl: it is no Wherry broker, or an older one", where_.url);
    }
    if (status == 401 && text == "Login failed") {
      return fmt::format(
          "{} does not let {} in: wrong user or password, or a user (such as guest) for its own machine alone",
          where_.url, where_.username);
    }
    if (status == 401 && text.starts_with("Not ")) {
      return fmt::format("{} may not do this ({}): it needs a tag, set_user_tags {} administrator", where_.username,
                         text, where_.username);
    }
    return text;
  }

  const Where where_;
  const std::string endpoint_;
  Easy easy_;
  curl_slist* headers_ = nullptr;
  std::string body_;
  char said_[CURL_ERROR_SIZE] = {};
};

}  // namespace

Result<std::unique_ptr<Reach>> open_https(const Where& where, const std::string& password) {
  auto endpoint = checked_url(where);
  if (!endpoint) return tl::unexpected(endpoint.error());
  return std::make_unique<OverHttps>(where, std::move(*endpoint), password);
}

}  // namespace wherry::broker::ctl

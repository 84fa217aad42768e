#include "examples/tasks/sms.h"

#include <algorithm>
#include <string_view>

#include "examples/tasks/curl.h"
#include "examples/tasks/failure.h"

namespace examples {

namespace {

std::size_t append_body(char* bytes, std::size_t size, std::size_t count, void* to) {
  auto& body = *static_cast<std::string*>(to);
  // A gateway's answer is one line; more than this is none.
  if (body.size() + size * count > 4096) return 0;
  body.append(bytes, size * count);
  return size * count;
}

std::string escaped(CURL* curl, const std::string& text) {
  char* raw = curl_easy_escape(curl, text.data(), static_cast<int>(text.size()));
  std::string out = raw ? raw : "";
  curl_free(raw);
  return out;
}

}  // namespace

SmsReceipt send_sms(const SmsGateway& gateway, const SendSms& sms, const std::string& reference) {
  const CurlHandle curl = make_curl(gateway.url);
  // Coding 0 is the GSM alphabet, which holds ASCII; everything else goes as UCS-2.
  const bool ascii = std::all_of(sms.text.begin(), sms.text.end(), [](unsigned char c) { return c < 0x80; });
  const std::string url = gateway.url + "?username=" + escaped(curl.get(), gateway.user) +
                          "&password=" + escaped(curl.get(), gateway.password) +
                          "&from=" + escaped(curl.get(), gateway.from) + "&to=" + escaped(curl.get(), sms.to) +
                          "&text=" + escaped(curl.get(), sms.text) + "&charset=UTF-8&coding=" + (ascii ? "0" : "2") +
                          "&binfo=" + escaped(curl.get(), reference);
  std::string answer;
  curl_easy_setopt(curl.get(), CURLOPT_URL, url.c_str());
  curl_easy_setopt(curl.get(), CURLOPT_WRITEFUNCTION, &append_body);
  curl_easy_setopt(curl.get(), CURLOPT_WRITEDATA, &answer);

  const CurlOutcome outcome = perform(curl.get());
  // The URL bears the password: errors name the gateway only.
  if (outcome.code != CURLE_OK) throw TemporaryFailure(gateway.url + ": " + outcome.words);
  const std::string said = gateway.url + " answered " + std::to_string(outcome.response) + ": " + answer;
  if (outcome.response >= 500) throw TemporaryFailure(said);
  if (outcome.response >= 400) throw PermanentFailure(said);
  return {gateway.url, reference, answer};
}

}  // namespace examples

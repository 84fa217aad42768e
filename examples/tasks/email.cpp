#include "examples/tasks/email.h"

#include <algorithm>
#include <cstring>
#include <ctime>
#include <string_view>

#include "examples/tasks/curl.h"
#include "examples/tasks/failure.h"

namespace examples {

namespace {

std::string base64(std::string_view bytes) {
  static constexpr char digits[] = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
  std::string out;
  for (std::size_t i = 0; i < bytes.size(); i += 3) {
    const std::size_t left = std::min<std::size_t>(3, bytes.size() - i);
    unsigned block = 0;
    for (std::size_t k = 0; k < 3; ++k) block = block << 8 | (k < left ? static_cast<unsigned char>(bytes[i + k]) : 0);
    for (std::size_t k = 0; k < 4; ++k) out.push_back(k <= left ? digits[block >> (18 - 6 * k) & 63] : '=');
  }
  return out;
}

// RFC 2045 allows lines of 76 characters.
std::string base64_lines(std::string_view bytes) {
  const std::string all = base64(bytes);
  std::string out;
  for (std::size_t i = 0; i < all.size(); i += 76) out.append(all, i, 76).append("\r\n");
  return out;
}

// RFC 2047: an encoded word holds at most 75 characters, and no character may be split between two words.
std::string header_text(std::string_view text) {
  if (std::all_of(text.begin(), text.end(), [](unsigned char c) { return c >= 0x20 && c < 0x7f; })) {
    return std::string(text);
  }
  std::string out;
  while (!text.empty()) {
    std::size_t length = std::min<std::size_t>(45, text.size());
    while (length > 1 && length < text.size() && (static_cast<unsigned char>(text[length]) & 0xc0) == 0x80) --length;
    if (!out.empty()) out += "\r\n ";
    out += "=?UTF-8?B?" + base64(text.substr(0, length)) + "?=";
    text.remove_prefix(length);
  }
  return out;
}

// A line break in a header would let its author write headers of his own.
void check_header(std::string_view what, std::string_view value) {
  if (value.find_first_of(std::string_view("\r\n\0", 3)) != std::string_view::npos) {
    throw PermanentFailure(std::string(what) + " holds a line break");
  }
}

std::string date_now() {
  const std::time_t now = std::time(nullptr);
  std::tm utc{};
  gmtime_r(&now, &utc);
  char text[64];
  // The names of days and months are English whatever the locale: workers do not call setlocale.
  const std::size_t length = std::strftime(text, sizeof text, "%a, %d %b %Y %H:%M:%S +0000", &utc);
  return {text, length};
}

struct Upload {
  std::string_view left;
};

std::size_t read_upload(char* to, std::size_t size, std::size_t count, void* from) {
  auto& upload = *static_cast<Upload*>(from);
  const std::size_t length = std::min(size * count, upload.left.size());
  std::memcpy(to, upload.left.data(), length);
  upload.left.remove_prefix(length);
  return length;
}

}  // namespace

std::string format_mail(const std::string& from, const SendEmail& mail, const std::string& message_id,
                        const std::string& date) {
  check_header("the recipient", mail.to);
  check_header("the subject", mail.subject);
  return "From: <" + from + ">\r\nTo: <" + mail.to + ">\r\nSubject: " + header_text(mail.subject) +
         "\r\nDate: " + date + "\r\nMessage-ID: <" + message_id +
         ">\r\nMIME-Version: 1.0\r\nContent-Type: text/plain; charset=utf-8\r\nContent-Transfer-Encoding: "
         "base64\r\n\r\n" +
         base64_lines(mail.body);
}

EmailReceipt send_email(const SmtpServer& server, const SendEmail& mail, const std::string& message_id) {
  const std::string text = format_mail(server.from, mail, message_id, date_now());
  if (mail.to.find('@') == std::string::npos || mail.to.find_first_of("<> ") != std::string::npos) {
    throw PermanentFailure("not a mail address: " + mail.to);
  }

  const CurlHandle curl = make_curl(server.url);
  const std::string from = "<" + server.from + ">";
  const std::string to = "<" + mail.to + ">";
  const CurlList recipients(curl_slist_append(nullptr, to.c_str()), &curl_slist_free_all);
  Upload upload{text};
  curl_easy_setopt(curl.get(), CURLOPT_MAIL_FROM, from.c_str());
  curl_easy_setopt(curl.get(), CURLOPT_MAIL_RCPT, recipients.get());
  curl_easy_setopt(curl.get(), CURLOPT_UPLOAD, 1L);
  curl_easy_setopt(curl.get(), CURLOPT_READFUNCTION, &read_upload);
  curl_easy_setopt(curl.get(), CURLOPT_READDATA, &upload);

  const CurlOutcome outcome = perform(curl.get());
  if (outcome.code != CURLE_OK) {
    const std::string reason = server.url + ": " + outcome.words;
    if (outcome.response >= 500 && outcome.response < 600) throw PermanentFailure(reason);
    throw TemporaryFailure(reason);
  }
  return {server.url, message_id};
}

}  // namespace examples

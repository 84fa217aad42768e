#include "examples/tasks/email.h"

#include <catch2/catch.hpp>

#include "examples/tasks/failure.h"

using examples::format_mail;
using examples::SendEmail;

static std::string mail(SendEmail email) {
  return format_mail("from@a.example", email, "id@b.example", "a date");
}

TEST_CASE("a mail is its headers, an empty line and the body in base64") {
  CHECK(mail({.to = "to@c.example", .subject = "Hello", .body = "How are you?"}) ==
        "From: <from@a.example>\r\nTo: <to@c.example>\r\nSubject: Hello\r\nDate: a date\r\n"
        "Message-ID: <id@b.example>\r\nMIME-Version: 1.0\r\nContent-Type: text/plain; charset=utf-8\r\n"
        "Content-Transfer-Encoding: base64\r\n\r\nSG93IGFyZSB5b3U/\r\n");
}

TEST_CASE("base64 is padded at the end") {
  CHECK_THAT(mail({.to = "a", .subject = "s", .body = "a"}), Catch::EndsWith("\r\n\r\nYQ==\r\n"));
  CHECK_THAT(mail({.to = "a", .subject = "s", .body = "ab"}), Catch::EndsWith("\r\n\r\nYWI=\r\n"));
  CHECK_THAT(mail({.to = "a", .subject = "s", .body = ""}), Catch::EndsWith("base64\r\n\r\n"));
}

TEST_CASE("a subject that is not ASCII is an encoded word") {
  CHECK_THAT(mail({.to = "a", .subject = "Grüße", .body = ""}),
             Catch::Contains("Subject: =?UTF-8?B?R3LDvMOfZQ==?=\r\n"));
}

TEST_CASE("a long subject is folded between characters, never inside one") {
  std::string subject;
  for (int i = 0; i < 60; ++i) subject += "\xc3\xbc";
  const std::string text = mail({.to = "a", .subject = subject, .body = ""});
  // 44 bytes are 22 whole characters; the odd 45th would be half of one.
  CHECK_THAT(text, Catch::Contains("?=\r\n =?UTF-8?B?w7zDvM"));
  for (std::size_t at = 0, end; (end = text.find("\r\n", at)) != std::string::npos; at = end + 2) CHECK(end - at <= 86);
}

TEST_CASE("nobody smuggles a header in") {
  CHECK_THROWS_AS(mail({.to = "a\r\nBcc: b", .subject = "s", .body = ""}), examples::PermanentFailure);
  CHECK_THROWS_AS(mail({.to = "a", .subject = "s\nX: y", .body = ""}), examples::PermanentFailure);
}

TEST_CASE("what is no address fails for good, before any server is asked") {
  const examples::SmtpServer server{.url = "smtp://127.0.0.1:1"};
  CHECK_THROWS_AS(examples::send_email(server, {.to = "nobody", .subject = "s", .body = "b"}, "id"),
                  examples::PermanentFailure);
}

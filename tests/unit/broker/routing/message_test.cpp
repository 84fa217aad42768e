#include "broker/routing/message.h"

#include <catch2/catch.hpp>

using namespace wherry;
using namespace wherry::broker;

TEST_CASE("a message holds what was published, its body in as many fragments as it came") {
  auto message = Message::create({.exchange = "logs",
                                  .routing_key = "app.error",
                                  .properties = std::string_view("\x10\x00\x02", 3),
                                  .delivery_mode = 2,
                                  .priority = 7,
                                  .body_size = 10,
                                  .published_ms = 1234});
  CHECK_FALSE(message->complete());
  message->append_body("hello");
  message->append_body("");
  CHECK(message->body() == "hello");
  message->append_body("world");
  CHECK(message->complete());
  CHECK(message->exchange() == "logs");
  CHECK(message->routing_key() == "app.error");
  CHECK(message->properties() == std::string_view("\x10\x00\x02", 3));
  CHECK(message->body() == "helloworld");
  CHECK(message->persistent());
  CHECK(message->priority() == 7);
  CHECK(message->published_ms() == 1234);
  CHECK(message->footprint() == sizeof(Message) + 4 + 9 + 3 + 10);
}

TEST_CASE("a message without exchange, properties or body is complete at once") {
  auto message = Message::create({});
  CHECK(message->complete());
  CHECK(message->exchange().empty());
  CHECK(message->body().empty());
  CHECK_FALSE(message->persistent());
}

TEST_CASE("a pin keeps the message alive after the last reference") {
  auto message = Message::create({.body_size = 3});
  message->append_body("abc");
  std::string_view body = message->body();
  Pin pin = message->pin();
  message.reset();
  CHECK(body == "abc");  // Freed memory here is what the sanitizer build would report.
}

TEST_CASE("a restamped message differs only in its time") {
  auto message = Message::create(
      {.exchange = "x", .routing_key = "k", .delivery_mode = 2, .priority = 3, .body_size = 2, .published_ms = 1});
  message->append_body("ab");
  MessageRef later = Message::restamped(message, 99);
  CHECK(later->published_ms() == 99);
  CHECK(later->exchange() == "x");
  CHECK(later->routing_key() == "k");
  CHECK(later->body() == "ab");
  CHECK(later->persistent());
  CHECK(later->priority() == 3);
}

#include "broker/session/direct_reply.h"

#include <set>

#include <catch2/catch.hpp>

using namespace wherry::broker;

TEST_CASE("an address is found again in its text, and in no other") {
  const auto address = ReplyAddress::make(13, 0xABCDEF0123456789u, 65535);
  const std::string text = address.text();
  CHECK(is_reply_address(text));
  CHECK(text.size() <= 255);
  auto parsed = ReplyAddress::parse(text);
  REQUIRE(parsed);
  CHECK(*parsed == address);
  for (std::size_t size = 0; size < text.size(); ++size) {
    auto part = ReplyAddress::parse(text.substr(0, size));
    CHECK((!part || *part != address));
  }
  for (const char* other :
       {"", "amq.rabbitmq.reply-to", "amq.rabbitmq.reply-to.", "amq.rabbitmq.reply-tox.1.1.1.1.1",
        "amq.rabbitmq.reply-to.1.1.1.1", "amq.rabbitmq.reply-to.1.1.1.1.1.1", "amq.rabbitmq.reply-to.1.1.10000.1.1",
        "amq.rabbitmq.reply-to.-1.1.1.1.1", "amq.rabbitmq.reply-to.1.1.1.1.g", "amq.rabbitmq.reply-to.1..1.1.1"}) {
    INFO(other);
    CHECK_FALSE(ReplyAddress::parse(other));
  }
}

TEST_CASE("no two addresses are alike, for the same channel neither") {
  std::set<std::string> all;
  for (int i = 0; i < 1000; ++i) all.insert(ReplyAddress::make(0, 1, 1).text());
  CHECK(all.size() == 1000);
}

TEST_CASE("addresses are known in their virtual host while somebody consumes there") {
  ReplyAddresses addresses;
  addresses.add("/", "a");
  CHECK(addresses.has("/", "a"));
  CHECK_FALSE(addresses.has("other", "a"));
  CHECK_FALSE(addresses.has("/", "b"));
  addresses.remove("/", "a");
  CHECK_FALSE(addresses.has("/", "a"));
}

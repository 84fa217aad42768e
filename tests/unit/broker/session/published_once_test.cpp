#include "broker/session/published_once.h"

#include <catch2/catch.hpp>

#include "protocol/amqp/properties.h"

using namespace wherry;
using namespace wherry::broker;

namespace {

MessageRef keyed(const std::string& key) {
  amqp::Properties properties;
  if (!key.empty()) properties.headers.emplace().set("x-deduplication-header", key);
  const std::string raw = amqp::encode_properties(properties);
  return Message::create({.properties = raw, .published_ms = 1'000'000});
}

struct Publisher {
  bool is_new(const std::string& key) { return once.begin(known, *keyed(key)); }
  std::shared_ptr<SharedDeduplication> known = std::make_shared<SharedDeduplication>(DeduplicationRule{});
  PublishedOnce once;
};

}  // namespace

TEST_CASE("a message that was taken comes once, and one without a key as often as it likes") {
  Publisher publisher;
  CHECK(publisher.is_new("k"));
  publisher.once.settle(1, 0);
  CHECK_FALSE(publisher.is_new("k"));
  CHECK_FALSE(publisher.once.begun());
  CHECK(publisher.is_new(""));
  CHECK(publisher.is_new(""));
  CHECK_FALSE(publisher.once.waits());
}

TEST_CASE("a message that reached nothing or was refused at once may come again") {
  Publisher publisher;
  CHECK(publisher.is_new("k"));
  CHECK(publisher.once.begun());
  publisher.once.undo();
  CHECK(publisher.is_new("k"));
}

TEST_CASE("a message that a far queue refuses may come again, and then only") {
  Publisher publisher;
  CHECK(publisher.is_new("taken"));
  publisher.once.settle(1, 2);
  CHECK(publisher.is_new("refused"));
  publisher.once.settle(2, 2);
  publisher.once.answered(1, true);
  publisher.once.answered(2, true);
  CHECK(publisher.once.waits());
  publisher.once.answered(1, true);
  publisher.once.answered(2, false);
  publisher.once.answered(3, false);
  CHECK_FALSE(publisher.once.waits());
  CHECK_FALSE(publisher.is_new("taken"));
  CHECK(publisher.is_new("refused"));
}

#include "broker/routing/carbon_copies.h"

#include <catch2/catch.hpp>

#include "protocol/amqp/properties.h"

using namespace wherry;
using namespace wherry::broker;
using amqp::FieldArray;

namespace {

std::string properties(amqp::Table headers) {
  amqp::Properties all;
  all.content_type = "text/plain";
  all.headers = std::move(headers);
  return amqp::encode_properties(all);
}

AmqpResult<std::vector<std::string>> copies(const std::string& raw) {
  return carbon_copies(*amqp::view_properties(raw)->headers);
}

amqp::Table table(const char* name, amqp::FieldValue value) {
  amqp::Table made;
  made.set(name, std::move(value));
  return made;
}

}  // namespace

TEST_CASE("CC and BCC name further routing keys") {
  amqp::Table headers = table("BCC", FieldArray{"blind"});
  headers.set("CC", FieldArray{"one", 5, "two"});
  const std::string raw = properties(headers);
  CHECK(*copies(raw) == std::vector<std::string>{"one", "two", "blind"});
  CHECK(carbon_copies_of(raw) == std::vector<std::string>{"one", "two", "blind"});
  CHECK(copies(properties(table("accept", "no copies")))->empty());
  CHECK(carbon_copies_of(std::string("\0\0", 2)).empty());
}

TEST_CASE("a CC or BCC that is no array is the publisher's mistake") {
  auto text = copies(properties(table("CC", "key")));
  REQUIRE_FALSE(text);
  CHECK(text.error().code == amqp::ReplyCode::precondition_failed);
  CHECK(text.error().explanation == "invalid message: {unacceptable_type_in_header,\"CC\",longstr}");
  CHECK(copies(properties(table("BCC", 1))).error().explanation ==
        "invalid message: {unacceptable_type_in_header,\"BCC\",signedint}");
}

TEST_CASE("BCC and nothing else is taken out of what consumers see") {
  amqp::Table headers = table("CC", FieldArray{"one"});
  headers.set("BCC", FieldArray{"blind"});
  const std::string raw = properties(headers);
  CHECK(may_have_bcc(raw));
  auto seen = *amqp::decode_properties(without_bcc(raw));
  CHECK(seen.headers->table() == table("CC", FieldArray{"one"}));
  CHECK(seen.content_type == "text/plain");

  const std::string plain = properties(table("CC", FieldArray{"one"}));
  CHECK_FALSE(may_have_bcc(plain));
  CHECK(without_bcc(plain) == plain);
}

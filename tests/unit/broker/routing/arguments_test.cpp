#include <catch2/catch.hpp>

#include "tests/unit/broker/routing/topology.h"

using namespace wherry;
using namespace wherry::broker;
using namespace wherry::broker::test;
using amqp::FieldValue;

namespace {

// What is wrong with a queue with these arguments; empty when nothing is.
std::string fault(amqp::Table arguments, bool durable = true, bool exclusive = false, bool auto_delete = false) {
  Topology vhost;
  QueueSpec spec{"q", durable, exclusive, auto_delete, std::move(arguments)};
  auto declared = vhost.declare_queue(spec, 1, 0, false);
  if (declared) return {};
  CHECK(declared.error().code == amqp::ReplyCode::precondition_failed);
  CHECK_FALSE(vhost.find_queue("q", 1));
  return declared.error().explanation;
}

std::string said(std::string_view name, std::string_view what) {
  return "invalid arg '" + std::string(name) + "' for queue 'q' in vhost '/': " + std::string(what);
}

}  // namespace

TEST_CASE("arguments of queues: what fits is taken") {
  CHECK(fault(table({{"x-message-ttl", 0},
                     {"x-expires", 1},
                     {"x-max-length", 0},
                     {"x-max-length-bytes", std::int64_t{1} << 40},
                     {"x-max-priority", 255},
                     {"x-overflow", "reject-publish-dlx"},
                     {"x-dead-letter-exchange", ""},
                     {"x-dead-letter-routing-key", "k"},
                     {"x-queue-mode", "lazy"},
                     {"x-queue-version", 2},
                     {"x-queue-type", "classic"},
                     {"x-single-active-consumer", true},
                     {"x-delivery-limit", 3}})) == "");
  CHECK(fault(table({{"x-queue-type", "quorum"}})) == "");
  CHECK(fault(table({{"x-of-somebody-else", amqp::Table{}}})) == "");
}

TEST_CASE("arguments of queues: a number must be an integer") {
  for (const char* name : {"x-message-ttl", "x-expires", "x-max-length", "x-max-length-bytes", "x-max-priority",
                           "x-queue-version", "x-delivery-limit"}) {
    CHECK(fault(table({{name, "5"}})) == said(name, "\"expected integer, got longstr\""));
    CHECK(fault(table({{name, 5.0}})) == said(name, "\"expected integer, got double\""));
    CHECK(fault(table({{name, -1}})) == said(name, "{value_negative,-1}"));
  }
}

TEST_CASE("arguments of queues: ranges") {
  CHECK(fault(table({{"x-expires", 0}})) == said("x-expires", "{value_zero,0}"));
  CHECK(fault(table({{"x-message-ttl", std::int64_t{315360000001}}})) ==
        said("x-message-ttl", "{value_too_large,315360000001}"));
  CHECK(fault(table({{"x-max-priority", 256}})) == said("x-max-priority", "{max_value_exceeded,256}"));
  CHECK(fault(table({{"x-queue-version", 3}})) == said("x-queue-version", "\"unsupported queue version '3'\""));
}

TEST_CASE("arguments of queues: words") {
  for (const char* name : {"x-overflow", "x-queue-mode", "x-queue-type"}) {
    CHECK(fault(table({{name, 5}})) == said(name, "{unacceptable_type,signedint}"));
  }
  CHECK(fault(table({{"x-dead-letter-exchange", 5}})) ==
        "invalid type 'signedint' for arg 'x-dead-letter-exchange' in queue 'q' in vhost '/'");
  CHECK(fault(table({{"x-overflow", "spill"}})) == said("x-overflow", "invalid_overflow"));
  CHECK(fault(table({{"x-queue-mode", "eager"}})) == said("x-queue-mode", "\"unsupported queue mode 'eager'\""));
  CHECK(fault(table({{"x-queue-type", "stream"}})) == said("x-queue-type", "\"unsupported queue type 'stream'\""));
  CHECK(fault(table({{"x-single-active-consumer", "yes"}})) ==
        said("x-single-active-consumer", "{unacceptable_type,longstr}"));
}

TEST_CASE("arguments of queues: a dead-letter routing key needs a dead-letter exchange") {
  CHECK(fault(table({{"x-dead-letter-routing-key", "k"}})) ==
        said("x-dead-letter-routing-key", "routing_key_but_no_dlx_defined"));
}

TEST_CASE("arguments of queues: a quorum queue is durable and belongs to nobody") {
  auto quorum = table({{"x-queue-type", "quorum"}});
  CHECK(fault(quorum, false) == "invalid property 'non-durable' for queue 'q' in vhost '/'");
  CHECK(fault(quorum, true, true) == "invalid property 'exclusive-owner' for queue 'q' in vhost '/'");
  CHECK(fault(quorum, true, false, true) == "invalid property 'auto-delete' for queue 'q' in vhost '/'");
}

TEST_CASE("arguments of exchanges: the alternate exchange is a name") {
  Topology vhost;
  ExchangeSpec spec;
  spec.name = "x";
  spec.type = "direct";
  spec.arguments = table({{"alternate-exchange", 5}});
  auto error = refusal(vhost.declare_exchange(spec, false));
  CHECK(error.code == amqp::ReplyCode::precondition_failed);
  CHECK(error.explanation == "invalid type 'signedint' for arg 'alternate-exchange' in exchange 'x' in vhost '/'");
}

#include <cmath>

#include <catch2/catch.hpp>
#include <fmt/format.h>

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
  for (const char* name :
       {"x-message-ttl", "x-expires", "x-max-length", "x-max-length-bytes", "x-max-priority", "x-queue-version"}) {
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

TEST_CASE("arguments of queues: what RabbitMQ knows for another type of queue is refused, the rest is free") {
  auto of_type = [](std::string_view name, std::string_view type) {
    return fmt::format("invalid arg '{}' for queue 'q' in vhost '/' of queue type rabbit_{}_queue", name, type);
  };
  for (const char* name : {"x-max-in-memory-length", "x-max-in-memory-bytes", "x-quorum-initial-group-size",
                           "x-dead-letter-strategy", "x-max-age"}) {
    CHECK(fault(table({{name, -1}})) == of_type(name, "classic"));
  }
  for (const char* name : {"x-max-priority", "x-queue-mode", "x-queue-version", "x-max-age"}) {
    CHECK(fault(table({{"x-queue-type", "quorum"}, {name, 1}})) == of_type(name, "quorum"));
  }
  CHECK(fault(table({{"x-queue-type", "quorum"}, {"x-quorum-initial-group-size", 0}})) ==
        said("x-quorum-initial-group-size", "{value_zero,0}"));
  CHECK(fault(table({{"x-queue-type", "quorum"}, {"x-max-in-memory-length", 5}})) == "");
}

TEST_CASE("arguments of queues: a queue that is restored keeps what would be refused now") {
  Topology vhost;
  CHECK(vhost.restore_queue({"q", true, false, false, table({{"x-max-in-memory-length", 5}})}, 1, 0));
}

TEST_CASE("arguments of queues: a quorum queue is named by its client") {
  Topology vhost;
  QueueSpec spec{"amq.gen-a", true, false, false, table({{"x-queue-type", "quorum"}})};
  CHECK(refusal(vhost.declare_queue(spec, 1, 0, true)).explanation ==
        "Cannot declare a server-named queue for type rabbit_quorum_queue");
}

TEST_CASE("arguments of queues: a delivery limit is any integer, and a negative one is none") {
  CHECK(fault(table({{"x-delivery-limit", -1}})) == "");
  CHECK(fault(table({{"x-delivery-limit", "5"}})) == said("x-delivery-limit", "\"expected integer, got longstr\""));
}

TEST_CASE("arguments of queues: fair keys, rates and timeouts") {
  CHECK(fault(table({{"x-fair-key", "tenant"}, {"x-rate-limit", 5}, {"x-rate-burst", 1}, {"x-consumer-timeout", 0}})) ==
        "");
  for (const amqp::FieldValue& rate : {amqp::FieldValue(0.5), amqp::FieldValue(2.5f), amqp::FieldValue(std::int8_t{1}),
                                       amqp::FieldValue(amqp::Decimal{2, 25})}) {
    CHECK(fault(table({{"x-rate-limit", rate}})) == "");
  }
  CHECK(fault(table({{"x-fair-key", 5}})) == said("x-fair-key", "{unacceptable_type,signedint}"));
  CHECK(fault(table({{"x-fair-key", ""}})) == said("x-fair-key", "\"not a header's name: ''\""));
  CHECK(fault(table({{"x-rate-limit", "5"}})) == said("x-rate-limit", "{unacceptable_type,longstr}"));
  for (const amqp::FieldValue& rate : {amqp::FieldValue(0), amqp::FieldValue(-1), amqp::FieldValue(1e10),
                                       amqp::FieldValue(std::nan("")), amqp::FieldValue(amqp::Decimal{200, 1})}) {
    CHECK(fault(table({{"x-rate-limit", rate}})) != "");
  }
  CHECK(fault(table({{"x-rate-burst", 5}})) == said("x-rate-burst", "rate_burst_but_no_rate_limit_defined"));
  CHECK(fault(table({{"x-rate-limit", 5}, {"x-rate-burst", 0}})) ==
        said("x-rate-burst", "\"not a burst from 1 to 1000000000: 0\""));
  CHECK(fault(table({{"x-consumer-timeout", -1}})) == said("x-consumer-timeout", "{value_negative,-1}"));
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

#include "sdk/endpoint/endpoint.h"

#include <catch2/catch.hpp>

#include "sdk/endpoint/local_broker.h"

using namespace wherry;
using namespace wherry::sdk;

TEST_CASE("a broker URL says all it can say", "[endpoint]") {
  auto at = parse_endpoint("amqp://ann:s3cret@broker.example:5673/shop?heartbeat=30&connection_timeout=2500");
  REQUIRE(at);
  CHECK(at->user == "ann");
  CHECK(at->password == "s3cret");
  CHECK(at->address == net::Address{"broker.example", 5673});
  CHECK(at->virtual_host == "shop");
  CHECK(at->heartbeat == std::chrono::seconds(30));
  CHECK(at->connection_timeout == std::chrono::milliseconds(2500));
}

TEST_CASE("what a broker URL leaves out has its default", "[endpoint]") {
  for (const char* url : {"amqp://", "amqp:///", "amqp://127.0.0.1", "amqp://127.0.0.1/", "amqp://guest@127.0.0.1:5672",
                          "amqp://guest:guest@127.0.0.1/%2F", "  amqp://guest:guest@127.0.0.1:5672/?heartbeat=60 "}) {
    INFO(url);
    auto at = parse_endpoint(url);
    REQUIRE(at);
    CHECK(*at == Endpoint{});
  }
}

TEST_CASE("user, password and vhost are percent-decoded", "[endpoint]") {
  auto at = parse_endpoint("amqp://a%40b:p%3a%2f%25@h/a%2Fb%20c");
  REQUIRE(at);
  CHECK(at->user == "a@b");
  CHECK(at->password == "p:/%");
  CHECK(at->virtual_host == "a/b c");
}

TEST_CASE("an IPv6 host stands in brackets", "[endpoint]") {
  auto at = parse_endpoint("amqp://[::1]:5673/");
  REQUIRE(at);
  CHECK(at->address == net::Address{"::1", 5673});
}

TEST_CASE("amqps is TLS, with RabbitMQ's parameters", "[endpoint]") {
  auto at = parse_endpoint("amqps://u@h/v");
  REQUIRE(at);
  CHECK(at->address == net::Address{"h", 5671});
  REQUIRE(at->tls);
  CHECK(at->tls->verify == net::TlsVerify::required);
  CHECK(at->text() == "amqps://u@h:5671/v");
  at = parse_endpoint(
      "amqps://h:1?cacertfile=%2Fca.pem&certfile=c.pem&keyfile=k.pem&verify=verify_none&server_name_indication=other"
      "&auth_mechanism=external");
  REQUIRE(at);
  CHECK(*at->tls == net::TlsConfig{"c.pem", "k.pem", "/ca.pem", net::TlsVerify::none});
  CHECK(at->server_name == "other");
  CHECK(at->external);
  CHECK(at->text() == "amqps://h:1/");
}

TEST_CASE("a broker URL that cannot be used says which part is wrong and keeps the password to itself", "[endpoint]") {
  const std::pair<const char*, const char*> wrong[] = {
      {"", "amqp://"},
      {"127.0.0.1:5672", "amqp://"},
      {"http://127.0.0.1", "http"},
      {"amqp://u:hidden@h/?cacertfile=x", "amqps"},
      {"amqps://u:hidden@h/?verify=maybe", "verify_none"},
      {"amqps://u:hidden@h/?auth_mechanism=external", "certfile"},
      {"amqp://u:hidden@h:99999/", "port"},
      {"amqp://u:hidden@h:0/", "port"},
      {"amqp://u:hidden%4@h/", "password"},
      {"amqp://u%zz:hidden@h/", "user"},
      {"amqp://u:hidden@h/a%", "vhost"},
      {"amqp://u:hidden@h/a/b", "%2F"},
      {"amqp://u:hidden@h/?heartbeat=soon", "heartbeat"},
      {"amqp://u:hidden@h/?connection_timeout=0", "connection_timeout"},
      {"amqp://u:hidden@h/?hartbeat=3", "hartbeat"},
  };
  for (const auto& [url, part] : wrong) {
    INFO(url);
    auto at = parse_endpoint(url);
    REQUIRE_FALSE(at);
    INFO(at.error().message);
    CHECK(at.error().message.find(part) != std::string::npos);
    CHECK(at.error().message.find("hidden") == std::string::npos);
  }
}

TEST_CASE("several broker URLs are a list in their order", "[endpoint]") {
  auto all = parse_endpoints("amqp://a/; amqp://b:1/x ;");
  REQUIRE(all);
  REQUIRE(all->size() == 2);
  CHECK(all->at(0).address.host == "a");
  CHECK(all->at(1).address == net::Address{"b", 1});
  CHECK_FALSE(parse_endpoints(" ; "));
  CHECK_FALSE(parse_endpoints("amqp://a;nonsense"));
}

TEST_CASE("an endpoint is shown without its password", "[endpoint]") {
  CHECK(parse_endpoint("amqp://u:hidden@h:1/x")->text() == "amqp://u@h:1/x");
  CHECK(Endpoint{}.text() == "amqp://guest@127.0.0.1:5672/");
}

TEST_CASE("a broker in this process has a name, a folder, or neither") {
  for (const char* url : {"embedded:", "embedded:tests", "embedded:///var/lib/app/queue", "embedded:///a%20b"}) {
    const auto at = parse_endpoint(url);
    REQUIRE(at);
    CHECK(at->embedded == url);
    CHECK(at->text() == url);
    CHECK(at->user == "embedded");
  }
  CHECK(parse_endpoints("embedded:; amqp://other")->size() == 2);
  for (const char* url : {"embedded://", "embedded:///", "embedded://host/path", "embedded:a/b", "embedded:x?y=z"}) {
    const auto at = parse_endpoint(url);
    REQUIRE_FALSE(at);
    CHECK(at.error().message.find("embedded:///") != std::string::npos);
  }
}

TEST_CASE("a program without a broker in it says what to link") {
  const auto opened = open_local_broker("embedded:");
  REQUIRE_FALSE(opened);
  CHECK(opened.error().message ==
        "broker URL: embedded: means a broker in this program, and there is none: link the library wherry-embedded, or "
        "give the URL of a broker, amqp://...");
}

// Direct replies between the shards: from any to any, and what becomes of those that nobody takes.
#include <catch2/catch.hpp>

#include "broker/auth/password_hash.h"
#include "tests/unit/broker/shard/clients.h"

using namespace wherry;
using namespace wherry::broker;
using namespace wherry::broker::test;

namespace {

// The address that a client's requests carry, seen by who serves them.
std::string ask(World& world, Client& client, Client& server) {
  world.consume(client, 1, direct_reply_name, "me", true);
  const std::size_t before = server.got.size();
  client.publish(1, "", "requests", "request", false, {.reply_to = std::string(direct_reply_name)});
  world.until([&] {
    if (world.ready(server, "requests") == 0) return false;
    server.send(1, amqp::BasicGet{.queue = "requests", .no_ack = true});
    return world.until([&] { return server.got.size() > before; });
  });
  return server.last_reply_to;
}

}  // namespace

TEST_CASE("a reply goes to who asked, from every shard to every shard") {
  World world(3);
  std::vector<Client*> clients;
  for (int i = 0; i < 6; ++i) clients.push_back(&world.connect());
  world.declare(*clients[0], "requests");
  for (int from = 0; from < 3; ++from) {
    Client& client = *clients[from];
    const std::string address = ask(world, client, *clients[0]);
    REQUIRE(is_reply_address(address));
    for (int to = 3; to < 6; ++to) {
      Client& server = *clients[to];
      server.publish(1, "", address, "from " + std::to_string(to));
      REQUIRE(world.until([&] { return client.deliveries.size() == std::size_t(to - 2); }));
      CHECK(client.deliveries.back().body == "from " + std::to_string(to));
      CHECK(client.deliveries.back().consumer == "me");
    }
  }
}

TEST_CASE("a reply with confirm is confirmed; a mandatory one returns when nobody is there any more") {
  World world(2);
  Client& client = world.connect();
  Client& server = GENERATE(false, true) ? world.connect() : (world.connect(), world.connect());
  world.declare(server, "requests");
  const std::string address = ask(world, client, server);
  world.call(server, 1, amqp::ConfirmSelect{}, "confirm.select-ok");
  server.publish(1, "", address, "heard", true);
  REQUIRE(world.until([&] { return client.deliveries.size() == 1 && server.confirmed == 1; }));
  CHECK(server.returned == 0);
  world.call(client, 1, amqp::BasicCancel{.consumer_tag = "me"}, "basic.cancel-ok");
  server.publish(1, "", address, "too late", true);
  REQUIRE(world.until([&] { return server.confirmed == 2; }));
  CHECK(server.order == std::vector<std::string>{"ack", "return", "ack"});
  // A guess in the right place is none.
  server.publish(1, "", address.substr(0, address.size() - 1) + (address.back() == '0' ? '1' : '0'), "guess", true);
  REQUIRE(world.until([&] { return server.confirmed == 3; }));
  CHECK(server.returned == 2);
  CHECK(client.deliveries.size() == 1);
}

TEST_CASE("a reply does not cross into another virtual host") {
  World world(2, [](BrokerConfig& config) {
    config.vhosts = {"/", "other"};
    UserSpec guest;
    guest.name = "guest";
    guest.password_hash = hash_password("guest");
    guest.permissions = {{.vhost = "/"}, {.vhost = "other"}};
    config.users = *Users::build({guest});
  });
  Client& client = world.connect();
  Client& server = world.connect();
  world.declare(server, "requests");
  const std::string address = ask(world, client, server);
  Client& stranger = world.connect("other");
  stranger.publish(1, "", address, "from elsewhere", true);
  REQUIRE(world.until([&] { return stranger.returned == 1; }));
  server.publish(1, "", address, "reply");
  REQUIRE(world.until([&] { return !client.deliveries.empty(); }));
  CHECK(client.deliveries.back().body == "reply");
}

TEST_CASE("replies to a client that does not read them are dropped, not gathered") {
  World world(2, [](BrokerConfig& config) { config.session.unread_replies_bytes = 4u << 20; });
  Client& client = world.connect();
  Client& server = world.connect();
  world.declare(server, "requests");
  const std::string address = ask(world, client, server);
  client.pause(true);
  world.call(server, 1, amqp::ConfirmSelect{}, "confirm.select-ok");
  const std::string body(1u << 20, 'x');
  for (int i = 0; i < 100; ++i) server.publish(1, "", address, body);
  REQUIRE(world.until([&] { return server.confirmed == 100; }));
  client.pause(false);
  world.call(client, 1, amqp::BasicQos{}, "basic.qos-ok");
  server.publish(1, "", address, "the next");
  REQUIRE(world.until([&] { return !client.deliveries.empty() && client.deliveries.back().body == "the next"; }));
  CHECK(client.deliveries.size() < 50);
}

TEST_CASE("a reply inside a transaction goes with its commit") {
  World world(2);
  Client& client = world.connect();
  Client& server = world.connect();
  world.declare(server, "requests");
  const std::string address = ask(world, client, server);
  world.call(server, 1, amqp::TxSelect{}, "tx.select-ok");
  server.publish(1, "", address, "dropped", true);
  world.call(server, 1, amqp::TxRollback{}, "tx.rollback-ok");
  server.publish(1, "", address, "sent", true);
  world.call(server, 1, amqp::TxCommit{}, "tx.commit-ok");
  REQUIRE(world.until([&] { return !client.deliveries.empty(); }));
  CHECK(client.deliveries.back().body == "sent");
  CHECK(server.returned == 0);
}

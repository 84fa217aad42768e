#include <catch2/catch.hpp>

#include "broker/auth/password_hash.h"
#include "broker/auth/sasl.h"
#include "broker/auth/user_directory.h"
#include "protocol/amqp/table.h"

using namespace wherry;
using namespace wherry::broker;

TEST_CASE("a password matches its own hash and no other") {
  const std::string hash = hash_password("secret");
  CHECK(password_matches(hash, "secret"));
  CHECK_FALSE(password_matches(hash, "Secret"));
  CHECK_FALSE(password_matches(hash, ""));
  CHECK(hash_password("secret") != hash);  // Another salt.
}

TEST_CASE("a hash that RabbitMQ's documentation gives is understood") {
  // "test12" with the salt 908DC60A (rabbitmq.com/docs/passwords, computing a password hash).
  CHECK(password_matches("kI3GCqW5JLMJa4iX1lo7X4D6XbYqlLgxIs30+P6tENUV2POR", "test12"));
  CHECK_FALSE(password_matches("kI3GCqW5JLMJa4iX1lo7X4D6XbYqlLgxIs30+P6tENUV2POR", "test13"));
}

TEST_CASE("what is no hash matches nothing") {
  CHECK_FALSE(password_matches("", ""));
  CHECK_FALSE(password_matches("secret", "secret"));
  CHECK_FALSE(password_matches(std::string(48, '!'), "secret"));
}

TEST_CASE("PLAIN and AMQPLAIN say who logs in") {
  auto plain = parse_login("PLAIN", std::string_view("\0guest\0pass word", 16));
  REQUIRE(plain);
  CHECK(plain->user == "guest");
  CHECK(plain->password == "pass word");
  CHECK_FALSE(parse_login("PLAIN", "guest"));
  CHECK_FALSE(parse_login("PLAIN", std::string_view("\0guest", 6)));

  amqp::Table table;
  table.set("LOGIN", "anna");
  table.set("PASSWORD", "secret");
  const std::string encoded = amqp::encode_table(table);
  auto amqplain = parse_login("AMQPLAIN", encoded);
  REQUIRE(amqplain);
  CHECK(amqplain->user == "anna");
  CHECK(amqplain->password == "secret");
  CHECK_FALSE(parse_login("AMQPLAIN", encoded.substr(1)));
  CHECK_FALSE(parse_login("CRAM", ""));
}

namespace {
UserSpec user(std::string name) {
  UserSpec spec;
  spec.name = std::move(name);
  spec.password_hash = hash_password("pw");
  spec.permissions = {{"/", "^own-", ".*", ""}};
  return spec;
}
}  // namespace

TEST_CASE("a user logs in with the right password, and from loopback only where it is so limited") {
  UserSpec local = user("local");
  local.loopback_only = true;
  auto users = *Users::build({user("anna"), local});
  CHECK(users->log_in("anna", "pw", false));
  CHECK(users->log_in("anna", "no", true).error().message == "user 'anna': wrong password");
  CHECK(users->log_in("bert", "pw", true).error().message == "user 'bert' does not exist");
  CHECK(users->log_in("local", "pw", true));
  CHECK(users->log_in("local", "pw", false).error().message == "user 'local' can only connect via localhost");
}

TEST_CASE("permissions are patterns that a name must contain a match of; an empty one matches only the empty name") {
  auto users = *Users::build({user("anna")});
  UserRef anna = *users->log_in("anna", "pw", true);
  CHECK(anna->may(Access::configure, "/", "own-queue"));
  CHECK_FALSE(anna->may(Access::configure, "/", "other"));
  CHECK(anna->may(Access::write, "/", "anything"));
  CHECK_FALSE(anna->may(Access::read, "/", "anything"));
  CHECK(anna->may(Access::read, "/", ""));
  CHECK(anna->may_open("/"));
  CHECK_FALSE(anna->may_open("other"));
  CHECK_FALSE(anna->may(Access::write, "other", "anything"));
}

TEST_CASE("a bad pattern is refused with the user, the vhost and the trouble") {
  UserSpec bad = user("anna");
  bad.permissions[0].write = "(";
  CHECK(Users::build({bad}).error().message == "user 'anna', vhost '/': bad write pattern '(': missing ): (");
  CHECK(Users::build({user("anna"), user("anna")}).error().message == "user 'anna' is there twice");
}

TEST_CASE("hashes of RabbitMQ's other digests are understood, each by its own name alone") {
  const std::string sha512 =
      "kI3GChuNuIYf8lRbCCxZjgjKwsY19ns6+uFO0zcXRBGA/XGJPYD8OWMy7EB8TaOmAzjP2azv84GbINYwX2cDWb4DHnc=";
  const std::string md5 = "kI3GChNpte2FApYFXScl+0dIluk=";
  CHECK(password_matches(sha512, "test12", "rabbit_password_hashing_sha512"));
  CHECK_FALSE(password_matches(sha512, "test13", "rabbit_password_hashing_sha512"));
  CHECK(password_matches(md5, "test12", "rabbit_password_hashing_md5"));
  CHECK_FALSE(password_matches(md5, "test13", "rabbit_password_hashing_md5"));
  CHECK_FALSE(password_matches(sha512, "test12"));
  CHECK_FALSE(password_matches(md5, "test12", "rot13"));
}

TEST_CASE(
    "topic permissions look at the key where there is one for the exchange, with the user's name in the pattern") {
  UserSpec spec = user("a.na");
  spec.topic_permissions = {{"/", "amq.topic", "^{username}\\.", "^{vhost}$"}};
  auto users = *Users::build({spec});
  UserRef anna = users->find("a.na");
  CHECK(anna->may_topic(Access::write, "/", "amq.topic", "a.na.x"));
  CHECK_FALSE(anna->may_topic(Access::write, "/", "amq.topic", "aXna.x"));
  CHECK(anna->may_topic(Access::read, "/", "amq.topic", "/"));
  CHECK_FALSE(anna->may_topic(Access::read, "/", "amq.topic", "x"));
  CHECK(anna->may_topic(Access::write, "/", "other", "x"));
  CHECK(anna->may_topic(Access::write, "other", "amq.topic", "x"));
  CHECK_FALSE(anna->has_topic_permission("/", "other"));
}

TEST_CASE("a change of the users is a new table; who holds the old one still has it") {
  UserDirectory directory(*Users::build({user("anna")}));
  const auto before = directory.now();
  const std::uint64_t version = directory.version();
  UserSpec changed = user("anna");
  changed.tags = {"monitoring"};
  REQUIRE(directory.put(changed));
  CHECK(directory.version() > version);
  CHECK(directory.now()->find("anna")->has_tag("monitoring"));
  CHECK_FALSE(before->find("anna")->has_tag("monitoring"));
  REQUIRE(directory.put(user("bert")));
  CHECK(directory.now()->names() == std::vector<std::string>{"anna", "bert"});
  changed.permissions[0].read = "(";
  CHECK_FALSE(directory.put(changed));
  CHECK(directory.now()->find("anna")->may_open("/"));
  CHECK(directory.remove("anna"));
  CHECK_FALSE(directory.remove("anna"));
  CHECK(directory.now()->find("anna") == nullptr);
}

// What is Redis's own: its protocol in pieces, its URL, a server that freezes.
#include "base/output_buffer.h"
#include "sdk/results/encoding.h"
#include "sdk/results/redis/reply.h"
#include "sdk/results/redis/url.h"
#include "tests/unit/results/bench.h"

using namespace wherry;
using namespace wherry::results;
using namespace wherry::results::test;

TEST_CASE("replies come out of bytes in any pieces", "[redis]") {
  const std::string bytes = "+OK\r\n:42\r\n$-1\r\n*2\r\n$3\r\na\r\n\r\n*1\r\n:-7\r\n-ERR no\r\n";
  for (std::size_t piece = 1; piece <= bytes.size(); ++piece) {
    RedisReader reader;
    std::vector<RedisReply> replies;
    for (std::size_t at = 0; at < bytes.size(); at += piece) {
      REQUIRE(reader.feed(std::string_view(bytes).substr(at, piece)));
      while (auto reply = reader.next()) replies.push_back(*std::move(reply));
    }
    REQUIRE(replies.size() == 5);
    CHECK(replies[0].text == "OK");
    CHECK(replies[1].integer == 42);
    CHECK(replies[2].kind == RedisReply::Kind::nil);
    REQUIRE(replies[3].elements.size() == 2);
    CHECK(replies[3].elements[0].text == "a\r\n");
    CHECK(replies[3].elements[1].elements.at(0).integer == -7);
    CHECK(replies[4].is_error());
  }
}

TEST_CASE("bytes that are no RESP are told", "[redis]") {
  RedisReader reader;
  CHECK_FALSE(reader.feed("HTTP/1.1 400 Bad Request\r\n"));
  reader.reset();
  CHECK(reader.feed("+OK\r\n"));
}

TEST_CASE("a redis URL says where, and never shows its password", "[redis]") {
  CHECK(parse_redis_url("redis://")->text() == "redis://127.0.0.1:6379/0");
  const auto full = parse_redis_url("redis://ann:p%40ss@[::1]:6380/12");
  REQUIRE(full);
  CHECK(full->user == "ann");
  CHECK(full->password == "p@ss");
  CHECK(full->text() == "redis://[::1]:6380/12");
  CHECK(parse_redis_url("redis://:secret@db.example")->password == "secret");
  for (const char* wrong : {"redis:/x", "rediss://:secret@h:0", "redis://:secret@h/x", "redis://:secret@h:0",
                            "redis://:secret%4@h", "redis://secret@h", "redis://:secret@h/0?x=1"}) {
    CAPTURE(wrong);
    const auto parsed = parse_redis_url(wrong);
    REQUIRE(!parsed);
    CHECK(parsed.error().message.find("secret") == std::string::npos);
  }
}

TEST_CASE("rediss is Celery's: TLS, with its parameters", "[redis]") {
  using wherry::net::TlsVerify;
  const auto plain = parse_redis_url("rediss://:secret@db.example/3");
  REQUIRE(plain);
  CHECK(plain->text() == "rediss://db.example:6379/3");
  CHECK(plain->db == 3);
  REQUIRE(plain->tls);
  CHECK(plain->tls->verify == TlsVerify::required);
  CHECK(plain->tls->ca.empty());
  const auto full = parse_redis_url(
      "rediss://db/0?ssl_cert_reqs=CERT_REQUIRED&ssl_ca_certs=%2Fetc%2Fca.pem&ssl_certfile=/c.pem&ssl_keyfile=/c.key");
  REQUIRE(full);
  CHECK(*full->tls == wherry::net::TlsConfig{"/c.pem", "/c.key", "/etc/ca.pem", TlsVerify::required});
  CHECK(parse_redis_url("rediss://db?ssl_cert_reqs=CERT_NONE")->tls->verify == TlsVerify::none);
  CHECK(parse_redis_url("rediss://db?ssl_cert_reqs=none")->tls->verify == TlsVerify::none);
  CHECK(parse_redis_url("rediss://db?ssl_cert_reqs=CERT_OPTIONAL")->tls->verify == TlsVerify::required);
  CHECK_FALSE(parse_redis_url("redis://db")->tls);
  for (const char* wrong : {"rediss://:secret@h?ssl_cert_reqs=maybe", "rediss://:secret@h?ssl=1",
                            "rediss://:secret@h?ssl_keyfile=secret", "rediss://:secret@h?ssl_ca_certs=%2"}) {
    CAPTURE(wrong);
    const auto parsed = parse_redis_url(wrong);
    REQUIRE(!parsed);
    CHECK(parsed.error().message.find("secret") == std::string::npos);
  }
}

TEST_CASE("a value that another worker wrote as msgpack is read", "[redis]") {
  // {"status": "SUCCESS", "task_id": "t", "result": 5}
  const std::string packed = std::string("\x83\xa6status\xa7SUCCESS\xa7task_id\xa1t\xa6result\x05", 34);
  const auto meta = decode_meta(packed);
  INFO((meta ? std::string() : meta.error().message));
  REQUIRE(meta);
  CHECK(meta->result == task::Value(5));
}

TEST_CASE("a key that holds something else is refused at once", "[redis]") {
  RedisServer server;
  Bench bench(server.url());
  REQUIRE(bench.part("g", 0, succeeded("a", 1)));
  // The set of the parts is no saved group.
  const auto read = bench.answer<std::optional<task::Value>>(
      [](ResultBackend& b, auto done) { b.restore_group("g.j", soon(), done); });
  REQUIRE(!read);
  CHECK(read.error().kind == Failure::Kind::refused);
  CHECK(read.error().message.find("WRONGTYPE") != std::string::npos);
}

TEST_CASE("a server that does not answer is told by the deadline, and its late answers harm nobody", "[redis]") {
  RedisServer server;
  Bench bench(server.url());
  REQUIRE(bench.store(succeeded("t", 1)));
  server.freeze();
  const auto late = bench.get("t", std::chrono::steady_clock::now() + 50ms);
  REQUIRE(!late);
  CHECK(late.error().kind == Failure::Kind::timed_out);
  server.thaw();
  CHECK(*bench.get("unknown") == std::nullopt);
  CHECK((*bench.get("t"))->result == task::Value(1));
}

TEST_CASE("a wrong password is told with Redis's own words", "[redis]") {
  RedisServer server;
  std::string url = server.url();
  url.replace(url.find("p%40ss"), 6, "wrong");
  Bench bench(url);
  const auto stored = bench.store(succeeded("t", 1), std::chrono::steady_clock::now() + 500ms);
  REQUIRE(!stored);
  CHECK(stored.error().kind == Failure::Kind::unavailable);
  CHECK(stored.error().message.find("WRONGPASS") != std::string::npos);
}

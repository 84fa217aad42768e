#include "net/http_reader.h"

#include <string>

#include <catch2/catch.hpp>

using namespace wherry::net;
using State = HttpReader::State;

namespace {

// In pieces of so many bytes, as a socket might give them; what is not taken comes again with more behind it.
State feed_reader(HttpReader& reader, std::string_view bytes, std::size_t piece) {
  std::string kept;
  for (std::size_t at = 0; at < bytes.size(); at += piece) {
    kept += bytes.substr(at, piece);
    while (!kept.empty() && reader.state() != State::complete && reader.state() != State::refused) {
      const std::size_t used = reader.put(kept);
      kept.erase(0, used);
      if (used == 0) break;
    }
  }
  return reader.state();
}

constexpr std::string_view sent =
    "POST /api/queues/%2F/q?x=1 HTTP/1.1\r\nHost: here\r\nX-Name: a\r\nx-name: b\r\nContent-Length: 5\r\n\r\nhello";

}  // namespace

TEST_CASE("a request is read, in one piece or byte by byte") {
  for (const std::size_t piece : {std::size_t{1}, std::size_t{3}, sent.size()}) {
    HttpReader reader({});
    REQUIRE(feed_reader(reader, sent, piece) == State::complete);
    CHECK(reader.keep_alive());
    const HttpRequest request = reader.take();
    CHECK(request.method == "POST");
    CHECK(request.target == "/api/queues/%2F/q?x=1");
    CHECK(request.headers.at("x-name") == "a");
    CHECK(request.body == "hello");
    CHECK(reader.state() == State::idle);
    REQUIRE(feed_reader(reader, "GET / HTTP/1.0\r\n\r\n", piece) == State::complete);
    CHECK_FALSE(reader.keep_alive());
  }
}

TEST_CASE("a chunked body is put together") {
  for (std::size_t piece = 1; piece < 20; ++piece) {
    HttpReader reader({});
    REQUIRE(feed_reader(reader, "PUT /x HTTP/1.1\r\nTransfer-Encoding: chunked\r\n\r\n3\r\nabc\r\n2\r\nde\r\n0\r\n\r\n",
                        piece) == State::complete);
    CHECK(reader.take().body == "abcde");
  }
}

TEST_CASE("a reader stops behind the headers, so that a body may be turned away before it is read") {
  HttpReader reader({});
  const std::size_t head = sent.size() - 5;
  CHECK(reader.put(sent) == head);
  REQUIRE(reader.state() == State::body);
  CHECK(reader.head().headers.at("host") == "here");
  CHECK(reader.may_exceed(4));
  CHECK_FALSE(reader.may_exceed(5));
  CHECK_FALSE(reader.expects_continue());
  reader.put(sent.substr(head));
  CHECK(reader.state() == State::complete);

  HttpReader chunked({});
  feed_reader(chunked, "PUT /x HTTP/1.1\r\nExpect: 100-continue\r\nTransfer-Encoding: chunked\r\n\r\n", 100);
  REQUIRE(chunked.state() == State::body);
  CHECK(chunked.may_exceed(1'000'000));
  CHECK(chunked.expects_continue());
}

TEST_CASE("what is too large, or no HTTP, is refused with the status that says so") {
  HttpLimits limits;
  limits.head_bytes = 200;
  limits.body_bytes = 10;
  const auto refused = [&](const std::string& bytes) {
    HttpReader reader(limits);
    if (feed_reader(reader, bytes, 7) != State::refused) return 0;
    return reader.refusal().status;
  };
  CHECK(refused("GET / HTTP/1.1\r\nX: " + std::string(300, 'x') + "\r\n\r\n") == 431);
  CHECK(refused("GET /" + std::string(300, 'x')) == 431);
  CHECK(refused("PUT / HTTP/1.1\r\nContent-Length: 11\r\n\r\n") == 413);
  CHECK(refused("PUT / HTTP/1.1\r\nTransfer-Encoding: chunked\r\n\r\nb\r\n01234567890\r\n0\r\n\r\n") == 413);
  CHECK(refused("PUT / HTTP/1.1\r\nContent-Length: -1\r\n\r\n") == 400);
  CHECK(refused("PUT / HTTP/1.1\r\nContent-Length: 3\r\nContent-Length: 4\r\n\r\nabc") == 400);
  CHECK(refused("PUT / HTTP/1.1\r\nContent-Length: 3\r\nTransfer-Encoding: chunked\r\n\r\nabc") == 400);
  CHECK(refused(std::string("AMQP\0\0\11\1", 8)) == 400);
  CHECK(refused("\x16\x03\x01\x02 a handshake of TLS") == 400);
  CHECK(refused("GET / HTTP/2.0\r\n\r\n") == 400);
  CHECK(refused("GET / HTTP/1.1\r\n\r\n") == 0);
}

TEST_CASE("what a client has said does not become a header of its own") {
  HttpAnswer answer;
  answer.headers["Location"] = "/x\r\nSet-Cookie: a=b";
  const std::string head = http_head_of(answer, true);
  CHECK(head.find("\r\nSet-Cookie") == std::string::npos);
  CHECK(head.find("Location: /x  Set-Cookie: a=b\r\n") != std::string::npos);
}

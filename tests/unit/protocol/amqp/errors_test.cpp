// What a peer can do wrong once it is in, and the exact code and text it gets for it.
#include <catch2/catch.hpp>

#include "tests/unit/protocol/amqp/machines.h"

using namespace wherry;
using namespace wherry::amqp;
using namespace wherry::amqp::test;
using namespace std::chrono_literals;
using namespace std::string_literals;

namespace {

std::string close_line(int code, const std::string& text, MethodId offender) {
  return "0 connection.close{reply_code: " + std::to_string(code) + ", reply_text: " + to_string(FieldValue(text)) +
         ", class_id: " + std::to_string(offender.class_id) + ", method_id: " + std::to_string(offender.method_id) +
         "}";
}

struct Open : Server {
  Open() {
    run();
    open_channel(1);
  }
  // The one close that comes of bytes.
  void expect(std::string_view bytes, int code, const std::string& text, MethodId offender = {}) {
    CHECK(answers(bytes) == Lines{close_line(code, text, offender)});
    CHECK(owner.take().back() == "1 closed");
    CHECK(!connection->finished());
    CHECK(answers(method_frame(1, TxSelect{}) + method_frame(0, ConnectionCloseOk{})).empty());
    CHECK(connection->finished());
    CHECK(owner.take() == Lines{"ended " + std::to_string(code) + " " + text});
  }
};

std::string publish() {
  return method_frame(1, BasicPublish{});
}

}  // namespace

TEST_CASE_METHOD(Open, "a method before channel.open") {
  expect(method_frame(2, QueueDeclare{}), 504, "CHANNEL_ERROR - expected 'channel.open'", QueueDeclare::id);
}
TEST_CASE_METHOD(Open, "a close of a channel that is not open") {
  expect(method_frame(2, ChannelClose{}), 504, "CHANNEL_ERROR - expected 'channel.open'", ChannelClose::id);
}
TEST_CASE_METHOD(Open, "a late close-ok of a channel that is gone is nothing") {
  CHECK(answers(method_frame(2, ChannelCloseOk{})).empty());
  CHECK(owner.heard.empty());
}
TEST_CASE_METHOD(Open, "a second channel.open") {
  expect(method_frame(1, ChannelOpen{}), 504, "CHANNEL_ERROR - second 'channel.open' seen", ChannelOpen::id);
}
TEST_CASE_METHOD(Open, "a channel above channel_max") {
  expect(method_frame(2048, ChannelOpen{}), 530,
         "NOT_ALLOWED - channel number 2048 is above the negotiated channel_max (2047)");
}
TEST_CASE_METHOD(Open, "the highest channel is fine") {
  CHECK(answers(method_frame(2047, ChannelOpen{})).size() == 1);
  CHECK(connection->is_open(2047));
}
TEST_CASE_METHOD(Open, "a header without a method") {
  expect(header_frame(1, 1), 505, "UNEXPECTED_FRAME - expected method frame, got non method frame instead");
}
TEST_CASE_METHOD(Open, "a body without a method") {
  expect(frame(3, 1, "x"), 505, "UNEXPECTED_FRAME - expected method frame, got non method frame instead");
}
TEST_CASE_METHOD(Open, "a body on a channel that is not open") {
  expect(frame(3, 2, "x"), 505, "UNEXPECTED_FRAME - expected method frame, got non method frame instead");
}
TEST_CASE_METHOD(Open, "a body behind a content of size 0") {
  give(publish() + header_frame(1, 0));
  expect(frame(3, 1, ""), 505, "UNEXPECTED_FRAME - expected method frame, got non method frame instead");
}
TEST_CASE_METHOD(Open, "a method where a header is due") {
  expect(publish() + publish(), 505,
         "UNEXPECTED_FRAME - expected content header for class 60, got non content header frame instead",
         BasicPublish::id);
}
TEST_CASE_METHOD(Open, "a body where a header is due") {
  expect(publish() + frame(3, 1, "x"), 505,
         "UNEXPECTED_FRAME - expected content header for class 60, got non content header frame instead",
         BasicPublish::id);
}
TEST_CASE_METHOD(Open, "a method where a body is due") {
  expect(publish() + header_frame(1, 5) + frame(3, 1, "abc") + publish(), 505,
         "UNEXPECTED_FRAME - expected content body, got non content body frame instead", BasicPublish::id);
}
TEST_CASE_METHOD(Open, "a second header where a body is due") {
  expect(publish() + header_frame(1, 5) + header_frame(1, 5), 505,
         "UNEXPECTED_FRAME - expected content body, got non content body frame instead", BasicPublish::id);
}
TEST_CASE_METHOD(Open, "a header of another class") {
  expect(publish() + header_frame(1, 5, "\0\0"s, 50), 505,
         "UNEXPECTED_FRAME - expected content header for class 60, got one for class 50 instead", BasicPublish::id);
}
TEST_CASE_METHOD(Open, "a body larger than announced") {
  expect(publish() + header_frame(1, 5) + frame(3, 1, "abc") + frame(3, 1, "def"), 501,
         "FRAME_ERROR - content body frame of 3 bytes where 2 bytes of the announced body are left", BasicPublish::id);
}
TEST_CASE_METHOD(Open, "properties that end early") {
  expect(publish() + header_frame(1, 5, "\x80\x00\x05\x61"s), 502,
         "SYNTAX_ERROR - content header: ends in the middle of a property", BasicPublish::id);
}
TEST_CASE_METHOD(Open, "property flags of no property") {
  expect(publish() + header_frame(1, 5, "\x00\x01\x00\x00"s), 502,
         "SYNTAX_ERROR - content header: property flags 0x0001 name no property", BasicPublish::id);
}
TEST_CASE_METHOD(Open, "headers with a value of no type") {
  expect(publish() + header_frame(1, 5, "\x20\x00\x00\x00\x00\x03\x01\x61Q"s), 502,
         "SYNTAX_ERROR - field table: unknown value type 0x51", BasicPublish::id);
}
TEST_CASE_METHOD(Open, "a content header that is too short") {
  expect(publish() + frame(2, 1, "\x00\x3c\x00\x00"s), 501,
         "FRAME_ERROR - type 2, all octets = <<0,60,0,0>>: unknown_frame");
}
TEST_CASE_METHOD(Open, "a frame of no type") {
  expect(frame(4, 1, "hello"), 501, "FRAME_ERROR - type 4, all octets = <<\"hello\">>: unknown_frame");
}
TEST_CASE_METHOD(Open, "a method frame without a method") {
  expect(frame(1, 1, "\0\x3c"s), 501, "FRAME_ERROR - type 1, all octets = <<0,60>>: unknown_frame");
}
TEST_CASE_METHOD(Open, "a heartbeat on a channel") {
  expect(frame(8, 1, ""), 505, "UNEXPECTED_FRAME - type 8, all octets = <<>>");
}
TEST_CASE_METHOD(Open, "a heartbeat with something in it") {
  expect(frame(8, 0, std::string(20, 'a')), 501,
         "FRAME_ERROR - type 8, first 16 octets = <<\"aaaaaaaaaaaaaaaa\">>: unknown_frame");
}
TEST_CASE_METHOD(Open, "content on channel 0") {
  expect(frame(3, 0, "x"), 505, "UNEXPECTED_FRAME - type 3, all octets = <<\"x\">>");
}
TEST_CASE_METHOD(Open, "a method of no class") {
  expect(frame(1, 1, "\x00\x46\x00\x0a"s), 540, "NOT_IMPLEMENTED - class 70 has no method 10", {70, 10});
}
TEST_CASE_METHOD(Open, "arguments that end early") {
  expect(frame(1, 1, "\x00\x3c\x00\x50\x00"s), 502, "SYNTAX_ERROR - basic.ack: the arguments end early", BasicAck::id);
}
TEST_CASE_METHOD(Open, "arguments with a bad table") {
  QueueDeclare declare;
  declare.arguments = {"\x01"};
  expect(method_frame(1, declare), 502, "SYNTAX_ERROR - queue.declare: field table: ends in the middle of a value",
         QueueDeclare::id);
}
TEST_CASE_METHOD(Open, "what only a server says") {
  expect(method_frame(1, QueueDeclareOk{}), 503, "COMMAND_INVALID - unimplemented method", QueueDeclareOk::id);
}
TEST_CASE_METHOD(Open, "content that only a server sends") {
  expect(method_frame(1, BasicDeliver{}), 503, "COMMAND_INVALID - unimplemented method", BasicDeliver::id);
}
TEST_CASE_METHOD(Open, "a method of the connection on a channel") {
  expect(method_frame(1, ConnectionClose{}), 503, "COMMAND_INVALID - unimplemented method", ConnectionClose::id);
}
TEST_CASE_METHOD(Open, "a step of the handshake when it is over") {
  expect(method_frame(0, ConnectionTuneOk{}), 504, "CHANNEL_ERROR - unexpected method in connection state running",
         ConnectionTuneOk::id);
}
TEST_CASE_METHOD(Open, "channel.flow: on is answered, off is not implemented") {
  CHECK(answers(method_frame(1, ChannelFlow{true})) == Lines{"1 channel.flow-ok{active: true}"});
  CHECK(owner.heard.empty());
  expect(method_frame(1, ChannelFlow{false}), 540, "NOT_IMPLEMENTED - active=false", ChannelFlow::id);
}

TEST_CASE_METHOD(Open, "a frame may be as large as negotiated, and by the fudge of old clients a little more") {
  give(publish() + header_frame(1, 131072 - 8 + 131072));
  give(frame(3, 1, std::string(131072 - 8, 'x')));
  give(frame(3, 1, std::string(131072, 'x')));
  CHECK(written().empty());
  CHECK(owner.take().back() == "1 end");
}
TEST_CASE_METHOD(Open, "a frame larger than negotiated is refused by its header alone") {
  std::string head = frame(3, 1, std::string(131073, 'x')).substr(0, 7);
  expect(head, 501, "FRAME_ERROR - type 3, all octets = <<>>: {frame_too_large,131073,131064}");
}
TEST_CASE_METHOD(Open, "a bad end octet") {
  std::string bad = method_frame(1, TxSelect{});
  bad.back() = 'x';
  expect(bad, 501, "FRAME_ERROR - type 1, all octets = <<0,90,0,10>>: {invalid_frame_end_marker,120}");
}
TEST_CASE_METHOD(Open, "after the frames were lost only the answer to the close counts, wherever it stands") {
  std::string bad = method_frame(1, TxSelect{});
  bad.back() = 'x';
  give(bad);
  written();
  owner.take();
  std::string answer = method_frame(0, ConnectionCloseOk{});
  CHECK(answers("garbage" + answer.substr(0, 5)).empty());
  CHECK(!connection->finished());
  CHECK(answers(answer.substr(5) + "more").empty());
  CHECK(connection->finished());
  CHECK(!owner.ended.lost);
  CHECK(owner.ended.code == 501);
}

TEST_CASE("a message above the limit closes its channel, and its body is skipped") {
  Server server;
  server.config.max_message_size = 100;
  server.run();
  server.open_channel(1);
  server.give(publish() + header_frame(1, 100) + frame(3, 1, std::string(100, 'x')));
  CHECK(server.owner.take().back() == "1 end");
  CHECK(server.answers(publish() + header_frame(1, 101) + frame(3, 1, std::string(101, 'x'))) ==
        Lines{"1 channel.close{reply_code: 406, reply_text: \"PRECONDITION_FAILED - message size 101 is larger than "
              "configured max size 100\", class_id: 60, method_id: 40}"});
  CHECK(server.owner.take() == Lines{"1 closed"});
  server.give(method_frame(1, ChannelCloseOk{}) + method_frame(1, ChannelOpen{}));
  CHECK(server.connection->is_open(1));
}

TEST_CASE("a peer that never answers a close is left after five seconds") {
  Open server;
  SECTION("closed from outside any call: the machine asks for the time first") {
    server.connection->close({ReplyCode::connection_forced, "bye", {}});
    CHECK(server.connection->next_deadline() == Monotonic::min());
    server.now += 1h;
    server.pass(0s);
    CHECK(server.connection->next_deadline() == server.now + 5s);
  }
  SECTION("closed for an error of the peer") {
    server.give(frame(9, 0, ""));
    CHECK(server.connection->next_deadline() == server.now + 5s);
  }
  server.pass(4999ms);
  CHECK(!server.connection->finished());
  server.pass(1ms);
  CHECK(server.connection->finished());
  CHECK(server.owner.ended.lost);
  CHECK(server.owner.ended.code >= 300);
}

TEST_CASE("the client holds its server to the same rules") {
  Client client;
  client.run();
  client.open_channel(1);
  auto expect = [&](std::string_view bytes, int code, const std::string& text, MethodId offender) {
    CHECK(client.answers(bytes) == Lines{close_line(code, text, offender)});
  };
  SECTION("what only a client says") {
    expect(method_frame(1, QueueDeclare{}), 503, "COMMAND_INVALID - unimplemented method", QueueDeclare::id);
  }
  SECTION("a channel nobody opened") {
    expect(method_frame(2, BasicAck{}), 504, "CHANNEL_ERROR - expected 'channel.open'", BasicAck::id);
  }
  SECTION("a channel that is not open yet") {
    client.connection->open_channel(2);
    client.written();
    expect(method_frame(2, BasicAck{}), 504, "CHANNEL_ERROR - expected 'channel.open-ok'", BasicAck::id);
  }
  SECTION("open-ok twice") {
    expect(method_frame(1, ChannelOpenOk{}), 503, "COMMAND_INVALID - unimplemented method", ChannelOpenOk::id);
  }
  CHECK(client.owner.heard.at(0) == "1 closed");
}

TEST_CASE("a server may refuse a channel, close it, and stop its flow") {
  Client client;
  client.run();
  client.open_channel(1);
  client.connection->open_channel(2);
  client.written();
  CHECK(client.answers(method_frame(2, ChannelClose{530, "NOT_ALLOWED - enough", 20, 10})) ==
        Lines{"2 channel.close-ok"});
  CHECK(client.owner.take() == Lines{"2 closed by peer 530 NOT_ALLOWED - enough"});
  CHECK(client.answers(method_frame(1, ChannelFlow{false})) == Lines{"1 channel.flow-ok{active: false}"});
  CHECK(client.owner.take() == Lines{"1 channel.flow{active: false}"});
  CHECK(client.answers(method_frame(1, ChannelClose{404, "NOT_FOUND - x", 60, 40})) == Lines{"1 channel.close-ok"});
  CHECK(client.owner.take() == Lines{"1 closed by peer 404 NOT_FOUND - x"});
  CHECK(!client.connection->is_open(1));
}

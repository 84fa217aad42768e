// The two machines against each other: handshake, channels, content, the closes.
#include <catch2/catch.hpp>

#include "tests/unit/protocol/amqp/machines.h"

using namespace wherry;
using namespace wherry::amqp;
using namespace wherry::amqp::test;
using namespace std::string_literals;

namespace {

Pair& ready(Pair& pair) {
  if (!pair.client.connection) pair.start();
  pair.exchange();
  REQUIRE(!pair.client.owner.heard.empty());
  pair.client.connection->open_channel(1);
  pair.exchange();
  REQUIRE(pair.client.connection->is_open(1));
  REQUIRE(pair.server.connection->is_open(1));
  pair.client.owner.take();
  pair.server.owner.take();
  pair.to_server.clear();
  pair.to_client.clear();
  return pair;
}

}  // namespace

TEST_CASE("a client that is let in: every step of the handshake") {
  Pair pair;
  pair.server.config.properties.set("product", "x");
  pair.client.config.response = "\0guest\0guest"s;
  pair.client.config.virtual_host = "tasks";
  pair.client.config.tuning.heartbeat_s = 10;
  pair.start();
  pair.exchange();
  CHECK(
      pair.to_server ==
      Lines{
          "AMQP",
          R"(0 connection.start-ok{client_properties: {}, mechanism: "PLAIN", response: (12 bytes), locale: "en_US"})",
          "0 connection.tune-ok{channel_max: 2047, frame_max: 131072, heartbeat_s: 10}",
          R"(0 connection.open{virtual_host: "tasks", reserved_1: "", reserved_2: false})"});
  CHECK(
      pair.to_client ==
      Lines{
          R"(0 connection.start{version_major: 0, version_minor: 9, server_properties: {product: "x"}, mechanisms: "AMQPLAIN PLAIN", locales: "en_US"})",
          "0 connection.tune{channel_max: 2047, frame_max: 131072, heartbeat_s: 60}",
          R"(0 connection.open-ok{reserved_1: ""})"});
  CHECK(pair.server.owner.take() == Lines{R"(login PLAIN "\x00guest\x00guest")", "open tasks 2047 131072 10"});
  CHECK(pair.client.owner.take() == Lines{R"(ready {product: "x"} 2047 131072 10)"});
  CHECK(pair.server.connection->tuning().heartbeat_s == 10);
}

TEST_CASE("a channel opens, says something, and closes cleanly") {
  Pair pair;
  ready(pair);
  pair.client.connection->send(1, TxSelect{});
  pair.client.connection->close_channel(1, {ReplyCode::success, "bye", {}});
  CHECK(!pair.client.connection->is_open(1));
  CHECK(pair.client.owner.heard.empty());
  pair.exchange();
  CHECK(pair.server.owner.take() ==
        Lines{"1 tx.select", R"(1 channel.close{reply_code: 200, reply_text: "bye", class_id: 0, method_id: 0})",
              "1 closed by peer 200 bye"});
  CHECK(pair.client.owner.take() == Lines{"1 closed"});
  pair.client.connection->open_channel(1);
  pair.exchange();
  CHECK(pair.server.connection->is_open(1));
}

TEST_CASE("content of every awkward size arrives whole, whatever the pieces") {
  for (std::size_t piece : {std::size_t{1}, std::size_t{7}, std::size_t{4096}, std::size_t{1} << 20}) {
    Pair pair;
    pair.client.config.tuning.frame_max = 4096;
    ready(pair);
    pair.piece = piece;
    for (std::size_t size : {0u, 1u, 4087u, 4088u, 4089u, 8176u, 8177u, 100'000u}) {
      if (piece < 100 && size > 10'000) continue;
      std::string body(size, '\0');
      for (std::size_t i = 0; i < size; ++i) body[i] = static_cast<char>(i * 31 + i / 251);
      pair.client.connection->send_content(1, BasicPublish{.exchange = "e", .routing_key = "k"}, "\x10\x00\x02"s, body);
      pair.exchange();
      Lines expected{
          "1 content basic.publish{ticket: 0, exchange: \"e\", routing_key: \"k\", mandatory: false, immediate: "
          "false} " +
          std::to_string(size)};
      for (std::size_t left = size; left > 0;) {
        std::size_t part = std::min<std::size_t>(left, 4088);
        expected.push_back("1 body " + std::to_string(part));
        left -= part;
      }
      expected.push_back("1 end");
      CHECK(pair.server.owner.take() == expected);
      CHECK(pair.server.owner.bodies == body);

      pair.server.connection->send_content(1, BasicDeliver{"c", 1, false, "e", "k"}, "\x10\x00\x02"s, body);
      pair.exchange();
      CHECK(pair.client.owner.take().size() == expected.size());
      CHECK(pair.client.owner.bodies == body);
    }
  }
}

TEST_CASE("contents on two channels interleave, and a heartbeat may come between") {
  Server server;
  server.run();
  server.open_channel(1);
  server.open_channel(2);
  Method publish = BasicPublish{.exchange = "e", .routing_key = "k"};
  server.give(method_frame(1, publish) + method_frame(2, BasicPublish{.exchange = "x", .routing_key = "y"}));
  server.give(header_frame(2, 2) + frame(8, 0, "") + header_frame(1, 3) + frame(3, 1, "ab"));
  server.give(frame(3, 2, "xy") + frame(3, 1, "") + frame(3, 1, "c"));
  CHECK(server.owner.take() == Lines{"2 content basic.publish{ticket: 0, exchange: \"x\", routing_key: \"y\", "
                                     "mandatory: false, immediate: false} 2",
                                     "1 content basic.publish{ticket: 0, exchange: \"e\", routing_key: \"k\", "
                                     "mandatory: false, immediate: false} 3",
                                     "1 body 2", "2 body 2", "2 end", "1 body 1", "1 end"});
  CHECK(server.written().empty());
}

TEST_CASE("splitting the input at every byte gives the same events and the same answers") {
  std::string script =
      std::string(protocol_header) +
      method_frame(0,
                   ConnectionStartOk{.client_properties = {}, .mechanism = "PLAIN", .response = {"x"}, .locale = {}}) +
      method_frame(0, ConnectionTuneOk{10, 4096, 0}) +
      method_frame(0, ConnectionOpen{.virtual_host = "/", .reserved_1 = {}}) + method_frame(1, ChannelOpen{}) +
      method_frame(1, BasicPublish{.exchange = "ex", .routing_key = "key"}) + header_frame(1, 5) + frame(3, 1, "hel") +
      frame(3, 1, "lo") + frame(8, 0, "") + method_frame(1, QueueDeclare{.queue = "q", .arguments = {}}) +
      method_frame(1, ChannelClose{200, "bye", 0, 0}) + method_frame(3, TxSelect{}) +
      method_frame(0, ConnectionCloseOk{});
  auto run = [&](std::size_t first, std::size_t piece) {
    Server server;
    server.start();
    server.give(std::string_view(script).substr(0, first));
    for (std::size_t at = first; at < script.size(); at += piece)
      server.give(std::string_view(script).substr(at, piece));
    return std::pair(server.owner.take(), server.written());
  };
  auto whole = run(0, script.size());
  CHECK(whole.first.back() == "ended 504 CHANNEL_ERROR - expected 'channel.open'");
  CHECK(run(0, 1) == whole);
  for (std::size_t at = 1; at < script.size(); ++at) REQUIRE(run(at, script.size()) == whole);
}

TEST_CASE("a clean close of the connection, from either side") {
  Pair pair;
  ready(pair);
  SECTION("by the client") {
    pair.client.connection->close_ok("done");
    CHECK(pair.client.owner.take() == Lines{"1 closed"});
    CHECK(!pair.client.connection->finished());
    pair.exchange();
    CHECK(pair.server.owner.take() == Lines{"1 closed", "ended 200 done (by peer)"});
    CHECK(pair.client.owner.take() == Lines{"ended 200 done"});
  }
  SECTION("by the server") {
    pair.server.connection->close({ReplyCode::connection_forced, "shutdown", {}});
    pair.exchange();
    CHECK(pair.client.owner.take() == Lines{"1 closed", "ended 320 CONNECTION_FORCED - shutdown (by peer)"});
    CHECK(pair.server.owner.take() == Lines{"1 closed", "ended 320 CONNECTION_FORCED - shutdown"});
  }
  SECTION("by both at once") {
    pair.client.connection->close_ok("client");
    pair.server.connection->close_ok("server");
    pair.exchange();
    CHECK(pair.client.owner.take() == Lines{"1 closed", "ended 200 client"});
    CHECK(pair.server.owner.take() == Lines{"1 closed", "ended 200 server"});
  }
  CHECK(pair.client.connection->finished());
  CHECK(pair.server.connection->finished());
  CHECK(pair.client.connection->next_deadline() == Monotonic::max());
  pair.client.connection->close_ok("again");
  pair.client.connection->on_socket_lost("again");
  CHECK(pair.client.owner.heard.empty());
  CHECK(pair.client.out.empty());
}

TEST_CASE("channel closes that cross leave the channel usable") {
  Pair pair;
  ready(pair);
  pair.client.connection->close_channel(1, {ReplyCode::success, "bye", {}});
  pair.server.connection->close_channel(1, {ReplyCode::not_found, "no queue", QueueDeclare::id});
  CHECK(pair.server.owner.take() == Lines{"1 closed"});
  pair.exchange();
  CHECK(pair.client.owner.take() == Lines{"1 closed by peer 404 NOT_FOUND - no queue"});
  CHECK(pair.server.owner.take().empty());
  pair.client.connection->open_channel(1);
  pair.exchange();
  CHECK(pair.client.connection->is_open(1));
  CHECK(pair.server.connection->is_open(1));
}

TEST_CASE("after a channel error everything on that channel is dropped until close-ok") {
  Server server;
  server.run();
  server.open_channel(1);
  server.open_channel(2);
  server.connection->close_channel(1, {ReplyCode::not_found, "no exchange 'e' in vhost '/'", BasicPublish::id});
  CHECK(frames_in(server.written()) == Lines{"1 channel.close{reply_code: 404, reply_text: \"NOT_FOUND - no exchange "
                                             "'e' in vhost '/'\", class_id: 60, method_id: 40}"});
  CHECK(server.owner.take() == Lines{"1 closed"});
  CHECK(server
            .answers(method_frame(1, BasicPublish{}) + header_frame(1, 3) + frame(3, 1, "abc") + header_frame(1, 9) +
                     method_frame(1, TxSelect{}) + frame(3, 1, "abc") + method_frame(2, TxSelect{}))
            .empty());
  CHECK(server.owner.take() == Lines{"2 tx.select"});
  server.connection->send(1, TxSelectOk{});
  CHECK(server.written().empty());
  CHECK(server.answers(method_frame(1, ChannelCloseOk{}) + method_frame(1, ChannelOpen{})) ==
        Lines{R"(1 channel.open-ok{reserved_1: ""})"});
  CHECK(server.owner.take() == Lines{R"(1 channel.open{reserved_1: ""})"});
}

TEST_CASE("a handler may close its own channel in any event; what it causes is told afterwards, once") {
  for (std::string at : {"1 tx.select", "1 content", "1 body", "1 end"}) {
    Server server;
    server.run();
    server.open_channel(1);
    bool inside = false;
    server.owner.on = [&](const std::string& line) {
      if (!line.starts_with(at)) {
        CHECK(!inside);
        return;
      }
      inside = true;
      server.connection->close_channel(1, {ReplyCode::precondition_failed, "no", {}});
      server.connection->close_channel(1, {ReplyCode::precondition_failed, "again", {}});
      inside = false;
    };
    server.give(method_frame(1, TxSelect{}) + method_frame(1, BasicPublish{}) + header_frame(1, 4) + frame(3, 1, "ab") +
                frame(3, 1, "cd") + method_frame(1, TxCommit{}));
    INFO(at);
    Lines heard = server.owner.take();
    CHECK(heard.back() == "1 closed");
    CHECK(heard.at(heard.size() - 2).starts_with(at));
    CHECK(frames_in(server.written()).size() == 1);
  }
}

TEST_CASE("a content whose channel is closed in its last fragment, or in an empty one's header, has no end") {
  for (std::string body : {"", "abcd"}) {
    Server server;
    server.run();
    server.open_channel(1);
    server.owner.on = [&](const std::string& line) {
      if (line.starts_with(body.empty() ? "1 content" : "1 body")) {
        server.connection->close_channel(1, {ReplyCode::not_found, "no", {}});
      }
    };
    server.give(method_frame(1, BasicPublish{}) + header_frame(1, body.size()));
    if (!body.empty()) server.give(frame(3, 1, body));
    CHECK(server.owner.take().back() == "1 closed");
  }
}

TEST_CASE("a handler may close the connection in any event") {
  for (std::string at : {"login", "open", "1 channel.open", "1 tx.select", "1 content", "1 body", "1 end",
                         "1 channel.close", "1 closed"}) {
    Server server;
    server.start();
    server.owner.on = [&](const std::string& line) {
      if (line.starts_with(at)) server.connection->close({ReplyCode::connection_forced, "enough", {}});
    };
    server.give(std::string(protocol_header) +
                method_frame(
                    0, ConnectionStartOk{.client_properties = {}, .mechanism = "PLAIN", .response = {}, .locale = {}}) +
                method_frame(0, ConnectionTuneOk{2047, 131072, 0}) +
                method_frame(0, ConnectionOpen{.virtual_host = "/", .reserved_1 = {}}) +
                method_frame(1, ChannelOpen{}) + method_frame(1, TxSelect{}) + method_frame(1, BasicPublish{}) +
                header_frame(1, 2) + frame(3, 1, "ab") + method_frame(1, ChannelClose{200, "", 0, 0}) +
                method_frame(2, ChannelOpen{}) + method_frame(0, ConnectionCloseOk{}));
    INFO(at);
    Lines heard = server.owner.take();
    CHECK(std::count(heard.begin(), heard.end(), "ended 320 CONNECTION_FORCED - enough") == 1);
    CHECK(heard.back() == "ended 320 CONNECTION_FORCED - enough");
    bool had_channel = at.starts_with("1");
    CHECK(std::count_if(heard.begin(), heard.end(), [](auto& line) { return line.starts_with("1 closed"); }) ==
          had_channel);
    CHECK(server.connection->finished());
  }
}

TEST_CASE("hold stops between frames, and nothing is lost") {
  Server server;
  server.run();
  server.open_channel(1);
  server.owner.on = [&](const std::string&) { server.connection->hold(); };
  server.give(method_frame(1, TxSelect{}) + method_frame(1, TxCommit{}) + method_frame(1, TxRollback{}));
  CHECK(server.owner.take() == Lines{"1 tx.select"});
  server.give("");
  CHECK(server.owner.take() == Lines{"1 tx.commit"});
  server.give("");
  CHECK(server.owner.take() == Lines{"1 tx.rollback"});
  CHECK(server.input.empty());
}

TEST_CASE("a lost socket ends every channel and then the connection") {
  Pair pair;
  ready(pair);
  pair.client.connection->open_channel(2);
  pair.client.connection->close_channel(1, {ReplyCode::success, "", {}});
  pair.client.connection->on_socket_lost("Connection reset by peer");
  CHECK(pair.client.owner.take() == Lines{"1 closed", "2 closed", "ended 0 Connection reset by peer (lost)"});
  pair.server.connection->close_ok("x");
  pair.server.connection->on_socket_lost("gone");
  CHECK(pair.server.owner.take() == Lines{"1 closed", "ended 200 x (lost)"});
}

TEST_CASE("channel 0 carries blocked, unblocked and update-secret") {
  Pair pair;
  ready(pair);
  pair.server.connection->send(0, ConnectionBlocked{"low on memory"});
  pair.server.connection->send(0, ConnectionUnblocked{});
  pair.client.connection->send(0, ConnectionUpdateSecret{{"s"}, "r"});
  pair.exchange();
  CHECK(pair.client.owner.take() ==
        Lines{R"(0 connection.blocked{reason: "low on memory"})", "0 connection.unblocked"});
  CHECK(pair.server.owner.take() == Lines{R"(0 connection.update-secret{new_secret: (1 bytes), reason: "r"})"});
  pair.server.connection->send(0, ConnectionUpdateSecretOk{});
  pair.exchange();
  CHECK(pair.client.owner.take() == Lines{"0 connection.update-secret-ok"});
}

TEST_CASE("what is sent on a channel that is not open is dropped") {
  Pair pair;
  pair.start();
  pair.client.connection->open_channel(1);
  pair.client.connection->send(1, TxSelect{});
  pair.exchange();
  pair.client.connection->send(1, TxSelect{});
  pair.client.connection->send_content(1, BasicPublish{}, "\0\0"s, "x");
  pair.client.connection->close_channel(1, {ReplyCode::success, "", {}});
  CHECK(pair.client.out.empty());
  pair.client.connection->open_channel(1);
  pair.client.written();
  pair.client.connection->send(1, TxSelect{});
  CHECK(pair.client.out.empty());
}

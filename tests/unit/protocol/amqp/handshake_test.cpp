// Every step of the handshake failing, at either side.
#include <catch2/catch.hpp>

#include "tests/unit/protocol/amqp/machines.h"

using namespace wherry;
using namespace wherry::amqp;
using namespace wherry::amqp::test;
using namespace std::chrono_literals;
using namespace std::string_literals;

namespace {

std::string start_ok(std::string_view mechanism, bool wants_close) {
  Table capabilities;
  capabilities.set("authentication_failure_close", wants_close);
  Table properties;
  properties.set("capabilities", capabilities);
  std::string raw = encode_table(properties);
  ConnectionStartOk start;
  start.client_properties = {raw};
  start.mechanism = mechanism;
  return method_frame(0, start);
}

std::string tune_ok(std::uint16_t channel_max, std::uint32_t frame_max, std::uint16_t heartbeat_s) {
  return method_frame(0, ConnectionTuneOk{channel_max, frame_max, heartbeat_s});
}

std::string open(std::string_view host) {
  return method_frame(0, ConnectionOpen{.virtual_host = host, .reserved_1 = {}});
}

std::string close_line(int code, const std::string& text, int class_id, int method_id) {
  return "0 connection.close{reply_code: " + std::to_string(code) + ", reply_text: \"" + text +
         "\", class_id: " + std::to_string(class_id) + ", method_id: " + std::to_string(method_id) + "}";
}

void start_to_login(Server& server) {
  server.start();
  server.give(protocol_header);
  server.written();
}

}  // namespace

TEST_CASE("a wrong protocol header is answered with ours, and that is all") {
  for (std::string header : {"AMQP\x00\x00\x09\x02"s, "AMQP\x00\x01\x00\x00"s, "AMQP\x03\x01\x00\x00"s,
                             "GET / HTTP/1.1\r\n\r\n"s, "\x16\x03\x01"s, "A"s + "B"s}) {
    Server server;
    server.start();
    server.give(header);
    CHECK(server.written() == protocol_header);
    CHECK(server.connection->finished());
    CHECK(server.owner.take() == Lines{"ended 0 the client did not begin with AMQP 0-9-1's header (lost)"});
    CHECK(server.input.empty());
  }
}

TEST_CASE("the header of 0-9 is as good") {
  Server server;
  server.start();
  server.give("AMQP\x01\x01\x00\x09"s);
  CHECK(frames_in(server.written()).size() == 1);
  CHECK(!server.connection->finished());
}

TEST_CASE("a client that says nothing is let go when the handshake's time is over") {
  Server server;
  server.config.handshake_timeout = 10s;
  server.start();
  std::vector<std::string> steps{"", std::string(protocol_header), start_ok("PLAIN", true), tune_ok(2047, 131072, 60)};
  std::vector<std::string> states{"starting", "starting", "tuning", "opening"};
  std::size_t reached = GENERATE(0u, 1u, 2u, 3u);
  for (std::size_t i = 0; i <= reached; ++i) server.give(steps[i]);
  server.owner.take();
  server.pass(9999ms);
  CHECK(!server.connection->finished());
  server.pass(1ms);
  CHECK(server.connection->finished());
  CHECK(server.owner.take() == Lines{"ended 0 handshake timeout in connection state " + states[reached] + " (lost)"});
}

TEST_CASE("a refused login is told to clients that understand it") {
  Server server;
  server.owner.logins = {{ServerEvents::Login::Verdict::refused, "", ""}};
  start_to_login(server);
  CHECK(server.answers(start_ok("PLAIN", true)) ==
        Lines{close_line(403,
                         "ACCESS_REFUSED - Login was refused using authentication mechanism PLAIN. For details see the "
                         "broker logfile.",
                         0, 0)});
  CHECK(!server.connection->finished());
  server.give(method_frame(0, ConnectionCloseOk{}));
  CHECK(server.connection->finished());
  CHECK(!server.owner.ended.lost);
  CHECK(server.owner.ended.code == 403);
}

TEST_CASE("a refused login is silent for the others, after a pause in which nothing they say counts") {
  Server server;
  server.owner.logins = {{ServerEvents::Login::Verdict::refused, "", "no such user"}};
  start_to_login(server);
  CHECK(server.answers(start_ok("AMQPLAIN", false)).empty());
  CHECK(server.answers(start_ok("PLAIN", true) + "garbage").empty());
  CHECK(server.input.empty());
  CHECK(!server.connection->finished());
  server.pass(1s);
  CHECK(server.connection->finished());
  CHECK(server.owner.take().back() == "ended 403 ACCESS_REFUSED - no such user (lost)");
}

TEST_CASE("a challenge goes back and forth until the verdict") {
  Server server;
  server.config.mechanisms = {"DEMO"};
  server.owner.logins = {{ServerEvents::Login::Verdict::challenge, "how?", ""},
                         {ServerEvents::Login::Verdict::challenge, "more", ""},
                         {ServerEvents::Login::Verdict::granted, "", ""}};
  start_to_login(server);
  CHECK(server.answers(start_ok("DEMO", true)) == Lines{"0 connection.secure{challenge: (4 bytes)}"});
  CHECK(server.answers(method_frame(0, ConnectionSecureOk{{"a"}})) ==
        Lines{"0 connection.secure{challenge: (4 bytes)}"});
  CHECK(server.answers(method_frame(0, ConnectionSecureOk{{"b"}})).at(0).starts_with("0 connection.tune"));
  CHECK(server.owner.take() == Lines{R"(login DEMO "")", R"(login DEMO "a")", R"(login DEMO "b")"});
}

TEST_CASE("an unknown mechanism is a 503 and nobody is asked") {
  Server server;
  start_to_login(server);
  CHECK(server.answers(start_ok("EXTERNAL", true)) ==
        Lines{close_line(503, "COMMAND_INVALID - unknown authentication mechanism 'EXTERNAL'", 10, 11)});
  CHECK(server.owner.heard.empty());
}

TEST_CASE("tune-ok outside what was offered is a 530") {
  struct Case {
    std::uint16_t channel_max;
    std::uint32_t frame_max;
    std::string text;
  };
  Case wrong =
      GENERATE(Case{2048, 131072, "negotiated channel_max = 2048 is higher than the maximum allowed value (2047)"},
               Case{0, 131072, "negotiated channel_max = 0 (no limit) is higher than the maximum allowed value (2047)"},
               Case{2047, 131073, "negotiated frame_max = 131073 is higher than the maximum allowed value (131072)"},
               Case{2047, 0, "negotiated frame_max = 0 is higher than the maximum allowed value (131072)"},
               Case{2047, 4095, "negotiated frame_max = 4095 is lower than the minimum allowed value (4096)"});
  Server server;
  start_to_login(server);
  server.give(start_ok("PLAIN", true));
  server.written();
  CHECK(server.answers(tune_ok(wrong.channel_max, wrong.frame_max, 60)) ==
        Lines{close_line(530, "NOT_ALLOWED - " + wrong.text, 10, 30)});
}

TEST_CASE("a server without limits takes any, and the client's heartbeat whatever it is") {
  Server server;
  server.config.tuning = {0, 0, 60};
  start_to_login(server);
  server.give(start_ok("PLAIN", true) + tune_ok(0, 0, 0) + open("/"));
  CHECK(server.owner.take().back() == "open / 0 0 0");
  CHECK(server.connection->next_deadline() == Monotonic::max());
  Server other;
  start_to_login(other);
  other.give(start_ok("PLAIN", true) + tune_ok(1, 4096, 580) + open("/"));
  CHECK(other.owner.take().back() == "open / 1 4096 580");
}

TEST_CASE("a virtual host that may not be opened closes the connection with the owner's error") {
  Server server;
  server.owner.open = tl::unexpected(AmqpError{ReplyCode::not_allowed, "vhost nowhere not found", {}});
  start_to_login(server);
  server.give(start_ok("PLAIN", true) + tune_ok(2047, 131072, 60));
  server.written();
  CHECK(server.answers(open("nowhere")) == Lines{close_line(530, "NOT_ALLOWED - vhost nowhere not found", 10, 40)});
}

TEST_CASE("a method that is not due in the handshake is a 504 that says where it came") {
  Server server;
  start_to_login(server);
  SECTION("another of the connection's") {
    CHECK(server.answers(open("/")) ==
          Lines{close_line(504, "CHANNEL_ERROR - unexpected method in connection state starting", 10, 40)});
  }
  SECTION("one of a channel's on channel 0") {
    CHECK(server.answers(method_frame(0, ChannelOpen{})) ==
          Lines{close_line(504, "CHANNEL_ERROR - unexpected method in connection state starting", 20, 10)});
  }
  SECTION("a frame on a channel") {
    server.give(start_ok("PLAIN", true));
    server.written();
    CHECK(server.answers(method_frame(1, ChannelOpen{})) ==
          Lines{close_line(504, "CHANNEL_ERROR - unexpected frame on channel 1 in connection state tuning", 0, 0)});
  }
  SECTION("a large frame") {
    std::string big = start_ok("PLAIN", true);
    CHECK(server.answers(frame(1, 0, std::string(8193, 'x'))) ==
          Lines{close_line(501, "FRAME_ERROR - type 1, all octets = <<>>: {frame_too_large,8193,8184}", 0, 0)});
  }
}

TEST_CASE("a client may leave in the middle of the handshake") {
  Server server;
  start_to_login(server);
  CHECK(server.answers(method_frame(0, ConnectionClose{200, "no thanks", 0, 0})) == Lines{"0 connection.close-ok"});
  CHECK(server.owner.take() == Lines{"ended 200 no thanks (by peer)"});
}

// --- the client -----------------------------------------------------------------------------------------------------

TEST_CASE("a server of another protocol ends the client with what it offers") {
  Client client;
  client.start();
  CHECK(client.written() == protocol_header);
  client.give("AMQP\x03\x01");
  CHECK(!client.connection->finished());
  client.give("\x00\x00"s);
  CHECK(client.connection->finished());
  CHECK(client.owner.take() ==
        Lines{"ended 540 NOT_IMPLEMENTED - the server does not speak AMQP 0-9-1; it offers 3-1-0-0 (lost)"});
}

TEST_CASE("a mechanism that the server does not offer ends the client") {
  Client client;
  client.config.mechanism = "PLAIN";
  client.start();
  client.give(
      method_frame(0, ConnectionStart{.server_properties = {}, .mechanisms = {"XPLAIN EXTERNAL"}, .locales = {}}));
  CHECK(client.owner.take() ==
        Lines{"ended 503 COMMAND_INVALID - the server offers the mechanisms 'XPLAIN EXTERNAL', not PLAIN (lost)"});
}

TEST_CASE("the lower bounds win, and none is above any") {
  struct Case {
    Tuning ours, theirs;
    std::string answer;
  };
  Case given = GENERATE(Case{{2047, 131072, 60}, {100, 4096, 10}, "channel_max: 100, frame_max: 4096, heartbeat_s: 10"},
                        Case{{10, 8192, 5}, {100, 131072, 60}, "channel_max: 10, frame_max: 8192, heartbeat_s: 5"},
                        Case{{0, 0, 0}, {100, 131072, 60}, "channel_max: 100, frame_max: 131072, heartbeat_s: 60"},
                        Case{{7, 4096, 7}, {0, 0, 0}, "channel_max: 7, frame_max: 4096, heartbeat_s: 7"},
                        Case{{0, 0, 0}, {0, 0, 0}, "channel_max: 0, frame_max: 0, heartbeat_s: 0"});
  Client client;
  client.config.tuning = given.ours;
  client.start();
  client.give(method_frame(0, ConnectionStart{.server_properties = {}, .mechanisms = {"PLAIN"}, .locales = {}}));
  client.written();
  CHECK(client.answers(method_frame(
            0, ConnectionTune{given.theirs.channel_max, given.theirs.frame_max, given.theirs.heartbeat_s}))[0] ==
        "0 connection.tune-ok{" + given.answer + "}");
}

TEST_CASE("a server that is refused or refuses in the handshake ends the client once") {
  Client client;
  client.start();
  client.give(
      method_frame(0, ConnectionStart{.server_properties = {}, .mechanisms = {"AMQPLAIN PLAIN"}, .locales = {}}));
  client.written();
  SECTION("refused login") {
    CHECK(client.answers(method_frame(0, ConnectionClose{403, "ACCESS_REFUSED - no", 10, 11})) ==
          Lines{"0 connection.close-ok"});
    CHECK(client.owner.take() == Lines{"ended 403 ACCESS_REFUSED - no (by peer)"});
  }
  SECTION("silence, then the socket") {
    client.connection->on_socket_lost("end of stream");
    CHECK(client.owner.take() == Lines{"ended 0 end of stream (lost)"});
  }
  SECTION("silence for ever") {
    client.pass(10s);
    CHECK(client.owner.take() == Lines{"ended 0 handshake timeout in connection state tuning (lost)"});
  }
  SECTION("a challenge nobody can answer") {
    client.give(method_frame(0, ConnectionSecure{{"?"}}));
    CHECK(client.answers(method_frame(0, ConnectionCloseOk{})) ==
          Lines{close_line(503, "COMMAND_INVALID - no answer to a challenge with mechanism PLAIN", 10, 20)});
    CHECK(client.owner.ended.code == 503);
  }
  SECTION("frames that are too small to speak in") {
    CHECK(client.answers(method_frame(0, ConnectionTune{1, 4095, 0}))[0].starts_with(
        "0 connection.close{reply_code: 530"));
  }
  SECTION("a server that goes on with the wrong step") {
    CHECK(client.answers(method_frame(0, ConnectionOpenOk{})) ==
          Lines{close_line(504, "CHANNEL_ERROR - unexpected method in connection state tuning", 10, 41)});
  }
}

// Any bytes at all, in any pieces: no crash, events in their order, one end.
#include <map>

#include <catch2/catch.hpp>

#include "tests/unit/protocol/amqp/generate.h"
#include "tests/unit/protocol/amqp/machines.h"

using namespace wherry;
using namespace wherry::amqp;
using namespace wherry::amqp::test;
using namespace std::chrono_literals;

namespace {

// Whether what an owner heard is a possible story.
void check_story(const Lines& heard) {
  std::map<std::string, bool> open;
  std::size_t ends = 0;
  for (const std::string& line : heard) {
    REQUIRE(ends == 0);
    std::string channel = line.substr(0, line.find(' '));
    bool on_channel = !channel.empty() && channel.find_first_not_of("0123456789") == channel.npos && channel != "0";
    if (line.starts_with("ended ")) {
      ++ends;
      for (auto& [number, is_open] : open) REQUIRE(!is_open);
    } else if (on_channel && line.find(" channel.open{") != line.npos) {
      REQUIRE(!open[channel]);
      open[channel] = true;
    } else if (on_channel) {
      REQUIRE(open[channel]);
      if (line.find(" closed") != line.npos) open[channel] = false;
    }
  }
}

std::string random_session(Generator& generate) {
  std::string bytes;
  for (std::size_t n = generate.below(12); n > 0; --n) {
    auto channel = static_cast<std::uint16_t>(generate.below(4));
    switch (generate.below(6)) {
      case 0:
        bytes += method_frame(channel, ChannelOpen{});
        break;
      case 1: {
        std::string body = generate.text(50);
        bytes += method_frame(channel, BasicPublish{});
        bytes += header_frame(channel, body.size(), encode_properties(generate.properties()));
        if (!body.empty()) bytes += frame(3, channel, body);
        break;
      }
      case 2:
        bytes += method_frame(channel, generate.method());
        break;
      case 3:
        bytes += frame(static_cast<unsigned>(generate.below(9)), channel, generate.text(40));
        break;
      case 4:
        bytes += method_frame(channel, ChannelClose{200, "", 0, 0});
        break;
      default:
        bytes += method_frame(channel, ChannelCloseOk{});
        break;
    }
  }
  if (!bytes.empty() && generate.coin()) {
    for (std::size_t n = generate.below(4); n > 0; --n)
      bytes[generate.below(bytes.size())] = static_cast<char>(generate.number());
  }
  return bytes;
}

template <class Party>
Lines play(Party& party, std::string_view bytes, Generator* pieces) {
  while (!bytes.empty()) {
    std::size_t piece = pieces ? 1 + pieces->below(40) : bytes.size();
    party.give(bytes.substr(0, piece));
    bytes.remove_prefix(std::min(piece, bytes.size()));
  }
  party.connection->on_socket_lost("over");
  CHECK(party.connection->finished());
  return party.owner.take();
}

}  // namespace

TEST_CASE("random and mutated input gives a possible story and one end, the same in any pieces") {
  INFO("WHERRY_SEED=" << seed());
  Generator generate(seed());
  for (int round = 0; round < 1500; ++round) {
    std::string bytes = random_session(generate);
    auto once = [&](Generator* pieces) {
      Server server;
      server.run();
      Lines heard = play(server, bytes, pieces);
      return std::pair(heard, server.written());
    };
    auto whole = once(nullptr);
    check_story(whole.first);
    REQUIRE(!whole.first.empty());
    REQUIRE(whole.first.back().starts_with("ended "));
    auto closes = frames_in(whole.second);
    REQUIRE(std::count_if(closes.begin(), closes.end(),
                          [](auto& line) { return line.starts_with("0 connection.close{"); }) <= 1);
    // The machine may go deaf at a piece's end; what it heard and said before that must not depend on the pieces.
    REQUIRE(once(&generate) == whole);
  }
}

TEST_CASE("random input does the same to a client") {
  INFO("WHERRY_SEED=" << seed());
  Generator generate(seed());
  for (int round = 0; round < 1500; ++round) {
    std::string bytes = random_session(generate);
    auto once = [&](Generator* pieces) {
      Client client;
      client.run();
      client.connection->open_channel(1);
      client.connection->open_channel(2);
      client.give(method_frame(1, ChannelOpenOk{}));
      client.connection->open_channel(3);
      client.give(method_frame(3, ChannelOpenOk{}));
      client.connection->close_channel(3, {ReplyCode::success, "", {}});
      Lines heard = play(client, bytes, pieces);
      return std::pair(heard, client.written());
    };
    auto whole = once(nullptr);
    REQUIRE(whole.first.back().starts_with("ended "));
    for (const char* channel : {"1", "2", "3"}) {
      REQUIRE(std::count_if(whole.first.begin(), whole.first.end(),
                            [&](auto& line) { return line.starts_with(channel + std::string(" closed")); }) == 1);
    }
    REQUIRE(once(&generate) == whole);
  }
}

TEST_CASE("random bytes from the first on never do more than end the connection") {
  INFO("WHERRY_SEED=" << seed());
  Generator generate(seed());
  for (int round = 0; round < 2000; ++round) {
    Server server;
    server.start();
    std::string bytes = generate.coin() ? std::string(protocol_header) : "";
    Lines heard = play(server, bytes + generate.text(100), &generate);
    REQUIRE(heard.size() == 1);
    REQUIRE(heard[0].starts_with("ended "));
  }
}

TEST_CASE("random frames in the handshake give one close at most") {
  INFO("WHERRY_SEED=" << seed());
  Generator generate(seed());
  for (int round = 0; round < 2000; ++round) {
    Server server;
    server.start();
    std::string bytes(protocol_header);
    for (std::size_t n = generate.below(5); n > 0; --n) bytes += method_frame(0, generate.method(generate.below(14)));
    Lines heard = play(server, bytes, &generate);
    REQUIRE(heard.back().starts_with("ended "));
  }
}

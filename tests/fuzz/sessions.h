// What the two connection targets share. An input is: one octet of how to play it, one of what the owner's handlers do,
// and the peer's bytes.
#pragma once

#include <algorithm>

#include "tests/fuzz/fuzz.h"
#include "tests/unit/protocol/amqp/generate.h"
#include "tests/unit/protocol/amqp/machines.h"

namespace wherry::fuzz {

struct Play {
  bool handshake = false;  // Begin with the first byte rather than with a channel open.
  bool meddling = false;   // Handlers close channels, send, hold.
  std::uint8_t meddle = 0;
  std::string_view bytes;
};

inline Play read_play(std::string_view input) {
  Play play;
  if (input.size() < 2) return play;
  play.handshake = input[0] & 1;
  play.meddling = input[0] & 2;
  play.meddle = static_cast<std::uint8_t>(input[1]);
  play.bytes = input.substr(2);
  return play;
}

// What both targets do with an event, by the pattern of the input: legal calls at any time.
template <class Party>
void meddle(Party& party, const Play& play, int event) {
  using namespace amqp;
  if (!play.meddling || !(play.meddle & (1 << event % 8))) return;
  auto channel = static_cast<std::uint16_t>(1 + event % 3);
  switch ((event + play.meddle) % 6) {
    case 0:
      party.connection->close_channel(channel, {ReplyCode::not_found, "meddled", {}});
      break;
    case 1:
      party.connection->hold();
      break;
    case 2:
      party.connection->send(channel, BasicAck{1, false});
      break;
    case 3:
      party.connection->send_content(channel, BasicReturn{}, {"\0\0", 2}, "body");
      break;
    case 4:
      party.connection->on_socket_lost("meddled");
      break;
    default:
      party.connection->close({ReplyCode::connection_forced, "meddled", {}});
      break;
  }
}

// Plays the bytes in pieces and to the end; what was heard and what was written.
template <class Party>
std::pair<amqp::test::Lines, std::string> finish(Party& party, const Play& play, std::size_t piece) {
  int event = 0;
  party.owner.on = [&](const std::string& line) {
    if (!line.starts_with("ended")) meddle(party, play, event);
    ++event;
  };
  for (std::size_t at = 0; at < play.bytes.size(); at += piece) party.give(play.bytes.substr(at, piece));
  std::size_t left = party.input.size() + 1;  // A held machine goes on when it is asked again.
  while (play.meddling && party.input.size() < left) {
    left = party.input.size();
    party.give("");
  }
  party.pass(std::chrono::hours(1));
  party.pass(std::chrono::hours(1));
  party.connection->on_socket_lost("over");
  WHERRY_FUZZ_CHECK(party.connection->finished());
  return {party.owner.take(), party.written()};
}

// The connection ends once, and nothing is heard after that.
inline void check_end(const amqp::test::Lines& heard) {
  WHERRY_FUZZ_CHECK(!heard.empty() && heard.back().starts_with("ended "));
  WHERRY_FUZZ_CHECK(std::count_if(heard.begin(), heard.end(), [](auto& l) { return l.starts_with("ended "); }) == 1);
}

// Frames a peer might send: mostly in order, some not.
inline std::string random_frames(amqp::test::Generator& generate, bool server_side) {
  using namespace amqp;
  using namespace amqp::test;
  std::string bytes;
  for (std::size_t n = generate.below(10); n > 0; --n) {
    auto channel = static_cast<std::uint16_t>(generate.below(4));
    switch (generate.below(8)) {
      case 0:
        bytes += server_side ? method_frame(channel, ChannelOpen{}) : method_frame(channel, ChannelOpenOk{});
        break;
      case 1:
      case 2: {
        std::string body = generate.text(50);
        bytes += server_side ? method_frame(channel, BasicPublish{}) : method_frame(channel, BasicDeliver{});
        bytes += header_frame(channel, body.size(), encode_properties(generate.properties()));
        std::size_t half = generate.below(body.size() + 1);
        if (half > 0) bytes += frame(3, channel, body.substr(0, half));
        if (half < body.size()) bytes += frame(3, channel, body.substr(half));
        break;
      }
      case 3:
        bytes += method_frame(channel, generate.method());
        break;
      case 4:
        bytes += frame(static_cast<unsigned>(generate.below(9)), channel, generate.text(40));
        break;
      case 5:
        bytes += method_frame(channel, ChannelClose{200, "", 0, 0});
        break;
      case 6:
        bytes += method_frame(channel, ChannelCloseOk{});
        break;
      default:
        bytes += frame(8, 0, "");
        break;
    }
  }
  return bytes;
}

}  // namespace wherry::fuzz

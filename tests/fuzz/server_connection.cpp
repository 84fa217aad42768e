// The server's machine against any client: no crash, one end, and nothing that depends on how the bytes were cut.
#include "tests/fuzz/sessions.h"

using namespace wherry;
using namespace wherry::amqp;
using namespace wherry::amqp::test;

std::string fuzz::make_input(std::uint64_t seed) {
  Generator generate(seed);
  bool handshake = generate.coin();
  std::string input{static_cast<char>((handshake ? 1 : 0) | (generate.coin() ? 2 : 0)),
                    static_cast<char>(generate.number())};
  if (handshake) {
    input += protocol_header;
    ConnectionStartOk start;
    start.mechanism = "PLAIN";
    input += method_frame(0, start) + method_frame(0, ConnectionTuneOk{100, 4096, 10}) +
             method_frame(0, ConnectionOpen{.virtual_host = "/", .reserved_1 = {}}) + method_frame(1, ChannelOpen{});
  }
  return input + random_frames(generate, true);
}

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  fuzz::Play play = fuzz::read_play(fuzz::view(data, size));
  auto once = [&](std::size_t piece) {
    Server server;
    server.config.max_message_size = 1000;
    server.start();
    if (!play.handshake) {
      server.run();
      server.open_channel(1);
    }
    auto story = fuzz::finish(server, play, piece);
    fuzz::check_end(story.first);
    return story;
  };
  WHERRY_FUZZ_CHECK(once(1) == once(play.bytes.size() + 1));
  return 0;
}

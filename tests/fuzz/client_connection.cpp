// The client's machine against any server: no crash, one end, and nothing that depends on how the bytes were cut.
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
    ConnectionStart start;
    start.mechanisms = {"PLAIN"};
    input +=
        method_frame(0, start) + method_frame(0, ConnectionTune{100, 4096, 10}) + method_frame(0, ConnectionOpenOk{});
  }
  return input + random_frames(generate, false);
}

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  fuzz::Play play = fuzz::read_play(fuzz::view(data, size));
  auto once = [&](std::size_t piece) {
    Client client;
    client.start();
    if (!play.handshake) {
      client.run();
      client.open_channel(1);
      client.connection->open_channel(2);
    }
    auto story = fuzz::finish(client, play, piece);
    fuzz::check_end(story.first);
    return story;
  };
  WHERRY_FUZZ_CHECK(once(1) == once(play.bytes.size() + 1));
  return 0;
}

#include "net/stream.h"

#include <algorithm>
#include <functional>
#include <optional>

#include <catch2/catch.hpp>
#include <netinet/in.h>
#include <sys/socket.h>
#include <unistd.h>

using namespace wherry;
using namespace std::chrono_literals;

namespace {

struct Handler final : net::StreamHandler {
  std::function<std::size_t(std::string_view)> data = [](std::string_view bytes) { return bytes.size(); };
  std::function<void(std::string)> lost = [](std::string) {};
  std::function<void()> writable = [] {};
  std::size_t on_data(std::string_view bytes) override { return data(bytes); }
  void on_lost(std::string_view reason) override { lost(std::string(reason)); }
  void on_writable() override { writable(); }
};

// Two ends of one connection over a real listening socket, on one loop; stop() ends the test's run.
struct Pair {
  net::EventLoop loop;
  std::unique_ptr<net::Acceptor> acceptor;
  std::unique_ptr<net::Stream> server, client;
  Handler server_handler, client_handler;
  std::unique_ptr<net::Connecting> connecting;
  net::Timer guard{loop};
  bool timed_out = false;

  void run(std::function<void()> when_connected) {
    acceptor = std::move(*net::Acceptor::listen(loop, {"127.0.0.1", 0}));
    auto begin = [this, when_connected] {
      if (!server || !client) return;
      server->start(server_handler);
      client->start(client_handler);
      when_connected();
    };
    acceptor->start([this, begin](int socket) {
      server = net::adopt(loop, socket);
      begin();
    });
    connecting = net::connect(loop, acceptor->address(), 5s, [this, begin](auto stream) {
      REQUIRE(stream);
      client = std::move(*stream);
      begin();
    });
    guard.set(20s, [this] {
      timed_out = true;
      loop.stop();
    });
    loop.run();
    CHECK_FALSE(timed_out);
  }
  void send(net::Stream& from, std::string_view bytes) {
    from.out().append(bytes);
    from.flush_soon();
  }
};

}  // namespace

TEST_CASE("bytes come through in order, whatever the size") {
  Pair pair;
  std::string sent(5'000'000, ' '), got;
  for (std::size_t i = 0; i < sent.size(); ++i) sent[i] = static_cast<char>(i * 31 + i / 7919);
  pair.server_handler.data = [&](std::string_view bytes) {
    got += bytes;
    if (got.size() == sent.size()) pair.loop.stop();
    return bytes.size();
  };
  pair.run([&] { pair.send(*pair.client, sent); });
  CHECK(got == sent);
}

TEST_CASE("what a handler does not take comes again with more behind it") {
  Pair pair;
  std::string got;
  // Takes whole words only.
  pair.server_handler.data = [&](std::string_view bytes) -> std::size_t {
    auto space = bytes.rfind(' ');
    if (space == bytes.npos) return 0;
    got += bytes.substr(0, space + 1);
    if (got == "one two three ") pair.loop.stop();
    return space + 1;
  };
  net::Timer soon(pair.loop), later(pair.loop);
  pair.run([&] {
    pair.send(*pair.client, "one tw");
    soon.set(5ms, [&] { pair.send(*pair.client, "o th"); });
    later.set(10ms, [&] { pair.send(*pair.client, "ree "); });
  });
  CHECK(got == "one two three ");
}

TEST_CASE("a stream is read once a turn, however much has come") {
  Pair pair;
  const std::string sent(5'000'000, 'x');
  std::size_t got = 0, reads_in_turn = 0, most_in_turn = 0;
  pair.loop.at_turn_end([&] { reads_in_turn = 0; });
  pair.server_handler.data = [&](std::string_view bytes) {
    most_in_turn = std::max(most_in_turn, ++reads_in_turn);
    got += bytes.size();
    if (got == sent.size()) pair.loop.stop();
    return bytes.size();
  };
  pair.run([&] { pair.send(*pair.client, sent); });
  CHECK(most_in_turn == 1);
}

TEST_CASE("a frame larger than what is read at once is put together") {
  Pair pair;
  std::string sent(700'000, ' '), got;
  for (std::size_t i = 0; i < sent.size(); ++i) sent[i] = static_cast<char>(i * 31 + i / 7919);
  // Whole frames of 300,000, 300,000 and 100,000 bytes only.
  pair.server_handler.data = [&](std::string_view bytes) -> std::size_t {
    const std::size_t frame = got.size() < 600'000 ? 300'000 : 100'000;
    if (bytes.size() < frame) return 0;
    got += bytes.substr(0, frame);
    if (got.size() == sent.size()) pair.loop.stop();
    return frame;
  };
  pair.run([&] { pair.send(*pair.client, sent); });
  CHECK(got == sent);
}

TEST_CASE("a paused stream reads on where it stopped, with the bytes it did not take first") {
  Pair pair;
  std::string got;
  bool held = true;
  net::Timer later(pair.loop);
  pair.server_handler.data = [&](std::string_view bytes) -> std::size_t {
    if (held) {
      got += bytes.front();
      pair.server->pause_reading();
      later.set(5ms, [&] {
        held = false;
        pair.server->read_on();
      });
      return 1;
    }
    got += bytes;
    if (got.size() == 6) pair.loop.stop();
    return bytes.size();
  };
  pair.run([&] { pair.send(*pair.client, "abcdef"); });
  CHECK(got == "abcdef");
}

TEST_CASE("the peer's close is told once, after its last bytes") {
  Pair pair;
  std::vector<std::string> seen;
  pair.server_handler.data = [&](std::string_view bytes) {
    seen.emplace_back(bytes);
    return bytes.size();
  };
  pair.server_handler.lost = [&](std::string reason) {
    seen.push_back(reason);
    pair.loop.stop();
  };
  pair.run([&] {
    pair.send(*pair.client, "bye");
    pair.client->close_after_flush();
  });
  CHECK(seen == std::vector<std::string>{"bye", "closed by the peer"});
}

TEST_CASE("a close that is left to the peer is not seen with the last bytes, and comes when the peer took too long") {
  for (const bool patient : {true, false}) {
    Pair pair;
    std::vector<std::string> seen;
    pair.server_handler.data = [&](std::string_view bytes) {
      pair.send(*pair.server, "and you");
      pair.server->close_after_peer(patient ? 1h : std::chrono::milliseconds(10));
      return bytes.size();
    };
    pair.client_handler.data = [&](std::string_view bytes) {
      seen.emplace_back(bytes);
      if (!patient) return bytes.size();
      CHECK_FALSE(pair.client->hung_up());  // An end that goes out with the bytes is here when they are.
      pair.loop.stop();
      return bytes.size();
    };
    pair.client_handler.lost = [&](std::string reason) {
      seen.push_back(reason);
      pair.loop.stop();
    };
    pair.run([&] { pair.send(*pair.client, "goodbye"); });
    CHECK(seen ==
          (patient ? std::vector<std::string>{"and you"} : std::vector<std::string>{"and you", "closed by the peer"}));
  }
}

TEST_CASE("closing after a flush loses nothing, though the peer's bytes were never read") {
  Pair pair;
  std::string got;
  const std::string farewell(3'000'000, 'x');
  pair.client_handler.data = [&](std::string_view bytes) {
    got += bytes;
    return bytes.size();
  };
  pair.client_handler.lost = [&](std::string) { pair.loop.stop(); };
  pair.server_handler.data = [&](std::string_view) -> std::size_t {
    pair.send(*pair.server, farewell);
    pair.server->close_after_flush();
    pair.server.reset();  // The owner lets go at once.
    return 0;
  };
  pair.run([&] { pair.send(*pair.client, std::string(300'000, 'y')); });
  CHECK(got.size() == farewell.size());
}

TEST_CASE("a handler may destroy its stream from inside a call") {
  Pair pair;
  pair.server_handler.data = [&](std::string_view bytes) {
    pair.server.reset();
    return bytes.size();
  };
  pair.client_handler.lost = [&](std::string) { pair.loop.stop(); };
  pair.run([&] { pair.send(*pair.client, "x"); });
  CHECK(pair.server == nullptr);
}

TEST_CASE("a producer that filled the socket is told when there is room again") {
  Pair pair;
  std::size_t got = 0;
  bool told = false;
  const std::size_t total = 20'000'000;
  pair.server_handler.data = [&](std::string_view bytes) {
    got += bytes.size();
    if (got == total && told) pair.loop.stop();
    return bytes.size();
  };
  pair.client_handler.writable = [&] {
    CHECK(pair.client->out().size() <= 64 * 1024);
    told = true;
    if (got == total) pair.loop.stop();
  };
  pair.run([&] { pair.send(*pair.client, std::string(total, 'z')); });
  CHECK(told);
}

TEST_CASE("a producer above the mark is told though the socket took everything at once") {
  Pair pair;
  bool told = false;
  pair.client_handler.writable = [&] {
    told = true;
    pair.loop.stop();
  };
  pair.run([&] { pair.send(*pair.client, std::string(65 * 1024, 'z')); });
  CHECK(told);
}

TEST_CASE("connecting to a port where nobody listens says so") {
  net::EventLoop loop;
  net::Address nobody;
  {
    auto acceptor = std::move(*net::Acceptor::listen(loop, {"127.0.0.1", 0}));
    nobody = acceptor->address();
  }
  std::optional<std::string> error;
  auto connecting = net::connect(loop, nobody, 5s, [&](auto stream) {
    if (!stream) error = stream.error().message;
    loop.stop();
  });
  loop.run();
  CHECK(error == nobody.text() + ": Connection refused");
}

TEST_CASE("connecting to an address that does not answer ends at its deadline") {
  // A listener with a full queue that nobody accepts from: the system leaves further attempts without an answer.
  int listener = ::socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
  sockaddr_in at{};
  at.sin_family = AF_INET;
  at.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
  socklen_t size = sizeof at;
  REQUIRE(::bind(listener, reinterpret_cast<sockaddr*>(&at), size) == 0);
  REQUIRE(::listen(listener, 0) == 0);
  REQUIRE(::getsockname(listener, reinterpret_cast<sockaddr*>(&at), &size) == 0);
  std::vector<int> fillers;
  for (int i = 0; i < 4; ++i) {
    fillers.push_back(::socket(AF_INET, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0));
    ::connect(fillers.back(), reinterpret_cast<sockaddr*>(&at), size);
  }
  net::EventLoop loop;
  const net::Address silent{"127.0.0.1", ntohs(at.sin_port)};
  std::optional<std::string> error;
  auto connecting = net::connect(loop, silent, 50ms, [&](auto stream) {
    if (!stream) error = stream.error().message;
    loop.stop();
  });
  loop.run();
  CHECK(error == silent.text() + ": no answer within 50 ms");
  for (int each : fillers) ::close(each);
  ::close(listener);
}

TEST_CASE("listening on a taken port names the address and the cause") {
  net::EventLoop loop;
  auto first = std::move(*net::Acceptor::listen(loop, {"127.0.0.1", 0}));
  auto second = net::Acceptor::listen(loop, first->address());
  REQUIRE_FALSE(second);
  CHECK(second.error().message == "cannot listen on " + first->address().text() + ": Address already in use");
}

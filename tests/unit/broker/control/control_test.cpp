// Server and client of the control socket, over a real one in a folder of the test's own.
#include <algorithm>
#include <memory>
#include <mutex>
#include <thread>

#include <catch2/catch.hpp>
#include <stdlib.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <unistd.h>

#include "broker/control/control_client.h"
#include "broker/control/control_server.h"
#include "broker/control/json.h"
#include "net/local_address.h"

using namespace wherry;
using namespace wherry::broker;
using namespace wherry::broker::control;
using Catch::Matchers::Contains;

namespace fs = std::filesystem;

namespace {

amqp::Table request(const std::string& verb) {
  amqp::Table made;
  made.set("verb", verb);
  return made;
}

class Server {
 public:
  // deep: a folder whose path is longer than a socket's address.
  explicit Server(Handler handler, bool deep = false) {
    std::string name = (fs::temp_directory_path() / "wherry-control-XXXXXX").string();
    REQUIRE(::mkdtemp(name.data()) != nullptr);
    folder_ = name;
    fs::path inner = folder_;
    if (deep) inner /= std::string(120, 'x');
    fs::create_directories(inner);
    path_ = inner / socket_name;
    auto made = ControlServer::listen(loop_, path_, std::move(handler));
    REQUIRE(made);
    server_ = std::move(*made);
    thread_ = std::thread([this] { loop_.run(); });
  }
  ~Server() {
    loop_.post([this] {
      server_.reset();
      loop_.stop();
    });
    thread_.join();
    CHECK_FALSE(fs::exists(path_));
    std::error_code ignored;
    fs::remove_all(folder_, ignored);
  }
  const fs::path& path() const { return path_; }
  net::EventLoop& loop() { return loop_; }

 private:
  fs::path folder_, path_;
  net::EventLoop loop_;
  std::unique_ptr<ControlServer> server_;
  std::thread thread_;
};

// What comes back until the server closes, or until there are so many lines.
std::string talk(const fs::path& path, std::string_view text, std::size_t lines) {
  const int socket = ::socket(AF_UNIX, SOCK_STREAM, 0);
  const auto address = net::LocalAddress::of(path);
  REQUIRE(::connect(socket, address->get(), address->size()) == 0);
  const timeval patience{20, 0};
  ::setsockopt(socket, SOL_SOCKET, SO_RCVTIMEO, &patience, sizeof patience);
  // What the server refuses to read may not go out.
  (void)::send(socket, text.data(), text.size(), MSG_NOSIGNAL);
  std::string got;
  char part[4096];
  while (static_cast<std::size_t>(std::count(got.begin(), got.end(), '\n')) < lines) {
    const ssize_t came = ::recv(socket, part, sizeof part, 0);
    if (came <= 0) break;
    got.append(part, static_cast<std::size_t>(came));
  }
  ::close(socket);
  return got;
}

void echo(const amqp::Table& asked, const Reply& reply) {
  if (*asked.string("verb") == "fail") return reply(failed("no"));
  reply(done(asked));
}

}  // namespace

TEST_CASE("a request is answered, and an error is told") {
  Server server(echo);
  const auto answer = ask(server.path(), request("hello"));
  REQUIRE(answer);
  CHECK(answer->get<amqp::Table>()->string("verb") != nullptr);
  const auto refused = ask(server.path(), request("fail"));
  REQUIRE_FALSE(refused);
  CHECK(refused.error().why == AskFailure::refused);
  CHECK(refused.error().message == "no");
}

TEST_CASE("the socket is its owner's alone, and one that was left behind is replaced") {
  Server server(echo);
  struct stat status {};
  REQUIRE(::stat(server.path().c_str(), &status) == 0);
  CHECK((status.st_mode & 0777) == 0600);
  net::EventLoop loop;
  auto second = ControlServer::listen(loop, server.path(), echo);
  CHECK(second);
  second->reset();
}

TEST_CASE("a path that is longer than the system takes is no trouble") {
  Server server(echo, true);
  CHECK(server.path().string().size() > 107);
  CHECK(ask(server.path(), request("hello")));
}

TEST_CASE("without a broker the client says so") {
  const auto none = ask("/nonexistent/control.sock", request("hello"));
  REQUIRE_FALSE(none);
  CHECK(none.error().why == AskFailure::no_broker);
  CHECK(none.error().message == "no broker runs on this data directory (/nonexistent)");
}

TEST_CASE("requests of one connection are answered in order, the late ones too") {
  Server* self = nullptr;
  Server server([&](const amqp::Table& asked, const Reply& reply) {
    if (*asked.string("verb") == "now") return reply(done("now"));
    // A timer goes before its loop: this one with its one call.
    auto timer = std::make_shared<net::Timer>(self->loop());
    timer->set(std::chrono::milliseconds(20), [reply, timer]() mutable {
      const auto last = std::move(timer);
      reply(done("later"));
    });
  });
  self = &server;
  CHECK(talk(server.path(), "{\"verb\":\"later\"}\n{\"verb\":\"now\"}\n", 2) ==
        "{\"ok\":true,\"result\":\"later\"}\n{\"ok\":true,\"result\":\"now\"}\n");
}

TEST_CASE("what is no request is answered with an error, and the connection closed") {
  Server server(echo);
  CHECK_THAT(talk(server.path(), "nonsense\n{\"verb\":\"now\"}\n", 2), Contains("no JSON object") && !Contains("now"));
  CHECK_THAT(talk(server.path(), std::string(most_bytes + 70'000, 'x'), 1), Contains("a request is longer than"));
}

TEST_CASE("a client that left before its answer harms nobody") {
  std::mutex mutex;
  std::vector<Reply> late;
  Server server([&](const amqp::Table& asked, const Reply& reply) {
    if (*asked.string("verb") == "now") return reply(done());
    std::lock_guard lock(mutex);
    late.push_back(reply);
  });
  talk(server.path(), "{\"verb\":\"later\"}\n", 0);
  while (true) {
    CHECK(ask(server.path(), request("now")));
    std::lock_guard lock(mutex);
    if (!late.empty()) break;
  }
  server.loop().post([&] { late[0](done()); });
  CHECK(ask(server.path(), request("now")));
}

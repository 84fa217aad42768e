#include "net/http_server.h"

#include <condition_variable>
#include <mutex>
#include <string>
#include <thread>
#include <vector>

#include <arpa/inet.h>
#include <catch2/catch.hpp>
#include <netinet/in.h>
#include <poll.h>
#include <sys/socket.h>
#include <unistd.h>

using namespace wherry::net;
using namespace std::chrono_literals;

namespace {

HttpAnswer plain_answer(std::string body) {
  return {200, "text/plain", std::move(body), {}};
}

// A client that does what it is told, and waits 20 s at most.
class HttpPeer {
 public:
  explicit HttpPeer(const HttpServer& server) {
    socket_ = ::socket(AF_INET, SOCK_STREAM, 0);
    sockaddr_in at{};
    at.sin_family = AF_INET;
    at.sin_port = htons(server.address().port);
    ::inet_pton(AF_INET, "127.0.0.1", &at.sin_addr);
    REQUIRE(::connect(socket_, reinterpret_cast<sockaddr*>(&at), sizeof at) == 0);
  }
  HttpPeer(HttpPeer&& other) noexcept : socket_(std::exchange(other.socket_, -1)) {}
  ~HttpPeer() {
    if (socket_ >= 0) ::close(socket_);
  }
  void send(std::string_view bytes) {
    while (!bytes.empty()) {
      const ssize_t sent = ::send(socket_, bytes.data(), bytes.size(), MSG_NOSIGNAL);
      if (sent <= 0) return;
      bytes.remove_prefix(static_cast<std::size_t>(sent));
    }
  }
  // What comes until text is there; less at the end of the connection.
  std::string read_until(std::string_view text) {
    char bytes[4096];
    while (got_.find(text) == std::string::npos && readable()) {
      const ssize_t got = ::recv(socket_, bytes, sizeof bytes, 0);
      if (got <= 0) break;
      got_.append(bytes, static_cast<std::size_t>(got));
    }
    return std::exchange(got_, {});
  }
  // The rest, until the server closes.
  std::string read_all() { return read_until(std::string(1, '\1')); }
  // GET, and the whole answer.
  std::string get(std::string_view path, std::string_view end) {
    send("GET " + std::string(path) + " HTTP/1.1\r\n\r\n");
    return read_until(end);
  }

 private:
  bool readable() const {
    pollfd each{socket_, POLLIN, 0};
    return ::poll(&each, 1, 20'000) == 1;
  }
  int socket_ = -1;
  std::string got_;
};

std::unique_ptr<HttpServer> http_server(HttpServer::Config config) {
  if (!config.handler) {
    config.handler = [](const HttpRequest& request) {
      return plain_answer(request.method + " " + request.target + " " + request.body + ".");
    };
  }
  auto server = HttpServer::listen({"127.0.0.1", 0}, std::move(config));
  REQUIRE(server);
  return std::move(*server);
}

bool begins(const std::string& text, std::string_view with) {
  return text.starts_with(with);
}

}  // namespace

TEST_CASE("requests of one connection are answered in order, pipelined ones too") {
  auto server = http_server({});
  HttpPeer peer(*server);
  CHECK(peer.get("/a", "GET /a .").find("Content-Length: 8\r\n") != std::string::npos);
  peer.send("GET /b HTTP/1.1\r\n\r\nPOST /c HTTP/1.1\r\nContent-Length: 2\r\n\r\nxyHEAD /d HTTP/1.1\r\n\r\n");
  const std::string both = peer.read_until("POST /c xy.");
  CHECK(both.find("GET /b .") < both.find("POST /c xy."));
  peer.send("GET /e HTTP/1.1\r\nConnection: close\r\n\r\n");
  const std::string rest = both + peer.read_all();
  CHECK(rest.find("Content-Length: 9\r\nConnection: keep-alive\r\n\r\nHTTP/1.1 200 OK") != std::string::npos);
  CHECK(rest.ends_with("GET /e ."));
}

TEST_CASE("clients that say nothing, or never come to an end, keep nobody waiting") {
  auto server = http_server({.threads = 1});
  std::vector<HttpPeer> silent;
  for (int i = 0; i < 100; ++i) {
    silent.emplace_back(*server);
    if (i % 3 == 1) silent.back().send("GET /slow HTTP/1.1\r\nX-Never: ");
    if (i % 3 == 2) silent.back().send("POST /slow HTTP/1.1\r\nContent-Length: 1000\r\n\r\nbegun");
  }
  HttpPeer peer(*server);
  CHECK(begins(peer.get("/now", "GET /now ."), "HTTP/1.1 200 OK\r\n"));
}

TEST_CASE("a client that leaves a large answer unread keeps nobody waiting") {
  HttpServer::Config config{.threads = 1};
  config.handler = [](const HttpRequest& request) {
    return plain_answer(request.target == "/large" ? std::string(50'000'000, 'x') : "small.");
  };
  auto server = http_server(std::move(config));
  std::vector<HttpPeer> unread;
  for (int i = 0; i < 4; ++i) {
    unread.emplace_back(*server);
    unread.back().send("GET /large HTTP/1.1\r\n\r\n");
  }
  HttpPeer peer(*server);
  CHECK(peer.get("/", "small.").ends_with("small."));
}

TEST_CASE("when too much is unread, more is refused until it is read") {
  HttpServer::Config config;
  config.handler = [](const HttpRequest&) { return plain_answer(std::string(20'000'000, 'x') + "end"); };
  config.limits.unread_bytes = 1'000'000;
  auto server = http_server(std::move(config));
  HttpPeer unread(*server);
  CHECK(begins(unread.get("/large", "\r\n\r\n"), "HTTP/1.1 200"));
  CHECK(begins(HttpPeer(*server).get("/large", "later"), "HTTP/1.1 503"));
  unread.read_until("end");
  CHECK(begins(unread.get("/large", "\r\n\r\n"), "HTTP/1.1 200"));
}

TEST_CASE("at the limit of connections the one that has been silent the longest makes room") {
  HttpServer::Config config;
  config.limits.connections = 3;
  auto server = http_server(std::move(config));
  HttpPeer first(*server);
  first.get("/", "GET / .");
  HttpPeer second(*server), third(*server);
  second.get("/", "GET / .");
  third.get("/", "GET / .");
  HttpPeer fourth(*server);
  CHECK(begins(fourth.get("/", "GET / ."), "HTTP/1.1 200"));
  CHECK(first.read_all().empty());
  CHECK(begins(third.get("/", "GET / ."), "HTTP/1.1 200"));
}

TEST_CASE("a crowd beyond the limit is let in slowly, however fast it comes") {
  HttpServer::Config config;
  config.limits.connections = 1;
  auto server = http_server(std::move(config));
  const auto began = std::chrono::steady_clock::now();
  std::vector<HttpPeer> crowd;
  for (int i = 0; i < 100; ++i) crowd.emplace_back(*server);
  HttpPeer last(*server);
  CHECK(begins(last.get("/", "GET / ."), "HTTP/1.1 200"));
  // 100 made room, one in five milliseconds at most; a timer's first tick may be short.
  CHECK(std::chrono::steady_clock::now() - began > 450ms);
}

TEST_CASE("a request that does not come in time is told so, a connection that is idle is closed") {
  HttpServer::Config config;
  config.limits.head = 50ms;
  config.limits.idle = 50ms;
  config.limits.progress = 50ms;
  auto server = http_server(std::move(config));
  HttpPeer nothing(*server), head(*server), body(*server), idle(*server);
  head.send("GET / HTT");
  body.send("POST / HTTP/1.1\r\nContent-Length: 3\r\n\r\nab");
  CHECK(begins(idle.get("/", "GET / ."), "HTTP/1.1 200"));
  CHECK(nothing.read_all().empty());
  CHECK(begins(head.read_all(), "HTTP/1.1 408 Request Timeout\r\n"));
  CHECK(begins(body.read_all(), "HTTP/1.1 408 Request Timeout\r\n"));
  CHECK(idle.read_all().empty());
}

TEST_CASE("an answer that is not read in time ends its connection") {
  HttpServer::Config config;
  config.handler = [](const HttpRequest& request) {
    return plain_answer(request.target == "/large" ? std::string(50'000'000, 'x') + "end" : "small.");
  };
  config.limits.progress = 50ms;
  config.limits.connections = 1;
  auto server = http_server(std::move(config));
  HttpPeer peer(*server);
  peer.send("GET /large HTTP/1.1\r\n\r\n");
  CHECK(begins(peer.read_until("\r\n\r\n"), "HTTP/1.1 200"));
  // While it is there nobody else is let in: it does not make room, it has asked for something.
  bool answered = false;
  for (int left = 2'000; left > 0 && !answered; --left) {
    answered = HttpPeer(*server).get("/", "small.").ends_with("small.");
    std::this_thread::sleep_for(5ms);
  }
  CHECK(answered);
  CHECK_FALSE(peer.read_all().ends_with("end"));
}

TEST_CASE("a large body is taken from those alone whom the server admits") {
  HttpServer::Config config;
  config.admit = [](const HttpRequest& request) -> std::optional<HttpAnswer> {
    if (request.headers.contains("authorization")) return std::nullopt;
    return HttpAnswer{401, "text/plain", "who?", {}};
  };
  config.limits.unadmitted_bytes = 10;
  auto server = http_server(std::move(config));
  HttpPeer stranger(*server);
  stranger.send("POST / HTTP/1.1\r\nContent-Length: 11\r\n\r\n");
  CHECK(begins(stranger.read_all(), "HTTP/1.1 401"));
  HttpPeer small(*server);
  small.send("POST / HTTP/1.1\r\nContent-Length: 10\r\n\r\n0123456789");
  CHECK(begins(small.read_until("0123456789."), "HTTP/1.1 200"));
  HttpPeer friendly(*server);
  friendly.send("POST / HTTP/1.1\r\nAuthorization: x\r\nExpect: 100-continue\r\nContent-Length: 11\r\n\r\n");
  CHECK(begins(friendly.read_until("\r\n\r\n"), "HTTP/1.1 100 Continue\r\n"));
  friendly.send("0123456789a");
  CHECK(begins(friendly.read_until("789a."), "HTTP/1.1 200"));
}

TEST_CASE("a handler that throws is a 500, and the next request is answered") {
  HttpServer::Config config;
  config.handler = [](const HttpRequest& request) -> HttpAnswer {
    if (request.target == "/bad") throw std::runtime_error("on purpose");
    return plain_answer("fine.");
  };
  auto server = http_server(std::move(config));
  HttpPeer peer(*server);
  CHECK(begins(peer.get("/bad", "}"), "HTTP/1.1 500"));
  CHECK(peer.get("/good", "fine.").ends_with("fine."));
}

TEST_CASE("a server that goes answers the request under way") {
  std::mutex mutex;
  std::condition_variable changed;
  bool begun = false, may_end = false;
  HttpServer::Config config;
  config.handler = [&](const HttpRequest&) {
    std::unique_lock lock(mutex);
    begun = true;
    changed.notify_all();
    changed.wait(lock, [&] { return may_end; });
    return plain_answer("last.");
  };
  auto server = http_server(std::move(config));
  HttpPeer peer(*server);
  peer.send("GET / HTTP/1.1\r\n\r\n");
  std::unique_lock lock(mutex);
  changed.wait(lock, [&] { return begun; });
  std::thread end([&] { server.reset(); });
  may_end = true;
  changed.notify_all();
  lock.unlock();
  end.join();
  CHECK(peer.read_all().ends_with("last."));
}

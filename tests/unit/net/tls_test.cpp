#include "net/tls.h"

#include <cstdlib>
#include <filesystem>
#include <fstream>
#include <optional>

#include <catch2/catch.hpp>
#include <fmt/format.h>
#include <unistd.h>

using namespace wherry;
using namespace std::chrono_literals;

namespace {

namespace fs = std::filesystem;

// An authority of its own, and certificates from it, in a folder that goes with it.
class Authority {
 public:
  Authority() : folder_(fs::temp_directory_path() / fmt::format("wherry-tls-{}-{}", ::getpid(), ++made_)) {
    fs::create_directories(folder_);
    run("openssl req -x509 -newkey ec -pkeyopt ec_paramgen_curve:P-256 -nodes -days 2 -subj '/CN=authority' "
        "-keyout ca.key -out ca.pem");
  }
  ~Authority() { fs::remove_all(folder_); }

  std::string ca() const { return path("ca.pem"); }
  std::string path(const std::string& name) const { return (folder_ / name).string(); }
  // NAME.pem and NAME.key.
  net::TlsConfig issue(const std::string& name, const std::string& subject, const std::string& alternative = "") {
    run(fmt::format(
        "openssl req -newkey ec -pkeyopt ec_paramgen_curve:P-256 -nodes -subj '{}' -keyout {}.key -out {}.csr", subject,
        name, name));
    std::ofstream(folder_ / "extensions") << (alternative.empty() ? "" : "subjectAltName=" + alternative) << "\n";
    run(
        fmt::format("openssl x509 -req -in {}.csr -CA ca.pem -CAkey ca.key -CAcreateserial -days 2 -extfile extensions "
                    "-out {}.pem",
                    name, name));
    return {.certificate = path(name + ".pem"), .key = path(name + ".key"), .ca = ca()};
  }

 private:
  void run(const std::string& command) {
    const std::string whole = fmt::format("cd {} && {} >log 2>&1", folder_.string(), command);
    INFO(whole);
    REQUIRE(std::system(whole.c_str()) == 0);
  }

  static inline int made_ = 0;
  fs::path folder_;
};

struct Ends final : net::StreamHandler {
  std::function<std::size_t(std::string_view)> data = [](std::string_view bytes) { return bytes.size(); };
  std::function<void(std::string)> lost = [](std::string) {};
  std::function<void()> writable = [] {};
  std::size_t on_data(std::string_view bytes) override { return data(bytes); }
  void on_lost(std::string_view reason) override { lost(std::string(reason)); }
  void on_writable() override { writable(); }
};

// Both sides of a handshake on one loop, and what came of it.
struct Sides {
  net::EventLoop loop;
  net::Timer guard{loop};
  std::unique_ptr<net::Acceptor> acceptor = *net::Acceptor::listen(loop, {"127.0.0.1", 0});
  std::unique_ptr<net::Connecting> accepting, connecting;
  Ends server_handler, client_handler;
  std::unique_ptr<net::Stream> server, client;
  std::optional<std::string> server_error, client_error;
  std::function<void()> connected = [] {};

  void accept_with(net::TlsContextRef context) {
    acceptor->start([this, context](int socket) {
      accepting =
          net::accept_tls(loop, socket, context, 10s, [this](auto stream) { take(stream, server, server_error); });
    });
  }
  void connect_with(net::TlsContextRef context, const std::string& name = "") {
    connecting = net::connect_tls(loop, acceptor->address(), std::move(context), name, 10s,
                                  [this](auto stream) { take(stream, client, client_error); });
  }
  void take(Result<std::unique_ptr<net::Stream>>& stream, std::unique_ptr<net::Stream>& into,
            std::optional<std::string>& error) {
    if (stream) {
      into = std::move(*stream);
    } else {
      error = stream.error().message;
    }
    if ((server || server_error) && (client || client_error)) connected();
  }
  void run() {
    guard.set(30s, [] { FAIL("not within 30 s"); });
    loop.run();
  }
  void shake(net::TlsContextRef server_context, net::TlsContextRef client_context, const std::string& name = "") {
    connected = [this] { loop.stop(); };
    accept_with(std::move(server_context));
    connect_with(std::move(client_context), name);
    run();
  }
};

net::TlsContextRef server_of(net::TlsConfig config, net::TlsVerify verify = net::TlsVerify::none) {
  config.verify = verify;
  auto context = net::TlsContext::server(std::move(config));
  INFO((context ? "" : context.error().message));
  REQUIRE(context);
  return *context;
}
net::TlsContextRef client_of(net::TlsConfig config, net::TlsVerify verify = net::TlsVerify::required) {
  config.verify = verify;
  auto context = net::TlsContext::client(std::move(config));
  INFO((context ? "" : context.error().message));
  REQUIRE(context);
  return *context;
}

}  // namespace

TEST_CASE("TLS: bytes come through both ways in order, whatever the size", "[tls]") {
  Authority authority;
  Sides sides;
  std::string sent(5'000'000, ' '), got, echoed;
  for (std::size_t i = 0; i < sent.size(); ++i) sent[i] = static_cast<char>(i * 31 + i / 7919);
  sides.server_handler.data = [&](std::string_view bytes) {
    got += bytes;
    sides.server->out().append(bytes);
    sides.server->flush_soon();
    return bytes.size();
  };
  sides.client_handler.data = [&](std::string_view bytes) {
    echoed += bytes;
    if (echoed.size() == sent.size()) sides.loop.stop();
    return bytes.size();
  };
  bool writable = false;
  sides.client_handler.writable = [&] { writable = true; };
  sides.connected = [&] {
    REQUIRE(sides.server);
    REQUIRE(sides.client);
    sides.server->start(sides.server_handler);
    sides.client->start(sides.client_handler);
    sides.client->out().append(sent);
    sides.client->flush_soon();
  };
  sides.accept_with(server_of(authority.issue("server", "/CN=server", "IP:127.0.0.1")));
  sides.connect_with(client_of({.ca = authority.ca()}));
  sides.run();
  CHECK(got == sent);
  CHECK(echoed == sent);
  CHECK(writable);
  CHECK(sides.client->tls()->protocol == "TLSv1.3");
  CHECK(sides.client->tls()->verified);
  CHECK(sides.client->tls()->common_name == "server");
  CHECK_FALSE(sides.server->tls()->verified);
}

TEST_CASE("TLS: what is paused is not read, and what is left is offered again", "[tls]") {
  Authority authority;
  Sides sides;
  std::string got;
  bool paused = true;
  sides.server_handler.data = [&](std::string_view bytes) -> std::size_t {
    if (std::exchange(paused, false)) {
      sides.server->pause_reading();
      sides.loop.post([&] { sides.server->read_on(); });
      return 0;
    }
    // Whole words only.
    const auto space = bytes.rfind(' ');
    if (space == bytes.npos) return 0;
    got += bytes.substr(0, space + 1);
    if (got == "one two three ") sides.loop.stop();
    return space + 1;
  };
  sides.connected = [&] {
    sides.server->start(sides.server_handler);
    sides.client->start(sides.client_handler);
    for (const char* part : {"one t", "wo th", "ree "}) {
      sides.client->out().append(part);
      sides.client->flush_soon();
    }
  };
  sides.accept_with(server_of(authority.issue("server", "/CN=server")));
  sides.connect_with(client_of({}, net::TlsVerify::none));
  sides.run();
  CHECK(got == "one two three ");
}

TEST_CASE("TLS: what was written before a close arrives, and then the end", "[tls]") {
  Authority authority;
  Sides sides;
  std::string got, end;
  sides.client_handler.data = [&](std::string_view bytes) {
    got += bytes;
    return bytes.size();
  };
  sides.client_handler.lost = [&](std::string reason) {
    end = std::move(reason);
    sides.loop.stop();
  };
  const std::string sent(1'000'000, 'x');
  sides.connected = [&] {
    sides.server->start(sides.server_handler);
    sides.client->start(sides.client_handler);
    sides.server->out().append(sent);
    sides.server->close_after_flush();
    sides.server.reset();
  };
  sides.accept_with(server_of(authority.issue("server", "/CN=server")));
  sides.connect_with(client_of({}, net::TlsVerify::none));
  sides.run();
  CHECK(got == sent);
  CHECK(end == "closed by the peer");
}

TEST_CASE("TLS: a client believes only who is signed by its authority, and has the name", "[tls]") {
  Authority authority, other;
  const auto server = authority.issue("server", "/CN=server", "DNS:broker.example");
  SECTION("the name it wants") {
    Sides sides;
    sides.shake(server_of(server), client_of({.ca = authority.ca()}), "broker.example");
    CHECK(sides.client);
  }
  SECTION("another name") {
    Sides sides;
    sides.shake(server_of(server), client_of({.ca = authority.ca()}));
    REQUIRE(sides.client_error);
    CHECK(sides.client_error->find("IP address mismatch") != std::string::npos);
    CHECK(sides.client_error->find("127.0.0.1:") == 0);
    CHECK(sides.server_error);
  }
  SECTION("another authority") {
    Sides sides;
    sides.shake(server_of(server), client_of({.ca = other.ca()}), "broker.example");
    REQUIRE(sides.client_error);
    CHECK(sides.client_error->find("unable to get local issuer certificate") != std::string::npos);
  }
}

TEST_CASE("TLS: a server knows its clients by their certificates", "[tls]") {
  Authority authority, other;
  const auto server = authority.issue("server", "/CN=server");
  SECTION("one that is good") {
    Sides sides;
    sides.shake(server_of(server, net::TlsVerify::required),
                client_of(authority.issue("client", "/O=Example/CN=worker"), net::TlsVerify::none));
    REQUIRE(sides.server);
    CHECK(sides.server->tls()->verified);
    CHECK(sides.server->tls()->common_name == "worker");
    CHECK(sides.server->tls()->subject == "CN=worker,O=Example");
  }
  SECTION("none, where none is needed") {
    Sides sides;
    sides.shake(server_of(server, net::TlsVerify::peer), client_of({}, net::TlsVerify::none));
    REQUIRE(sides.server);
    CHECK_FALSE(sides.server->tls()->verified);
  }
  SECTION("none, where one is") {
    Sides sides;
    sides.shake(server_of(server, net::TlsVerify::required), client_of({}, net::TlsVerify::none));
    REQUIRE(sides.server_error);
    CHECK(sides.server_error->find("peer did not return a certificate") != std::string::npos);
  }
  SECTION("another authority's") {
    Sides sides;
    sides.shake(server_of(server, net::TlsVerify::peer),
                client_of(other.issue("client", "/CN=worker"), net::TlsVerify::none));
    REQUIRE(sides.server_error);
    CHECK(sides.server_error->find("certificate signature failure") != std::string::npos);
  }
}

TEST_CASE("TLS: new files count from the next connection on, bad ones not at all", "[tls]") {
  Authority authority;
  const auto server = authority.issue("server", "/CN=first");
  const auto context = server_of(server);
  const auto name_now = [&] {
    Sides sides;
    sides.shake(context, client_of({}, net::TlsVerify::none));
    REQUIRE(sides.client);
    return sides.client->tls()->common_name;
  };
  CHECK(name_now() == "first");
  authority.issue("server", "/CN=second");
  CHECK(name_now() == "first");
  REQUIRE(context->reload());
  CHECK(name_now() == "second");
  std::ofstream(server.certificate) << "nonsense\n";
  const auto reloaded = context->reload();
  REQUIRE(!reloaded);
  CHECK(reloaded.error().message.find(server.certificate + ": no certificate in PEM") == 0);
  CHECK(name_now() == "second");
}

TEST_CASE("TLS: files that do not fit are named", "[tls]") {
  Authority authority;
  const auto one = authority.issue("one", "/CN=one"), two = authority.issue("two", "/CN=two");
  const auto error = [](net::TlsConfig config) {
    auto context = net::TlsContext::server(std::move(config));
    return context ? std::string() : context.error().message;
  };
  CHECK(error({}).find("wants a certificate") != std::string::npos);
  CHECK(error({.certificate = "/nowhere.pem"}) == "/nowhere.pem: No such file or directory");
  CHECK(error({.certificate = one.certificate, .key = two.key}) == two.key + ": it is not the key of the certificate");
  CHECK(error({.certificate = one.certificate, .key = one.key, .verify = net::TlsVerify::peer}).find("wants a ca") !=
        std::string::npos);
  CHECK(error({.certificate = one.certificate, .key = one.key, .ca = one.key}).find("no certificates in PEM") !=
        std::string::npos);
}

TEST_CASE("TLS: who does not speak it, or says nothing, is not waited for", "[tls]") {
  Authority authority;
  Sides sides;
  const auto context = server_of(authority.issue("server", "/CN=server"));
  SECTION("another protocol") {
    sides.accept_with(context);
    Ends plain;
    std::unique_ptr<net::Stream> client;
    sides.connecting = net::connect(sides.loop, sides.acceptor->address(), 10s, [&](auto stream) {
      client = std::move(*stream);
      client->start(plain);
      client->out().append(std::string_view("AMQP\0\0\x09\x01", 8));
      client->flush_soon();
    });
    plain.lost = [&](const std::string&) { sides.loop.stop(); };
    sides.run();
    REQUIRE(sides.server_error);
    CHECK(*sides.server_error == "TLS: wrong version number");
  }
  SECTION("nothing") {
    sides.acceptor->start([&](int socket) {
      sides.accepting = net::accept_tls(sides.loop, socket, context, 50ms, [&](auto stream) {
        REQUIRE(!stream);
        sides.server_error = stream.error().message;
        sides.loop.stop();
      });
    });
    std::unique_ptr<net::Stream> client;
    sides.connecting =
        net::connect(sides.loop, sides.acceptor->address(), 10s, [&](auto stream) { client = std::move(*stream); });
    sides.run();
    CHECK(sides.server_error == "no TLS handshake within 50 ms");
  }
}

// The mail and SMS senders against a server that answers from a script, one connection at a time.
#include <atomic>
#include <thread>

#include <arpa/inet.h>
#include <catch2/catch.hpp>
#include <sys/socket.h>
#include <unistd.h>

#include "examples/tasks/email.h"
#include "examples/tasks/failure.h"
#include "examples/tasks/sms.h"

namespace {

// Listens on a free port of the loopback and runs serve on the first connection.
class OneConnection {
 public:
  template <class Serve>
  explicit OneConnection(Serve serve) : listener_(::socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0)) {
    sockaddr_in address{};
    address.sin_family = AF_INET;
    address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    socklen_t length = sizeof address;
    REQUIRE(::bind(listener_, reinterpret_cast<sockaddr*>(&address), length) == 0);
    REQUIRE(::listen(listener_, 1) == 0);
    REQUIRE(::getsockname(listener_, reinterpret_cast<sockaddr*>(&address), &length) == 0);
    port_ = ntohs(address.sin_port);
    thread_ = std::thread([this, serve] {
      const int peer = ::accept(listener_, nullptr, nullptr);
      if (peer < 0) return;
      serve(peer);
      ::close(peer);
    });
  }
  ~OneConnection() {
    ::shutdown(listener_, SHUT_RDWR);
    thread_.join();
    ::close(listener_);
  }
  std::string port() const { return std::to_string(port_); }

 private:
  int listener_;
  int port_ = 0;
  std::thread thread_;
};

std::string receive_until(int peer, std::string_view end) {
  std::string text;
  char byte;
  while (!text.ends_with(end) && ::recv(peer, &byte, 1, 0) == 1) text.push_back(byte);
  return text;
}

void send_all(int peer, std::string_view text) {
  (void)!::send(peer, text.data(), text.size(), MSG_NOSIGNAL);
}

// An SMTP server that answers RCPT with rcpt and keeps what comes after DATA.
auto smtp(std::string rcpt, std::string& data) {
  return [rcpt, &data](int peer) {
    send_all(peer, "220 test\r\n");
    for (;;) {
      const std::string line = receive_until(peer, "\r\n");
      if (line.empty() || line.starts_with("QUIT")) return;
      if (line.starts_with("RCPT")) {
        send_all(peer, rcpt + "\r\n");
      } else if (line.starts_with("DATA")) {
        send_all(peer, "354 go on\r\n");
        data = receive_until(peer, "\r\n.\r\n");
        send_all(peer, "250 taken\r\n");
      } else {
        send_all(peer, "250 ok\r\n");
      }
    }
  };
}

auto http(std::string answer, std::string& request) {
  return [answer, &request](int peer) {
    request = receive_until(peer, "\r\n\r\n");
    send_all(peer, answer);
  };
}

const examples::SendEmail kMail{.to = "to@c.example", .subject = "s", .body = "b"};

}  // namespace

TEST_CASE("a mail arrives and the receipt names its server and id") {
  std::string data;
  std::string url;
  {
    const OneConnection server(smtp("250 ok", data));
    url = "smtp://127.0.0.1:" + server.port();
    const auto receipt = examples::send_email({.url = url}, kMail, "id@b.example");
    CHECK(receipt.server == url);
    CHECK(receipt.message_id == "id@b.example");
  }
  CHECK_THAT(data, Catch::Contains("Message-ID: <id@b.example>\r\n"));
}

TEST_CASE("an SMTP server's 4xx is temporary, its 5xx is for good") {
  std::string data;
  {
    const OneConnection server(smtp("451 later", data));
    CHECK_THROWS_AS(examples::send_email({.url = "smtp://127.0.0.1:" + server.port()}, kMail, "id"),
                    examples::TemporaryFailure);
  }
  {
    const OneConnection server(smtp("550 no such user", data));
    CHECK_THROWS_AS(examples::send_email({.url = "smtp://127.0.0.1:" + server.port()}, kMail, "id"),
                    examples::PermanentFailure);
  }
  CHECK(data.empty());
}

TEST_CASE("a server that hangs up is a temporary failure") {
  const OneConnection server([](int) {});
  CHECK_THROWS_AS(examples::send_email({.url = "smtp://127.0.0.1:" + server.port()}, kMail, "id"),
                  examples::TemporaryFailure);
}

TEST_CASE("an SMS is one request with everything escaped") {
  std::string request;
  {
    const OneConnection server(http("HTTP/1.1 202 Accepted\r\nContent-Length: 2\r\n\r\nok", request));
    const auto receipt = examples::send_sms(
        {.url = "http://127.0.0.1:" + server.port() + "/send", .user = "u&u", .password = "p p", .from = "Me"},
        {.to = "+49151", .text = "50 % off & more"}, "ref-1");
    CHECK(receipt.answer == "ok");
    CHECK(receipt.reference == "ref-1");
  }
  CHECK_THAT(request,
             Catch::StartsWith("GET /send?username=u%26u&password=p%20p&from=Me&to=%2B49151&"
                               "text=50%20%25%20off%20%26%20more&charset=UTF-8&coding=0&binfo=ref-1 HTTP/1.1\r\n"));
}

TEST_CASE("text outside ASCII is sent as UCS-2") {
  std::string request;
  {
    const OneConnection server(http("HTTP/1.1 202 Accepted\r\nContent-Length: 0\r\n\r\n", request));
    (void)examples::send_sms({.url = "http://127.0.0.1:" + server.port()}, {.to = "1", .text = "grün"}, "r");
  }
  CHECK_THAT(request, Catch::Contains("text=gr%C3%BCn&charset=UTF-8&coding=2&"));
}

TEST_CASE("a gateway's 5xx is temporary, its 4xx is for good, and neither shows the password") {
  std::string request;
  {
    const OneConnection server(http("HTTP/1.1 503 Busy\r\nContent-Length: 0\r\n\r\n", request));
    CHECK_THROWS_AS(examples::send_sms({.url = "http://127.0.0.1:" + server.port(), .password = "secret"},
                                       {.to = "1", .text = "t"}, "r"),
                    examples::TemporaryFailure);
  }
  const OneConnection server(http("HTTP/1.1 403 Forbidden\r\nContent-Length: 2\r\n\r\nno", request));
  const std::string url = "http://127.0.0.1:" + server.port();
  CHECK_THROWS_WITH(examples::send_sms({.url = url, .password = "secret"}, {.to = "1", .text = "t"}, "r"),
                    url + " answered 403: no");
}

#include "net/watchdog.h"

#include <cstdlib>
#include <cstring>

#include <catch2/catch.hpp>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

using namespace wherry;

namespace {

// A watchdog's socket, read by the loop's thread itself.
class Watcher {
 public:
  Watcher() {
    sockaddr_un address{};
    address.sun_family = AF_UNIX;
    std::memcpy(address.sun_path + 1, name_.data(), name_.size());
    const auto length = static_cast<socklen_t>(offsetof(sockaddr_un, sun_path) + 1 + name_.size());
    REQUIRE(::bind(file_, reinterpret_cast<sockaddr*>(&address), length) == 0);
    ::setenv("NOTIFY_SOCKET", ("@" + name_).c_str(), 1);
    ::setenv("WATCHDOG_USEC", "30000", 1);
  }
  ~Watcher() {
    ::close(file_);
    ::unsetenv("NOTIFY_SOCKET");
    ::unsetenv("WATCHDOG_USEC");
  }
  int pings() {
    char text[64];
    int count = 0;
    while (::recv(file_, text, sizeof text, MSG_DONTWAIT) > 0) ++count;
    return count;
  }

 private:
  const std::string name_ = "wherry-watchdog-test-" + std::to_string(::getpid());
  const int file_ = ::socket(AF_UNIX, SOCK_DGRAM | SOCK_CLOEXEC, 0);
};

}  // namespace

TEST_CASE("a watchdog hears of a process as long as it is well, and asks each time") {
  Watcher watcher;
  net::EventLoop loop;
  int asked = 0;
  // Well three times; then looked at three times more.
  net::Watchdog watchdog(loop, ServiceManager::from_environment(), [&] {
    if (++asked == 6) loop.stop();
    return asked <= 3;
  });
  loop.run();
  CHECK(asked == 6);
  CHECK(watcher.pings() == 3);
}

TEST_CASE("where nobody watches nobody is asked") {
  net::EventLoop loop;
  bool asked = false;
  net::Watchdog watchdog(loop, ServiceManager(), [&] { return asked = true; });
  loop.post([&] { loop.stop(); });
  loop.run();
  CHECK_FALSE(asked);
}

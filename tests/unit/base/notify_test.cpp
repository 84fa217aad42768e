#include "base/notify.h"

#include <cstdlib>
#include <cstring>
#include <string>

#include <catch2/catch.hpp>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

using namespace wherry;
using namespace std::chrono_literals;

namespace {

// Where a service manager would listen; a name of the abstract namespace, which leaves nothing behind.
class Listener {
 public:
  Listener() {
    sockaddr_un address{};
    address.sun_family = AF_UNIX;
    const std::string own = name().substr(1);
    std::memcpy(address.sun_path + 1, own.data(), own.size());
    const auto length = static_cast<socklen_t>(offsetof(sockaddr_un, sun_path) + 1 + own.size());
    REQUIRE(::bind(file_, reinterpret_cast<sockaddr*>(&address), length) == 0);
  }
  ~Listener() {
    ::close(file_);
    for (const char* variable : {"NOTIFY_SOCKET", "WATCHDOG_USEC", "WATCHDOG_PID"}) ::unsetenv(variable);
  }
  std::string name() const { return "@wherry-notify-test-" + std::to_string(::getpid()); }
  std::string next() {
    std::string text(4096, '\0');
    const ssize_t got = ::recv(file_, text.data(), text.size(), MSG_DONTWAIT);
    text.resize(got > 0 ? static_cast<std::size_t>(got) : 0);
    return text;
  }

 private:
  const int file_ = ::socket(AF_UNIX, SOCK_DGRAM | SOCK_CLOEXEC, 0);
};

}  // namespace

TEST_CASE("a service tells its manager what it does, a datagram each", "[notify]") {
  Listener listener;
  ::setenv("NOTIFY_SOCKET", listener.name().c_str(), 1);
  const ServiceManager manager = ServiceManager::from_environment();
  CHECK(manager.listens());
  manager.ready("takes tasks\nREADY=0");
  CHECK(listener.next() == "READY=1\nSTATUS=takes tasks READY=0");
  manager.reloading();
  CHECK(listener.next().starts_with("RELOADING=1\nMONOTONIC_USEC="));
  manager.status("no connection");
  CHECK(listener.next() == "STATUS=no connection");
  manager.alive();
  CHECK(listener.next() == "WATCHDOG=1");
  manager.stopping("stopping");
  CHECK(listener.next() == "STOPPING=1\nSTATUS=stopping");
}

TEST_CASE("where nobody listens, or no more, nothing happens", "[notify]") {
  ::unsetenv("NOTIFY_SOCKET");
  CHECK_FALSE(ServiceManager::from_environment().listens());
  ServiceManager().ready("");
  for (const char* useless : {"", "@", "relative/path"}) {
    ::setenv("NOTIFY_SOCKET", useless, 1);
    const ServiceManager manager = ServiceManager::from_environment();
    CAPTURE(useless);
    CHECK_FALSE(manager.listens());
    manager.ready("");
  }
  ::setenv("NOTIFY_SOCKET", "/nowhere/at/all", 1);
  ServiceManager::from_environment().ready("");
  ::unsetenv("NOTIFY_SOCKET");
}

TEST_CASE("the watchdog's time is that of this process alone", "[notify]") {
  Listener listener;
  ::setenv("NOTIFY_SOCKET", listener.name().c_str(), 1);
  CHECK_FALSE(ServiceManager::from_environment().watchdog());
  ::setenv("WATCHDOG_USEC", "30000000", 1);
  CHECK(ServiceManager::from_environment().watchdog() == 30s);
  ::setenv("WATCHDOG_PID", std::to_string(::getpid()).c_str(), 1);
  CHECK(ServiceManager::from_environment().watchdog() == 30s);
  ::setenv("WATCHDOG_PID", std::to_string(::getppid()).c_str(), 1);
  CHECK_FALSE(ServiceManager::from_environment().watchdog());
  ::unsetenv("WATCHDOG_PID");
  for (const char* wrong : {"soon", "0", "-1", "5s", ""}) {
    ::setenv("WATCHDOG_USEC", wrong, 1);
    CHECK_FALSE(ServiceManager::from_environment().watchdog());
  }
}

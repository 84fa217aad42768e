#include "base/notify.h"

#include <charconv>
#include <cstdlib>
#include <cstring>
#include <ctime>

#include <fmt/format.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

namespace wherry {

struct ServiceManager::Socket {
  explicit Socket(std::string_view name) {
    if (name.size() < 2 || name.size() >= sizeof address.sun_path || (name[0] != '/' && name[0] != '@')) return;
    address.sun_family = AF_UNIX;
    std::memcpy(address.sun_path, name.data(), name.size());
    if (name[0] == '@') address.sun_path[0] = '\0';
    length = static_cast<socklen_t>(offsetof(sockaddr_un, sun_path) + name.size());
    file = ::socket(AF_UNIX, SOCK_DGRAM | SOCK_CLOEXEC, 0);
  }
  ~Socket() {
    if (file >= 0) ::close(file);
  }
  Socket(const Socket&) = delete;
  Socket& operator=(const Socket&) = delete;

  sockaddr_un address{};
  socklen_t length = 0;
  int file = -1;
};

namespace {

// A whole number above zero, and nothing else.
std::optional<std::uint64_t> number_in(const char* variable) {
  const char* text = std::getenv(variable);
  std::uint64_t value = 0;
  if (text == nullptr) return std::nullopt;
  const char* const end = text + std::strlen(text);
  const auto [stop, error] = std::from_chars(text, end, value);
  if (error != std::errc() || stop != end || value == 0) return std::nullopt;
  return value;
}

// A newline would begin another assignment.
std::string one_line(std::string_view text) {
  std::string line(text);
  for (char& c : line) {
    if (c == '\n') c = ' ';
  }
  return line;
}

}  // namespace

ServiceManager ServiceManager::from_environment() {
  ServiceManager manager;
  const char* name = std::getenv("NOTIFY_SOCKET");
  if (name == nullptr) return manager;
  auto socket = std::make_shared<const Socket>(name);
  if (socket->file < 0) return manager;
  manager.socket_ = std::move(socket);
  // The variables are inherited: they may be meant for the process that started this one.
  const auto pid = number_in("WATCHDOG_PID");
  if (pid && *pid != static_cast<std::uint64_t>(::getpid())) return manager;
  if (const auto microseconds = number_in("WATCHDOG_USEC"))
    manager.watchdog_ = std::chrono::microseconds(*microseconds);
  return manager;
}

void ServiceManager::say(std::string_view state) const {
  if (!socket_) return;
  // Not waiting: a manager that does not read must not hold up who serves.
  (void)::sendto(socket_->file, state.data(), state.size(), MSG_NOSIGNAL | MSG_DONTWAIT,
                 reinterpret_cast<const sockaddr*>(&socket_->address), socket_->length);
}

void ServiceManager::ready(std::string_view text) const {
  say(fmt::format("READY=1\nSTATUS={}", one_line(text)));
}

void ServiceManager::reloading() const {
  timespec now{};
  ::clock_gettime(CLOCK_MONOTONIC, &now);
  say(fmt::format("RELOADING=1\nMONOTONIC_USEC={}", now.tv_sec * 1'000'000 + now.tv_nsec / 1'000));
}

void ServiceManager::stopping(std::string_view text) const {
  say(fmt::format("STOPPING=1\nSTATUS={}", one_line(text)));
}

void ServiceManager::status(std::string_view text) const {
  say(fmt::format("STATUS={}", one_line(text)));
}

void ServiceManager::alive() const {
  say("WATCHDOG=1");
}

}  // namespace wherry

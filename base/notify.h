// What a service tells systemd of itself (Type=notify): that it is ready, that it reloads or stops, how it is, and, to
// the watchdog, that it lives. A datagram each, to the socket that NOTIFY_SOCKET names: sd_notify(3).
//
//   const ServiceManager manager = ServiceManager::from_environment();
//   manager.ready("takes tasks from email");
//   manager.stopping();
//
// Where nobody listens (NOTIFY_SOCKET is not set) everything does nothing. What cannot be sent is dropped: the manager
// is gone or does not read, and the service's work does not depend on it.
//
// Threads: any, at the same time. Lifetime: copies share the socket.
#pragma once

#include <chrono>
#include <memory>
#include <optional>
#include <string>
#include <string_view>

namespace wherry {

class ServiceManager {
 public:
  ServiceManager() = default;  // Nobody listens.
  // NOTIFY_SOCKET, a path or, behind "@", a name in the abstract namespace; WATCHDOG_USEC and WATCHDOG_PID.
  static ServiceManager from_environment();

  bool listens() const { return socket_ != nullptr; }
  // The service works. Also what ends reloading().
  void ready(std::string_view status) const;
  void reloading() const;
  void stopping(std::string_view status) const;
  // One line that `systemctl status` shows.
  void status(std::string_view text) const;
  // To the watchdog, which ends a service that has not said so for watchdog().
  void alive() const;
  // None: nobody watches this process.
  std::optional<std::chrono::microseconds> watchdog() const { return watchdog_; }

 private:
  struct Socket;
  void say(std::string_view state) const;

  std::shared_ptr<const Socket> socket_;
  std::optional<std::chrono::microseconds> watchdog_;
};

}  // namespace wherry

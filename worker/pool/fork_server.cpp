#include "worker/pool/fork_server.h"

#include <array>
#include <cerrno>
#include <csignal>
#include <cstdio>
#include <cstring>
#include <filesystem>
#include <map>
#include <optional>
#include <utility>

#include <fmt/format.h>
#include <poll.h>
#include <sys/prctl.h>
#include <sys/signalfd.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>

namespace wherry::worker {

namespace {

struct Request {
  std::uint32_t signal;  // 0: fork one; with two descriptors.
  std::uint32_t number;
};

std::string system_error(const char* what) {
  return fmt::format("{}: {}", what, std::strerror(errno));
}

Result<void> send_request(int socket, const Request& request, const int* descriptors, std::size_t count) {
  iovec data{const_cast<Request*>(&request), sizeof request};
  alignas(cmsghdr) std::array<char, CMSG_SPACE(2 * sizeof(int))> control{};
  msghdr message{};
  message.msg_iov = &data;
  message.msg_iovlen = 1;
  if (count > 0) {
    message.msg_control = control.data();
    message.msg_controllen = CMSG_SPACE(count * sizeof(int));
    cmsghdr* header = CMSG_FIRSTHDR(&message);
    header->cmsg_level = SOL_SOCKET;
    header->cmsg_type = SCM_RIGHTS;
    header->cmsg_len = CMSG_LEN(count * sizeof(int));
    std::memcpy(CMSG_DATA(header), descriptors, count * sizeof(int));
  }
  while (::sendmsg(socket, &message, MSG_NOSIGNAL) != sizeof request) {
    if (errno == EAGAIN) {  // The loop has made it non-blocking.
      pollfd writable{socket, POLLOUT, 0};
      ::poll(&writable, 1, 1'000);
    } else if (errno != EINTR) {
      return fail(system_error("the fork server does not hear"));
    }
  }
  return {};
}

// --- inside the server -----------------------------------------------------------------------------------------------

class Server {
 public:
  Server(int socket, ForkServer::Serve serve) : socket_(socket), serve_(std::move(serve)) {}

  void run() {
    ::prctl(PR_SET_NAME, "wherry-forks");
    sigset_t child;
    sigemptyset(&child);
    sigaddset(&child, SIGCHLD);
    ::sigprocmask(SIG_BLOCK, &child, &before_);
    signals_ = ::signalfd(-1, &child, SFD_CLOEXEC | SFD_NONBLOCK);
    while (true) {
      std::array<pollfd, 2> ready{pollfd{socket_, POLLIN, 0}, pollfd{signals_, POLLIN, 0}};
      if (::poll(ready.data(), ready.size(), -1) < 0 && errno != EINTR) return;
      if (ready[1].revents != 0) reap();
      if (ready[0].revents != 0 && !serve_request()) return;
    }
  }
  void kill_all() {
    for (const auto& [number, pid] : children_) ::kill(pid, SIGKILL);
    while (::waitpid(-1, nullptr, 0) > 0 || errno == EINTR) {
    }
  }

 private:
  // False: the worker is gone.
  bool serve_request() {
    Request request{};
    iovec data{&request, sizeof request};
    alignas(cmsghdr) std::array<char, CMSG_SPACE(2 * sizeof(int))> control{};
    msghdr message{};
    message.msg_iov = &data;
    message.msg_iovlen = 1;
    message.msg_control = control.data();
    message.msg_controllen = control.size();
    const ssize_t got = ::recvmsg(socket_, &message, MSG_CMSG_CLOEXEC);
    if (got < 0 && (errno == EINTR || errno == EAGAIN)) return true;
    if (got != sizeof request) return false;
    if (request.signal != 0) {
      if (auto found = children_.find(request.number); found != children_.end()) {
        ::kill(found->second, static_cast<int>(request.signal));
      }
      return true;
    }
    int given[2] = {-1, -1};
    if (cmsghdr* header = CMSG_FIRSTHDR(&message); header && header->cmsg_type == SCM_RIGHTS) {
      std::memcpy(given, CMSG_DATA(header), sizeof given);
    }
    fork_one(request.number, given[0], given[1]);
    ::close(given[0]);
    ::close(given[1]);
    return true;
  }

  void fork_one(std::uint32_t number, int socket, int crash_file) {
    const pid_t server = ::getpid();
    const pid_t pid = ::fork();
    if (pid == 0) {
      ::prctl(PR_SET_NAME, "wherry-child");
      ::prctl(PR_SET_PDEATHSIG, SIGKILL);
      if (::getppid() != server) ::_exit(1);
      ::close(socket_);
      ::close(signals_);
      ::sigprocmask(SIG_SETMASK, &before_, nullptr);
      serve_(socket, crash_file);
      ::_exit(0);
    }
    if (pid < 0) return tell({ForkServer::News::Kind::failed, number, errno});
    children_[number] = pid;
    tell({ForkServer::News::Kind::forked, number, pid});
  }

  void reap() {
    signalfd_siginfo ignored;
    while (::read(signals_, &ignored, sizeof ignored) > 0) {
    }
    int status = 0;
    for (pid_t pid = 0; (pid = ::waitpid(-1, &status, WNOHANG)) > 0;) {
      for (auto child = children_.begin(); child != children_.end(); ++child) {
        if (child->second != pid) continue;
        tell({ForkServer::News::Kind::ended, child->first, status});
        children_.erase(child);
        break;
      }
    }
  }

  // Blocks when the worker does not read: it is the worker that these are for.
  void tell(const ForkServer::News& news) {
    while (::send(socket_, &news, sizeof news, MSG_NOSIGNAL) < 0 && (errno == EINTR || errno == EAGAIN)) {
      pollfd writable{socket_, POLLOUT, 0};
      ::poll(&writable, 1, 1'000);
    }
  }

  const int socket_;
  const ForkServer::Serve serve_;
  int signals_ = -1;
  sigset_t before_{};
  std::map<std::uint32_t, pid_t> children_;
};

void hear_nothing(int) {}

}  // namespace

unsigned ForkServer::own_threads() {
  std::error_code failed;
  unsigned threads = 0;
  for (std::filesystem::directory_iterator each("/proc/self/task", failed), end; !failed && each != end;
       each.increment(failed)) {
    ++threads;
  }
  return threads;
}

Result<std::unique_ptr<ForkServer>> ForkServer::start(Serve serve) {
  int pair[2];
  if (::socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, pair) != 0) return fail(system_error("socketpair"));
  std::fflush(nullptr);  // What is buffered would be written by each copy.
  const pid_t worker = ::getpid();
  const pid_t pid = ::fork();
  if (pid < 0) {
    ::close(pair[0]);
    ::close(pair[1]);
    return fail(system_error("fork"));
  }
  if (pid == 0) {
    ::close(pair[0]);
    // A handler, and not SIG_IGN: a program that a task starts gets the default back.
    struct sigaction nothing {};
    nothing.sa_handler = hear_nothing;
    nothing.sa_flags = SA_RESTART;
    for (const int number : {SIGTERM, SIGINT, SIGQUIT, SIGHUP}) ::sigaction(number, &nothing, nullptr);
    if (::getppid() == worker) {
      Server server(pair[1], std::move(serve));
      server.run();
      server.kill_all();
    }
    ::_exit(0);
  }
  ::close(pair[1]);
  return std::unique_ptr<ForkServer>(new ForkServer(pair[0], pid));
}

ForkServer::~ForkServer() {
  ::shutdown(socket_, SHUT_RDWR);  // Also when a stream has a copy of it.
  ::close(socket_);
  while (::waitpid(pid_, nullptr, 0) < 0 && errno == EINTR) {
  }
}

Result<void> ForkServer::fork_child(std::uint32_t number, int socket, int crash_file) {
  const int both[2] = {socket, crash_file};
  return send_request(socket_, {0, number}, both, 2);
}

void ForkServer::kill(std::uint32_t number, int signal) {
  // A server that does not hear is dead, and its children are.
  (void)send_request(socket_, {static_cast<std::uint32_t>(signal), number}, nullptr, 0);
}

}  // namespace wherry::worker

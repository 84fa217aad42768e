// ForkServer: a process that was forked while this one had a single thread, and forks the children that run tasks.
//
// A process with threads cannot fork one that goes on working: locks that other threads held stay held in the copy. So
// the server is forked first, has one thread for ever, and each of its children is a clean copy of the program as it
// was then: libraries loaded, tasks registered, no connection, no thread
// (docs/decisions/children-from-a-fork-server.md).
//
// The server also waits for its children, tells how they ended, and sends them signals: by its own numbers, so that a
// signal never meets a process that got a dead child's id. When the worker is gone, however it went, the server kills
// what is left and ends; when the server is gone, its children get SIGKILL.
// SIGTERM and SIGINT do nothing there: a terminal and systemd send them to all processes at once, and it is the worker
// that decides.
//
// Threads: one at a time. Errors: of the system, in a sentence.
#pragma once

#include <cstdint>
#include <functional>
#include <memory>

#include "base/result.h"

namespace wherry::worker {

class ForkServer {
 public:
  // What a child does with what it was given; never returns.
  using Serve = std::function<void(int socket, int crash_file)>;

  // Precondition: the process has one thread. serve is called in each child.
  static Result<std::unique_ptr<ForkServer>> start(Serve serve);
  ~ForkServer();  // Kills the children, ends the server, waits for it.
  ForkServer(const ForkServer&) = delete;
  ForkServer& operator=(const ForkServer&) = delete;

  // Both descriptors stay the caller's here. number: not in use by a child that has not ended.
  Result<void> fork_child(std::uint32_t number, int socket, int crash_file);
  void kill(std::uint32_t number, int signal);

  // What the server tells, in order, on the descriptor news(): records of this form.
  struct News {
    enum class Kind : std::uint32_t { forked, failed, ended };
    Kind kind;
    std::uint32_t number;
    std::int32_t value;  // forked: the process id; failed: errno; ended: what waitpid() said.
  };
  int news() const { return socket_; }

  // How many threads this process has: more than one, and it must not fork a server.
  static unsigned own_threads();

 private:
  ForkServer(int socket, int pid) : socket_(socket), pid_(pid) {}
  const int socket_;
  const int pid_;
};

}  // namespace wherry::worker

// EmbeddedBroker: the broker inside this process: the one that wherry-broker runs, as a library.
//
//   wherry::EmbeddedBroker broker;                                        // in memory, gone with it
//   wherry::EmbeddedBroker broker({.folder = "/var/lib/app/queue"});      // what was confirmed is there the next time
//   wherry::Client client(broker.url());
//   wherry::Worker worker(broker.url());
//
// A program that links wherry-embedded can do without the object: embedded: as the URL of a Client or a Worker is one
// broker in memory for the whole process, embedded:///var/lib/app/queue one with its data in that folder. It starts
// with the first that names it and stops when the last of them is gone (a Worker counts from run() on).
//
// Clients and workers of this process reach it over a pair of sockets: it is on no network unless listen says so. It
// handles no signals and changes nothing of the process; it has one thread, one more for each shard, and two for what
// is kept in a folder. It logs warnings and errors to standard error. docs/testing-tasks.md says what a program with
// broker, workers and clients in one promises.
//
// Threads: every function from any thread. Lifetime: the destructor is stop(). Clients may outlive it: they try to
// connect again, and do when a broker of the same name is there again. After fork() the child has none of it.
#pragma once

#include <functional>
#include <memory>
#include <optional>
#include <string>

namespace wherry {

struct EmbeddedOptions {
  // Where messages and what was declared are kept; made when it is missing, and locked: one process at a time. Empty:
  // in memory.
  std::string folder = {};
  // The broker is embedded:NAME to clients of this process. Letters, digits, '-', '_', '.'. Empty: one of its own.
  std::string name = {};
  // A broker.yaml: queues, vhosts, policies, limits. Its data_dir and listen are not taken.
  std::string config = {};
  std::optional<unsigned> shards = {};         // 1 to 64. Default: the configuration's, or 1.
  std::optional<std::string> durability = {};  // What a confirm means: sync, os or none. Likewise, or sync.
  std::optional<std::string> listen = {};      // For other processes: "127.0.0.1:0". See network_url().
  // A disk failed: nothing is confirmed from then on, and the program should end. Called on a thread of the broker's.
  std::function<void(std::string why)> on_failure = {};
};

class EmbeddedBroker {
 public:
  // Starts it, and has read what the folder holds when it returns. Throws ClientError with Errc::invalid_argument: a
  // folder that another process uses, a file that cannot be read, a name that this process uses already.
  explicit EmbeddedBroker(EmbeddedOptions options = {});
  ~EmbeddedBroker();
  EmbeddedBroker(const EmbeddedBroker&) = delete;
  EmbeddedBroker& operator=(const EmbeddedBroker&) = delete;

  // For clients and workers of this process: "embedded:NAME".
  const std::string& url() const;
  // For others: "amqp://embedded:PASSWORD@127.0.0.1:PORT/", with a password that this process has made. Throws
  // std::logic_error unless options.listen was given.
  std::string network_url() const;

  // Closes the connections and returns when all that was confirmed is kept. Clients go on trying to connect.
  void stop();

 private:
  class Impl;
  std::unique_ptr<Impl> impl_;
};

namespace embedded {

// Makes embedded: URLs work in this process. Linking the CMake target wherry-embedded does that by itself; a program
// that is linked in another way, from the static library, calls this once. Harmless when repeated.
void enable();

}  // namespace embedded
}  // namespace wherry

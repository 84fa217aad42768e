// Bridge: what a shovel and a federation link are to those who start and watch them: something that runs, fails, waits
// a while and begins anew.
//
// States are RabbitMQ's: starting until both ends are ready, running, and terminated with the reason when it has
// failed; after the reconnect delay it is starting again (a delay of 0: it stays as it is until somebody restarts it).
// Threads: the loop's. Lifetime: the loop outlives it.
#pragma once

#include <chrono>
#include <cstdint>
#include <functional>
#include <memory>
#include <string>

#include "broker/bridges/peer.h"
#include "broker/bridges/transfer.h"

namespace wherry::broker::bridges {

// What bridges know of the world.
struct Surroundings {
  net::EventLoop& loop;
  std::function<Result<int>(const std::string& vhost)> open_local;
  std::function<std::string()> cluster_name;  // Of this broker, as messages that were passed on say it.
};

class Bridge {
 public:
  enum class State { starting, running, terminated };
  struct Status {
    State state = State::starting;
    std::string reason = {};  // Of terminated, without passwords.
    std::chrono::system_clock::time_point since = {};
    std::string source = {};  // The URI that let it in; empty before that.
    std::string destination = {};
    bool blocked = false;         // The destination takes no more for now.
    std::uint64_t passed_on = 0;  // Messages, since it was told to start.
  };

  virtual ~Bridge();
  Bridge(const Bridge&) = delete;
  Bridge& operator=(const Bridge&) = delete;

  void start();
  Status status() const;

 protected:
  struct Ends {
    std::vector<BridgeUri> source;
    std::vector<BridgeUri> destination;
  };
  // what: "shovel 'x' in vhost '/'", for the log; name: of its connections.
  Bridge(const Surroundings& around, Ends ends, std::string what, std::string name, std::chrono::seconds delay);

  // Both ends let us in: make what has to be there, then transfer(), consume and running().
  virtual void set_up() = 0;
  // Ends and transfer go.
  virtual void torn_down() {}

  const Surroundings& around() const { return around_; }
  Peer& source() { return *source_; }
  Peer& destination() { return *destination_; }
  Transfer& transfer(Transfer::Config config);
  // The last steps: prefetch, consume; it runs when the broker has said so.
  void consume(const std::string& queue, std::uint16_t prefetch, const amqp::Table& arguments);
  // Makes the durable queue where there is none of that name; then with the number of its messages.
  void ensure_queue(Peer& at, const std::string& queue, const amqp::Table& arguments,
                    std::function<void(std::uint32_t messages)> then);
  void fail(std::string reason);
  // It has done all it was to do: it stops; told from a coming turn.
  void finish(std::function<void()> told);

 private:
  void begin();
  void end_ready();
  void tear_down();
  void set_state(State state, std::string reason = {});

  const Surroundings& around_;
  const Ends ends_;
  const std::string what_;
  const std::string name_;
  const std::chrono::seconds delay_;
  State state_ = State::starting;
  std::string reason_;
  std::chrono::system_clock::time_point since_;
  unsigned ready_ = 0;  // Ends that have let us in.
  bool failing_ = false;
  std::uint64_t passed_on_before_ = 0;
  std::unique_ptr<Peer> source_;
  std::unique_ptr<Peer> destination_;
  std::unique_ptr<Transfer> transfer_;
  net::Timer again_;
  std::shared_ptr<char> alive_ = std::make_shared<char>();
};

std::string_view to_string(Bridge::State state);

}  // namespace wherry::broker::bridges

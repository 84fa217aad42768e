// Connection: one socket to a broker with one channel on it, for requests that wait for their answers. The measuring
// loop takes over its socket and input (peer.h) once everything is set up.
//
//   auto connection = Connection::open(endpoint);
//   auto answer = connection->call(amqp::QueueDeclare{.queue = "q"}, amqp::QueueDeclareOk::id);
//
// Heartbeats are switched off: a run is short, and idle connections must cost nothing on this side.
// Errors: one sentence; a refusal has the broker's own code and text. After an error the connection is of no use.
// Limits: IPv4, IPv6 and names. Answers are waited for 60 s, the handshake as long as the endpoint says. Ctrl-C breaks
// every wait off. Threads: one at a time.
#pragma once

#include <cstdint>
#include <functional>
#include <memory>
#include <string>
#include <string_view>

#include "base/result.h"
#include "perf/frame_scanner.h"
#include "perf/frames.h"
#include "sdk/endpoint/endpoint.h"

namespace wherry::perf {

constexpr std::uint16_t channel_number = 1;

class Connection {
 public:
  static Result<std::unique_ptr<Connection>> open(const sdk::Endpoint& endpoint);
  ~Connection();
  Connection(const Connection&) = delete;
  Connection& operator=(const Connection&) = delete;

  // The payload of the answer, valid until the next call. Deliveries that come before it are skipped.
  template <class M>
  Result<std::string_view> call(const M& request, amqp::MethodId answer, std::uint16_t channel = channel_number) {
    std::string bytes;
    append_method(bytes, channel, request);
    return exchange(bytes, answer, M::name);
  }

  // count requests with at most outstanding of them unanswered; append writes the index-th. answered, when given, is
  // told how many answers have come so far; it gives false to stop sending. Returns the number answered.
  using Append = std::function<void(std::string& out, std::uint64_t index)>;
  Result<std::uint64_t> pipelined(std::uint64_t count, std::uint64_t outstanding, std::string_view what,
                                  amqp::MethodId answer, const Append& append,
                                  const std::function<bool(std::uint64_t)>& answered = {});

  Result<void> send(std::string_view bytes);
  // Says goodbye and waits for the answer, a few seconds at most; then the socket is closed.
  void close();

  int fd() const { return fd_; }
  FrameScanner& input() { return input_; }
  std::uint32_t frame_max() const { return frame_max_; }
  // "RabbitMQ 3.10.8", as the broker calls itself.
  const std::string& product() const { return product_; }

 private:
  Connection() : input_(16 * 1024) {}
  Result<void> connect(const sdk::Endpoint& endpoint);
  Result<void> handshake(const sdk::Endpoint& endpoint);
  Result<Frame> read_frame();
  Result<std::string_view> await(amqp::MethodId answer, std::string_view what);
  Result<std::string_view> exchange(std::string_view bytes, amqp::MethodId answer, std::string_view what);
  void set_timeout(std::chrono::milliseconds timeout);

  int fd_ = -1;
  std::uint32_t frame_max_ = 131072;
  FrameScanner input_;
  std::string product_;
  std::chrono::milliseconds timeout_{0};
};

// Of a connection.close or channel.close: "406 PRECONDITION_FAILED - inequivalent arg ...".
std::string refusal_text(std::string_view payload);
bool is_close(amqp::MethodId method);

}  // namespace wherry::perf

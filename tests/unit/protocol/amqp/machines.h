// The two machines with what a test needs around them: owners that write down what they hear, wires, a clock.
#pragma once

#include <functional>
#include <memory>
#include <string>
#include <vector>

#include "protocol/amqp/connection.h"
#include "protocol/amqp/frame.h"

namespace wherry::amqp::test {

// Bytes of frames, as a peer would write them.
std::string method_frame(std::uint16_t channel, const Method& method);
std::string frame(unsigned type, std::uint16_t channel, std::string_view payload);
std::string header_frame(std::uint16_t channel, std::uint64_t body_size, std::string_view properties = {"\0\0", 2},
                         std::uint16_t class_id = 60);

// The frames in bytes, each as a line: "1 basic.ack{...}", "2 header 5", "2 body 5", "0 heartbeat", "AMQP".
std::vector<std::string> frames_in(std::string_view bytes);

using Lines = std::vector<std::string>;

// What both owners write down. on: called after an event was written down, with its line.
template <class Base>
struct Recording : Base {
  virtual ~Recording() = default;
  Lines heard;
  std::string bodies;
  std::function<void(const std::string&)> on;
  ConnectionEvents::Ended ended;

  void note(std::string line) {
    heard.push_back(line);
    if (on) on(line);
  }
  void on_method(std::uint16_t channel, const Method& method) override;
  void on_content(std::uint16_t channel, const Method& method, const ContentHeader& header) override;
  void on_body(std::uint16_t channel, std::string_view fragment) override;
  void on_content_end(std::uint16_t channel) override;
  void on_channel_closed(std::uint16_t channel, const ChannelClose* by_peer) override;
  void on_ended(const ConnectionEvents::Ended& why) override;
  Lines take() { return std::exchange(heard, {}); }
};

struct ServerOwner : Recording<ServerEvents> {
  std::vector<Login> logins{{Login::Verdict::granted, "", ""}};  // One for each call; the last stays.
  Result<void, AmqpError> open;
  Login on_login(std::string_view mechanism, std::string_view response, const Table& client_properties) override;
  Result<void, AmqpError> on_open(std::string_view virtual_host, const Tuning& agreed) override;
};

struct ClientOwner : Recording<ClientEvents> {
  void on_ready(const Table& server_properties, const Tuning& agreed) override;
};

// One machine with its buffers. The owner's part of receive(): what was not used is kept.
struct Party {
  OutputBuffer out;
  std::unique_ptr<Connection> connection;
  std::string input;

  std::string written();  // Takes what out holds.
  void give(std::string_view bytes, Monotonic now);
};

struct Server : Party {
  ServerConfig config;
  ServerOwner owner;
  Monotonic now{std::chrono::hours(1)};
  void start() { connection = Connection::server(config, owner, out, now); }
  void give(std::string_view bytes) { Party::give(bytes, now); }
  // Gives bytes; the frames that were written in answer.
  Lines answers(std::string_view bytes);
  // Through the handshake, with everything heard and written so far forgotten.
  void run();
  void open_channel(std::uint16_t channel);
  void pass(std::chrono::milliseconds time);
};

struct Client : Party {
  ClientConfig config;
  ClientOwner owner;
  Monotonic now{std::chrono::hours(1)};
  void start() { connection = Connection::client(config, owner, out, now); }
  void give(std::string_view bytes) { Party::give(bytes, now); }
  Lines answers(std::string_view bytes);
  void run();
  void open_channel(std::uint16_t channel);
  void pass(std::chrono::milliseconds time);
};

// Both, wired: bytes go over in pieces of at most piece bytes until neither has anything to say.
struct Pair {
  Server server;
  Client client;
  std::size_t piece = 1u << 20;
  Lines to_server;  // Frames that went over.
  Lines to_client;
  void start();
  void exchange();
};

}  // namespace wherry::amqp::test

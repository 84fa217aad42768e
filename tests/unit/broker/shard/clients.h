// A broker in this process with many clients, all driven by the test's own thread: each client is the protocol machine
// over a blocking-free socket, and until() moves everybody's bytes while it waits for a condition.
#pragma once

#include <functional>
#include <map>
#include <memory>
#include <string>
#include <vector>

#include "broker/shard/broker.h"
#include "protocol/amqp/connection.h"
#include "protocol/amqp/table.h"

namespace wherry::broker::test {

struct Received {
  std::uint16_t channel = 0;
  std::string consumer;  // Empty for basic.get-ok.
  std::uint64_t tag = 0;
  bool redelivered = false;
  std::string body;
};

class Client final : public amqp::ClientEvents {
 public:
  explicit Client(std::uint16_t port, std::string vhost = "/");
  ~Client();

  template <class M>
  void send(std::uint16_t channel, const M& method) {
    machine_->send(channel, method);
  }
  void open(std::uint16_t channel) { machine_->open_channel(channel); }
  void publish(std::uint16_t channel, std::string_view exchange, std::string_view key, std::string_view body,
               bool mandatory = false, const amqp::Properties& properties = {});
  void close(std::uint16_t channel) {
    machine_->close_channel(channel, {.code = amqp::ReplyCode::success, .explanation = {}, .offender = {}});
  }
  void close() { machine_->close_ok("bye"); }
  std::size_t unsent() const { return out_.size(); }
  void drop();                                   // As if the process had died.
  void pause(bool paused) { paused_ = paused; }  // Does not read.

  int socket() const { return paused_ ? -1 : socket_; }
  void move();  // Reads and writes what can be.

  bool ready = false;
  std::vector<Received> deliveries;
  std::vector<Received> got;
  unsigned got_empty = 0;
  unsigned returned = 0;
  std::vector<std::string> order;  // "return", "ack", "nack", "cancel", "delete-ok" as they came.
  std::uint64_t confirmed = 0;     // Tags up to here are answered.
  std::uint64_t nacked = 0;
  std::vector<std::string> cancelled;             // By the broker.
  std::string blocked;                            // The reason, while connection.blocked stands.
  std::map<std::string, unsigned> answers;        // Other methods, by name.
  std::map<std::uint16_t, std::uint16_t> closed;  // Code by channel.
  std::uint32_t last_count = 0;                   // Of the last queue.declare-ok, purge-ok or delete-ok.
  std::string last_reply_to;                      // Of the last message with content.
  Ended ended;
  bool over = false;

 private:
  void write();
  void read();
  void on_ready(const amqp::Table&, const amqp::Tuning&) override { ready = true; }
  void on_method(std::uint16_t channel, const amqp::Method& method) override;
  void on_content(std::uint16_t channel, const amqp::Method& method, const amqp::ContentHeader& header) override;
  void on_body(std::uint16_t, std::string_view fragment) override { content_.body += fragment; }
  void on_content_end(std::uint16_t channel) override;
  void on_channel_closed(std::uint16_t channel, const amqp::ChannelClose* by_peer) override;
  void on_ended(const Ended& why) override;

  amqp::ClientConfig config_;
  OutputBuffer out_;
  int socket_ = -1;
  bool paused_ = false;
  std::string input_;
  Received content_;
  int content_kind_ = 0;
  std::unique_ptr<amqp::Connection> machine_;
};

class World {
 public:
  explicit World(unsigned shards, std::function<void(BrokerConfig&)> adjust = {});

  // Connected, with channel 1 open. Connections go to the shards in turn.
  Client& connect(std::string vhost = "/");
  // Moves bytes until the condition holds; false after 60 s.
  bool until(const std::function<bool()>& condition);
  // Sends, and waits for the answer of that name.
  template <class M>
  void call(Client& client, std::uint16_t channel, const M& method, const char* answer) {
    const unsigned before = client.answers[answer];
    client.send(channel, method);
    if (!until([&] { return client.answers[answer] > before || client.over || client.closed.contains(channel); })) {
      throw std::runtime_error(std::string("no ") + answer);
    }
  }
  void declare(Client& client, std::string_view queue, amqp::Table arguments = {}, bool exclusive = false,
               bool auto_delete = false);
  void consume(Client& client, std::uint16_t channel, std::string_view queue, std::string_view tag,
               bool no_ack = false);
  // What a broker's queue says of itself: ready messages, asked by a client.
  std::uint32_t ready(Client& client, std::string_view queue);

  Broker& broker() { return *broker_; }
  void forget(Client& client);

 private:
  std::unique_ptr<Broker> broker_;
  std::vector<std::unique_ptr<Client>> clients_;
};

}  // namespace wherry::broker::test

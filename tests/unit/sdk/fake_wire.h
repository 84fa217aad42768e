// A connection that only writes down what it is told to send: for machines that need a wire and no broker.
#pragma once

#include <string>
#include <string_view>
#include <vector>

#include "protocol/amqp/connection.h"

namespace wherry::sdk::test {

class FakeWire final : public amqp::Connection {
 public:
  struct Published {
    std::uint16_t channel;
    std::string exchange;
    std::string routing_key;
    std::string properties;
    std::string body;
    bool mandatory;
  };
  std::vector<Published> published;
  std::vector<std::string> methods;  // Their names.
  int closed_channels = 0;

  std::size_t receive(std::string_view bytes, Monotonic) override { return bytes.size(); }
  void hold() override {}
  Monotonic next_deadline() const override { return Monotonic::max(); }
  void on_time(Monotonic) override {}
  void on_socket_lost(std::string_view) override {}
  bool finished() const override { return false; }
  bool running() const override { return true; }
  bool lost() const override { return false; }
  void send_method(std::uint16_t, const amqp::Method& method) override {
    methods.push_back(std::visit([](const auto& m) { return std::string(m.name); }, method));
  }
  void send_content(std::uint16_t channel, const amqp::Method& method, std::string_view raw_properties,
                    std::string_view body, Pin (*)(const void*), const void*) override {
    const auto& publish = std::get<amqp::BasicPublish>(method);
    published.push_back({channel, std::string(publish.exchange), std::string(publish.routing_key),
                         std::string(raw_properties), std::string(body), publish.mandatory});
  }
  void send_content(std::uint16_t, const amqp::BasicDeliver&, std::string_view, std::string_view, Pin (*)(const void*),
                    const void*) override {}
  void open_channel(std::uint16_t) override {}
  bool is_open(std::uint16_t) const override { return true; }
  void close_channel(std::uint16_t, const amqp::AmqpError&) override { ++closed_channels; }
  void close(const amqp::AmqpError&) override {}
  void close_ok(std::string_view) override {}
};

}  // namespace wherry::sdk::test

// A broker that does what a test says: the server's side of the protocol machine with answers that can be spoiled one
// by one. It keeps no queues; it writes down what it hears.
#pragma once

#include <algorithm>
#include <functional>
#include <map>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "protocol/amqp/connection.h"
#include "protocol/amqp/properties.h"

namespace wherry::sdk::test {

// What the broker does, and what it has seen, over all its connections.
struct Script {
  struct Published {
    std::string exchange;
    std::string routing_key;
    amqp::Properties properties;
    std::string body;
    bool mandatory = false;
    int connection = 0;
  };
  enum class Confirm { ack, nack, unroutable, none };

  std::string password = "guest";
  std::string virtual_host = "/";
  // The close that a name gets instead of its declare-ok, bind-ok, consume-ok or confirm.
  std::map<std::string, amqp::AmqpError> refuse_declare;
  std::map<std::string, amqp::AmqpError> refuse_consume;
  std::map<std::string, amqp::AmqpError> refuse_publish;  // By exchange.
  bool answer_declares = true;
  std::function<Confirm(const Published&)> confirm = [](const Published&) { return Confirm::ack; };

  std::vector<std::string> log;  // "declare queue a", "bind a to x by k", "consume a", "qos 4 global", "ack 1", ...
  std::vector<Published> published;
  int connections = 0;

  std::size_t count(const std::string& line) const {
    return static_cast<std::size_t>(std::count(log.begin(), log.end(), line));
  }
};

class ScriptedConnection final : amqp::ServerEvents {
 public:
  ScriptedConnection(Script& script, OutputBuffer& out, Monotonic now) : script_(script), id_(++script.connections) {
    config_.tuning.heartbeat_s = 0;
    machine_ = amqp::Connection::server(config_, *this, out, now);
  }

  amqp::Connection& machine() { return *machine_; }

  // Sends a message to the consumer of queue; returns whether there is one.
  bool deliver(const std::string& queue, const std::string& body, const amqp::Properties& properties = {},
               bool redelivered = false) {
    auto at = consumers_.find(queue);
    if (at == consumers_.end()) return false;
    amqp::BasicDeliver method;
    method.consumer_tag = at->second.tag;
    method.delivery_tag = ++delivery_tags_[at->second.channel];
    method.redelivered = redelivered;
    method.routing_key = queue;
    machine_->send_content(at->second.channel, amqp::Method(method), amqp::encode_properties(properties), body);
    return true;
  }
  void cancel_consumer(const std::string& queue) {
    auto consumer = consumers_.at(queue);
    consumers_.erase(queue);
    machine_->send(consumer.channel, amqp::BasicCancel{consumer.tag, true});
  }
  void confirm(std::uint64_t tag, bool multiple) { machine_->send(publish_channel_, amqp::BasicAck{tag, multiple}); }

 private:
  struct Consumer {
    std::uint16_t channel;
    std::string tag;
  };

  Login on_login(std::string_view, std::string_view response, const amqp::Table&) override {
    if (response.ends_with(std::string(1, '\0') + script_.password)) return {Login::Verdict::granted, {}, {}};
    return {Login::Verdict::refused, {}, "Login was refused using authentication mechanism PLAIN"};
  }
  Result<void, amqp::AmqpError> on_open(std::string_view virtual_host, const amqp::Tuning&) override {
    if (virtual_host == script_.virtual_host) return {};
    return tl::unexpected(amqp::AmqpError{amqp::ReplyCode::not_allowed, "vhost not found", {}, true});
  }

  bool refused(std::uint16_t channel, const std::map<std::string, amqp::AmqpError>& by_name, std::string_view name,
               amqp::MethodId offender) {
    auto at = by_name.find(std::string(name));
    if (at == by_name.end()) return false;
    amqp::AmqpError error = at->second;
    error.offender = offender;
    machine_->close_channel(channel, error);
    return true;
  }

  void note(std::string line) { script_.log.push_back(std::move(line)); }

  void on_method(std::uint16_t channel, const amqp::Method& method) override {
    std::visit([&](const auto& m) { hear(channel, m); }, method);
  }
  template <class M>
  void hear(std::uint16_t, const M&) {}
  void hear(std::uint16_t channel, const amqp::ConfirmSelect&) {
    publish_channel_ = channel;
    publish_tag_ = 0;
    machine_->send(channel, amqp::ConfirmSelectOk{});
  }
  void hear(std::uint16_t channel, const amqp::ExchangeDeclare& m) {
    note(std::string("declare exchange ") + std::string(m.exchange) + (m.passive ? " passive" : ""));
    if (!script_.answer_declares || refused(channel, script_.refuse_declare, m.exchange, m.id)) return;
    machine_->send(channel, amqp::ExchangeDeclareOk{});
  }
  void hear(std::uint16_t channel, const amqp::QueueDeclare& m) {
    note("declare queue " + std::string(m.queue));
    if (!script_.answer_declares || refused(channel, script_.refuse_declare, m.queue, m.id)) return;
    machine_->send(channel, amqp::QueueDeclareOk{m.queue, 0, 0});
  }
  void hear(std::uint16_t channel, const amqp::QueueBind& m) {
    note("bind " + std::string(m.queue) + " to " + std::string(m.exchange) + " by " + std::string(m.routing_key));
    if (refused(channel, script_.refuse_declare, "bind " + std::string(m.queue), m.id)) return;
    machine_->send(channel, amqp::QueueBindOk{});
  }
  void hear(std::uint16_t channel, const amqp::BasicQos& m) {
    note("qos " + std::to_string(m.prefetch_count) + (m.global ? " global" : ""));
    machine_->send(channel, amqp::BasicQosOk{});
  }
  void hear(std::uint16_t channel, const amqp::BasicConsume& m) {
    note("consume " + std::string(m.queue));
    if (refused(channel, script_.refuse_consume, m.queue, m.id)) return;
    consumers_[std::string(m.queue)] = {channel, std::string(m.consumer_tag)};
    machine_->send(channel, amqp::BasicConsumeOk{m.consumer_tag});
  }
  void hear(std::uint16_t channel, const amqp::BasicCancel& m) {
    std::erase_if(consumers_, [&](const auto& c) { return c.second.tag == m.consumer_tag; });
    note("cancel");
    machine_->send(channel, amqp::BasicCancelOk{m.consumer_tag});
  }
  void hear(std::uint16_t, const amqp::BasicAck& m) { note("ack " + std::to_string(m.delivery_tag)); }
  void hear(std::uint16_t, const amqp::BasicReject& m) {
    note("reject " + std::to_string(m.delivery_tag) + (m.requeue ? " requeue" : ""));
  }

  void on_content(std::uint16_t, const amqp::Method& method, const amqp::ContentHeader& header) override {
    const auto& m = std::get<amqp::BasicPublish>(method);
    arriving_ = {std::string(m.exchange),
                 std::string(m.routing_key),
                 *amqp::decode_properties(header.properties),
                 {},
                 m.mandatory,
                 id_};
  }
  void on_body(std::uint16_t, std::string_view fragment) override { arriving_.body.append(fragment); }
  void on_content_end(std::uint16_t channel) override {
    script_.published.push_back(arriving_);
    const std::uint64_t tag = ++publish_tag_;
    if (refused(channel, script_.refuse_publish, arriving_.exchange, amqp::BasicPublish::id)) return;
    switch (script_.confirm(arriving_)) {
      case Script::Confirm::none:
        return;
      case Script::Confirm::nack:
        return machine_->send(channel, amqp::BasicNack{tag, false, false});
      case Script::Confirm::unroutable: {
        amqp::BasicReturn returned{312, "NO_ROUTE", arriving_.exchange, arriving_.routing_key};
        machine_->send_content(channel, amqp::Method(returned), amqp::encode_properties(arriving_.properties),
                               arriving_.body);
        [[fallthrough]];
      }
      case Script::Confirm::ack:
        return machine_->send(channel, amqp::BasicAck{tag, false});
    }
  }
  void on_channel_closed(std::uint16_t channel, const amqp::ChannelClose*) override {
    std::erase_if(consumers_, [&](const auto& c) { return c.second.channel == channel; });
    delivery_tags_.erase(channel);
  }
  void on_ended(const Ended& why) override {
    if (why.code == 200) note("goodbye");
  }

  Script& script_;
  int id_;
  amqp::ServerConfig config_;
  std::unique_ptr<amqp::Connection> machine_;
  std::uint16_t publish_channel_ = 0;
  std::uint64_t publish_tag_ = 0;
  Script::Published arriving_;
  std::map<std::string, Consumer> consumers_;
  std::map<std::uint16_t, std::uint64_t> delivery_tags_;
};

}  // namespace wherry::sdk::test

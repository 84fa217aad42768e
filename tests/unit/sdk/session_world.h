// A world of one session of the link, for its tests: its time stands still until a test moves it, its socket is two
// buffers, and at their other end is a broker that does what a test scripts.
#pragma once

#include <memory>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include <catch2/catch.hpp>

#include "base/log.h"
#include "sdk/link/session.h"
#include "tests/unit/sdk/scripted_broker.h"

namespace wherry::sdk::test {

using namespace std::chrono_literals;

struct World final : SessionHost {
  explicit World(LinkConfig config = {}) : config_(std::move(config)) {
    log::set_level(log::Level::off);
    LinkEvents events;
    events.on_up = [this](std::uint64_t generation) { ups.push_back(generation); };
    events.on_down = [this](std::string_view reason, std::uint16_t denied) {
      downs.emplace_back(reason);
      was_denied = denied;
    };
    events.on_declare_refused = [this](const Declaration&, const Report& why) { not_restored.push_back(why.code); };
    session = std::make_unique<Session>(*this, config_, events, [] { return 0.5; });
  }

  Monotonic now() const override { return now_; }
  void connect(const Endpoint& to, std::chrono::milliseconds) override { wanted.push_back(to); }
  void disconnect() override { drop_pipe(); }
  void probe(const Endpoint&, Topology what, Done done) override {
    probed.push_back(std::move(what));
    probes.push_back(std::move(done));
  }

  // The connection that was asked for last comes to stand.
  void accept() {
    drop_pipe();
    to_server = std::make_unique<OutputBuffer>();
    to_client = std::make_unique<OutputBuffer>();
    broker = std::make_unique<ScriptedConnection>(script, *to_client, now_);
    session->connected(*to_server);
    pump();
  }
  // Carries bytes both ways until both are silent.
  void pump() {
    while (to_server && (!to_server->empty() || !to_client->empty())) {
      inbound += take(*to_server);
      inbound.erase(0, broker->machine().receive(inbound, now_));
      outbound += take(*to_client);
      if (!to_client->empty() || outbound.empty()) continue;
      const std::string bytes = std::exchange(outbound, {});
      const std::size_t used = session->receive(bytes);
      if (to_server) outbound.insert(0, bytes.substr(used));
    }
  }
  void lose(const std::string& reason = "connection reset by peer") {
    auto keep = std::move(to_server);
    auto keep_too = std::move(to_client);
    auto keep_broker = std::move(broker);
    session->socket_lost(reason);
  }
  void after(std::chrono::milliseconds time) {
    now_ += time;
    session->on_time();
    pump();
  }
  void up() {
    if (wanted.empty()) session->start();
    accept();
    REQUIRE(session->is_up());
  }
  void publish(const std::string& body, std::chrono::milliseconds within = 5s, const std::string& exchange = "") {
    Publication message;
    message.exchange = exchange;
    message.routing_key = "q";
    message.body = body;
    message.deadline = now_ + within;
    session->publish(std::make_unique<Prepared>(std::move(message), report(body)));
    pump();
  }
  Done report(const std::string& name) {
    return [this, name](const Report& r) {
      reports.push_back(name + " " + std::string(outcome_name(r.outcome)));
      last = r;
    };
  }
  void declare(Topology what, const std::string& name, std::chrono::milliseconds within = 5s) {
    session->declare(std::move(what), true, report(name), now_ + within);
    pump();
  }

  LinkConfig config_;
  Monotonic now_{1000s};
  std::unique_ptr<OutputBuffer> to_server, to_client;
  std::string inbound, outbound;
  Script script;
  std::unique_ptr<ScriptedConnection> broker;
  std::vector<Endpoint> wanted;
  std::vector<Topology> probed;
  std::vector<Done> probes;
  std::vector<std::uint64_t> ups;
  std::vector<std::string> downs;
  std::vector<int> not_restored;
  std::uint16_t was_denied = 0;  // The broker's code.
  std::vector<std::string> reports;
  Report last;
  std::unique_ptr<Session> session;

 private:
  static std::string take(OutputBuffer& from) {
    std::string bytes = from.to_string();
    from.consume(bytes.size());
    return bytes;
  }
  void drop_pipe() {
    to_server.reset();
    to_client.reset();
    inbound.clear();
    outbound.clear();
  }
};

using List = std::vector<std::string>;

inline amqp::AmqpError error(amqp::ReplyCode code, const char* text = "because") {
  return {code, text, {}, false};
}

}  // namespace wherry::sdk::test

#include "broker/bridges/shovel.h"

#include <utility>
#include <variant>

#include <fmt/format.h>

#include "broker/bridges/rewrite.h"

namespace wherry::broker::bridges {

Shovel::Shovel(const Surroundings& around, ShovelSpec spec, std::function<void()> done)
    : Bridge(around, {spec.source, spec.destination}, fmt::format("shovel '{}' in vhost '{}'", spec.name, spec.vhost),
             "Shovel " + spec.name, spec.reconnect_delay),
      spec_(std::move(spec)),
      done_(std::move(done)),
      rewrites_(rewrites(spec_.rewriting)) {}

void Shovel::set_up() {
  entry_ = shovelled_entry(spec_, source().uri().text(), destination().uri().text(), around().cluster_name());
  if (!spec_.destination_queue) return set_up_source();
  ensure_queue(destination(), *spec_.destination_queue, spec_.destination_queue_arguments,
               [this](std::uint32_t) { set_up_source(); });
}

void Shovel::set_up_source() {
  if (!spec_.source_queue.empty()) {
    return ensure_queue(source(), spec_.source_queue, spec_.source_queue_arguments,
                        [this](std::uint32_t messages) { move(spec_.source_queue, messages); });
  }
  const std::string arguments = amqp::encode_table(spec_.source_queue_arguments);
  source().ask(
      amqp::QueueDeclare{.queue = {}, .exclusive = true, .arguments = {arguments}}, [this](const amqp::Method& answer) {
        const auto* made = std::get_if<amqp::QueueDeclareOk>(&answer);
        const std::string queue(made ? made->queue : std::string_view());
        source().ask(
            amqp::QueueBind{
                .queue = queue, .exchange = spec_.source_exchange, .routing_key = spec_.source_key, .arguments = {}},
            [this, queue](const amqp::Method&) { move(queue, 0); });
      });
}

void Shovel::move(const std::string& queue, std::uint32_t messages) {
  Transfer::Config config;
  config.ack_mode = spec_.ack_mode;
  config.rewrite = [this](const Peer::Message& message, Transfer::Outgoing& out) {
    return rewrite_message(message, out);
  };
  config.finished = [this] { finish(done_); };
  if (spec_.deletes == ShovelSpec::Delete::when_moved) {
    if (messages == 0) return finish(done_);
    config.most = messages;
  } else if (spec_.deletes == ShovelSpec::Delete::after) {
    config.most = spec_.delete_after;
  }
  transfer(std::move(config));
  consume(queue, spec_.prefetch, spec_.consumer_arguments);
}

bool Shovel::rewrite_message(const Peer::Message& message, Transfer::Outgoing& out) {
  if (spec_.destination_queue) {
    out.exchange = {};
    out.routing_key = *spec_.destination_queue;
    out.mandatory = true;
  } else {
    if (spec_.destination_exchange) out.exchange = *spec_.destination_exchange;
    if (spec_.destination_key) out.routing_key = *spec_.destination_key;
  }
  if (rewrites_) {
    rewritten_ = rewrite(message.raw_properties, spec_.rewriting, entry_);
    out.raw_properties = rewritten_;
  }
  return true;
}

}  // namespace wherry::broker::bridges

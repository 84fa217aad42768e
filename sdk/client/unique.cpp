#include "sdk/client/unique.h"

#include <string>
#include <variant>

#include <fmt/format.h>

#include "protocol/amqp/constants.h"
#include "wherry/error.h"

namespace wherry::sdk {

namespace {

std::string wire_key(std::string_view task, const Unique& unique) {
  return fmt::format("{}:{}", task, unique.key);
}

[[noreturn]] void refuse_options(const char* why) {
  throw ClientError(Errc::invalid_argument, why);
}

bool looks_for_duplicates(const amqp::Table& arguments) {
  return arguments.find("x-message-deduplication") || arguments.find("x-dedup-window") ||
         arguments.find("x-dedup-count");
}

}  // namespace

void check_unique(std::string_view task, const EnqueueOptions& options) {
  const Unique& unique = *options.unique;
  if (unique.key.empty()) refuse_options("unique needs a key");
  if (wire_key(task, unique).size() > 255) refuse_options("a unique key and the task's name are longer than 254 bytes");
  if (!options.deduplication_key.empty()) refuse_options("unique and deduplication_key exclude each other");
  if (options.exchange || options.routing_key) refuse_options("unique goes with a queue, not with an exchange");
  if (!unique.window) return;
  // 32 bits of milliseconds: 24 days.
  if (*unique.window < std::chrono::milliseconds(1) || *unique.window > std::chrono::milliseconds(INT32_MAX)) {
    refuse_options("a unique window is between 1 ms and 24 days");
  }
  // A delayed message would come to the exchange from another one, where nothing is looked for.
  if (options.countdown || options.eta) refuse_options("a unique window and countdown or eta exclude each other");
}

void make_unique_message(const Unique& unique, task::Task& task, Outgoing& out) {
  if (out.queue.empty()) refuse_options("unique goes with a queue, and the task's route names an exchange");
  out.unique = true;
  task.headers.set("x-deduplication-header", wire_key(task.name, unique));
  if (unique.window) {
    const auto window_ms = static_cast<std::int32_t>(unique.window->count());
    ExchangeSpec exchange{.name = fmt::format("wherry.unique.{}", window_ms)};
    exchange.arguments.set("x-dedup-window", window_ms);
    out.message.exchange = exchange.name;
    out.unique_topology = {
        exchange,
        BindingSpec{.source = exchange.name, .destination = out.queue, .routing_key = out.message.routing_key}};
    return;
  }
  auto own = std::make_shared<Topology>(*out.topology);
  for (Declaration& each : *own) {
    auto* queue = std::get_if<QueueSpec>(&each);
    if (queue && queue->name == out.queue && !looks_for_duplicates(queue->arguments)) {
      queue->arguments.set("x-message-deduplication", true);
    }
  }
  out.topology = std::move(own);
}

bool takes_a_key_once(const amqp::Table& server_properties) {
  const amqp::FieldValue* extensions = server_properties.find("extensions");
  const auto* table = extensions ? std::get_if<amqp::Table>(&extensions->value) : nullptr;
  return table && table->find("message_deduplication");
}

Report refuse_unique(const Outgoing& out, const Report& declared, const amqp::Table& server_properties) {
  if (declared.outcome == Outcome::refused) {
    Report report = declared;
    report.text = fmt::format("the queue '{}' does not take tasks as unique: {}", out.queue, declared.text);
    return report;
  }
  if (!declared.ok()) return declared;
  if (takes_a_key_once(server_properties)) return declared;
  return {Outcome::refused, 0, "this broker does not look for duplicates, so no task can be unique there"};
}

}  // namespace wherry::sdk

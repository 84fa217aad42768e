#include "worker/mailbox/mailbox.h"

#include <algorithm>
#include <utility>

#include <fmt/format.h>
#include <re2/re2.h>

#include "base/glob.h"
#include "protocol/task/json.h"

namespace wherry::worker {

namespace {

const std::string* text_in(const task::Value& map, std::string_view key) {
  const task::Value* value = map.find(key);
  return value ? value->get<std::string>() : nullptr;
}

sdk::Publication json_publication(std::string_view exchange, std::string_view key, std::string body) {
  sdk::Publication message;
  message.exchange = exchange;
  message.routing_key = key;
  message.properties.content_type = "application/json";
  message.properties.content_encoding = "utf-8";
  message.properties.delivery_mode = 1;
  message.properties.headers.emplace();
  message.body = std::move(body);
  message.mandatory = false;  // Whoever asked may be gone; and a worker may be alone.
  // An answer that comes later finds nobody.
  message.deadline = std::chrono::steady_clock::now() + std::chrono::seconds(10);
  return message;
}

std::int64_t clock_of(const sdk::Delivery& delivery) {
  std::int64_t clock = 0;
  if (delivery.properties.headers) delivery.properties.headers->integer("clock", clock);
  return clock;
}

Result<task::Value> json_body(const sdk::Delivery& delivery) {
  const auto& type = delivery.properties.content_type;
  if (!type || *type != "application/json") return fail("its content type is not application/json");
  return task::decode_json(delivery.body);
}

sdk::QueueSpec transient_queue(std::string name) {
  sdk::QueueSpec spec{.name = std::move(name), .durable = false, .auto_delete = true};
  // Celery's control_queue_expires and control_queue_ttl.
  spec.arguments.set("x-expires", std::int32_t{10'000});
  spec.arguments.set("x-message-ttl", std::int32_t{300'000});
  return spec;
}

}  // namespace

std::string command_queue(std::string_view node, std::string_view unique) {
  return fmt::format("{}.{}.{}", node, unique, pidbox_exchange);
}

std::string answer_queue(std::string_view unique) {
  return fmt::format("{}.{}", unique, pidbox_reply_exchange);
}

sdk::Topology command_topology(std::string_view node, std::string_view unique) {
  sdk::ExchangeSpec commands{.name = std::string(pidbox_exchange), .type = "fanout", .durable = false};
  sdk::ExchangeSpec answers{.name = std::string(pidbox_reply_exchange), .type = "direct", .durable = false};
  sdk::QueueSpec own = transient_queue(command_queue(node, unique));
  sdk::BindingSpec to_own{.source = commands.name, .destination = own.name};
  return {std::move(commands), std::move(answers), std::move(own), std::move(to_own)};
}

sdk::Topology mailbox_topology(std::string_view node, std::string_view unique) {
  sdk::Topology topology = command_topology(node, unique);
  sdk::QueueSpec replies = transient_queue(answer_queue(unique));
  sdk::BindingSpec to_replies{
      .source = std::string(pidbox_reply_exchange), .destination = replies.name, .routing_key = std::string(unique)};
  topology.emplace_back(std::move(replies));
  topology.emplace_back(std::move(to_replies));
  return topology;
}

bool is_addressed(const task::Value& body, std::string_view node) {
  if (const task::Value* destination = body.find("destination")) {
    if (const auto* nodes = destination->get<task::Value::Array>(); nodes && !nodes->empty()) {
      return std::any_of(nodes->begin(), nodes->end(), [&](const task::Value& each) {
        const auto* name = each.get<std::string>();
        return name && *name == node;
      });
    }
    if (const auto* name = destination->get<std::string>(); name && !name->empty()) return *name == node;
  }
  const std::string* pattern = text_in(body, "pattern");
  const std::string* matcher = text_in(body, "matcher");
  if (pattern == nullptr || matcher == nullptr || pattern->empty() || matcher->empty()) return true;
  if (*matcher == "glob") return glob_match(*pattern, node);
  if (*matcher != "pcre") return false;
  // Python's re.match: from the beginning, but not necessarily to the end.
  RE2::Options quiet;
  quiet.set_log_errors(false);
  const RE2 expression(*pattern, quiet);
  return expression.ok() && expression.Match(node, 0, node.size(), RE2::ANCHOR_START, nullptr, 0);
}

Result<Command> read_command(const sdk::Delivery& delivery, std::string_view node) {
  auto body = json_body(delivery);
  if (!body) return tl::unexpected(body.error());
  Command command;
  command.clock = clock_of(delivery);
  if (!is_addressed(*body, node)) return command;
  const std::string* method = text_in(*body, "method");
  if (method == nullptr || method->empty()) return fail("it names no method");
  command.method = *method;
  if (const task::Value* arguments = body->find("arguments")) {
    if (const auto* map = arguments->get<task::Value::Map>()) {
      command.arguments = *map;
    } else if (!arguments->is_null()) {
      return fail(fmt::format("the arguments of '{}' are {}, not a map", *method, task::describe(*arguments)));
    }
  }
  if (const std::string* ticket = text_in(*body, "ticket")) command.ticket = *ticket;
  if (const task::Value* reply_to = body->find("reply_to")) {
    if (const std::string* exchange = text_in(*reply_to, "exchange")) command.reply_exchange = *exchange;
    if (const std::string* key = text_in(*reply_to, "routing_key")) command.reply_key = *key;
  }
  return command;
}

Result<sdk::Publication> answer_message(const Command& to, std::string_view node, task::Value answer,
                                        std::int64_t clock) {
  auto body = task::encode_json(task::Value::Map{{std::string(node), std::move(answer)}});
  if (!body) return tl::unexpected(body.error());
  sdk::Publication message = json_publication(to.reply_exchange, to.reply_key, std::move(*body));
  if (!to.ticket.empty()) message.properties.headers->set("ticket", to.ticket);
  message.properties.headers->set("clock", clock);
  return message;
}

Result<sdk::Publication> command_message(std::string_view method, task::Value::Map arguments, std::string_view unique,
                                         std::string_view ticket, std::int64_t clock) {
  task::Value::Map reply_to{{"exchange", pidbox_reply_exchange}, {"routing_key", unique}};
  auto body = task::encode_json(task::Value::Map{{"method", method},
                                                 {"arguments", std::move(arguments)},
                                                 {"destination", nullptr},
                                                 {"pattern", nullptr},
                                                 {"matcher", nullptr},
                                                 {"ticket", ticket},
                                                 {"reply_to", std::move(reply_to)}});
  if (!body) return tl::unexpected(body.error());
  sdk::Publication message = json_publication(pidbox_exchange, "", std::move(*body));
  message.properties.headers->set("clock", clock);
  message.properties.headers->set("expires", std::int32_t{0});
  return message;
}

Result<Answer> read_answer(const sdk::Delivery& delivery, std::string_view ticket) {
  const auto& headers = delivery.properties.headers;
  const std::string* its_ticket = headers ? headers->string("ticket") : nullptr;
  if (its_ticket == nullptr || *its_ticket != ticket) return fail("it answers something that was not asked");
  auto body = json_body(delivery);
  if (!body) return tl::unexpected(body.error());
  const auto* map = body->get<task::Value::Map>();
  if (map == nullptr || map->size() != 1) return fail("it is not one node's answer");
  return Answer{map->front().first, map->front().second, clock_of(delivery)};
}

}  // namespace wherry::worker

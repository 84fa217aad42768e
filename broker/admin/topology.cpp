// Queues, exchanges, bindings and messages, as an operator makes, empties and deletes them.
#include <fmt/format.h>

#include "base/utf8.h"
#include "broker/admin/handlers.h"
#include "protocol/amqp/properties.h"
#include "protocol/task/base64.h"

namespace wherry::broker::admin::handlers {

namespace {

constexpr std::size_t most_messages_at_once = 10'000;

// Besides the permission on a name one has to be let into its virtual host.
Outcome<void> allowed(Desk& desk, const Request& request, Access access, std::string_view kind, std::string_view name) {
  const std::string& vhost = request.part(0);
  if (!desk.shared().find_vhost(vhost)) return not_found("vhost_not_found");
  if (!request.caller.may_open(vhost)) return not_authorised("User not authorised to access virtual host");
  return request.caller.check(access, kind, vhost, name);
}

std::string exchange_of(const std::string& part) {
  return part == "amq.default" ? std::string() : part;
}
std::string resource_of(const std::string& exchange) {
  return exchange.empty() ? std::string("amq.default") : exchange;
}

template <class T>
Outcome<Answer> made(Desk& desk, const Request& request, const AmqpResult<T>& outcome, std::string_view what) {
  if (!outcome) return refusal_of(outcome.error());
  if constexpr (std::is_same_v<T, bool>) {
    if (!*outcome) return done();
  }
  desk.audit(request.caller, what);
  return created();
}

Outcome<Answer> gone(Desk& desk, const Request& request, const AmqpResult<void>& outcome, std::string_view what) {
  if (!outcome) return refusal_of(outcome.error());
  desk.audit(request.caller, what);
  return done();
}

template <class T>
AmqpResult<void> only_whether(const AmqpResult<T>& outcome) {
  if (outcome) return {};
  return tl::unexpected(outcome.error());
}

// What is there must be what was asked for: a text where a text is meant.
Outcome<void> check_types(const Table& body, std::initializer_list<const char*> flags) {
  for (const char* name : flags) {
    const FieldValue* value = body.find(name);
    const std::string* text = value ? value->get<std::string>() : nullptr;
    const bool said = text != nullptr && (*text == "true" || *text == "false");
    if (value != nullptr && !value->is_null() && value->get<bool>() == nullptr && !said) {
      return bad_request(fmt::format("{} is true or false, not {}", name, amqp::to_string(*value)));
    }
  }
  const FieldValue* arguments = body.find("arguments");
  if (arguments != nullptr && !arguments->is_null() && arguments->get<Table>() == nullptr) {
    const auto* list = arguments->get<FieldArray>();
    // An empty list is what some languages make of an empty map.
    if (list == nullptr || !list->empty()) return bad_request("arguments is an object");
  }
  return {};
}

Outcome<void> check_name(std::string_view what, std::string_view name) {
  if (name.size() <= 255 && is_utf8(name)) return {};
  return bad_request(fmt::format("the name of {} is UTF-8 of at most 255 bytes", what));
}

}  // namespace

// --- queues ---

Outcome<Answer> put_queue(Desk& desk, const Request& request) {
  const std::string& name = request.part(1);
  if (auto fine = check_name("a queue", name); !fine) return tl::unexpected(fine.error());
  if (auto fine = check_types(request.body, {"durable", "auto_delete"}); !fine) return tl::unexpected(fine.error());
  if (auto may = allowed(desk, request, Access::configure, "queue", name); !may) return tl::unexpected(may.error());
  QueueSpec spec;
  spec.name = name;
  spec.durable = flag_of(request.body, "durable", true);
  spec.auto_delete = flag_of(request.body, "auto_delete");
  spec.arguments = table_of(request.body, "arguments");
  if (const std::string* to = spec.arguments.string("x-dead-letter-exchange")) {
    if (auto may = allowed(desk, request, Access::read, "queue", name); !may) return tl::unexpected(may.error());
    if (auto may = allowed(desk, request, Access::write, "exchange", *to); !may) return tl::unexpected(may.error());
  }
  return made(desk, request, desk.operations().declare_queue(request.part(0), spec),
              fmt::format("declared queue '{}' in vhost '{}'", name, request.part(0)));
}

Outcome<Answer> delete_queue(Desk& desk, const Request& request) {
  const std::string& name = request.part(1);
  if (auto may = allowed(desk, request, Access::configure, "queue", name); !may) return tl::unexpected(may.error());
  const Host::DeleteIf condition{request.flag("if-unused"), request.flag("if-empty")};
  return gone(desk, request, only_whether(desk.operations().delete_queue(request.part(0), name, condition)),
              fmt::format("deleted queue '{}' of vhost '{}'", name, request.part(0)));
}

Outcome<Answer> purge_queue(Desk& desk, const Request& request) {
  const std::string& name = request.part(1);
  if (auto may = allowed(desk, request, Access::read, "queue", name); !may) return tl::unexpected(may.error());
  return gone(desk, request, only_whether(desk.operations().purge(request.part(0), name)),
              fmt::format("purged queue '{}' of vhost '{}'", name, request.part(0)));
}

Outcome<Answer> queue_action(Desk& desk, const Request& request) {
  if (auto may = allowed(desk, request, Access::configure, "queue", request.part(1)); !may) {
    return tl::unexpected(may.error());
  }
  const std::string action = text_of(request.body, "action");
  // There is nothing to mirror: what RabbitMQ does without mirrors is nothing too.
  if (action == "sync" || action == "cancel_sync") return done();
  return bad_request(fmt::format("unknown action '{}': there are sync and cancel_sync", action));
}

namespace {

Outcome<amqp::Properties> properties_of(const Table& given) {
  amqp::Properties out;
  const std::pair<const char*, std::optional<std::string>*> texts[] = {{"content_type", &out.content_type},
                                                                       {"content_encoding", &out.content_encoding},
                                                                       {"correlation_id", &out.correlation_id},
                                                                       {"reply_to", &out.reply_to},
                                                                       {"expiration", &out.expiration},
                                                                       {"message_id", &out.message_id},
                                                                       {"type", &out.type},
                                                                       {"user_id", &out.user_id},
                                                                       {"app_id", &out.app_id},
                                                                       {"cluster_id", &out.cluster_id}};
  for (const auto& [name, into] : texts) {
    const FieldValue* value = given.find(name);
    if (value == nullptr || value->is_null()) continue;
    const std::string* text = value->get<std::string>();
    if (text == nullptr || text->size() > 255) {
      return bad_request(fmt::format("the property {} is a text of at most 255 bytes", name));
    }
    *into = *text;
  }
  std::int64_t number = 0;
  const auto whole = [&](const char* name, std::int64_t most) -> Outcome<bool> {
    const FieldValue* value = given.find(name);
    if (value == nullptr || value->is_null()) return false;
    if (!value->integer(number) || number < 0 || number > most) {
      return bad_request(fmt::format("the property {} is a number from 0 to {}", name, most));
    }
    return true;
  };
  auto mode = whole("delivery_mode", 2), priority = whole("priority", 255);
  if (!mode) return tl::unexpected(mode.error());
  if (!priority) return tl::unexpected(priority.error());
  if (*mode && given.integer("delivery_mode", number)) {
    if (number == 0) return bad_request("the property delivery_mode is 1 or 2");
    out.delivery_mode = static_cast<std::uint8_t>(number);
  }
  if (*priority && given.integer("priority", number)) out.priority = static_cast<std::uint8_t>(number);
  auto stamped = whole("timestamp", INT64_MAX);
  if (!stamped) return tl::unexpected(stamped.error());
  if (*stamped) out.timestamp = static_cast<std::uint64_t>(number);
  if (const FieldValue* headers = given.find("headers")) {
    if (headers->get<Table>() != nullptr) {
      out.headers = *headers->get<Table>();
    } else if (!headers->is_null() && !(headers->get<FieldArray>() && headers->get<FieldArray>()->empty())) {
      return bad_request("the property headers is an object");
    }
  }
  return out;
}

}  // namespace

Outcome<Answer> get_messages(Desk& desk, const Request& request) {
  const std::string& name = request.part(1);
  if (auto may = allowed(desk, request, Access::read, "queue", name); !may) return tl::unexpected(may.error());
  std::int64_t number = 0;
  if (!request.body.integer("count", number)) {
    const std::string text = text_of(request.body, "count");
    const auto parsed = fmt::format("{}", std::atoll(text.c_str()));
    if (text.empty() || parsed != text) return bad_request("key_missing: count, a number of messages");
    number = std::atoll(text.c_str());
  }
  if (number < 1 || number > static_cast<std::int64_t>(most_messages_at_once)) {
    return bad_request(fmt::format("count is 1 to {}", most_messages_at_once));
  }
  std::string mode = text_of(request.body, "ackmode");
  if (mode.empty()) mode = flag_of(request.body, "requeue", true) ? "ack_requeue_true" : "ack_requeue_false";
  Settlement how = Settlement::requeue;
  if (mode == "ack_requeue_false") {
    how = Settlement::ack;
  } else if (mode == "reject_requeue_false") {
    how = Settlement::discard;
  } else if (mode != "ack_requeue_true" && mode != "reject_requeue_true") {
    return bad_request(
        fmt::format("ackmode is ack_requeue_true, ack_requeue_false, reject_requeue_true or reject_requeue_false, not "
                    "'{}'",
                    mode));
  }
  const std::string encoding = text_of(request.body, "encoding", "auto");
  if (encoding != "auto" && encoding != "base64") return bad_request("encoding is auto or base64");
  std::int64_t truncate = INT64_MAX;
  request.body.integer("truncate", truncate);
  auto messages = desk.operations().get(request.part(0), name, static_cast<std::size_t>(number), how);
  if (!messages) return refusal_of(messages.error());
  FieldArray rows;
  for (const Host::Got& got : *messages) {
    const Message& message = *got.delivery.message;
    const std::string_view body =
        message.body().substr(0, static_cast<std::size_t>(std::max<std::int64_t>(0, truncate)));
    const bool plain = encoding == "auto" && is_utf8(body);
    Table row;
    put(row, "payload_bytes", count(message.body().size()));
    put(row, "redelivered", got.delivery.redelivered);
    put(row, "exchange", std::string(message.exchange()));
    put(row, "routing_key", std::string(message.routing_key()));
    put(row, "message_count", count(got.remaining));
    auto properties = amqp::decode_properties(message.properties());
    put(row, "properties", properties ? properties_row(*properties) : Table{});
    put(row, "payload", plain ? std::string(body) : task::encode_base64(body));
    put(row, "payload_encoding", std::string(plain ? "string" : "base64"));
    rows.emplace_back(std::move(row));
  }
  return answer(std::move(rows));
}

// --- exchanges ---

Outcome<Answer> put_exchange(Desk& desk, const Request& request) {
  const std::string name = exchange_of(request.part(1));
  if (auto fine = check_name("an exchange", name); !fine) return tl::unexpected(fine.error());
  if (auto fine = check_types(request.body, {"durable", "auto_delete", "internal"}); !fine) {
    return tl::unexpected(fine.error());
  }
  if (auto may = allowed(desk, request, Access::configure, "exchange", resource_of(name)); !may) {
    return tl::unexpected(may.error());
  }
  ExchangeSpec spec;
  spec.name = name;
  spec.type = text_of(request.body, "type", "direct");
  spec.durable = flag_of(request.body, "durable", true);
  spec.auto_delete = flag_of(request.body, "auto_delete");
  spec.internal = flag_of(request.body, "internal");
  spec.arguments = table_of(request.body, "arguments");
  if (const std::string* to = spec.arguments.string("alternate-exchange")) {
    if (auto may = allowed(desk, request, Access::read, "exchange", name); !may) return tl::unexpected(may.error());
    if (auto may = allowed(desk, request, Access::write, "exchange", *to); !may) return tl::unexpected(may.error());
  }
  return made(desk, request, desk.operations().declare_exchange(request.part(0), spec),
              fmt::format("declared exchange '{}' in vhost '{}'", name, request.part(0)));
}

Outcome<Answer> delete_exchange(Desk& desk, const Request& request) {
  const std::string name = exchange_of(request.part(1));
  if (auto may = allowed(desk, request, Access::configure, "exchange", resource_of(name)); !may) {
    return tl::unexpected(may.error());
  }
  return gone(desk, request, desk.operations().delete_exchange(request.part(0), name, request.flag("if-unused")),
              fmt::format("deleted exchange '{}' of vhost '{}'", name, request.part(0)));
}

Outcome<Answer> publish(Desk& desk, const Request& request) {
  const std::string name = exchange_of(request.part(1));
  if (auto may = allowed(desk, request, Access::write, "exchange", resource_of(name)); !may) {
    return tl::unexpected(may.error());
  }
  const std::string* key = request.body.string("routing_key");
  const std::string* payload = request.body.string("payload");
  const std::string* encoding = request.body.string("payload_encoding");
  if (key == nullptr || payload == nullptr || encoding == nullptr) {
    return bad_request("key_missing: routing_key, payload and payload_encoding are texts");
  }
  if (key->size() > 255) return bad_request("routing_key has at most 255 bytes");
  std::string body = *payload;
  if (*encoding == "base64") {
    auto decoded = task::decode_base64(*payload);
    if (!decoded) return bad_request("payload is no base64");
    body = std::move(*decoded);
  } else if (*encoding != "string") {
    return bad_request(fmt::format("payload_encoding is string or base64, not '{}'", *encoding));
  }
  auto properties = properties_of(table_of(request.body, "properties"));
  if (!properties) return tl::unexpected(properties.error());
  const Caller& caller = request.caller;
  if (properties->user_id && caller.user() && *properties->user_id != caller.name() &&
      !caller.user()->may_impersonate()) {
    return bad_request(fmt::format("user_id property set to '{}' but authenticated user was '{}'", *properties->user_id,
                                   caller.name()));
  }
  if (caller.user() && !caller.user()->may_topic(Access::write, request.part(0), name, *key)) {
    return not_authorised(fmt::format("access to topic '{}' in exchange '{}' refused", *key, name));
  }
  auto published = desk.operations().publish(request.part(0), name, *key, *properties, body);
  // What a client would have been told; here it is the request that is wrong, not its path.
  if (!published && published.error().code == amqp::ReplyCode::not_found) {
    return bad_request(fmt::format("404 NOT_FOUND - {}", published.error().explanation));
  }
  if (!published) return refusal_of(published.error());
  if (!published->accepted) return unavailable("a queue is full and refused the message");
  Table row;
  put(row, "routed", published->routed);
  return answer(std::move(row));
}

// --- bindings ---

namespace {

Outcome<BindingSpec> binding_of(Desk& desk, const Request& request) {
  BindingSpec spec;
  spec.source = exchange_of(request.part(1));
  if (request.part(2) != "q" && request.part(2) != "e") return not_found();
  spec.kind = request.part(2) == "q" ? DestinationKind::queue : DestinationKind::exchange;
  spec.destination = request.part(3);
  if (auto fine = check_name("a destination", spec.destination); !fine) return tl::unexpected(fine.error());
  const char* kind = spec.kind == DestinationKind::queue ? "queue" : "exchange";
  if (auto may = allowed(desk, request, Access::write, kind, spec.destination); !may)
    return tl::unexpected(may.error());
  if (auto may = allowed(desk, request, Access::read, "exchange", resource_of(spec.source)); !may) {
    return tl::unexpected(may.error());
  }
  return spec;
}

std::string in_path(std::string_view text) {
  std::string out;
  for (char c : text) {
    const bool bare = std::isalnum(static_cast<unsigned char>(c)) || c == '-' || c == '_' || c == '.' || c == '~';
    out += bare ? std::string(1, c) : fmt::format("%{:02X}", static_cast<unsigned char>(c));
  }
  return out;
}

}  // namespace

Outcome<Answer> post_binding(Desk& desk, const Request& request) {
  auto spec = binding_of(desk, request);
  if (!spec) return tl::unexpected(spec.error());
  if (auto fine = check_types(request.body, {}); !fine) return tl::unexpected(fine.error());
  spec->routing_key = text_of(request.body, "routing_key");
  if (spec->routing_key.size() > 255) return bad_request("routing_key has at most 255 bytes");
  spec->arguments = table_of(request.body, "arguments");
  auto bound =
      made(desk, request, desk.operations().bind(request.part(0), *spec),
           fmt::format("bound '{}' to exchange '{}' in vhost '{}'", spec->destination, spec->source, request.part(0)));
  if (bound) bound->location = fmt::format("{}/{}", request.part(3), in_path(properties_key(*spec)));
  return bound;
}

Outcome<Answer> delete_binding(Desk& desk, const Request& request) {
  auto spec = binding_of(desk, request);
  if (!spec) return tl::unexpected(spec.error());
  const SharedVhostRef vhost = desk.shared().find_vhost(request.part(0));
  if (!vhost) return not_found();
  for (const BindingSpec& each : vhost->read([](const Vhost& topology) { return topology.bindings(); })) {
    if (each.source != spec->source || each.kind != spec->kind || each.destination != spec->destination) continue;
    if (properties_key(each) != request.part(4)) continue;
    return gone(
        desk, request, desk.operations().unbind(request.part(0), each),
        fmt::format("unbound '{}' from exchange '{}' in vhost '{}'", spec->destination, spec->source, request.part(0)));
  }
  return not_found();
}

// --- connections ---

Outcome<Answer> close_connection(Desk& desk, const Request& request) {
  auto connections = desk.survey().connections();
  if (!connections) return unavailable(connections.error().message);
  for (const ConnectionState& each : *connections) {
    if (each.name() != request.part(0)) continue;
    const Caller& caller = request.caller;
    if (!caller.administrator() && each.info.user != caller.name()) {
      return not_authorised("only an administrator closes other users' connections");
    }
    const auto reason = request.headers.find("x-reason");
    const std::string text =
        reason == request.headers.end() ? std::string("Closed via management plugin") : reason->second;
    desk.shared().close_where([id = each.info.id](const Session& session) { return session.id() == id; }, text);
    desk.audit(caller, fmt::format("closed connection {}: {}", each.name(), text));
    return done();
  }
  return not_found();
}

}  // namespace wherry::broker::admin::handlers

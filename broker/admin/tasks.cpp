// A task by name, for those who have HTTP and no Celery.
#include <fmt/format.h>
#include <openssl/evp.h>

#include "base/assert.h"
#include "base/iso8601.h"
#include "base/uuid.h"
#include "broker/admin/handlers.h"
#include "broker/admin/values.h"
#include "protocol/task/envelope.h"
#include "protocol/task/repr.h"

namespace wherry::broker::admin::handlers {

namespace {

// The same key gives the same id, in this process and in the next one: a version 5 UUID.
std::string id_of_key(const std::string& vhost, const std::string& key) {
  const std::string name = vhost + '\0' + key;
  unsigned char digest[EVP_MAX_MD_SIZE];
  unsigned size = 0;
  const int ok = EVP_Digest(name.data(), name.size(), digest, &size, EVP_sha1(), nullptr);
  WHERRY_ASSERT(ok == 1 && size == 20);
  digest[6] = static_cast<unsigned char>((digest[6] & 0x0f) | 0x50);
  digest[8] = static_cast<unsigned char>((digest[8] & 0x3f) | 0x80);
  std::string id;
  for (unsigned at = 0; at < 16; ++at) {
    if (at == 4 || at == 6 || at == 8 || at == 10) id += '-';
    id += fmt::format("{:02x}", digest[at]);
  }
  return id;
}

// What a client would tell on celeryev.
tasks::Event sent_event(const task::Task& task, const std::string& queue, WallTime now) {
  tasks::Event event{.kind = tasks::Kind::sent, .host = "management", .at = now, .arrived = now};
  event.id = task.id;
  event.name = task.name;
  event.args = tasks::cut(task::args_repr(task.args), tasks::most_text);
  event.kwargs = tasks::cut(task::kwargs_repr(task.kwargs), tasks::most_text);
  event.root_id = task.id;
  event.queue = queue;
  if (task.eta) event.eta = format_iso8601(*task.eta);
  if (task.expires) event.expires = format_iso8601(*task.expires);
  return event;
}

Outcome<std::optional<WallTime>> time_in(const Table& body, const char* name) {
  const FieldValue* given = body.find(name);
  if (given == nullptr || given->is_null()) return std::nullopt;
  const std::string* text = given->get<std::string>();
  auto time = text ? parse_iso8601(*text) : Result<WallTime>(fail(""));
  if (!time) return bad_request(fmt::format("{} is a time such as 2026-01-31T12:00:00Z", name));
  return std::optional<WallTime>(*time);
}

Outcome<std::int64_t> seconds_in(const Table& body, const char* name) {
  const FieldValue* given = body.find(name);
  if (given == nullptr || given->is_null()) return 0;
  std::int64_t value = 0;
  if (given->integer(value) && value >= 0 && value <= 315'360'000) return value;
  return bad_request(fmt::format("{} is a number of seconds", name));
}

}  // namespace

Outcome<Answer> post_task(Desk& desk, const Request& request) {
  const Table& body = request.body;
  const std::string& vhost = request.part(0);
  static constexpr std::string_view known[] = {
      "task", "id",        "args",    "kwargs",   "queue",         "exchange", "routing_key",
      "eta",  "countdown", "expires", "priority", "ignore_result", "headers"};
  for (const auto& [name, value] : body.entries()) {
    if (std::find(std::begin(known), std::end(known), name) == std::end(known)) {
      return bad_request(fmt::format("unknown key '{}': there are {}", name, fmt::join(known, ", ")));
    }
  }
  task::Task task;
  task.name = text_of(body, "task");
  if (task.name.empty()) return bad_request("key_missing: task, a task's name");
  const FieldValue* args = body.find("args");
  const FieldValue* kwargs = body.find("kwargs");
  if (args != nullptr && !args->is_null() && !args->get<FieldArray>()) return bad_request("args is a list");
  if (kwargs != nullptr && !kwargs->is_null() && !kwargs->get<Table>()) return bad_request("kwargs is an object");
  if (args != nullptr && args->get<FieldArray>()) task.args = array_of(*args->get<FieldArray>());
  if (kwargs != nullptr && kwargs->get<Table>()) task.kwargs = map_of(*kwargs->get<Table>());

  const auto key = request.headers.find("idempotency-key");
  const bool has_key = key != request.headers.end() && !key->second.empty();
  if (has_key && key->second.size() > 255) return bad_request("Idempotency-Key has at most 255 bytes");
  task.id = text_of(body, "id");
  if (task.id.empty()) task.id = has_key ? id_of_key(vhost, key->second) : make_uuid();
  task.headers = table_of(body, "headers");
  if (has_key) task.headers.set("x-deduplication-header", key->second);

  const WallTime now = std::chrono::time_point_cast<WallTime::duration>(std::chrono::system_clock::now());
  auto eta = time_in(body, "eta"), expires = time_in(body, "expires");
  if (!eta) return tl::unexpected(eta.error());
  if (!expires) return tl::unexpected(expires.error());
  auto countdown = seconds_in(body, "countdown");
  if (!countdown) return tl::unexpected(countdown.error());
  if (*eta && *countdown > 0) return bad_request("eta and countdown exclude each other");
  task.eta = *eta;
  if (*countdown > 0) task.eta = now + std::chrono::seconds(*countdown);
  task.expires = *expires;
  std::int64_t priority = 0;
  if (const FieldValue* given = body.find("priority")) {
    if (!given->integer(priority) || priority < 0 || priority > 255) return bad_request("priority is 0 to 255");
    task.priority = static_cast<std::uint8_t>(priority);
  }
  task.ignore_result = flag_of(body, "ignore_result");

  const std::string queue = text_of(body, "queue", "celery");
  const std::string exchange = text_of(body, "exchange");
  const std::string routing_key = text_of(body, "routing_key", queue);
  if (routing_key.size() > 255 || exchange.size() > 255) return bad_request("a name has at most 255 bytes");
  if (!desk.shared().find_vhost(vhost)) return not_found();
  if (!request.caller.may_open(vhost)) return not_authorised("User not authorised to access virtual host");
  if (auto may = request.caller.check(Access::write, "exchange", vhost, exchange.empty() ? "amq.default" : exchange);
      !may) {
    return tl::unexpected(may.error());
  }
  auto message = task::encode(task, now);
  if (!message) return bad_request(message.error().message);
  auto published = desk.operations().publish(vhost, exchange, routing_key, message->properties, message->body);
  if (!published) return refusal_of(published.error());
  if (!published->routed) {
    return tl::unexpected<Refusal>(
        Refusal{404, "Object Not Found", fmt::format("no queue takes it: there is no queue '{}'", routing_key)});
  }
  if (!published->accepted) return unavailable("a queue is full and refused the task");
  if (!published->duplicate) desk.tasks().sent(vhost, sent_event(task, exchange.empty() ? routing_key : "", now));
  Table row;
  put(row, "id", task.id);
  put(row, "duplicate", published->duplicate);
  Answer out = answer(std::move(row));
  out.status = 202;
  return out;
}

}  // namespace wherry::broker::admin::handlers

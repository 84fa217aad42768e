#include "broker/admin/remote_control.h"

#include <utility>

#include "base/uuid.h"
#include "broker/session/tap.h"
#include "broker/shard/operations.h"
#include "protocol/task/json.h"
#include "protocol/task/serializer.h"

namespace wherry::broker::admin {

namespace {

constexpr const char* control_exchange = "celery.pidbox";

// {NAME: payload}; nothing for what is none.
void take_answer(const Message& message, WorkerAnswers& into) {
  const auto properties = amqp::decode_properties(message.properties());
  if (!properties || (properties->headers && properties->headers->find("compression") != nullptr)) return;
  auto body = task::decode_body(*properties, message.body());
  auto* map = body ? body->get<task::Value::Map>() : nullptr;
  if (map == nullptr || map->size() != 1) return;
  into.insert_or_assign(map->front().first, std::move(map->front().second));
}

}  // namespace

struct RemoteControl::Question {
  std::string vhost;
  std::vector<MessageRef> came;
  std::size_t count = 0;
  std::size_t bytes = 0;
};

RemoteControl::RemoteControl(Shared& shared) : shared_(shared) {
  shared_.tap().listen(control_reply_exchange,
                       [this](const std::string& vhost, const MessageRef& message) { hear(vhost, message); });
}

RemoteControl::~RemoteControl() {
  shared_.tap().listen(control_reply_exchange, nullptr);
}

void RemoteControl::hear(const std::string& vhost, const MessageRef& message) {
  std::lock_guard lock(mutex_);
  const auto found = open_.find(message->routing_key());
  if (found == open_.end() || found->second->vhost != vhost) return;
  Question& question = *found->second;
  if (question.count == most_answers || question.bytes + message->footprint() > most_bytes) return;
  ++question.count;
  question.bytes += message->footprint();
  question.came.push_back(message);
  changed_.notify_all();
}

Outcome<void> RemoteControl::publish(const std::string& vhost, const WorkerCommand& command, const std::string& key) {
  const auto or_null = [](const std::string& text) { return text.empty() ? task::Value() : task::Value(text); };
  task::Value::Map body{{"method", command.method},
                        {"arguments", command.arguments},
                        {"destination", nullptr},
                        {"pattern", or_null(command.pattern)},
                        {"matcher", command.pattern.empty() ? task::Value() : task::Value("glob")}};
  if (!command.worker.empty()) task::set(body, "destination", task::Value::Array{command.worker});
  if (!key.empty()) {
    body.emplace_back("ticket", key);
    body.emplace_back("reply_to",
                      task::Value::Map{{"exchange", std::string(control_reply_exchange)}, {"routing_key", key}});
  }
  auto text = task::encode_json(std::move(body));
  if (!text) return bad_request(text.error().message);
  amqp::Properties properties;
  properties.content_type = "application/json";
  properties.content_encoding = "utf-8";
  properties.delivery_mode = 1;
  properties.headers.emplace();
  properties.headers->set("clock", std::int64_t{0});
  auto published = Operations(shared_).publish(vhost, control_exchange, "", properties, *text);
  // Where no worker ever was there is no such exchange.
  if (!published && published.error().code != amqp::ReplyCode::not_found) return refusal_of(published.error());
  return {};
}

Outcome<WorkerAnswers> RemoteControl::ask(const std::string& vhost, const WorkerCommand& command, const Enough& enough,
                                          std::chrono::milliseconds quiet) {
  using Clock = std::chrono::steady_clock;
  const std::string key = "wherry." + make_uuid();
  const auto question = std::make_shared<Question>();
  question->vhost = vhost;
  {
    std::lock_guard lock(mutex_);
    open_.emplace(key, question);
  }
  const auto close = [&] {
    std::lock_guard lock(mutex_);
    open_.erase(key);
  };
  if (auto asked = publish(vhost, command, key); !asked) {
    close();
    return tl::unexpected(asked.error());
  }
  WorkerAnswers answers;
  const auto last = Clock::now() + patience;
  auto until = last;
  while (!enough(answers)) {
    std::vector<MessageRef> came;
    {
      std::unique_lock lock(mutex_);
      changed_.wait_until(lock, until, [&] { return !question->came.empty(); });
      came.swap(question->came);
    }
    if (came.empty()) break;
    for (const MessageRef& each : came) take_answer(*each, answers);
    until = std::min(last, Clock::now() + quiet);
  }
  close();
  return answers;
}

Outcome<void> RemoteControl::tell(const std::string& vhost, const WorkerCommand& command) {
  return publish(vhost, command, "");
}

}  // namespace wherry::broker::admin

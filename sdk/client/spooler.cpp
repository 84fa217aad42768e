#include "sdk/client/spooler.h"

#include <algorithm>
#include <chrono>
#include <utility>

#include <fmt/format.h>

#include "base/iso8601.h"
#include "base/log.h"
#include "protocol/amqp/properties.h"
#include "protocol/task/msgpack.h"

namespace wherry::sdk {

namespace {

using namespace std::chrono_literals;

constexpr std::size_t most_sent_at_once = 500;
// How long one that is sent may wait for its confirm before all that is not done is sent again.
constexpr auto send_timeout = 60s;

WallTime wall_time_now() {
  return std::chrono::system_clock::now();
}

std::int64_t to_ms(WallTime time) {
  return std::chrono::duration_cast<std::chrono::milliseconds>(time.time_since_epoch()).count();
}

template <class T>
Result<T> spooled_field(const task::Value& map, std::string_view name) {
  const task::Value* value = map.find(name);
  const T* held = value ? value->get<T>() : nullptr;
  if (!held) return fail(fmt::format("its '{}' is missing or of another type", name));
  return *held;
}

}  // namespace

Result<std::string> encode_spooled(const std::string& task, const Outgoing& out, WallTime now) {
  return task::encode_msgpack(task::Value::Map{
      {"id", out.task_id},
      {"task", task},
      {"exchange", out.message.exchange},
      {"routing_key", out.message.routing_key},
      {"queue", out.queue},
      {"due", out.delay.count() > 0 ? to_ms(now + out.delay) : 0},
      {"properties", task::Bytes{amqp::encode_properties(out.message.properties)}},
      {"body", task::Bytes{out.message.body}},
  });
}

Result<Spooled> decode_spooled(std::string_view payload, WallTime now) {
  auto map = task::decode_msgpack(payload);
  if (!map) return tl::unexpected(map.error());
  Spooled spooled;
  Outgoing& out = spooled.out;
  for (auto [name, into] : {std::pair<const char*, std::string*>{"id", &out.task_id},
                            {"task", &spooled.task},
                            {"exchange", &out.message.exchange},
                            {"routing_key", &out.message.routing_key},
                            {"queue", &out.queue}}) {
    auto text = spooled_field<std::string>(*map, name);
    if (!text) return tl::unexpected(text.error());
    *into = *std::move(text);
  }
  auto due = spooled_field<std::int64_t>(*map, "due");
  if (!due) return tl::unexpected(due.error());
  if (*due > 0) out.delay = until(WallTime(std::chrono::milliseconds(*due)), now);
  auto properties = spooled_field<task::Bytes>(*map, "properties");
  if (!properties) return tl::unexpected(properties.error());
  auto decoded = amqp::decode_properties(properties->data);
  if (!decoded) return tl::unexpected(decoded.error());
  out.message.properties = *std::move(decoded);
  auto body = spooled_field<task::Bytes>(*map, "body");
  if (!body) return tl::unexpected(body.error());
  out.message.body = std::move(body->data);
  // The broker's own expiry counts from the publish: what is left of it is what counts.
  const auto& headers = out.message.properties.headers;
  const std::string* expires = headers ? headers->string("expires") : nullptr;
  if (expires && out.message.properties.expiration) {
    if (auto at = parse_iso8601(*expires)) {
      spooled.expired = *at <= now;
      out.message.properties.expiration = std::to_string(until(*at, now).count());
    }
  }
  return spooled;
}

Spooler::Spooler(net::EventLoop& loop, std::unique_ptr<Spool> spool, const Router& router, Send send)
    : loop_(loop), spool_(std::move(spool)), router_(router), send_(std::move(send)) {}

Report Spooler::put(const std::string& task, const Outgoing& out) {
  auto payload = encode_spooled(task, out, wall_time_now());
  if (!payload) return {Outcome::refused, 0, payload.error().message};
  auto appended = spool_->append(*payload);
  if (!appended) return {Outcome::refused, 0, appended.error().message};
  if (*appended == Spool::Appended::full) return {Outcome::overloaded, 0, "the spool is full"};
  loop_.post([this] { pump(); });
  return {};
}

void Spooler::up() {
  up_ = true;
  pump();
}

void Spooler::pump() {
  while (up_ && !stalled_ && under_way_ < most_sent_at_once) {
    auto record = spool_->next();
    if (!record) {
      log::error("sdk", "the spool cannot be read: {}", record.error().message);
      return;
    }
    if (!*record) return;
    auto spooled = decode_spooled((*record)->payload, wall_time_now());
    if (!spooled) {
      sent(**record, {Outcome::refused, 0, spooled.error().message});
      continue;
    }
    if (spooled->expired) {
      log::info("sdk", "task {} [{}] expired in the spool", spooled->task, spooled->out.task_id);
      spool_->done((*record)->number);
      continue;
    }
    EnqueueOptions where;
    if (spooled->out.queue.empty()) {
      where.exchange = spooled->out.message.exchange;
      where.routing_key = spooled->out.message.routing_key;
    } else {
      where.queue = spooled->out.queue;
    }
    spooled->out.topology = router_.route(spooled->task, where).topology;
    spooled->out.message.deadline = std::chrono::steady_clock::now() + send_timeout;
    ++under_way_;
    // Shared: what sends takes copies of its callbacks.
    const auto shared = std::make_shared<const Spool::Record>(*std::move(*record));
    send_(std::move(spooled->out), [this, shared](const Report& report) {
      --under_way_;
      sent(*shared, report);
      pump();
    });
  }
}

void Spooler::sent(const Spool::Record& record, const Report& report) {
  if (report.ok()) {
    spool_->done(record.number);
  } else if (report.outcome == Outcome::unroutable || report.outcome == Outcome::refused) {
    log::error("sdk", "a task of the spool is set aside: {}: {}", outcome_name(report.outcome), report.text);
    if (auto aside = spool_->set_aside(record); !aside) {
      log::error("sdk", "it stays in the spool: {}", aside.error().message);
      stalled_ = true;
    }
  } else {
    stalled_ = true;
  }
  if (!stalled_ || under_way_ > 0) return;
  again_.set(1s, [this] {
    stalled_ = false;
    spool_->rewind();
    pump();
  });
}

}  // namespace wherry::sdk

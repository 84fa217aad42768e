#include "worker/outbox/relay.h"

#include <utility>

#include <fmt/format.h>

#include "base/log.h"
#include "protocol/amqp/constants.h"
#include "sdk/client/spooler.h"
#include "worker/steps/step.h"

namespace wherry::outbox {

namespace {

using namespace std::chrono_literals;

constexpr std::size_t rows_at_once = 100;
constexpr std::int32_t most_keys = 100'000;
constexpr auto confirm_timeout = 30s;

bool is_final(const sdk::Report& report) {
  return report.outcome == sdk::Outcome::unroutable || report.outcome == sdk::Outcome::refused;
}

}  // namespace

OutboxRelay::OutboxRelay(RelayConfig config) : config_(std::move(config)) {
  link_ = std::make_unique<sdk::Link>(loop_, config_.link);
  link_->start();
  loop_thread_ = std::thread([this] { loop_.run(); });
  thread_ = std::thread([this] { work(); });
}

OutboxRelay::~OutboxRelay() {
  stop();
}

void OutboxRelay::stop() {
  {
    std::lock_guard lock(mutex_);
    if (std::exchange(stopping_, true)) return;
    changed_.notify_all();
  }
  // What is waited for at the broker ends with the link.
  loop_.post([this] { link_->close([this] { loop_.stop(); }); });
  loop_thread_.join();
  thread_.join();
  link_.reset();
}

// False: it is to stop.
bool OutboxRelay::wait(std::chrono::milliseconds time) {
  std::unique_lock lock(mutex_);
  return !changed_.wait_for(lock, time, [this] { return stopping_; });
}

void OutboxRelay::work() {
  bool said = false;
  for (;;) {
    std::chrono::milliseconds pause = 0ms;
    auto opened = table_ ? Result<bool>(true) : open();
    if (!opened) {
      log::error("outbox", "{}", opened.error().message);
      pause = config_.retry_after;
    } else if (!*opened) {
      if (!std::exchange(said, true)) log::info("outbox", "another relay is at {}: waiting", config_.table);
      pause = config_.retry_after;
    } else {
      switch (relay_some()) {
        case Turn::sent:
          break;
        case Turn::nothing_to_do:
          pause = config_.poll;
          break;
        case Turn::failed:
          pause = config_.retry_after;
      }
    }
    if (!wait(pause)) return;
  }
}

Result<bool> OutboxRelay::open() {
  auto table = open_outbox(config_.url, config_.table);
  if (!table) return tl::unexpected(table.error());
  auto locked = (*table)->lock();
  if (!locked || !*locked) return locked;
  table_ = *std::move(table);
  log::info("outbox", "relays {}", config_.table);
  if (config_.on_ready) config_.on_ready();
  return true;
}

OutboxRelay::Turn OutboxRelay::relay_some() {
  const auto failed = [this](const Error& error) {
    log::error("outbox", "{}", error.message);
    table_.reset();
    return Turn::failed;
  };
  auto rows = table_->read(rows_at_once);
  if (!rows) return failed(rows.error());
  if (rows->empty()) return Turn::nothing_to_do;
  for (const Row& row : *rows) worker::reached(worker::Step::outbox_read, row.task_id);
  const std::vector<sdk::Report> reports = send(*rows);
  std::vector<std::int64_t> done;
  bool all_settled = true;
  for (std::size_t i = 0; i < rows->size(); ++i) {
    const Row& row = (*rows)[i];
    if (reports[i].ok()) {
      worker::reached(worker::Step::outbox_confirmed, row.task_id);
      done.push_back(row.id);
    } else if (is_final(reports[i])) {
      log::error("outbox", "task [{}] is not sent and stays in {}: {}", row.task_id, config_.table, reports[i].text);
      if (auto marked = table_->mark_failed(row.id, reports[i].text); !marked) return failed(marked.error());
    } else {
      if (std::exchange(all_settled, false)) log::warning("outbox", "waiting for the broker: {}", reports[i].text);
    }
  }
  if (!done.empty()) {
    if (auto removed = table_->remove(done); !removed) return failed(removed.error());
    for (std::size_t i = 0; i < rows->size(); ++i) {
      if (reports[i].ok()) worker::reached(worker::Step::outbox_removed, (*rows)[i].task_id);
    }
  }
  return all_settled ? Turn::sent : Turn::failed;
}

std::vector<sdk::Report> OutboxRelay::gather(std::size_t count,
                                             std::function<void(std::function<sdk::Done(std::size_t)>)> begin) {
  struct Gathered {
    std::mutex mutex;
    std::condition_variable changed;
    std::vector<sdk::Report> reports;
    std::size_t left;
  };
  const auto shared = std::make_shared<Gathered>();
  shared->reports.assign(count, {sdk::Outcome::closed, 0, "the relay stops"});
  shared->left = count;
  loop_.post([shared, begin = std::move(begin)] {
    begin([shared](std::size_t index) {
      return [shared, index](const sdk::Report& report) {
        std::lock_guard lock(shared->mutex);
        shared->reports[index] = report;
        if (--shared->left == 0) shared->changed.notify_all();
      };
    });
  });
  std::unique_lock lock(shared->mutex);
  while (shared->left > 0) {
    shared->changed.wait_for(lock, 100ms);
    // The loop may have ended before what was posted there.
    std::lock_guard own(mutex_);
    if (stopping_) break;
  }
  return shared->reports;
}

std::vector<sdk::Report> OutboxRelay::send(const std::vector<Row>& rows) {
  struct Message {
    sdk::Outgoing out;
    sdk::OnceTarget target;
    bool sent = false;
  };
  const auto now = std::chrono::system_clock::now();
  const auto deadline = std::chrono::steady_clock::now() + confirm_timeout;
  std::vector<sdk::Report> reports(rows.size());
  const auto messages = std::make_shared<std::vector<Message>>(rows.size());
  std::map<std::string, sdk::OnceTarget> missing;
  for (std::size_t i = 0; i < rows.size(); ++i) {
    auto decoded = sdk::decode_spooled(rows[i].message, now);
    if (!decoded) {
      reports[i] = {sdk::Outcome::refused, 0, "it is no message of an outbox: " + decoded.error().message};
      continue;
    }
    if (decoded->expired) continue;  // Seen to: nobody would run it.
    Message& message = (*messages)[i];
    message.out = std::move(decoded->out);
    EnqueueOptions where;
    if (message.out.queue.empty()) {
      where.exchange = message.out.message.exchange;
      where.routing_key = message.out.message.routing_key;
    } else {
      where.queue = message.out.queue;
    }
    auto target = sdk::once_target(config_.table, most_keys, config_.router.route(decoded->task, where));
    if (!target) {
      reports[i] = {sdk::Outcome::refused, 0, target.error().message};
      continue;
    }
    message.target = *std::move(target);
    amqp::Properties& properties = message.out.message.properties;
    if (!properties.headers) properties.headers.emplace();
    if (!properties.headers->find("x-deduplication-header")) {
      properties.headers->set("x-deduplication-header", message.out.task_id);
    }
    message.out.message.deadline = deadline;
    message.sent = true;
    const std::string key = message.target.exchange + " " + message.target.routing_key;
    if (!prepared_.contains(key)) missing.emplace(key, message.target);
  }
  for (const auto& [key, target] : missing) {
    const auto declared = gather(2, [this, target, deadline](const auto& report) {
      link_->declare(target.as_it_is, report(0), deadline);
      link_->declare(target.own, report(1), deadline);
    });
    // What is there with other arguments is used as it is; whether a message gets through, mandatory tells.
    if (declared[1].ok()) prepared_[key] = true;
    for (const sdk::Report& each : declared) {
      if (each.outcome == sdk::Outcome::refused) log::warning("outbox", "used as it is: {}", each.text);
    }
  }
  std::vector<std::size_t> places;
  for (std::size_t i = 0; i < rows.size(); ++i) {
    if ((*messages)[i].sent) places.push_back(i);
  }
  const auto sent = gather(places.size(), [this, messages, places](const auto& report) {
    for (std::size_t i = 0; i < places.size(); ++i) {
      Message& message = (*messages)[places[i]];
      if (message.out.delay.count() > 0 && !message.out.queue.empty()) {
        link_->publish_delayed(std::move(message.out.message), message.out.queue, message.out.delay, report(i));
        continue;
      }
      message.out.message.exchange = message.target.exchange;
      message.out.message.routing_key = message.target.routing_key;
      link_->publish(std::move(message.out.message), report(i));
    }
    for (const std::size_t place : places) {
      worker::reached_when_written(loop_, worker::Step::outbox_published, (*messages)[place].out.task_id);
    }
  });
  for (std::size_t i = 0; i < places.size(); ++i) {
    reports[places[i]] = sent[i];
    // Its queue was deleted perhaps: declared again before the next one of its kind.
    if (sent[i].outcome == sdk::Outcome::unroutable) prepared_.clear();
  }
  return reports;
}

}  // namespace wherry::outbox

#include "worker/schedule/runner.h"

#include <algorithm>
#include <utility>

#include <fmt/format.h>

#include "base/log.h"
#include "base/uuid.h"
#include "protocol/amqp/constants.h"
#include "sdk/client/unique.h"
#include "wherry/error.h"

namespace wherry::schedule {

namespace {

using namespace std::chrono_literals;

constexpr std::chrono::seconds publish_timeout{30};
constexpr std::chrono::seconds stop_timeout{5};
// A scheduler whose machine is gone is missed after two of these.
constexpr std::chrono::seconds longest_heartbeat{10};

Monotonic steady_now() {
  return std::chrono::steady_clock::now();
}

sdk::QueueSpec state_queue(const std::string& name) {
  sdk::QueueSpec queue{.name = name};
  queue.arguments.set("x-single-active-consumer", true);
  return queue;
}

bool is_other_arguments(const sdk::Report& report) {
  return report.code == static_cast<std::uint16_t>(amqp::ReplyCode::precondition_failed);
}

}  // namespace

ScheduleRunner::ScheduleRunner(net::EventLoop& loop, RunnerConfig config, RunnerEvents events)
    : loop_(loop),
      config_(std::move(config)),
      events_(std::move(events)),
      targets_(make_targets(config_.settings, config_.router, config_.serializer, config_.wall_clock())),
      agenda_(config_.settings.entries) {}

std::vector<sdk::OnceTarget> ScheduleRunner::make_targets(const Settings& settings, const sdk::Router& router,
                                                          Serializer serializer, WallTime now) {
  std::vector<sdk::OnceTarget> targets;
  for (const Entry& entry : settings.entries) {
    auto target = make_target(settings.name, entry, router);
    if (!target) throw ClientError(Errc::invalid_argument, target.error().message);
    auto tried = make_message(entry, now, *target, router, serializer, now);
    if (!tried) throw ClientError(Errc::invalid_argument, tried.error().message);
    targets.push_back(*std::move(target));
  }
  return targets;
}

ScheduleRunner::~ScheduleRunner() {
  disconnect();
}

void ScheduleRunner::start() {
  connect();
}

void ScheduleRunner::connect() {
  sdk::LinkConfig config = config_.link;
  for (sdk::Endpoint& endpoint : config.endpoints) {
    if (endpoint.heartbeat == 0s || endpoint.heartbeat > longest_heartbeat) endpoint.heartbeat = longest_heartbeat;
  }
  sdk::LinkEvents events;
  events.on_up = [this](std::uint64_t) { on_up(); };
  events.on_down = [this](std::string_view reason, std::uint16_t denied) { on_down(reason, denied); };
  ++connection_;
  was_up_ = false;
  link_ = std::make_unique<sdk::Link>(loop_, std::move(config), std::move(events));
  const std::string& name = config_.settings.name;
  link_->declare({state_queue(name)}, here([this, name](const sdk::Report& report) {
                   if (report.outcome == sdk::Outcome::refused) {
                     refuse(fmt::format("the broker refused the queue '{}': {}", name, report.text));
                   }
                 }));
  declare_targets();
  // Not limited: the state and what others put beside it.
  link_->subscribe(
      {.queues = {name}, .prefetch = 0},
      [this, connection = connection_](sdk::Delivery delivery) {
        if (connection == connection_) on_delivery(std::move(delivery));
      },
      [this, connection = connection_](const std::string&, const sdk::Report& report) {
        if (connection != connection_) return;
        log::warning("schedule", "the queue of the schedule is gone: {}", report.text);
        reconnect_soon(config_.retry_after);
      });
  if (config_.remote_control) let_ask();
  link_->start();
}

void ScheduleRunner::let_ask() {
  Inquiry::Answers answers;
  answers.active = [this] { return phase_ == Phase::active && !on_stopped_; };
  answers.entries = [this] {
    return describe_entries(config_.settings, agenda_.known(), config_.router, config_.link.name, config_.wall_clock());
  };
  answers.run = [this](const std::string& entry, Inquiry::Ran done) { run_now(entry, std::move(done)); };
  inquiry_ = std::make_unique<Inquiry>(*link_, config_.settings.name, std::move(answers));
}

// Beside the entry's ticks, which stay as they are.
void ScheduleRunner::run_now(const std::string& name, Inquiry::Ran done) {
  const auto& entries = config_.settings.entries;
  const auto entry = std::find_if(entries.begin(), entries.end(), [&](const Entry& each) { return each.name == name; });
  if (entry == entries.end()) return done(fail(fmt::format("the schedule has no entry '{}'", name)));
  const auto& target = targets_[static_cast<std::size_t>(entry - entries.begin())];
  auto message = make_message_now(*entry, target, config_.router, config_.serializer, config_.wall_clock());
  if (!message) return done(tl::unexpected(message.error()));
  message->deadline = steady_now() + publish_timeout;
  std::string id = message->properties.correlation_id.value_or("");
  log::info("schedule", "{}: asked for", id);
  link_->publish(*std::move(message), here([id = std::move(id), done = std::move(done)](const sdk::Report& report) {
    if (report.ok()) return done(id);
    done(fail(fmt::format("{}: {}", sdk::outcome_name(report.outcome), report.text)));
  }));
}

void ScheduleRunner::declare_targets() {
  std::vector<const sdk::Topology*> done;
  for (const sdk::OnceTarget& target : targets_) {
    for (const sdk::Topology* topology : {&target.as_it_is, &target.own}) {
      if (topology->empty()) continue;
      if (std::any_of(done.begin(), done.end(), [&](const auto* each) { return *each == *topology; })) continue;
      done.push_back(topology);
      link_->declare(*topology, here([as_it_is = topology == &target.as_it_is](const sdk::Report& report) {
        if (report.ok() || (as_it_is && is_other_arguments(report))) return;
        log::error("schedule", "the broker refused a declaration: {}", report.text);
      }));
    }
  }
}

sdk::Done ScheduleRunner::here(sdk::Done done) {
  return [this, connection = connection_, done = std::move(done)](const sdk::Report& report) {
    if (connection == connection_) done(report);
  };
}

// Whoever calls this is not called by the link, which is destroyed.
void ScheduleRunner::disconnect() {
  ++connection_;
  timer_.cancel();
  phase_ = Phase::away;
  agenda_.end();
  in_hand_.clear();
  write_.reset();
  inquiry_.reset();
  link_.reset();
}

void ScheduleRunner::reconnect_soon(std::chrono::milliseconds after) {
  if (on_stopped_ || refused_) return;
  reconnect_timer_.set(after, [this] {
    disconnect();
    connect();
  });
}

void ScheduleRunner::on_up() {
  was_up_ = true;
  phase_ = Phase::standby;
  claims_ = !sdk::takes_a_key_once(link_->server_properties());
  // So that there is something to be given to whoever becomes active. What this one knew when it was is worth telling.
  publish_state(make_uuid(), agenda_.known(), [](const sdk::Report&) {});
  if (std::exchange(ready_, true)) return;
  log::info("schedule", "{}: {} entries, waiting for the broker's word", config_.settings.name,
            config_.settings.entries.size());
  if (events_.on_ready) events_.on_ready();
}

void ScheduleRunner::on_down(std::string_view reason, std::uint16_t denied) {
  if (denied != 0) return refuse(fmt::format("the broker does not let it in: {}", reason));
  if (!was_up_) return;  // The link tries again by itself.
  if (phase_ == Phase::active) log::warning("schedule", "not active any more: {}", reason);
  phase_ = Phase::away;
  timer_.cancel();
  if (on_stopped_) return end_when_idle();
  // Not in here: this is the link's own call. But before it has found another address by itself: what was in hand went
  // with the connection, and whoever becomes active begins with nothing.
  reconnect_timer_.set(0ms, [this] {
    disconnect();
    reconnect_soon(500ms);
  });
}

void ScheduleRunner::refuse(std::string reason) {
  if (std::exchange(refused_, true) || on_stopped_) return;
  log::error("schedule", "{}", reason);
  if (events_.on_refused) events_.on_refused(std::move(reason));
}

void ScheduleRunner::publish_state(const std::string& id, const State& state, sdk::Done done) {
  sdk::Publication message{.routing_key = config_.settings.name};
  message.properties.message_id = id;
  message.properties.content_type = "application/json";
  message.properties.delivery_mode = 2;
  message.body = encode_state(state);
  message.deadline = steady_now() + publish_timeout;
  link_->publish(std::move(message), here(std::move(done)));
}

void ScheduleRunner::on_delivery(sdk::Delivery delivery) {
  in_hand_.push_back(delivery.ref);
  const std::string id = delivery.properties.message_id.value_or("");
  const bool own_write = write_ && write_->id == id;
  if (!own_write) {
    if (auto state = decode_state(delivery.body)) {
      agenda_.learn(*state);
    } else {
      log::warning("schedule", "a message in the queue '{}' is no state of a schedule and is dropped: {}",
                   config_.settings.name, state.error().message);
    }
  }
  if (phase_ == Phase::standby) {
    phase_ = Phase::reading;
    fence_ = make_uuid();
    publish_state(fence_, {}, [this](const sdk::Report& report) {
      if (!report.ok()) {
        log::warning("schedule", "the state could not be read: {}", report.text);
        reconnect_soon(config_.retry_after);
      }
    });
  } else if (phase_ == Phase::reading && id == fence_) {
    become_active();
  } else if (own_write) {
    write_->came_back = true;
    written();
  }
}

void ScheduleRunner::become_active() {
  phase_ = Phase::active;
  agenda_.begin(config_.wall_clock());
  log::info("schedule", "{}: active", config_.settings.name);
  if (events_.on_active) events_.on_active();
  look();
}

void ScheduleRunner::look() {
  if (phase_ != Phase::active) return;
  const bool stopping = on_stopped_ != nullptr;
  bool claim = false;
  if (reloaded_ && agenda_.idle() && !write_) take_reloaded();
  if (!stopping && !reloaded_ && !(claims_ && write_)) {
    for (const Agenda::Tick& tick : agenda_.take(config_.wall_clock())) {
      enqueue(tick);
      claim = claims_;
    }
    for (const std::string& note : agenda_.take_notes()) log::warning("schedule", "{}", note);
  }
  if (!write_ && (claim || agenda_.changed() || steady_now() >= rewrite_at_)) write();
  if (stopping) return end_when_idle();
  look_later();
}

void ScheduleRunner::look_later() {
  auto wait = config_.look_again;
  if (const auto next = agenda_.next()) wait = std::min(wait, until(*next, config_.wall_clock()));
  timer_.set(wait, [this] { look(); });
}

void ScheduleRunner::enqueue(const Agenda::Tick& tick) {
  const Entry& entry = config_.settings.entries[tick.entry];
  auto message =
      make_message(entry, tick.at, targets_[tick.entry], config_.router, config_.serializer, config_.wall_clock());
  if (!message) return on_enqueued(tick, {.outcome = sdk::Outcome::refused, .text = message.error().message});
  message->deadline = steady_now() + publish_timeout;
  link_->publish(*std::move(message), here([this, tick](const sdk::Report& report) { on_enqueued(tick, report); }));
}

void ScheduleRunner::on_enqueued(const Agenda::Tick& tick, const sdk::Report& report) {
  if (phase_ != Phase::active) return;
  const std::string id = tick_id(config_.settings.entries[tick.entry], tick.at);
  if (report.ok()) {
    log::info("schedule", "{}", id);
    agenda_.enqueued(tick);
  } else {
    log::error("schedule", "{} is not enqueued, and tried again in {} ms: {}: {}", id, config_.retry_after.count(),
               sdk::outcome_name(report.outcome), report.text);
    agenda_.failed(tick, config_.wall_clock() + config_.retry_after);
    // Its queue or a binding was deleted: a new connection declares them again.
    if (report.outcome == sdk::Outcome::unroutable) return reconnect_soon(config_.retry_after);
  }
  // Later in this turn, when all confirms that came together are counted: one state tells of them all.
  timer_.set(0ms, [this] { look(); });
}

void ScheduleRunner::write() {
  write_ = Write{.id = make_uuid(), .replaces = in_hand_.size()};
  rewrite_at_ = steady_now() + config_.rewrite_after;
  const auto under_way = claims_ ? Agenda::UnderWay::claimed : Agenda::UnderWay::open;
  publish_state(write_->id, agenda_.state(config_.wall_clock(), under_way), [this](const sdk::Report& report) {
    if (report.ok()) {
      write_->confirmed = true;
      return written();
    }
    log::error("schedule", "the state is not written, and tried again: {}: {}", sdk::outcome_name(report.outcome),
               report.text);
    reconnect_soon(config_.retry_after);
  });
}

// The new state is safe and in hand: the old one may go.
void ScheduleRunner::written() {
  if (!write_->confirmed || !write_->came_back) return;
  for (std::size_t i = 0; i < write_->replaces; ++i) link_->ack(in_hand_[i]);
  in_hand_.erase(in_hand_.begin(), in_hand_.begin() + static_cast<std::ptrdiff_t>(write_->replaces));
  write_.reset();
  look();
}

void ScheduleRunner::reload(Settings settings, sdk::Router router, Serializer serializer) {
  if (settings.name != config_.settings.name) {
    return log::error("schedule",
                      "the schedule's name has changed from '{}' to '{}', which takes a restart: nothing is "
                      "changed",
                      config_.settings.name, settings.name);
  }
  try {
    auto targets = make_targets(settings, router, serializer, config_.wall_clock());
    reloaded_ = Reloaded{std::move(settings), std::move(router), serializer, std::move(targets)};
  } catch (const ClientError& mistake) {
    return log::error("schedule", "the new schedule cannot be used, nothing is changed: {}", mistake.what());
  }
  if (phase_ == Phase::active) {
    look();
  } else {
    take_reloaded();
  }
}

void ScheduleRunner::take_reloaded() {
  config_.settings = std::move(reloaded_->settings);
  config_.router = std::move(reloaded_->router);
  config_.serializer = reloaded_->serializer;
  targets_ = std::move(reloaded_->targets);
  reloaded_.reset();
  agenda_.entries_changed(config_.wall_clock());
  if (link_) declare_targets();
  log::info("schedule", "{}: {} entries, as they were read again", config_.settings.name,
            config_.settings.entries.size());
}

void ScheduleRunner::stop(std::function<void()> done) {
  if (on_stopped_) return;
  on_stopped_ = std::move(done);
  reconnect_timer_.cancel();
  stop_timer_.set(stop_timeout, [this] {
    agenda_.end();
    phase_ = Phase::away;
    end_when_idle();
  });
  if (phase_ == Phase::active) return look();
  end_when_idle();
}

void ScheduleRunner::end_when_idle() {
  const bool busy = phase_ == Phase::active && (!agenda_.idle() || write_ || agenda_.changed());
  if (busy || std::exchange(closing_, true)) return;
  stop_timer_.cancel();
  // In a coming turn: acknowledgements are posted, and must be out before the connection closes.
  timer_.set(0ms, [this] {
    if (!link_) return on_stopped_();
    link_->close([this] { on_stopped_(); });
  });
}

}  // namespace wherry::schedule

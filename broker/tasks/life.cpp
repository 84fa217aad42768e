#include "broker/tasks/life.h"

#include <algorithm>
#include <cctype>
#include <utility>

namespace wherry::broker::tasks {

namespace {

constexpr std::pair<State, std::string_view> state_names[] = {
    {State::pending, "PENDING"}, {State::received, "RECEIVED"}, {State::started, "STARTED"},
    {State::retry, "RETRY"},     {State::success, "SUCCESS"},   {State::failure, "FAILURE"},
    {State::revoked, "REVOKED"}, {State::rejected, "REJECTED"},
};

State state_after(Kind kind) {
  switch (kind) {
    case Kind::received:
      return State::received;
    case Kind::started:
      return State::started;
    case Kind::succeeded:
      return State::success;
    case Kind::failed:
      return State::failure;
    case Kind::retried:
      return State::retry;
    case Kind::revoked:
      return State::revoked;
    case Kind::rejected:
      return State::rejected;
    default:
      return State::pending;
  }
}

// Celery's precedence; the lower one counts.
int rank_of(State state) {
  switch (state) {
    case State::success:
      return 0;
    case State::failure:
      return 1;
    case State::revoked:
      return 2;
    case State::started:
      return 3;
    case State::received:
      return 4;
    default:
      return 5;
  }
}

bool goes_by_time(State state) {
  return state == State::retry || state == State::rejected;
}

bool ends_attempt(Kind kind) {
  return kind == Kind::succeeded || kind == Kind::failed || kind == Kind::retried || kind == Kind::revoked ||
         kind == Kind::rejected;
}

WallTime beginning_of(const Attempt& attempt) {
  return attempt.received ? *attempt.received : attempt.started ? *attempt.started : attempt.ended.value_or(WallTime{});
}

std::size_t size_of(const std::optional<std::string>& text) {
  return text ? text->size() : 0;
}

}  // namespace

std::string_view name_of(State state) {
  for (const auto& [each, name] : state_names) {
    if (each == state) return name;
  }
  return "";
}

std::optional<State> state_of(std::string_view text) {
  std::string upper(text);
  std::transform(upper.begin(), upper.end(), upper.begin(), [](unsigned char c) { return std::toupper(c); });
  for (const auto& [each, name] : state_names) {
    if (name == upper) return each;
  }
  return std::nullopt;
}

bool Life::moves_state(State to, const Event& event) const {
  const bool newer = std::pair(event.at, event.clock) >= std::pair(state_at_, state_clock_);
  if (goes_by_time(to) || goes_by_time(state_)) return newer;
  if (rank_of(to) <= rank_of(state_)) return true;
  const bool again = to == State::received || to == State::started;
  return is_end(state_) && again && event.at > state_at_;
}

void Life::apply(const Event& event) {
  updated_ = std::max(updated_, event.at);
  const Step step{event.kind, event.at, event.host};
  const auto place = std::upper_bound(steps_.begin(), steps_.end(), step,
                                      [](const Step& one, const Step& other) { return one.at < other.at; });
  steps_.insert(place, step);
  if (steps_.size() > most_steps) steps_.pop_front();

  const State to = state_after(event.kind);
  const bool moves = event.kind != Kind::sent && moves_state(to, event);
  learn(event);
  if (event.kind == Kind::sent) {
    sent_ = event.at;
    return;
  }
  attempt(event);
  if (event.kind == Kind::received) received_ = std::max(received_.value_or(event.at), event.at);
  if (event.kind == Kind::started) started_ = std::max(started_.value_or(event.at), event.at);
  if (!moves) return;
  if (is_end(state_) && !is_end(to)) {
    ended_.reset();
    result_.reset();
    runtime_s_.reset();
  }
  state_ = to;
  state_at_ = event.at;
  state_clock_ = event.clock;
  worker_ = event.host;
  if (is_end(to)) ended_ = event.at;
  if (event.result) result_ = event.result;
  if (event.error) error_ = event.error;
  if (to == State::success) error_.reset();
  if (event.runtime_s) runtime_s_ = event.runtime_s;
}

// What events say of the task itself is the same whenever they say it.
void Life::learn(const Event& event) {
  const auto take = [](std::string& into, const std::string& from) {
    if (!from.empty()) into = from;
  };
  take(name_, event.name);
  take(queue_, event.queue);
  take(root_id_, event.root_id);
  take(parent_id_, event.parent_id);
  take(eta_, event.eta);
  take(expires_, event.expires);
  if (event.args) args_ = *event.args;
  if (event.kwargs) kwargs_ = *event.kwargs;
  if (event.retries) retries_ = std::max(retries_, *event.retries);
}

// Attempts stand in the order in which they began. Null: it is older than all that are kept.
Attempt* Life::insert(Attempt attempt, WallTime at) {
  auto place = attempts_.end();
  while (place != attempts_.begin() && beginning_of(*std::prev(place)) > at) --place;
  const auto index = static_cast<std::size_t>(place - attempts_.begin());
  if (attempts_.size() < most_attempts) return &*attempts_.insert(place, std::move(attempt));
  ++attempts_left_out_;
  if (index == 0) return nullptr;
  attempts_.pop_front();
  return &*attempts_.insert(attempts_.begin() + static_cast<std::ptrdiff_t>(index - 1), std::move(attempt));
}

void Life::attempt(const Event& event) {
  const auto fits = [&](const Attempt& each) {
    if (each.worker != event.host) return false;
    const bool after_received = !each.received || *each.received <= event.at;
    const bool after_started = !each.started || *each.started <= event.at;
    const bool before_end = !each.ended || *each.ended >= event.at;
    if (event.kind == Kind::received) {
      const bool before_start = !each.started || *each.started >= event.at;
      return !each.received && before_start && before_end;
    }
    if (event.kind == Kind::started) return !each.started && after_received && before_end;
    return !each.outcome && after_received && after_started;
  };
  auto found = attempts_.rend();
  // What runs ends before what was only received: a retry comes to its worker before it has told of the failure.
  if (ends_attempt(event.kind)) {
    found = std::find_if(attempts_.rbegin(), attempts_.rend(),
                         [&](const Attempt& each) { return each.started && fits(each); });
  }
  if (found == attempts_.rend()) found = std::find_if(attempts_.rbegin(), attempts_.rend(), fits);
  Attempt* const to = found != attempts_.rend() ? &*found : insert({.worker = event.host}, event.at);
  if (to == nullptr) return;
  Attempt& into = *to;
  if (event.kind == Kind::received) into.received = event.at;
  if (event.kind == Kind::started) into.started = event.at;
  if (!ends_attempt(event.kind)) return;
  into.ended = event.at;
  into.outcome = state_after(event.kind);
  into.runtime_s = event.runtime_s;
  into.error = event.error;
  into.traceback = event.traceback;
}

std::size_t Life::footprint() const {
  // What the index and the lists around it take is in there too.
  std::size_t bytes = sizeof(Life) + 512 + 2 * id_.size();
  for (const std::string* each :
       {&name_, &worker_, &queue_, &root_id_, &parent_id_, &eta_, &expires_, &args_, &kwargs_}) {
    bytes += each->size();
  }
  bytes += size_of(result_) + size_of(error_);
  for (const Attempt& each : attempts_) {
    bytes += sizeof(Attempt) + each.worker.size() + size_of(each.error) + size_of(each.traceback);
  }
  for (const Step& each : steps_) bytes += sizeof(Step) + each.host.size();
  return bytes;
}

}  // namespace wherry::broker::tasks

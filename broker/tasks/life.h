// Life: what is known of one task: its state, its attempts, the steps that were heard of.
//
// Events come from several machines, late and out of order. The state is Celery's (celery.events.state): of two
// events the one whose state comes first in SUCCESS, FAILURE, REVOKED, STARTED, RECEIVED, PENDING counts, whichever
// came first; where RETRY or REJECTED is one of them, the later by the senders' clocks does. Beyond Celery's rules a
// task that is received or started again after its end (a dead letter that was replayed, a message that came twice) is
// under way again. An event is put to the attempt of its worker that it fits into by time.
//
// Limits: the newest most_attempts and most_steps are kept. Threads: plain data.
#pragma once

#include <cstdint>
#include <deque>
#include <optional>
#include <string>
#include <string_view>

#include "broker/tasks/event.h"

namespace wherry::broker::tasks {

constexpr std::size_t most_attempts = 20;
constexpr std::size_t most_steps = 64;

enum class State { pending, received, started, retry, success, failure, revoked, rejected };
constexpr std::size_t states = 8;
// "PENDING", ...
std::string_view name_of(State state);
// In any case of its letters; nothing for what is no state.
std::optional<State> state_of(std::string_view name);
constexpr bool is_end(State state) {
  return state == State::success || state == State::failure || state == State::revoked;
}

struct Attempt {
  std::string worker = {};
  std::optional<WallTime> received = {}, started = {}, ended = {};
  std::optional<State> outcome = {};  // Nothing: it runs, or its worker was not heard of again.
  std::optional<double> runtime_s = {};
  std::optional<std::string> error = {}, traceback = {};
};

struct Step {
  Kind kind = Kind::sent;
  WallTime at = {};
  std::string host = {};
};

class Life {
 public:
  explicit Life(std::string id) : id_(std::move(id)) {}

  void apply(const Event& event);

  const std::string& id() const { return id_; }
  const std::string& name() const { return name_; }
  State state() const { return state_; }
  const std::string& worker() const { return worker_; }
  const std::string& queue() const { return queue_; }
  const std::string& root_id() const { return root_id_; }
  const std::string& parent_id() const { return parent_id_; }
  const std::string& eta() const { return eta_; }
  const std::string& expires() const { return expires_; }
  const std::string& args() const { return args_; }
  const std::string& kwargs() const { return kwargs_; }
  std::int64_t retries() const { return retries_; }
  // Of the last that said so.
  const std::optional<std::string>& result() const { return result_; }
  const std::optional<std::string>& error() const { return error_; }
  const std::optional<double>& runtime_s() const { return runtime_s_; }
  const std::optional<WallTime>& sent() const { return sent_; }
  const std::optional<WallTime>& received() const { return received_; }
  const std::optional<WallTime>& started() const { return started_; }
  const std::optional<WallTime>& ended() const { return ended_; }  // While it is at an end.
  WallTime updated() const { return updated_; }                    // The newest of all events.
  const std::deque<Attempt>& attempts() const { return attempts_; }
  std::uint64_t attempts_left_out() const { return attempts_left_out_; }
  const std::deque<Step>& steps() const { return steps_; }
  // Bytes of memory, about.
  std::size_t footprint() const;

 private:
  bool moves_state(State to, const Event& event) const;
  void learn(const Event& event);
  void attempt(const Event& event);
  Attempt* insert(Attempt attempt, WallTime at);

  const std::string id_;
  std::string name_ = {}, worker_ = {}, queue_ = {}, root_id_ = {}, parent_id_ = {}, eta_ = {}, expires_ = {};
  std::string args_ = {}, kwargs_ = {};
  std::int64_t retries_ = 0;
  std::optional<std::string> result_ = {}, error_ = {};
  std::optional<double> runtime_s_ = {};
  std::optional<WallTime> sent_ = {}, received_ = {}, started_ = {}, ended_ = {};
  WallTime updated_ = {};
  State state_ = State::pending;
  WallTime state_at_ = {};  // The event that the state is from.
  std::int64_t state_clock_ = 0;
  std::deque<Attempt> attempts_ = {};
  std::uint64_t attempts_left_out_ = 0;
  std::deque<Step> steps_ = {};
};

}  // namespace wherry::broker::tasks

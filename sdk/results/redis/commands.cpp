#include "sdk/results/redis/commands.h"

#include <algorithm>
#include <array>

#include <fmt/format.h>

namespace wherry::results {

namespace {

constexpr std::size_t most_waiting = 100'000;

// The first word of an error says what kind it is.
bool may_pass(std::string_view error) {
  constexpr std::array<std::string_view, 12> passing = {"OOM",         "LOADING",  "BUSY",       "READONLY",
                                                        "MASTERDOWN",  "MISCONF",  "NOREPLICAS", "NOAUTH",
                                                        "CLUSTERDOWN", "TRYAGAIN", "NOPERM",     "UNKILLABLE"};
  const std::string_view word = error.substr(0, error.find(' '));
  return std::find(passing.begin(), passing.end(), word) != passing.end();
}

}  // namespace

RedisCommands::RedisCommands(net::EventLoop& loop, RedisEndpoint endpoint, BackendOptions options)
    : loop_(loop), link_(loop, std::move(endpoint), std::move(options), *this) {
  link_.start();
}

RedisCommands::~RedisCommands() {
  closed_ = true;
  for (auto& [id, pending] : std::exchange(waiting_, {})) {
    pending.done(tl::unexpected(Failure{Failure::Kind::unavailable, "the result backend was closed"}));
  }
}

void RedisCommands::ask(RedisCommand command, Monotonic deadline, Done<RedisReply> done) {
  if (closed_ || waiting_.size() >= most_waiting) {
    std::string why = closed_ ? "the result backend was closed"
                              : fmt::format("{} requests wait for the result backend already", most_waiting);
    return loop_.post([done = std::move(done), failure = Failure{Failure::Kind::unavailable, std::move(why)}] {
      done(tl::unexpected(failure));
    });
  }
  const std::uint64_t id = ++last_;
  const auto at = waiting_.emplace_hint(waiting_.end(), id, Pending{std::move(command), deadline, std::move(done)});
  const auto deadline_at = deadlines_.emplace(deadline, id).first;
  if (deadline_at == deadlines_.begin()) arm();
  if (!link_.is_up()) return;
  link_.write(at->second.command);
  sent_.push_back(id);
}

void RedisCommands::on_up() {
  for (const auto& [id, pending] : waiting_) {
    link_.write(pending.command);
    sent_.push_back(id);
  }
}

void RedisCommands::on_reply(RedisReply reply) {
  if (sent_.empty()) return;
  const std::uint64_t id = sent_.front();
  sent_.pop_front();
  const auto at = waiting_.find(id);
  if (at == waiting_.end()) return;
  if (!reply.is_error()) return finish(at, std::move(reply));
  const auto kind = may_pass(reply.text) ? Failure::Kind::unavailable : Failure::Kind::refused;
  finish(at, tl::unexpected(Failure{kind, "Redis: " + reply.text}));
}

void RedisCommands::on_down() {
  sent_.clear();
}

void RedisCommands::on_idle() {
  link_.write({"PING"});
  sent_.push_back(0);
}

void RedisCommands::finish(Waiting::iterator at, Outcome<RedisReply> outcome) {
  const Done<RedisReply> done = std::move(at->second.done);
  deadlines_.erase({at->second.deadline, at->first});
  waiting_.erase(at);
  done(std::move(outcome));
}

// A later alarm than the earliest deadline does no harm, so nothing is armed anew when a deadline goes.
void RedisCommands::arm() {
  timer_.set(deadlines_.begin()->first, [this] { expire(); });
}

void RedisCommands::expire() {
  const auto now = std::chrono::steady_clock::now();
  while (!deadlines_.empty() && deadlines_.begin()->first <= now) {
    const auto at = waiting_.find(deadlines_.begin()->second);
    Failure failure{Failure::Kind::timed_out, "the result backend did not answer in time"};
    if (!link_.is_up()) failure = {Failure::Kind::unavailable, "no connection: " + link_.reason()};
    finish(at, tl::unexpected(std::move(failure)));
  }
  if (!deadlines_.empty()) arm();
}

}  // namespace wherry::results

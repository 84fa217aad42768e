#include "worker/runtime/chord_join.h"

#include <algorithm>
#include <chrono>
#include <utility>

#include <fmt/format.h>

#include "base/log.h"
#include "base/wall_clock.h"
#include "protocol/task/repr.h"
#include "protocol/task/state.h"
#include "sdk/results/chords.h"
#include "worker/steps/step.h"

namespace wherry::worker {

namespace {

constexpr std::chrono::seconds chord_timeout{30};
constexpr std::chrono::milliseconds ask_again_after{1'000};

Monotonic chord_deadline() {
  return std::chrono::steady_clock::now() + chord_timeout;
}

// As Python shows an exception: ValueError('no such user').
std::string exception_repr(const std::optional<task::TaskException>& exception) {
  if (!exception) return "an unknown error";
  std::string out = exception->type + "(";
  for (std::size_t i = 0; i < exception->arguments.size(); ++i) {
    if (i > 0) out += ", ";
    out += task::repr(exception->arguments[i]);
  }
  return out + ")";
}

task::ResultMeta chord_error(const std::string& reason) {
  task::ResultMeta meta;
  meta.status = std::string(task::state::failure);
  meta.exception = task::TaskException{"ChordError", {task::Value(reason)}, "celery.exceptions"};
  meta.date_done = wall_now();
  return meta;
}

}  // namespace

ChordJoin::ChordJoin(net::EventLoop& loop, Continuation& continuation, results::ResultBackend* backend,
                     ReportResult report)
    : loop_(loop), continuation_(continuation), backend_(backend), report_(std::move(report)) {}

ChordJoin::~ChordJoin() {
  *alive_ = false;
}

void ChordJoin::end(const task::Task& task, task::ResultMeta meta, Done done) {
  meta.task_id = task.id;
  if (task.embed.chord.is_null() || task.group.empty() || backend_ == nullptr) {
    return report_(task, std::move(meta), [done = std::move(done)] { done(true); });
  }
  reached(Step::chord_part_done, task.id);
  report_(task, meta, [this, alive = alive_, task, meta, done = std::move(done)] {
    if (!*alive) return;
    reached(Step::chord_result_stored, task.id);
    part_returned(task, meta, done);
  });
}

void ChordJoin::end_all(std::vector<task::Task> tasks, const task::ResultMeta& meta, Done done) {
  if (tasks.empty()) return done(true);
  struct All {
    std::size_t open;
    bool safe = true;
  };
  auto all = std::make_shared<All>(All{tasks.size()});
  for (const task::Task& each : tasks) {
    task::ResultMeta own = meta;
    own.group_id = each.group;
    own.parent_id = each.parent_id;
    end(each, std::move(own), [all, done](bool safe) {
      all->safe = all->safe && safe;
      if (--all->open == 0) done(all->safe);
    });
  }
}

void ChordJoin::part_returned(const task::Task& part, task::ResultMeta meta, Done done) {
  results::ChordPart returned{part.group, part.group_index, meta};
  backend_->chord_part_return(
      std::move(returned), chord_deadline(),
      [this, alive = alive_, part, meta = std::move(meta),
       done = std::move(done)](results::Outcome<results::ChordProgress> outcome) mutable {
        if (!*alive) return;
        if (outcome) {
          reached(Step::chord_counted, part.id);
          return outcome->complete() ? complete(part, std::move(*outcome), done) : done(true);
        }
        if (outcome.error().kind == results::Failure::Kind::refused) {
          if (meta.exception) {
            log::error("worker", "task {} [{}] cannot be counted in its chord: {}", part.name, part.id,
                       outcome.error().message);
            return done(true);
          }
          // A result that the store cannot hold: the chord hears of a failure instead.
          task::ResultMeta failed = chord_error(outcome.error().message);
          failed.exception->type = "EncodeError";
          failed.task_id = part.id;
          return part_returned(part, std::move(failed), std::move(done));
        }
        log::warning("worker", "task {} [{}] is not counted in its chord yet: {}", part.name, part.id,
                     outcome.error().message);
        again([this, part, meta = std::move(meta), done = std::move(done)] { part_returned(part, meta, done); });
      });
}

void ChordJoin::again(std::function<void()> work) {
  const std::uint64_t number = ++last_wait_;
  auto timer = std::make_unique<net::Timer>(loop_);
  timer->set(ask_again_after, [this, number, work = std::move(work)] {
    const auto node = waiting_.extract(number);  // Keeps the timer until this function has ended.
    work();
  });
  waiting_.emplace(number, std::move(timer));
}

void ChordJoin::complete(const task::Task& part, results::ChordProgress progress, Done done) {
  auto body = task::read_signature(part.embed.chord);
  if (!body) {
    log::error("worker", "the chord of group [{}] cannot be called: {}", part.group, body.error().message);
    return forgetting(part, std::move(done))(true);
  }
  const auto failed = std::find_if(progress.parts.begin(), progress.parts.end(), [](const task::ResultMeta& each) {
    return each.status == task::state::failure || each.status == task::state::revoked;
  });
  if (failed != progress.parts.end()) {
    return fail_body(part, *body,
                     fmt::format("Dependency {} raised {}", failed->task_id, exception_repr(failed->exception)),
                     std::move(done));
  }
  call_body(part, *body, std::move(progress.parts), std::move(done));
}

void ChordJoin::call_body(const task::Task& part, const task::Signature& body, std::vector<task::ResultMeta> parts,
                          Done done) {
  // A header whose parts come to lists has been saved by who sent it.
  backend_->restore_group(part.group, chord_deadline(),
                          [this, alive = alive_, part, body, parts = std::move(parts),
                           done = std::move(done)](results::Outcome<std::optional<task::Value>> saved) mutable {
                            if (!*alive) return;
                            if (!saved && saved.error().kind != results::Failure::Kind::refused) {
                              log::warning("worker", "the chord of group [{}] is not called yet: {}", part.group,
                                           saved.error().message);
                              return again([this, part, body, parts, done] { call_body(part, body, parts, done); });
                            }
                            auto results = results::arranged(std::move(parts), saved ? *saved : std::nullopt);
                            if (!results) return fail_body(part, body, results.error().message, done);
                            send_body(part, body, std::move(*results), done);
                          });
}

void ChordJoin::send_body(const task::Task& part, const task::Signature& body, task::Value::Array results, Done done) {
  Done called = forgetting(part, done);
  auto sent = continuation_.call_body(
      part, body, std::move(results), [this, alive = alive_, part, called, done](const Continuation::Ended& ended) {
        if (!*alive) return;
        const auto* unsent = std::get_if<Continuation::Failed>(&ended);
        if (unsent == nullptr) return called(true);
        log::error("worker", "the chord of group [{}] could not be called: {}", part.group, unsent->reason);
        done(false);
      });
  if (!sent) fail_body(part, body, "Callback error: " + sent.error().message, std::move(done));
}

void ChordJoin::fail_body(const task::Task& part, const task::Signature& body, const std::string& reason, Done done) {
  log::error("worker", "the chord of group [{}] failed: {}", part.group, reason);
  const task::Task called = Continuation::task_of(body, part);
  std::vector<task::Task> ends = Continuation::ends_of(body, part);
  for (task::Task& each : Continuation::never_run(called)) ends.push_back(std::move(each));
  auto report = [this, alive = alive_, ends, reason, done](const Continuation::Ended& ended) {
    if (!*alive) return;
    if (std::holds_alternative<Continuation::Failed>(ended)) return done(false);
    task::ResultMeta meta = chord_error(reason);
    meta.children = std::get<task::Value>(ended);  // The error callbacks.
    end_all(ends, meta, done);
  };
  auto sent = continuation_.after_failure(called, report);
  if (sent) return;
  log::error("worker", "the error callbacks of the chord of group [{}] cannot be sent: {}", part.group,
             sent.error().message);
  report(task::Value());
}

// The counting is of no more use. That it stays where the store is away costs a little room until it expires.
ChordJoin::Done ChordJoin::forgetting(const task::Task& part, Done done) {
  return [this, alive = alive_, group = part.group, done = std::move(done)](bool safe) {
    if (!*alive || !safe) return done(safe);
    backend_->forget_chord(group, chord_deadline(), [done](const results::Outcome<void>&) { done(true); });
  };
}

}  // namespace wherry::worker

// TableBackend: results and chords in the tables of a database, whichever it is: celery_taskmeta, which Celery's
// database backend reads and writes too, and tables of our own for groups and chords, which Celery does not share
// (docs/results.md).
//
// Thread: the thread that the database is used on (DatabaseThread, PgThread). What is done with the tables are
// functions of the same names for each Thread::Connection (sqlite/tables.h, postgres/tables.h).
#pragma once

#include <algorithm>
#include <chrono>
#include <memory>
#include <string>
#include <unordered_map>
#include <utility>
#include <vector>

#include <fmt/format.h>

#include "base/log.h"
#include "net/event_loop.h"
#include "protocol/task/json.h"
#include "sdk/results/backend.h"
#include "sdk/results/encoding.h"
#include "sdk/results/task_row.h"

namespace wherry::results {

namespace detail {

// Expired rows are dropped by whoever stores, this often at most and at least.
constexpr std::chrono::milliseconds clean_often{1'000};
constexpr std::chrono::milliseconds clean_seldom{600'000};

inline Failure unreadable(std::string what, const Error& error) {
  return {Failure::Kind::refused, fmt::format("{} cannot be read: {}", what, error.message)};
}

}  // namespace detail

template <class Thread>
class TableBackend final : public ResultBackend {
 public:
  using Connection = typename Thread::Connection;
  // arguments: of the thread, behind the loop.
  template <class... Arguments>
  TableBackend(net::EventLoop& loop, BackendOptions options, Arguments... arguments)
      : loop_(loop),
        options_(std::move(options)),
        thread_(loop, std::move(arguments)..., [this](const std::vector<TaskRow>& rows) { hear(rows); }) {}

  void store(task::ResultMeta meta, Monotonic deadline, Done<> done) override;
  void get(std::string task_id, Monotonic deadline, Done<std::optional<task::ResultMeta>> done) override;
  void forget(std::string task_id, Monotonic deadline, Done<> done) override;
  void watch(const std::string& task_id, Hear hear) override;
  void unwatch(const std::string& task_id) override;
  void save_group(std::string group_id, task::Value tuple, Monotonic deadline, Done<> done) override;
  void restore_group(std::string group_id, Monotonic deadline, Done<std::optional<task::Value>> done) override;
  void forget_group(std::string group_id, Monotonic deadline, Done<> done) override;
  void set_chord_size(std::string group_id, std::size_t size, Monotonic deadline, Done<> done) override;
  void add_to_chord(std::string group_id, std::string by, std::size_t count, Monotonic deadline, Done<> done) override;
  void chord_part_return(ChordPart part, Monotonic deadline, Done<ChordProgress> done) override;
  void forget_chord(std::string group_id, Monotonic deadline, Done<> done) override;

 private:
  void write(Monotonic deadline, std::function<void(Connection&)> work, Done<> done);
  template <class T>
  void ask(bool writes, Monotonic deadline, std::function<T(Connection&)> work, Done<T> done);
  template <class T>
  void refuse(Done<T> done, std::string why);
  void hear(const std::vector<TaskRow>& rows);
  void clean();

  net::EventLoop& loop_;
  const BackendOptions options_;
  std::unordered_map<std::string, Hear> watches_;
  net::Timer cleaning_{loop_};
  bool cleans_ = false;
  Thread thread_;
};

template <class Thread>
template <class T>
void TableBackend<Thread>::ask(bool writes, Monotonic deadline, std::function<T(Connection&)> work, Done<T> done) {
  auto answer = std::make_shared<std::optional<T>>();
  typename Thread::Job job;
  job.deadline = deadline;
  job.writes = writes;
  job.work = [answer, work = std::move(work)](Connection& db) { answer->emplace(work(db)); };
  job.done = [answer, done = std::move(done)](std::optional<Failure> failure) {
    if (failure) return done(tl::unexpected(*std::move(failure)));
    done(*std::move(*answer));
  };
  thread_.post(std::move(job));
}

template <class Thread>
void TableBackend<Thread>::write(Monotonic deadline, std::function<void(Connection&)> work, Done<> done) {
  typename Thread::Job job;
  job.deadline = deadline;
  job.writes = true;
  job.work = std::move(work);
  job.done = [done = std::move(done)](std::optional<Failure> failure) {
    if (failure) return done(tl::unexpected(*std::move(failure)));
    done({});
  };
  thread_.post(std::move(job));
  if (options_.expires.count() > 0 && !std::exchange(cleans_, true)) clean();
}

template <class Thread>
template <class T>
void TableBackend<Thread>::refuse(Done<T> done, std::string why) {
  loop_.post([done = std::move(done), why = std::move(why)] {
    done(tl::unexpected(Failure{Failure::Kind::refused, why}));
  });
}

template <class Thread>
void TableBackend<Thread>::clean() {
  cleaning_.set(std::clamp(options_.expires / 2, detail::clean_often, detail::clean_seldom), [this] {
    const auto expires = options_.expires;
    write(
        std::chrono::steady_clock::now() + detail::clean_often,
        [expires](Connection& db) { drop_expired(db, std::chrono::system_clock::now() - expires); },
        [](const Outcome<void>&) {});
    clean();
  });
}

// --- results ---------------------------------------------------------------------------------------------------------

template <class Thread>
void TableBackend<Thread>::store(task::ResultMeta meta, Monotonic deadline, Done<> done) {
  auto row = row_of(meta);
  if (!row) return refuse(std::move(done), "the result cannot be written: " + row.error().message);
  write(
      deadline, [row = *std::move(row)](Connection& db) { store_row(db, row, std::chrono::system_clock::now()); },
      std::move(done));
}

template <class Thread>
void TableBackend<Thread>::get(std::string task_id, Monotonic deadline, Done<std::optional<task::ResultMeta>> done) {
  auto work = [task_id = std::move(task_id)](Connection& db) -> std::optional<task::ResultMeta> {
    const auto row = find_row(db, task_id);
    if (!row) return std::nullopt;
    auto meta = meta_of(*row);
    if (!meta) throw detail::unreadable(fmt::format("the result of task [{}]", task_id), meta.error());
    return *std::move(meta);
  };
  ask<std::optional<task::ResultMeta>>(false, deadline, std::move(work), std::move(done));
}

template <class Thread>
void TableBackend<Thread>::forget(std::string task_id, Monotonic deadline, Done<> done) {
  write(
      deadline, [task_id = std::move(task_id)](Connection& db) { forget_row(db, task_id); }, std::move(done));
}

template <class Thread>
void TableBackend<Thread>::watch(const std::string& task_id, Hear hear) {
  watches_.insert_or_assign(task_id, std::move(hear));
  thread_.watch(task_id);
}

template <class Thread>
void TableBackend<Thread>::unwatch(const std::string& task_id) {
  if (watches_.erase(task_id) > 0) thread_.unwatch(task_id);
}

template <class Thread>
void TableBackend<Thread>::hear(const std::vector<TaskRow>& rows) {
  for (const TaskRow& row : rows) {
    const auto at = watches_.find(row.task_id);
    if (at == watches_.end()) continue;
    const auto meta = meta_of(row);
    if (!meta) {
      log::warning("results", "the result of task [{}] cannot be read: {}", row.task_id, meta.error().message);
      continue;
    }
    const Hear tell = at->second;
    if (task::state::is_ready(meta->status)) unwatch(row.task_id);
    tell(*meta);
  }
}

// --- groups and chords -----------------------------------------------------------------------------------------------

template <class Thread>
void TableBackend<Thread>::save_group(std::string group_id, task::Value tuple, Monotonic deadline, Done<> done) {
  auto json = task::encode_json(tuple);
  if (!json) return refuse(std::move(done), "the group cannot be written: " + json.error().message);
  write(
      deadline,
      [group_id = std::move(group_id), json = *std::move(json)](Connection& db) {
        save_group_row(db, group_id, json, std::chrono::system_clock::now());
      },
      std::move(done));
}

template <class Thread>
void TableBackend<Thread>::restore_group(std::string group_id, Monotonic deadline,
                                         Done<std::optional<task::Value>> done) {
  auto work = [group_id = std::move(group_id)](Connection& db) -> std::optional<task::Value> {
    const auto json = find_group_row(db, group_id);
    if (!json) return std::nullopt;
    auto tuple = task::decode_json(*json);
    if (!tuple) throw detail::unreadable(fmt::format("group {}", group_id), tuple.error());
    return *std::move(tuple);
  };
  ask<std::optional<task::Value>>(false, deadline, std::move(work), std::move(done));
}

template <class Thread>
void TableBackend<Thread>::forget_group(std::string group_id, Monotonic deadline, Done<> done) {
  write(
      deadline, [group_id = std::move(group_id)](Connection& db) { forget_group_row(db, group_id); }, std::move(done));
}

template <class Thread>
void TableBackend<Thread>::set_chord_size(std::string group_id, std::size_t size, Monotonic deadline, Done<> done) {
  write(
      deadline,
      [group_id = std::move(group_id), size](Connection& db) {
        set_chord_size_row(db, group_id, size, std::chrono::system_clock::now());
      },
      std::move(done));
}

template <class Thread>
void TableBackend<Thread>::add_to_chord(std::string group_id, std::string by, std::size_t count, Monotonic deadline,
                                        Done<> done) {
  write(
      deadline,
      [group_id = std::move(group_id), by = std::move(by), count](Connection& db) {
        add_to_chord_row(db, group_id, by, count, std::chrono::system_clock::now());
      },
      std::move(done));
}

template <class Thread>
void TableBackend<Thread>::chord_part_return(ChordPart part, Monotonic deadline, Done<ChordProgress> done) {
  auto encoded = encode_part(part.meta);
  if (!encoded) return refuse(std::move(done), "the part's result cannot be written: " + encoded.error().message);
  auto work = [group = std::move(part.group_id), index = part.group_index, id = std::move(part.meta.task_id),
               text = *std::move(encoded)](Connection& db) {
    const ChordRows rows = return_part_row(db, group, index, id, text, std::chrono::system_clock::now());
    ChordProgress progress{rows.returned, rows.size};
    for (const std::string& each : rows.parts) {
      auto meta = decode_part(each);
      if (!meta) throw detail::unreadable(fmt::format("a part of chord {}", group), meta.error());
      progress.parts.push_back(*std::move(meta));
    }
    return progress;
  };
  ask<ChordProgress>(true, deadline, std::move(work), std::move(done));
}

template <class Thread>
void TableBackend<Thread>::forget_chord(std::string group_id, Monotonic deadline, Done<> done) {
  write(
      deadline, [group_id = std::move(group_id)](Connection& db) { forget_chord_row(db, group_id); }, std::move(done));
}

}  // namespace wherry::results

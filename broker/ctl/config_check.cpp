#include "broker/ctl/config_check.h"

#include <algorithm>
#include <array>
#include <cerrno>
#include <charconv>
#include <cstring>
#include <filesystem>
#include <sstream>

#include <fmt/format.h>
#include <unistd.h>

#include "base/nearest.h"
#include "broker/settings/broker_settings.h"
#include "sdk/settings/app_settings.h"
#include "worker/schedule/settings.h"
#include "worker/settings/worker_settings.h"

namespace wherry::broker::ctl {

namespace {

struct Read {
  CheckedFile checked;
  std::optional<sdk::AppSettings> app = {};
  std::optional<WorkerSettings> worker = {};
  std::optional<schedule::Settings> schedule = {};
};

constexpr std::array kinds{FileKind::broker, FileKind::app, FileKind::worker, FileKind::schedule};

void read_as(FileKind kind, yaml::Document& document, Read& into) {
  switch (kind) {
    case FileKind::broker:
      read_broker_settings(document);
      break;
    case FileKind::app:
      into.app = sdk::read_app_settings(document);
      break;
    case FileKind::worker:
      into.worker = read_worker_settings(document);
      break;
    case FileKind::schedule:
      into.schedule = schedule::read_schedule(document);
      break;
  }
}

// The kind that knows most of the file's keys; of equals, and where none knows any, the one that it is named after.
std::optional<FileKind> kind_of(const std::string& path, const Environment& environment) {
  const std::string name = std::filesystem::path(path).filename().string();
  std::optional<FileKind> best;
  std::pair<std::size_t, bool> best_score{0, false};
  for (const FileKind kind : kinds) {
    yaml::Document document = yaml::Document::load(path, environment);
    Read ignored;
    read_as(kind, document, ignored);
    std::pair<std::size_t, bool> score{0, name.find(name_of(kind)) != name.npos};
    for (const std::string& key : document.keys()) score.first += document.asked().contains(key);
    if (score <= best_score) continue;
    best = kind;
    best_score = score;
  }
  return best;
}

// "PLACE: TEXT", as Document::finish() writes it.
FileNote note_of(const std::string& line, const std::string& path) {
  const std::size_t begin = line.starts_with(path + ":") ? path.size() : 0;
  FileNote note;
  const std::size_t end = line.find(": ", begin);
  note.place = line.substr(0, end);
  note.text = end == line.npos ? line : line.substr(end + 2);
  const char* at = note.place.data() + begin;
  const char* const stop = note.place.data() + note.place.size();
  if (begin == 0 || at == stop) return note;
  const auto after_line = std::from_chars(at + 1, stop, note.line);
  if (after_line.ptr != stop) std::from_chars(after_line.ptr + 1, stop, note.column);
  return note;
}

FileNote note_at(const std::string& place, const std::string& path, const std::string& text) {
  return note_of((place.empty() ? path : place) + ": " + text, path);
}

Read read_file(const FileToCheck& file, const Environment& environment) {
  Read read{.checked = {.path = file.path, .kind = file.kind}};
  yaml::Document document = yaml::Document::load(file.path, environment);
  if (!read.checked.kind) read.checked.kind = kind_of(file.path, environment);
  if (read.checked.kind) read_as(*read.checked.kind, document, read);
  // What cannot be read at all is said in any case.
  const bool readable = ::access(file.path.c_str(), R_OK) == 0;
  if (!read.checked.kind && readable) {
    read.checked.mistakes.push_back(note_at({}, file.path, "it cannot be told what it is; say so with --kind"));
    return read;
  }
  auto finished = document.finish();
  if (finished) return read;
  std::istringstream lines(finished.error().message);
  for (std::string line; std::getline(lines, line);) read.checked.mistakes.push_back(note_of(line, file.path));
  return read;
}

// --- one against the other -------------------------------------------------------------------------------------------

std::vector<std::string> queues_of(const sdk::AppSettings& app) {
  std::vector<std::string> names;
  for (const auto& each : app.queues) names.push_back(each.name);
  return names;
}

std::string suggestion(const std::string& name, const std::vector<std::string>& known) {
  const auto near = nearest(name, known);
  return near ? fmt::format("; did you mean '{}'?", *near) : std::string();
}

bool among(const std::vector<std::string>& names, const std::string& name) {
  return std::find(names.begin(), names.end(), name) != names.end();
}

// A queue that a task is sent to. An app that lists no queues at all leaves them to be made.
void check_queue(const sdk::AppSettings& app, const std::string& queue, const std::string& place, Read& of) {
  std::vector<std::string> known = queues_of(app);
  if (known.empty() || among(known, queue) || queue == app.default_queue) return;
  of.checked.warnings.push_back(
      note_at(place, of.checked.path,
              fmt::format("queue '{}' is not among the app's 'queues'{}{} It is made durable and without arguments",
                          queue, suggestion(queue, known), nearest(queue, known) ? "" : ".")));
}

void check_exchange(const sdk::AppSettings& app, const std::string& exchange, const std::string& place, Read& of) {
  if (exchange.empty() || exchange.starts_with("amq.")) return;
  std::vector<std::string> known;
  for (const auto& each : app.exchanges) known.push_back(each.name);
  if (among(known, exchange)) return;
  of.checked.warnings.push_back(
      note_at(place, of.checked.path,
              fmt::format("exchange '{}' is not among the app's 'exchanges'{}{} Nothing makes it", exchange,
                          suggestion(exchange, known), nearest(exchange, known) ? "" : ".")));
}

void check_routes(Read& app) {
  for (const sdk::TaskRoute& route : app.app->task_routes) {
    if (route.queue) check_queue(*app.app, *route.queue, route.place, app);
    if (route.exchange) check_exchange(*app.app, *route.exchange, route.place, app);
  }
}

// What a worker takes from and nothing is sent to.
void check_worker(Read& worker, const sdk::AppSettings& app) {
  std::vector<std::string> known = queues_of(app);
  known.push_back(app.default_queue);
  for (const sdk::TaskRoute& route : app.task_routes) {
    if (route.queue) known.push_back(*route.queue);
  }
  for (const std::string& queue : worker.worker->queues) {
    if (among(known, queue)) continue;
    worker.checked.warnings.push_back(
        note_at(worker.worker->queues_place, worker.checked.path,
                fmt::format("no route of the app leads to queue '{}', and it is not declared{}", queue,
                            suggestion(queue, known))));
  }
  for (const std::string& library : worker.worker->load) {
    if (::access(library.c_str(), R_OK) == 0) continue;
    worker.checked.warnings.push_back(note_at(worker.worker->load_place, worker.checked.path,
                                              fmt::format("cannot read '{}': {}", library, std::strerror(errno))));
  }
}

void check_schedule(Read& schedule, const sdk::AppSettings& app) {
  for (const schedule::Entry& entry : schedule.schedule->entries) {
    if (!entry.options.queue.empty()) check_queue(app, entry.options.queue, entry.place, schedule);
    if (entry.options.exchange) check_exchange(app, *entry.options.exchange, entry.place, schedule);
  }
}

}  // namespace

std::string_view name_of(FileKind kind) {
  constexpr std::array<std::string_view, 4> names{"broker", "app", "worker", "schedule"};
  return names[static_cast<std::size_t>(kind)];
}

std::optional<FileKind> parse_file_kind(std::string_view name) {
  for (const FileKind kind : kinds) {
    if (name_of(kind) == name) return kind;
  }
  return std::nullopt;
}

std::vector<CheckedFile> check_config(std::vector<FileToCheck> files, const Environment& environment) {
  std::vector<Read> all;
  const auto add_named = [&](const std::optional<std::string>& path, FileKind kind) {
    if (!path) return;
    std::error_code ignored;
    const bool known = std::any_of(files.begin(), files.end(), [&](const FileToCheck& each) {
      return each.path == *path || std::filesystem::equivalent(each.path, *path, ignored);
    });
    if (!known) files.push_back({*path, kind});
  };
  for (std::size_t i = 0; i < files.size(); ++i) {
    all.push_back(read_file(FileToCheck(files[i]), environment));
    if (!all.back().worker) continue;
    add_named(all.back().worker->app_path, FileKind::app);
    add_named(all.back().worker->schedule_path, FileKind::schedule);
  }
  // What belongs together is what was given together; with several apps it cannot be told whose a file is.
  std::vector<Read*> apps;
  for (Read& each : all) {
    if (each.app && each.checked.mistakes.empty()) apps.push_back(&each);
  }
  const sdk::AppSettings defaults;
  for (Read* app : apps) check_routes(*app);
  for (Read& each : all) {
    if (!each.checked.mistakes.empty() || apps.size() > 1) continue;
    const sdk::AppSettings& app = apps.empty() ? defaults : *apps.front()->app;
    if (each.worker && (!apps.empty() || !each.worker->app_path)) check_worker(each, app);
    if (each.schedule) check_schedule(each, app);
  }
  std::vector<CheckedFile> checked;
  for (Read& each : all) checked.push_back(std::move(each.checked));
  return checked;
}

}  // namespace wherry::broker::ctl

#include "examples/tasks/log_files.h"

#include <algorithm>
#include <array>
#include <chrono>
#include <cstdio>
#include <ctime>

#include "examples/tasks/failure.h"

namespace examples {

namespace {

constexpr std::array<std::string_view, 4> kSeverities{"debug", "info", "warning", "error"};

std::string now_text() {
  const auto now = std::chrono::system_clock::now();
  const std::time_t seconds = std::chrono::system_clock::to_time_t(now);
  const auto fraction = std::chrono::duration_cast<std::chrono::milliseconds>(now.time_since_epoch()) % 1000;
  std::tm utc{};
  gmtime_r(&seconds, &utc);
  char day[32];
  char text[48];
  std::strftime(day, sizeof day, "%Y-%m-%dT%H:%M:%S", &utc);
  std::snprintf(text, sizeof text, "%s.%03dZ", day, static_cast<int>(fraction.count()));
  return text;
}

// A message stays one line, whatever its sender put into it.
std::string one_line(std::string text) {
  std::replace_if(
      text.begin(), text.end(), [](unsigned char c) { return c < 0x20 || c == 0x7f; }, ' ');
  return text;
}

}  // namespace

LogFiles::LogFiles(std::filesystem::path folder, std::int64_t max_bytes, int keep)
    : folder_(std::move(folder)), max_bytes_(max_bytes), keep_(keep) {}

RotatingFile& LogFiles::file_for(std::string_view severity) {
  std::lock_guard lock(mutex_);
  const auto found = files_.find(severity);
  if (found != files_.end()) return *found->second;
  const std::string name(severity);
  auto file = std::make_unique<RotatingFile>(folder_ / (name + ".log"), max_bytes_, keep_);
  return *files_.emplace(name, std::move(file)).first->second;
}

void LogFiles::write(const RecordLog& record, const std::string& task_id, unsigned attempt) {
  // The severity becomes a file's name: only these four ever do.
  if (std::find(kSeverities.begin(), kSeverities.end(), record.severity) == kSeverities.end()) {
    throw PermanentFailure("severity is debug, info, warning or error, not '" + record.severity + "'");
  }
  file_for(record.severity)
      .write_line(now_text() + " " + record.severity + " " + one_line(record.service) + ": " +
                  one_line(record.message) + " [sent " + one_line(record.time) + ", task " + task_id + ", attempt " +
                  std::to_string(attempt) + "]");
}

}  // namespace examples

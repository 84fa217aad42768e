#include "base/log.h"

#include <array>
#include <atomic>
#include <chrono>
#include <cstdlib>
#include <memory>

#include <fmt/chrono.h>
#include <spdlog/sinks/stdout_sinks.h>
#include <spdlog/spdlog.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/json_writer.h"

namespace wherry::log {

namespace {

std::atomic<Level> lowest{Level::info};
std::atomic<Format> chosen{Format::text};
thread_local const Scope* innermost = nullptr;

constexpr std::array<std::string_view, 5> names{"debug", "info", "warning", "error", "off"};
// syslog's numbers, which the journal takes from a line's beginning: sd-daemon(3).
constexpr std::array<std::string_view, 4> priorities{"<7>", "<6>", "<4>", "<3>"};

// Whether standard error is the journal's: JOURNAL_STREAM is its device and inode, and is inherited by programs whose
// standard error is something else.
bool journal_listens() {
  const char* stream = std::getenv("JOURNAL_STREAM");
  struct stat file {};
  if (stream == nullptr || ::fstat(STDERR_FILENO, &file) != 0) return false;
  return stream == fmt::format("{}:{}", file.st_dev, file.st_ino);
}

struct Writer {
  spdlog::logger logger{"wherry", std::make_shared<spdlog::sinks::stderr_sink_mt>()};
  const bool journal = journal_listens();
  Writer() {
    logger.set_level(spdlog::level::trace);
    logger.set_pattern("%v");
  }
};

Writer& writer() {
  // Never destroyed: threads may log until the process is gone.
  static auto* instance = new Writer;
  return *instance;
}

// Of now, to the millisecond. local: with the zone's offset, else UTC with "Z".
std::string time_text(bool local) {
  const auto now = std::chrono::system_clock::now();
  const auto ms = std::chrono::duration_cast<std::chrono::milliseconds>(now.time_since_epoch()).count() % 1000;
  const std::time_t seconds = std::chrono::system_clock::to_time_t(now);
  if (!local) return fmt::format("{:%Y-%m-%dT%H:%M:%S}.{:03}Z", fmt::gmtime(seconds), ms);
  const std::tm clock = fmt::localtime(seconds);
  const long minutes = clock.tm_gmtoff / 60;
  return fmt::format("{:%Y-%m-%dT%H:%M:%S}.{:03}{}{:02}:{:02}", clock, ms, minutes < 0 ? '-' : '+',
                     std::abs(minutes) / 60, std::abs(minutes) % 60);
}

}  // namespace

void set_level(Level level) {
  lowest.store(level, std::memory_order_relaxed);
}
Level level() {
  return lowest.load(std::memory_order_relaxed);
}
void set_format(Format format) {
  chosen.store(format, std::memory_order_relaxed);
}

Format format() {
  return chosen.load(std::memory_order_relaxed);
}

bool parse_level(std::string_view name, Level& into) {
  for (std::size_t i = 0; i < names.size(); ++i) {
    if (names[i] != name) continue;
    into = static_cast<Level>(i);
    return true;
  }
  return false;
}

bool parse_format(std::string_view name, Format& into) {
  if (name != "text" && name != "json") return false;
  into = name == "json" ? Format::json : Format::text;
  return true;
}

Scope::Scope(std::span<const Field> fields) : fields_(fields), outer_(innermost) {
  innermost = this;
}
Scope::~Scope() {
  innermost = outer_;
}

std::string as_json(Level level, std::string_view room, std::string_view text, std::string_view time) {
  Json json;
  json.object().key("ts").text(time).key("level").text(names[static_cast<std::size_t>(level)]);
  json.key("room").text(room).key("message").text(text);
  for (const Scope* scope = innermost; scope != nullptr; scope = scope->outer_) {
    for (const Field& field : scope->fields_) {
      if (const auto* number = std::get_if<std::int64_t>(&field.value)) {
        json.key(field.key).number(static_cast<std::uint64_t>(*number));
      } else if (const auto& word = std::get<std::string_view>(field.value); !word.empty()) {
        json.key(field.key).text(word);
      }
    }
  }
  return json.end().str();
}

void write(Level level, std::string_view room, std::string_view text) {
  constexpr std::array levels{spdlog::level::debug, spdlog::level::info, spdlog::level::warn, spdlog::level::err};
  const auto index = static_cast<std::size_t>(level);
  Writer& out = writer();
  const std::string_view priority = out.journal ? priorities[index] : std::string_view();
  if (format() == Format::json) {
    out.logger.log(levels[index], "{}{}", priority, as_json(level, room, text, time_text(false)));
  } else if (out.journal) {
    out.logger.log(levels[index], "{}{}: {}", priority, room, text);
  } else {
    out.logger.log(levels[index], "{} {} {}: {}", time_text(true), names[index], room, text);
  }
}

}  // namespace wherry::log

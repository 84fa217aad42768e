// Log lines on standard error, in one of two formats: text for people (time, level, room, what happened), or one JSON
// object a line for machines.
//
//   log::info("broker", "listening on {}", address);
//   2026-11-29T17:27:15.123+00:00 info broker: listening on 127.0.0.1:5672
//   {"ts":"2026-11-29T17:27:15.123Z","level":"info","room":"broker","message":"listening on 127.0.0.1:5672"}
//
// What the work at hand is about is said once, by a Scope; as JSON each line of its thread then has these fields too.
// As text a line is what its writer made it: whoever logs about a task names it in the sentence.
//
// Where standard error is systemd's journal (JOURNAL_STREAM names it), a line begins with its priority, "<4>", and text
// leaves out the time and the level, which the journal keeps itself.
//
// Threads: any. Standard output is kept for what a program was asked to print.
#pragma once

#include <cstdint>
#include <span>
#include <string>
#include <string_view>
#include <variant>

#include <fmt/format.h>

namespace wherry::log {

enum class Level { debug, info, warning, error, off };
enum class Format { text, json };

// The lowest level that is written; info at start. Threads: any.
void set_level(Level level);
Level level();
// "debug" | "info" | "warning" | "error" | "off"; false for anything else.
bool parse_level(std::string_view name, Level& into);

// Text at start. Threads: any; lines that are being written meanwhile have either.
void set_format(Format format);
Format format();
// "text" | "json"; false for anything else.
bool parse_format(std::string_view name, Format& into);

struct Field {
  std::string_view key;  // A word: letters, digits and "_".
  std::variant<std::string_view, std::int64_t> value;
};

// Lines of this thread carry these fields while it lives, beside those of the scopes around it; an empty text is left
// out. Costs next to nothing until a line is written. Lifetime: the fields and what they point to outlive it. Threads:
// made and destroyed on one, innermost first; not across a co_await.
class [[nodiscard]] Scope {
 public:
  explicit Scope(std::span<const Field> fields);
  ~Scope();
  Scope(const Scope&) = delete;
  Scope& operator=(const Scope&) = delete;

 private:
  friend std::string as_json(Level, std::string_view, std::string_view, std::string_view);
  const std::span<const Field> fields_;
  const Scope* const outer_;
};

void write(Level level, std::string_view room, std::string_view text);

// A line as it is written in JSON, without its end; with this thread's fields.
std::string as_json(Level level, std::string_view room, std::string_view text, std::string_view time);

template <class... Args>
void debug(std::string_view room, fmt::format_string<Args...> format, Args&&... args) {
  if (level() <= Level::debug) write(Level::debug, room, fmt::format(format, std::forward<Args>(args)...));
}
template <class... Args>
void info(std::string_view room, fmt::format_string<Args...> format, Args&&... args) {
  if (level() <= Level::info) write(Level::info, room, fmt::format(format, std::forward<Args>(args)...));
}
template <class... Args>
void warning(std::string_view room, fmt::format_string<Args...> format, Args&&... args) {
  if (level() <= Level::warning) write(Level::warning, room, fmt::format(format, std::forward<Args>(args)...));
}
template <class... Args>
void error(std::string_view room, fmt::format_string<Args...> format, Args&&... args) {
  if (level() <= Level::error) write(Level::error, room, fmt::format(format, std::forward<Args>(args)...));
}

}  // namespace wherry::log

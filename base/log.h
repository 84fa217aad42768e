// Log lines on standard error: time, level, room, text. Structured enough to grep, plain enough to read.
//
//   log::info("broker", "listening on {}", address);
//
// Threads: any. Standard output is kept for what a program was asked to print.
#pragma once

#include <string_view>

#include <fmt/format.h>

namespace wherry::log {

enum class Level { debug, info, warning, error, off };

// The lowest level that is written; info at start. Threads: any.
void set_level(Level level);
Level level();
// "debug" | "info" | "warning" | "error" | "off"; false for anything else.
bool parse_level(std::string_view name, Level& into);

void write(Level level, std::string_view room, std::string_view text);

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

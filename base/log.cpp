#include "base/log.h"

#include <array>
#include <atomic>
#include <memory>

#include <spdlog/sinks/stdout_sinks.h>
#include <spdlog/spdlog.h>

namespace wherry::log {

namespace {

std::atomic<Level> lowest{Level::info};

spdlog::logger& logger() {
  // Never destroyed: threads may log until the process is gone.
  static auto* instance = [] {
    auto* made = new spdlog::logger("wherry", std::make_shared<spdlog::sinks::stderr_sink_mt>());
    made->set_level(spdlog::level::trace);
    made->set_pattern("%Y-%m-%dT%H:%M:%S.%e%z %l %v");
    return made;
  }();
  return *instance;
}

constexpr std::array<std::string_view, 5> names{"debug", "info", "warning", "error", "off"};

}  // namespace

void set_level(Level level) {
  lowest.store(level, std::memory_order_relaxed);
}
Level level() {
  return lowest.load(std::memory_order_relaxed);
}

bool parse_level(std::string_view name, Level& into) {
  for (std::size_t i = 0; i < names.size(); ++i) {
    if (names[i] != name) continue;
    into = static_cast<Level>(i);
    return true;
  }
  return false;
}

void write(Level level, std::string_view room, std::string_view text) {
  constexpr std::array levels{spdlog::level::debug, spdlog::level::info, spdlog::level::warn, spdlog::level::err};
  logger().log(levels[static_cast<std::size_t>(level)], "{}: {}", room, text);
}

}  // namespace wherry::log

#include <cerrno>
#include <cstdio>
#include <cstring>
#include <fstream>

#include <fmt/format.h>

#include "perf/commands/commands.h"
#include "perf/topology.h"

namespace wherry::perf {

void print(const Common& common, const std::string& text, JsonLine line) {
  if (common.json) {
    if (!common.label.empty()) line.text("label", common.label);
    std::printf("%s\n", line.str().c_str());
  } else {
    std::printf("%s", text.c_str());
  }
  std::fflush(stdout);
}

Result<void> write_picture(const Common& common, const std::string& picture) {
  if (common.svg.empty()) return {};
  std::ofstream file(common.svg);
  file << picture;
  file.close();
  if (!file) return fail(fmt::format("--svg: cannot write {}: {}", common.svg, std::strerror(errno)));
  return {};
}

Result<void> Stage::prepare() {
  auto connection = Connection::open(common_.endpoint);
  if (!connection) return tl::unexpected(connection.error());
  // Some of them may be there even when a later one is refused.
  remove_ = true;
  auto declared = declare_topology(**connection, workload_);
  if (declared) (*connection)->close();
  return declared;
}

Stage::~Stage() {
  if (!remove_) return;
  // A connection of its own: what went wrong on the others is no reason to leave queues behind.
  auto connection = Connection::open(common_.endpoint);
  if (connection && remove_topology(**connection, workload_)) (*connection)->close();
}

}  // namespace wherry::perf

#include "broker/store/quarantine.h"

#include <algorithm>

#include <fmt/format.h>

#include "base/log.h"

namespace wherry::broker {
namespace {

constexpr std::uint64_t kMostBytes = std::uint64_t{1} << 20;

DiskResult<void> copy(Vfs& disk, const std::string& file, std::uint64_t begin, std::uint64_t end,
                      const std::string& to) {
  auto from = disk.open(file, OpenMode::read);
  if (!from) return tl::unexpected(from.error());
  std::string bytes(std::min(end - begin, kMostBytes), '\0');
  const auto got = (*from)->read_at(begin, bytes.data(), bytes.size());
  if (!got) return tl::unexpected(got.error());
  bytes.resize(*got);
  auto made = disk.open(to, OpenMode::create);
  if (!made) return tl::unexpected(made.error());
  if (auto done = (*made)->write_at(0, bytes); !done) return done;
  return (*made)->sync();
}

}  // namespace

std::string quarantine(Vfs& disk, const std::string& folder, const std::string& file, std::uint64_t begin,
                       std::uint64_t end) {
  const std::string to = fmt::format("{}/{}-{}", folder, file.substr(file.rfind('/') + 1), begin);
  if (disk.open(to, OpenMode::read)) return to;
  auto done = disk.make_folder(folder);
  if (done) done = copy(disk, file, begin, end, to);
  if (done) done = disk.sync_folder(folder);
  if (done) return to;
  log::warning("store", "no copy of the damaged range was kept: {}", done.error().message);
  return {};
}

}  // namespace wherry::broker

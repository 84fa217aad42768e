#include "broker/ctl/shards.h"

#include <algorithm>
#include <charconv>

#include "broker/ctl/check_shard.h"

namespace wherry::broker {

std::vector<std::string> shard_folders(const std::filesystem::path& data) {
  std::vector<std::pair<unsigned, std::string>> found;
  std::error_code error;
  for (std::filesystem::directory_iterator at(data, error), end; !error && at != end; at.increment(error)) {
    const std::string name = at->path().filename().string();
    if (!name.starts_with("shard-") || !at->is_directory(error)) continue;
    unsigned number = 0;
    const char* last = name.data() + name.size();
    const auto parsed = std::from_chars(name.data() + 6, last, number);
    if (parsed.ec == std::errc{} && parsed.ptr == last) found.emplace_back(number, at->path().string());
  }
  std::sort(found.begin(), found.end());
  std::vector<std::string> folders;
  for (auto& [number, folder] : found) folders.push_back(std::move(folder));
  return folders;
}

DiskResult<ShardContents> read_shard(Vfs& disk, const std::string& folder,
                                     const std::function<void(const LogRecord&)>& each_record) {
  ShardContents shard{.folder = folder, .contents = std::make_unique<StoreContents>(disk, folder), .log = {}};
  StoreContents& contents = *shard.contents;
  auto there = list_if_there(disk, contents.segment_folder());
  if (!there) return tl::unexpected(there.error());
  if (!there->empty()) {
    const auto segments = contents.read_segments();
    if (!segments) return tl::unexpected(segments.error());
    shard.damage += segments->damage.size();
  }
  there = list_if_there(disk, contents.log_folder());
  if (!there) return tl::unexpected(there.error());
  if (there->empty()) return shard;
  auto log = read_log(disk, contents.log_folder(), [&](const LogRecord& record) {
    contents.replay(record);
    if (each_record) each_record(record);
  });
  if (!log) return tl::unexpected(log.error());
  if (contents.unknown_record()) {
    return disk_error("read records of a newer version in", contents.log_folder(), std::errc::not_supported);
  }
  shard.log = std::move(*log);
  shard.damage += shard.log.damage.size();
  return shard;
}

}  // namespace wherry::broker

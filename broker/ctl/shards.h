// The shards of a data directory, and the contents of one, read as a restart reads them.
//
// Nothing on the disk is changed. Threads: any, one at a time. Errors: DiskError; a newer version is
// std::errc::not_supported.
#pragma once

#include <filesystem>
#include <functional>
#include <memory>
#include <string>
#include <vector>

#include "broker/store/store_contents.h"

namespace wherry::broker {

// "DATA/shard-0", "DATA/shard-1", ... by number.
std::vector<std::string> shard_folders(const std::filesystem::path& data);

struct ShardContents {
  std::string folder;
  std::unique_ptr<StoreContents> contents;
  LogContents log;
  std::uint64_t damage = 0;  // Places; whoever asks for more runs a ShardCheck.
};
DiskResult<ShardContents> read_shard(Vfs& disk, const std::string& folder,
                                     const std::function<void(const LogRecord&)>& each_record = {});

}  // namespace wherry::broker

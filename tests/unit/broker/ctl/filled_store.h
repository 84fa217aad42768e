// A shard's folder as a broker may have left it, from a seed: several queues, messages in the log and in segments, some
// settled, some that came back; and what a restart would bring back of it.
#pragma once

#include <map>
#include <random>
#include <set>
#include <string>
#include <utility>

#include "broker/ctl/check_shard.h"
#include "broker/store/memory_vfs.h"
#include "broker/store/power_loss_vfs.h"

namespace wherry::broker::test {

inline const std::string shard = "shard-0";

// The disk holds a folder shard-0 afterwards, closed properly.
void fill_store(Vfs& disk, std::uint64_t seed);

// Every file below shard-0, by path.
std::map<std::string, std::string> files_of(Vfs& disk);
void put_files(Vfs& disk, const std::map<std::string, std::string>& files);

// What a restart brings back: the body, and how often a delivery failed. Without the records in `lost`, as if they had
// never been written.
using Kept = std::map<std::pair<QueueId, Position>, std::pair<std::string, std::uint32_t>>;
Kept kept_in(Vfs& disk, const std::set<std::uint64_t>& lost = {});

}  // namespace wherry::broker::test

#include "broker/ctl/stats.h"

#include <algorithm>

#include "broker/ctl/check_shard.h"
#include "broker/store/message_image.h"

namespace wherry::broker {

namespace {

DiskResult<void> add_page(ShardStats& stats, QueueStats& queue, StoreContents& contents, const KeptQueue& kept,
                          const KeptPage& page) {
  if (page.live == page.written && queue.oldest_ms != 0) {
    queue.body_bytes += page.body_bytes;
    return {};
  }
  auto whole = contents.read_page(
      queue.queue, kept, page,
      [&](SegmentEntry&& entry) {
        queue.body_bytes += entry.message->body().size();
        if (queue.oldest_ms == 0) queue.oldest_ms = entry.message->published_ms();
      },
      [](const SegmentDamage&) {});
  if (!whole) return tl::unexpected(whole.error());
  stats.unreadable += (page.live - *whole).count();
  return {};
}

}  // namespace

DiskResult<ShardStats> stats_of(ShardContents& shard) {
  ShardStats stats;
  StoreContents& contents = *shard.contents;
  std::map<Lsn, std::uint64_t> images;  // Live messages of the log: their records' sizes.
  for (const auto& [id, kept] : contents.queues()) {
    QueueStats queue{.queue = id};
    for (const KeptPage& page : kept->pages) {
      if (!page.live.any()) continue;
      queue.in_segments += page.live.count();
      if (auto done = add_page(stats, queue, contents, *kept, page); !done) return tl::unexpected(done.error());
    }
    kept->unretired.each([&](const UnretiredMessage& message) {
      ++queue.in_log;
      queue.body_bytes += message.message->body().size();
      if (queue.oldest_ms == 0) queue.oldest_ms = message.message->published_ms();
      images[message.lsn] = kRecordHeaderBytes + message_image_bytes(*message.message);
    });
    queue.messages = queue.in_log + queue.in_segments;
    if (queue.messages > 0) stats.queues.push_back(queue);
  }
  std::sort(stats.queues.begin(), stats.queues.end(),
            [](const QueueStats& a, const QueueStats& b) { return a.queue < b.queue; });

  auto image = images.begin();
  for (const LogContents::LogFile& log : shard.log.files) {
    FileStats file{.file = contents.log_folder() + "/" + log_file_name(log.sequence), .size_bytes = log.size_bytes};
    for (; image != images.end() && image->first <= log.last_lsn; ++image) {
      ++file.live;
      file.live_bytes += image->second;
    }
    stats.files.push_back(std::move(file));
  }
  for (const auto& [sequence, segment] : contents.segments()) {
    stats.files.push_back({segment.file->path(), segment.file->size_bytes(), segment.live, segment.live_bytes()});
  }
  for (const char* sub : {"/log", "/segments", "/delays"}) {
    const auto names = list_if_there(contents.disk(), shard.folder + sub);
    if (!names) return tl::unexpected(names.error());
    for (const std::string& name : *names) {
      if (!name.ends_with(".spare") && !name.ends_with(".tmp") && name.find(".run") == std::string::npos) continue;
      const auto size = size_of(contents.disk(), shard.folder + sub + "/" + name);
      if (!size) return tl::unexpected(size.error());
      stats.files.push_back({shard.folder + sub + "/" + name, *size, 0, 0});
    }
  }
  return stats;
}

}  // namespace wherry::broker

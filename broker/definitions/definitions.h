// Definitions: what is durable in the topology, written to DATA/definitions.sqlite by a thread of its own: all changes
// that came while one transaction was being synced go into the next (group commit).
//
//   auto definitions = Definitions::open(data / "definitions.sqlite");
//   (*definitions)->load(topology);            // what was there, once
//   (*definitions)->start({committed, failed});
//   vhost.set_journal(definitions->get());     // from here on changes come by themselves
//   const std::uint64_t change = definitions->recorded();
//   ... events.committed(n), n >= change: it is on the disk: the client may hear of it
//
// A queue's id is given before its row is on the disk, and messages with it may be: ids are therefore reserved in the
// file a million at a time, ahead of use, and one that was reserved is not given by a later run.
// A full disk is not an error: the commit is tried again every second, and what waits for it waits. Anything else that
// keeps it from committing is told once, as failed; nothing is committed after it, and the process should stop.
// Threads: record(), next_queue_id(), recorded(), committed() any; the rest on the thread that owns it. Events come on
// the writer's thread and must not call back but for committed() and recorded(). Lifetime: stop(), or the destructor,
// commits what was recorded; no event comes after it. Limits: what waits is bounded by its callers: a session with too
// many unanswered changes is not read.
#pragma once

#include <atomic>
#include <chrono>
#include <condition_variable>
#include <functional>
#include <mutex>
#include <thread>
#include <vector>

#include "broker/definitions/definitions_file.h"

namespace wherry::broker {

class Definitions final : public TopologyJournal {
 public:
  // Errors: see DefinitionsFile.
  static Result<std::unique_ptr<Definitions>> open(std::filesystem::path file);
  explicit Definitions(std::unique_ptr<DefinitionsDisk> disk);
  ~Definitions();

  Result<void> load(DefinitionsVisitor& visitor) { return disk_->load(visitor); }

  struct Events {
    std::function<void(std::uint64_t change)> committed;  // This change and all before it.
    std::function<void(const std::string& message)> failed;
  };
  // After load(). An error when the first ids cannot be reserved.
  Result<void> start(Events events);
  void stop();
  // Waits until what is recorded now is committed; an error when it cannot be.
  Result<void> sync();

  // Waits until this change and all before it are committed; false when they are not within patience. Threads: any.
  bool wait_committed(std::uint64_t change, std::chrono::milliseconds patience);

  // After stop() it is forgotten.
  std::uint64_t record(TopologyChange change) override;
  std::uint64_t next_queue_id() override;
  std::uint64_t recorded() const { return recorded_.load(); }
  std::uint64_t committed() const { return committed_.load(); }

 private:
  static constexpr std::uint64_t id_block = 1'000'000;

  void run();
  // False: told to stop, or failed.
  bool commit(std::vector<TopologyChange>& batch, std::uint64_t last);

  const std::unique_ptr<DefinitionsDisk> disk_;
  Events events_;
  std::atomic<std::uint64_t> recorded_ = 0;
  std::atomic<std::uint64_t> committed_ = 0;

  std::mutex mutex_;
  std::condition_variable changed_;     // For the writer.
  std::condition_variable progressed_;  // For those who wait for it.
  std::vector<TopologyChange> waiting_;
  std::uint64_t next_id_ = 1;
  std::uint64_t ids_below_ = 1;  // Reserved in the file.
  bool stopping_ = false;
  std::string failure_;  // Why nothing is committed any more.
  std::thread thread_;
};

}  // namespace wherry::broker

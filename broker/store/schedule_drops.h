// ScheduleDrops: which messages of the schedule are gone before their time: those of deleted exchanges, those held for
// queues that were deleted or purged, and single ones that were taken back. What is in memory is taken out at once;
// this is for what lies in files.
//
// Plain data; a copy goes along with each job that reads runs. Memory: some hundred bytes for each exchange, queue and
// single message, until no file is left that could hold one of its messages. Threads: one at a time.
#pragma once

#include <functional>
#include <map>
#include <string>
#include <string_view>

#include "broker/store/schedule_format.h"

namespace wherry::broker {

class ScheduleDrops {
 public:
  // The lsn is that of the record that says so.
  void add(const ScheduleDrop& drop, Lsn lsn);
  void add(const ScheduleWithdrawal& withdrawal, Lsn lsn);
  // What was held before this sequence for queues that ended with their process.
  void end_of_life(std::uint64_t sequence) { life_began_ = sequence; }

  bool covers(ScheduleKey key, QueueId queue, std::string_view vhost, std::string_view exchange) const;
  bool needs_up_to(Lsn lsn) const;
  // Those for which needed(key) is false are forgotten (the key of all messages up to a sequence has no time); those
  // with a record up to the lsn get a new one.
  struct Renewal {
    std::function<bool(ScheduleKey)> needed;
    std::function<Lsn(const ScheduleDrop&)> drop;
    std::function<Lsn(const ScheduleWithdrawal&)> withdraw;
  };
  void renew(Lsn lsn, const Renewal& by);

 private:
  struct Last {
    std::uint64_t sequence = 0;
    Lsn lsn = 0;  // Of its record.
  };
  struct Single {
    QueueId queue = 0;
    Lsn lsn = 0;
  };
  std::map<std::string, std::map<std::string, Last, std::less<>>, std::less<>> exchanges_;  // By virtual host.
  std::map<QueueId, Last> queues_;
  std::map<ScheduleKey, Single> singles_;
  std::uint64_t life_began_ = 0;
};

}  // namespace wherry::broker

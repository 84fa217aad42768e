// Spooler: puts tasks into the spool while the broker is away, and sends what is there, in order, when it is back.
//
// While anything is in the spool everything goes through it, so that the order is kept. Sent are some hundreds at a
// time; what is confirmed is done, what the broker refuses for good is set aside, and after anything else (the
// connection broke, no answer in time) it begins again with the first that is not done.
//
// Threads: wants() and put() any; the rest, and the ways, on the loop's. Lifetime: longer than the link whose reports
// come.
#pragma once

#include <functional>
#include <memory>
#include <string>

#include "base/result.h"
#include "net/event_loop.h"
#include "sdk/client/encode.h"
#include "sdk/client/routes.h"
#include "sdk/spool/spool.h"

namespace wherry::sdk {

class Spooler {
 public:
  // Declares what the task needs, publishes it, reports.
  using Send = std::function<void(Outgoing, Done)>;
  Spooler(net::EventLoop& loop, std::unique_ptr<Spool> spool, const Router& router, Send send);

  bool wants(bool connected) const { return !connected || spool_->size() > 0; }
  // Confirmed: it is on the disk. Else overloaded (full) or refused (the disk's error).
  Report put(const std::string& task, const Outgoing& out);

  void up();
  void down() { up_ = false; }

 private:
  void pump();
  void sent(const Spool::Record& record, const Report& report);

  net::EventLoop& loop_;
  const std::unique_ptr<Spool> spool_;
  const Router& router_;
  const Send send_;
  bool up_ = false;
  bool stalled_ = false;  // Wait for what is under way, then begin again.
  std::size_t under_way_ = 0;
  net::Timer again_{loop_};
};

// What a record holds; for tests of the format.
Result<std::string> encode_spooled(const std::string& task, const Outgoing& out, WallTime now);
struct Spooled {
  std::string task;
  Outgoing out;  // Without topology.
  bool expired = false;
};
Result<Spooled> decode_spooled(std::string_view payload, WallTime now);

}  // namespace wherry::sdk

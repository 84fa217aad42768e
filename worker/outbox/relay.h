// OutboxRelay: sends the rows of an outbox to the broker and deletes them.
//
// Rows are read, published, and deleted when the broker has confirmed them, a hundred at a time and in their order. A
// relay that is killed on the way leaves rows that were sent already; the next one sends them again, with the task's id
// as deduplication key, through an exchange that takes a key once. What the broker refuses for good is marked and left.
//
// Threads: it has two of its own, one for the database and one for the broker; functions from any other. Lifetime: the
// destructor stops it, which takes as long as what the database is doing, and a second.
#pragma once

#include <chrono>
#include <condition_variable>
#include <functional>
#include <map>
#include <memory>
#include <mutex>
#include <string>
#include <thread>
#include <vector>

#include "net/event_loop.h"
#include "sdk/client/once.h"
#include "sdk/client/routes.h"
#include "sdk/link/link.h"
#include "worker/outbox/table.h"

namespace wherry::outbox {

struct RelayConfig {
  std::string url;
  std::string table = "wherry_outbox";
  sdk::LinkConfig link;
  sdk::Router router{"celery"};
  std::chrono::milliseconds poll{200};           // How often an empty outbox is looked at.
  std::chrono::milliseconds retry_after{1'000};  // After an error of the database, or without the broker.
  std::function<void()> on_ready = {};           // It is the relay of the table; each time, on a thread of its own.
};

class OutboxRelay {
 public:
  explicit OutboxRelay(RelayConfig config);
  ~OutboxRelay();
  void stop();

 private:
  enum class Turn { sent, nothing_to_do, failed };
  void work();
  Result<bool> open();
  Turn relay_some();
  // Publishes the rows and waits for the broker; one report a row.
  std::vector<sdk::Report> send(const std::vector<Row>& rows);
  // Runs begin on the loop, which calls its argument once for each of count reports, and waits for them.
  std::vector<sdk::Report> gather(std::size_t count,
                                  std::function<void(std::function<sdk::Done(std::size_t index)>)> begin);
  bool wait(std::chrono::milliseconds time);

  const RelayConfig config_;
  net::EventLoop loop_;
  std::unique_ptr<sdk::Link> link_;
  std::unique_ptr<OutboxTable> table_;
  std::map<std::string, bool> prepared_;  // Exchange and routing key: their topology stands.
  std::mutex mutex_;
  std::condition_variable changed_;
  bool stopping_ = false;
  std::thread loop_thread_;
  std::thread thread_;
};

}  // namespace wherry::outbox

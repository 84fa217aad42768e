// The brokers of this process by their keys: a name, a folder, or nothing for the one that `embedded:` means.
//
// An entry stays as long as somebody holds it, and has a broker or has none now: what EmbeddedBroker starts and stops
// under a name is always the same to a client that goes on trying. A broker that a URL has started ends with its entry;
// who opens the same URL meanwhile waits for that end, because the folder is locked until then.
//
// Threads: any.
#pragma once

#include <functional>
#include <memory>
#include <mutex>
#include <string>

#include "embedded/running.h"
#include "sdk/endpoint/local_broker.h"

namespace wherry::embedded {

class Entry final : public sdk::LocalBroker {
 public:
  explicit Entry(std::string key) : key_(std::move(key)) {}
  ~Entry() override;

  Result<int> connect() override;
  void enqueued() override;

  // Puts a broker there. False: there is one.
  bool put(std::unique_ptr<Running> running);
  // Stops it, if it is there.
  void take();
  // Calls with the broker while it cannot go; false: there is none.
  bool with(const std::function<void(Running&)>& use);
  // What is to happen behind a blocking enqueue.
  void on_enqueued(std::function<void()> hook);

 private:
  const std::string key_;
  std::mutex mutex_;
  std::unique_ptr<Running> running_;
  std::mutex hook_mutex_;
  std::function<void()> hook_;
};

// The entry of that key, made when there is none: without a broker.
std::shared_ptr<Entry> entry_of(const std::string& key);
// What an EmbeddedBroker with these options is found by, and the URL that says so. The folder is a whole path.
std::string key_of(const EmbeddedOptions& options);
std::string url_of(const std::string& key);
// Of an embedded: URL: the entry with its broker, which is started unless it is one that a program has to start.
Result<std::shared_ptr<sdk::LocalBroker>> open(const std::string& url);

}  // namespace wherry::embedded

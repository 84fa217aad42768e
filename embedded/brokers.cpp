#include "embedded/brokers.h"

#include <atomic>
#include <condition_variable>
#include <filesystem>
#include <map>
#include <utility>

#include <fmt/format.h>

#include "base/percent.h"

namespace wherry::embedded {

namespace {

// Never destroyed: clients may be, as the process ends.
struct Book {
  std::mutex mutex;
  std::condition_variable changed;
  std::map<std::string, std::weak_ptr<Entry>> entries;
};
Book& book() {
  static auto* one = new Book;
  return *one;
}

// Under the lock. An entry that is on its way out is waited for: its broker has the folder until it is gone.
std::shared_ptr<Entry> find_or_make(std::unique_lock<std::mutex>& lock, const std::string& key, bool& made) {
  Book& all = book();
  while (true) {
    const auto found = all.entries.find(key);
    if (found == all.entries.end()) break;
    if (auto entry = found->second.lock()) {
      made = false;
      return entry;
    }
    all.changed.wait(lock);
  }
  auto entry = std::make_shared<Entry>(key);
  all.entries.emplace(key, entry);
  made = true;
  return entry;
}

constexpr std::string_view folder_mark = "//";

}  // namespace

Entry::~Entry() {
  take();
  Book& all = book();
  std::lock_guard lock(all.mutex);
  all.entries.erase(key_);
  all.changed.notify_all();
}

Result<int> Entry::connect() {
  std::lock_guard lock(mutex_);
  if (!running_) return fail(fmt::format("the embedded broker '{}' is not running", key_));
  return running_->connect();
}

void Entry::enqueued() {
  std::function<void()> hook;
  {
    std::lock_guard lock(hook_mutex_);
    hook = hook_;
  }
  if (hook) hook();
}

void Entry::on_enqueued(std::function<void()> hook) {
  std::lock_guard lock(hook_mutex_);
  hook_ = std::move(hook);
}

bool Entry::put(std::unique_ptr<Running> running) {
  std::lock_guard lock(mutex_);
  if (running_) return false;
  running_ = std::move(running);
  return true;
}

void Entry::take() {
  // Out of reach first: nobody connects to a broker that is stopping.
  std::unique_ptr<Running> running;
  {
    std::lock_guard lock(mutex_);
    running = std::move(running_);
  }
}

bool Entry::with(const std::function<void(Running&)>& use) {
  std::lock_guard lock(mutex_);
  if (!running_) return false;
  use(*running_);
  return true;
}

std::shared_ptr<Entry> entry_of(const std::string& key) {
  bool made = false;
  std::unique_lock lock(book().mutex);
  return find_or_make(lock, key, made);
}

std::string key_of(const EmbeddedOptions& options) {
  if (!options.name.empty()) return options.name;
  if (!options.folder.empty()) return std::string(folder_mark) + options.folder;
  static std::atomic<unsigned> number{0};
  return fmt::format("broker-{}", ++number);
}

std::string url_of(const std::string& key) {
  if (!key.starts_with(folder_mark)) return std::string(sdk::embedded_scheme) + key;
  std::string url(sdk::embedded_scheme);
  url += folder_mark;
  // Slashes stay: it is a path.
  for (const char c : key.substr(folder_mark.size())) url += c == '/' ? "/" : percent_encoded(std::string(1, c));
  return url;
}

Result<std::shared_ptr<sdk::LocalBroker>> open(const std::string& url) {
  const std::string rest = url.substr(sdk::embedded_scheme.size());
  std::string key = rest;
  EmbeddedOptions options;
  if (rest.starts_with(folder_mark)) {
    const auto folder = percent_decoded(std::string_view(rest).substr(folder_mark.size()));
    if (!folder) return fail(fmt::format("broker URL: {}: a '%' needs two hex digits behind it", url));
    options.folder = *folder;
    // However the path is written, it is one folder.
    std::error_code ignored;
    const auto whole = std::filesystem::weakly_canonical(*folder, ignored);
    key = std::string(folder_mark) + (ignored ? *folder : whole.string());
  } else if (!rest.empty()) {
    std::shared_ptr<Entry> there;
    {
      std::unique_lock lock(book().mutex);
      if (const auto found = book().entries.find(key); found != book().entries.end()) there = found->second.lock();
    }
    if (there) return std::shared_ptr<sdk::LocalBroker>(std::move(there));
    return fail(fmt::format("broker URL: {}: no EmbeddedBroker of that name is in this process", url));
  }
  // Held while it starts, so that two who name the same begin one.
  bool made = false;
  std::unique_lock lock(book().mutex);
  auto entry = find_or_make(lock, key, made);
  if (!made) return std::shared_ptr<sdk::LocalBroker>(std::move(entry));
  auto running = Running::start(options);
  if (!running) {
    lock.unlock();  // The entry goes, and takes itself out.
    return tl::unexpected(running.error());
  }
  entry->put(std::move(*running));
  return std::shared_ptr<sdk::LocalBroker>(std::move(entry));
}

namespace {
[[maybe_unused]] const bool enabled = (sdk::set_local_brokers(open), true);
}

void enable() {
  sdk::set_local_brokers(open);
}

}  // namespace wherry::embedded

// What a linker is told to look for.
extern "C" {
extern const char wherry_embedded_brokers;
const char wherry_embedded_brokers = 1;
}

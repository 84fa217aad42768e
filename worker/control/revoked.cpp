#include "worker/control/revoked.h"

#include <algorithm>
#include <cerrno>
#include <charconv>
#include <cstring>
#include <fstream>
#include <utility>

#include <fcntl.h>
#include <fmt/format.h>
#include <unistd.h>

#include "base/log.h"

namespace wherry::worker {

namespace {

std::int64_t unix_seconds(WallTime time) {
  return std::chrono::duration_cast<std::chrono::seconds>(time.time_since_epoch()).count();
}

bool may_be_kept(const std::string& id) {
  auto control = [](char c) { return static_cast<unsigned char>(c) < 0x20; };
  return !id.empty() && id.size() <= Revoked::most_id_bytes && std::none_of(id.begin(), id.end(), control);
}

bool write_all(int file, std::string_view text) {
  while (!text.empty()) {
    const ssize_t written = ::write(file, text.data(), text.size());
    if (written < 0 && errno == EINTR) continue;
    if (written < 0) return false;
    text.remove_prefix(static_cast<std::size_t>(written));
  }
  return true;
}

std::string line_of(const std::string& id, WallTime since) {
  return fmt::format("{} {}\n", unix_seconds(since), id);
}

}  // namespace

Revoked::Revoked(std::string path, WallTime now) : path_(std::move(path)) {
  if (path_.empty()) return;
  load(now);
  write_anew();
}

Revoked::~Revoked() {
  if (file_ >= 0) ::close(file_);
}

bool Revoked::insert(const std::string& id, WallTime since) {
  if (!may_be_kept(id) || !since_.emplace(id, since).second) return false;
  order_.push_back(id);
  return true;
}

void Revoked::forget_old(WallTime now) {
  auto old = [&] { return order_.size() > most_revoked || since_.at(order_.front()) + keep_revoked < now; };
  while (!order_.empty() && old()) {
    since_.erase(order_.front());
    order_.pop_front();
  }
}

std::vector<std::string> Revoked::add(const std::vector<std::string>& ids, WallTime now) {
  std::vector<std::string> added;
  for (const std::string& id : ids) {
    if (insert(id, now)) added.push_back(id);
  }
  forget_old(now);
  if (!added.empty()) append(added, now);
  return added;
}

std::vector<std::string> Revoked::merge(const task::Value& from_peer, WallTime now) {
  std::vector<std::string> ids;
  if (const auto* map = from_peer.get<task::Value::Map>()) {
    for (const auto& [id, when] : *map) ids.push_back(id);
  } else if (const auto* array = from_peer.get<task::Value::Array>()) {
    for (const task::Value& each : *array) {
      if (const auto* id = each.get<std::string>()) ids.push_back(*id);
    }
  }
  return add(ids, now);
}

task::Value::Map Revoked::for_peer(WallTime now) const {
  // Celery's workers note when by their monotonic clock, which begins with their machine.
  const std::chrono::duration<double> monotonic = std::chrono::steady_clock::now().time_since_epoch();
  task::Value::Map map;
  map.reserve(order_.size());
  for (const std::string& id : order_) {
    const std::chrono::duration<double> ago = now - since_.at(id);
    map.emplace_back(id, monotonic.count() - ago.count());
  }
  return map;
}

// --- the file --------------------------------------------------------------------------------------------------------

void Revoked::complain(std::string_view what) {
  if (std::exchange(complained_, true)) return;
  log::error("worker", "revoked tasks are kept in memory only: {}: {}: {}", path_, what, std::strerror(errno));
}

void Revoked::load(WallTime now) {
  std::ifstream file(path_);
  for (std::string line; std::getline(file, line);) {
    if (file.eof()) break;  // Without its newline: it was cut short.
    std::int64_t seconds = 0;
    const auto [end, error] = std::from_chars(line.data(), line.data() + line.size(), seconds);
    if (error != std::errc() || *end != ' ') continue;
    const char* const id = end + 1;
    insert(line.substr(static_cast<std::size_t>(id - line.data())), WallTime(std::chrono::seconds(seconds)));
  }
  forget_old(now);
}

void Revoked::write_anew() {
  const std::string beside = path_ + ".new";
  const int file = ::open(beside.c_str(), O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0600);
  if (file < 0) return complain("cannot be written");
  std::string text;
  for (const std::string& id : order_) text += line_of(id, since_.at(id));
  if (!write_all(file, text) || ::fsync(file) != 0 || ::rename(beside.c_str(), path_.c_str()) != 0) {
    complain("cannot be written");
    ::close(file);
    return;
  }
  if (file_ >= 0) ::close(file_);
  file_ = file;
  lines_ = order_.size();
}

void Revoked::append(const std::vector<std::string>& ids, WallTime now) {
  if (file_ < 0) return;
  lines_ += ids.size();
  if (lines_ > 4 * most_revoked) return write_anew();
  std::string text;
  for (const std::string& id : ids) text += line_of(id, now);
  if (!write_all(file_, text) || ::fdatasync(file_) != 0) complain("cannot be written");
}

}  // namespace wherry::worker

#include "sdk/results/redis/redis_backend.h"

#include <algorithm>
#include <charconv>
#include <iterator>
#include <utility>

#include <fmt/format.h>

#include "base/log.h"
#include "sdk/results/encoding.h"

namespace wherry::results {

using namespace std::chrono_literals;

namespace {

constexpr std::string_view task_prefix = "celery-task-meta-";
constexpr std::string_view group_prefix = "celery-taskset-meta-";
// Keys of one MGET.
constexpr std::size_t most_fetched = 500;
// What stands is asked for until somebody answers: who waits has a deadline of his own.
constexpr auto fetch_timeout = 24h;

// What nobody has heard is said again after this time, so many of those at most.
constexpr auto say_again_after = 100ms;
constexpr std::size_t most_said_again = 1'000;

// A SUCCESS stands. The status is the first member, as Celery and we write it. Answers whether nobody heard it.
constexpr std::string_view store_script = R"(
local head = redis.call('GETRANGE', KEYS[1], 0, 31)
if string.find(head, '^{"status": ?"SUCCESS"') then return 0 end
if ARGV[2] == '0' then redis.call('SET', KEYS[1], ARGV[1]) else redis.call('SETEX', KEYS[1], ARGV[2], ARGV[1]) end
return redis.call('PUBLISH', KEYS[1], ARGV[1]) == 0 and 1 or 0
)";

constexpr std::string_view say_again_script = R"(
for _, key in ipairs(KEYS) do
  local value = redis.call('GET', key)
  if value then redis.call('PUBLISH', key, value) end
end
)";

// A task counts once: it is looked for among the parts of its own index, of which there is one, or few when a part
// added others to its chord. Its id stands near the beginning of a part in either serializer.
constexpr std::string_view part_script = R"(
local parts, added, size = KEYS[1], KEYS[2], KEYS[3]
local part, id, index, expires = ARGV[1], ARGV[2], ARGV[3], ARGV[4]
local known = false
if index ~= '+inf' then
  for _, other in ipairs(redis.call('ZRANGEBYSCORE', parts, index, index)) do
    if string.find(string.sub(other, 1, #id + 12), id, 1, true) then known = true end
  end
end
if not known then redis.call('ZADD', parts, index, part) end
if expires ~= '0' then
  for _, key in ipairs(KEYS) do redis.call('EXPIRE', key, expires) end
end
local count = redis.call('ZCARD', parts)
local wanted = redis.call('GET', size)
if not wanted then return {count} end
local total = tonumber(wanted) + tonumber(redis.call('GET', added) or '0')
if count < total then return {count, total} end
return {count, total, redis.call('ZRANGE', parts, 0, -1)}
)";

// Who adds parts does so once. Python's Celery reads the sum.
constexpr std::string_view add_script = R"(
local added, by = KEYS[1], KEYS[2]
if redis.call('SADD', by, ARGV[1]) == 1 then redis.call('INCRBY', added, ARGV[2]) end
if ARGV[3] ~= '0' then
  for _, key in ipairs(KEYS) do redis.call('EXPIRE', key, ARGV[3]) end
end
)";

std::string task_key(std::string_view id) {
  return std::string(task_prefix).append(id);
}
std::string group_key(std::string_view id, std::string_view part = {}) {
  return std::string(group_prefix).append(id).append(part);
}

tl::unexpected<Failure> refused(std::string why) {
  return tl::unexpected(Failure{Failure::Kind::refused, std::move(why)});
}

// For operations whose answer says nothing but that they were done.
Done<RedisReply> only_done(Done<> done) {
  return [done = std::move(done)](Outcome<RedisReply> reply) {
    if (!reply) return done(tl::unexpected(std::move(reply.error())));
    done({});
  };
}

// For one value that may not be there, decoded by read.
template <class T>
Done<RedisReply> read_with(Result<T> (*read)(std::string_view), std::string key, Done<std::optional<T>> done) {
  return [read, key = std::move(key), done = std::move(done)](Outcome<RedisReply> reply) {
    if (!reply) return done(tl::unexpected(std::move(reply.error())));
    if (reply->kind != RedisReply::Kind::text) return done(std::optional<T>());
    auto value = read(reply->text);
    if (!value) return done(refused(fmt::format("{} cannot be read: {}", key, value.error().message)));
    done(std::optional<T>(*std::move(value)));
  };
}

Outcome<ChordProgress> read_progress(const std::string& group_id, RedisReply reply) {
  ChordProgress progress;
  if (reply.elements.empty()) return refused("the answer about a chord is empty");
  progress.returned = static_cast<std::size_t>(reply.elements[0].integer);
  if (reply.elements.size() > 1) progress.size = static_cast<std::size_t>(reply.elements[1].integer);
  if (reply.elements.size() < 3) return progress;
  for (const RedisReply& each : reply.elements[2].elements) {
    auto part = decode_part(each.text);
    if (!part) return refused(fmt::format("a part of chord {} cannot be read: {}", group_id, part.error().message));
    progress.parts.push_back(*std::move(part));
  }
  return progress;
}

}  // namespace

RedisBackend::RedisBackend(net::EventLoop& loop, RedisEndpoint endpoint, BackendOptions options)
    : loop_(loop), endpoint_(endpoint), options_(options), commands_(loop, std::move(endpoint), std::move(options)) {}

RedisBackend::~RedisBackend() {
  *alive_ = false;
}

template <class T>
void RedisBackend::refuse(Done<T> done, std::string why) {
  loop_.post([done = std::move(done), why = std::move(why)] { done(refused(why)); });
}

// In whole seconds, as SETEX and EXPIRE take them; one at least when there is an end.
std::string RedisBackend::expires() const {
  return std::to_string(std::chrono::ceil<std::chrono::seconds>(options_.expires).count());
}

// --- results ---------------------------------------------------------------------------------------------------------

void RedisBackend::store(task::ResultMeta meta, Monotonic deadline, Done<> done) {
  auto encoded = encode_meta(meta);
  if (!encoded) return refuse(std::move(done), "the result cannot be written: " + encoded.error().message);
  RedisCommand command{"EVAL", std::string(store_script), "1", task_key(meta.task_id), *std::move(encoded), expires()};
  auto stored = [this, alive = alive_, key = command[3], final = task::state::is_ready(meta.status),
                 done = std::move(done)](Outcome<RedisReply> reply) {
    if (*alive && final && reply && reply->integer != 0) say_again(key);
    only_done(done)(std::move(reply));
  };
  commands_.ask(std::move(command), deadline, std::move(stored));
}

void RedisBackend::say_again(const std::string& key) {
  if (unheard_.size() == most_said_again) return;
  unheard_.push_back(key);
  if (unheard_.size() > 1) return;
  again_.set(say_again_after, [this] {
    RedisCommand command{"EVAL", std::string(say_again_script), std::to_string(unheard_.size())};
    std::move(unheard_.begin(), unheard_.end(), std::back_inserter(command));
    unheard_.clear();
    commands_.ask(std::move(command), loop_.now() + 1s, [](const Outcome<RedisReply>&) {});
  });
}

void RedisBackend::get(std::string task_id, Monotonic deadline, Done<std::optional<task::ResultMeta>> done) {
  std::string key = task_key(task_id);
  commands_.ask({"GET", key}, deadline, read_with(decode_meta, key, std::move(done)));
}

void RedisBackend::forget(std::string task_id, Monotonic deadline, Done<> done) {
  commands_.ask({"DEL", task_key(task_id)}, deadline, only_done(std::move(done)));
}

void RedisBackend::watch(const std::string& task_id, Hear hear) {
  if (!subscriber_)
    subscriber_ =
        std::make_unique<RedisSubscriber>(loop_, endpoint_, options_, static_cast<RedisSubscriber::Handler&>(*this));
  watches_.insert_or_assign(task_id, Watch{std::move(hear)});
  subscriber_->subscribe(task_key(task_id));
}

void RedisBackend::unwatch(const std::string& task_id) {
  if (watches_.erase(task_id) > 0) subscriber_->unsubscribe(task_key(task_id));
}

// From here on messages come; what stands already is asked for, for all that were subscribed in this turn together.
void RedisBackend::on_subscribed(const std::string& channel) {
  const auto at = watches_.find(channel.substr(task_prefix.size()));
  if (at == watches_.end()) return;
  at->second.heard = false;
  to_fetch_.push_back(at->first);
  if (to_fetch_.size() > 1) return;
  loop_.post([this, alive = alive_] {
    if (*alive) fetch();
  });
}

void RedisBackend::fetch() {
  const auto ids = std::make_shared<const std::vector<std::string>>(std::exchange(to_fetch_, {}));
  for (std::size_t begin = 0; begin < ids->size(); begin += most_fetched) {
    const std::size_t end = std::min(begin + most_fetched, ids->size());
    RedisCommand command{"MGET"};
    for (std::size_t i = begin; i < end; ++i) command.push_back(task_key((*ids)[i]));
    auto read = [this, ids, begin](Outcome<RedisReply> reply) {
      if (!reply) return log::warning("results", "what is stored cannot be asked for: {}", reply.error().message);
      for (std::size_t i = 0; i < reply->elements.size(); ++i) {
        const RedisReply& each = reply->elements[i];
        const std::string& id = (*ids)[begin + i];
        const auto at = watches_.find(id);
        if (each.kind == RedisReply::Kind::text && at != watches_.end() && !at->second.heard) tell(id, each.text);
      }
    };
    commands_.ask(std::move(command), std::chrono::steady_clock::now() + fetch_timeout, std::move(read));
  }
}

void RedisBackend::on_message(const std::string& channel, const std::string& payload) {
  const std::string id = channel.substr(task_prefix.size());
  const auto at = watches_.find(id);
  if (at == watches_.end()) return;
  at->second.heard = true;
  tell(id, payload);
}

void RedisBackend::tell(const std::string& task_id, const std::string& bytes) {
  const auto meta = decode_meta(bytes);
  if (!meta)
    return log::warning("results", "the result of task [{}] cannot be read: {}", task_id, meta.error().message);
  const Hear hear = watches_.at(task_id).hear;
  if (task::state::is_ready(meta->status)) unwatch(task_id);
  hear(*meta);
}

// --- groups and chords -----------------------------------------------------------------------------------------------

void RedisBackend::save_group(std::string group_id, task::Value tuple, Monotonic deadline, Done<> done) {
  auto encoded = encode_group(std::move(tuple));
  if (!encoded) return refuse(std::move(done), "the group cannot be written: " + encoded.error().message);
  RedisCommand command{"SET", group_key(group_id), *std::move(encoded)};
  if (options_.expires.count() > 0) command.insert(command.end(), {"EX", expires()});
  commands_.ask(std::move(command), deadline, only_done(std::move(done)));
}

void RedisBackend::restore_group(std::string group_id, Monotonic deadline, Done<std::optional<task::Value>> done) {
  std::string key = group_key(group_id);
  commands_.ask({"GET", key}, deadline, read_with(decode_group, key, std::move(done)));
}

void RedisBackend::forget_group(std::string group_id, Monotonic deadline, Done<> done) {
  commands_.ask({"DEL", group_key(group_id)}, deadline, only_done(std::move(done)));
}

void RedisBackend::set_chord_size(std::string group_id, std::size_t size, Monotonic deadline, Done<> done) {
  RedisCommand command{"SET", group_key(group_id, ".s"), std::to_string(size)};
  if (options_.expires.count() > 0) command.insert(command.end(), {"EX", expires()});
  commands_.ask(std::move(command), deadline, only_done(std::move(done)));
}

void RedisBackend::add_to_chord(std::string group_id, std::string by, std::size_t count, Monotonic deadline,
                                Done<> done) {
  commands_.ask({"EVAL", std::string(add_script), "2", group_key(group_id, ".t"), group_key(group_id, ".a"),
                 std::move(by), std::to_string(count), expires()},
                deadline, only_done(std::move(done)));
}

void RedisBackend::chord_part_return(ChordPart part, Monotonic deadline, Done<ChordProgress> done) {
  auto encoded = encode_part(part.meta);
  if (!encoded) return refuse(std::move(done), "the part's result cannot be written: " + encoded.error().message);
  const std::string& group = part.group_id;
  RedisCommand command{"EVAL",
                       std::string(part_script),
                       "3",
                       group_key(group, ".j"),
                       group_key(group, ".t"),
                       group_key(group, ".s"),
                       *std::move(encoded),
                       part.meta.task_id,
                       part.group_index ? std::to_string(*part.group_index) : "+inf",
                       expires()};
  commands_.ask(std::move(command), deadline, [group, done = std::move(done)](Outcome<RedisReply> reply) {
    if (!reply) return done(tl::unexpected(std::move(reply.error())));
    done(read_progress(group, *std::move(reply)));
  });
}

void RedisBackend::forget_chord(std::string group_id, Monotonic deadline, Done<> done) {
  commands_.ask({"DEL", group_key(group_id, ".j"), group_key(group_id, ".t"), group_key(group_id, ".s"),
                 group_key(group_id, ".a")},
                deadline, only_done(std::move(done)));
}

}  // namespace wherry::results

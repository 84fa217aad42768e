#include "sdk/results/redis/reply.h"

#include <new>
#include <utility>

#include <fmt/format.h>
#include <hiredis/hiredis.h>

namespace wherry::results {

namespace {

RedisReply from_hiredis(const redisReply& raw) {
  RedisReply reply;
  switch (raw.type) {
    case REDIS_REPLY_INTEGER:
      reply.kind = RedisReply::Kind::integer;
      reply.integer = raw.integer;
      break;
    case REDIS_REPLY_STRING:
    case REDIS_REPLY_STATUS:
      reply.kind = RedisReply::Kind::text;
      reply.text.assign(raw.str, raw.len);
      break;
    case REDIS_REPLY_ERROR:
      reply.kind = RedisReply::Kind::error;
      reply.text.assign(raw.str, raw.len);
      break;
    case REDIS_REPLY_ARRAY:
      reply.kind = RedisReply::Kind::array;
      reply.elements.reserve(raw.elements);
      for (std::size_t i = 0; i < raw.elements; ++i) reply.elements.push_back(from_hiredis(*raw.element[i]));
      break;
    default:
      break;
  }
  return reply;
}

redisReader* new_reader() {
  redisReader* reader = ::redisReaderCreate();
  if (reader == nullptr) throw std::bad_alloc();
  return reader;
}

}  // namespace

void RedisReader::Free::operator()(redisReader* reader) const {
  ::redisReaderFree(reader);
}

RedisReader::RedisReader() : reader_(new_reader()) {}
RedisReader::~RedisReader() = default;

Result<void> RedisReader::feed(std::string_view bytes) {
  const auto broken = [this] { return fail(fmt::format("not a Redis server's answer: {}", reader_->errstr)); };
  if (::redisReaderFeed(reader_.get(), bytes.data(), bytes.size()) != REDIS_OK) return broken();
  while (true) {
    void* raw = nullptr;
    if (::redisReaderGetReply(reader_.get(), &raw) != REDIS_OK) return broken();
    if (raw == nullptr) return {};
    const std::unique_ptr<void, void (*)(void*)> held(raw, ::freeReplyObject);
    ready_.push_back(from_hiredis(*static_cast<redisReply*>(raw)));
  }
}

std::optional<RedisReply> RedisReader::next() {
  if (ready_.empty()) return std::nullopt;
  RedisReply first = std::move(ready_.front());
  ready_.pop_front();
  return first;
}

void RedisReader::reset() {
  reader_.reset(new_reader());
  ready_.clear();
}

void append_command(OutputBuffer& out, const RedisCommand& command) {
  out.append(fmt::format("*{}\r\n", command.size()));
  for (const std::string& word : command) {
    out.append(fmt::format("${}\r\n", word.size()));
    out.append(word);
    out.append("\r\n");
  }
}

}  // namespace wherry::results

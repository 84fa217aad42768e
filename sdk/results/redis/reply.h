// Replies of a Redis server (RESP2) out of a stream of bytes, and commands into one. No sockets: hiredis's reader does
// the parsing.
//
//   RedisReader reader;
//   if (auto fed = reader.feed(bytes); !fed) ...          // not RESP: give the connection up
//   while (auto reply = reader.next()) ...
//
// Limits: what hiredis's reader takes: 7 levels of arrays. Threads: one at a time.
#pragma once

#include <cstdint>
#include <deque>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "base/output_buffer.h"
#include "base/result.h"

struct redisReader;

namespace wherry::results {

struct RedisReply {
  enum class Kind { nil, integer, text, error, array };
  Kind kind = Kind::nil;
  std::int64_t integer = 0;
  std::string text = {};  // A status, a bulk string, or an error: "WRONGTYPE Operation against a key ...".
  std::vector<RedisReply> elements = {};

  bool is_error() const { return kind == Kind::error; }
};

class RedisReader {
 public:
  RedisReader();
  ~RedisReader();

  // Errors: the bytes are no RESP; the reader is of no more use.
  Result<void> feed(std::string_view bytes);
  // The next whole reply, if there is one.
  std::optional<RedisReply> next();
  // As new, for another connection.
  void reset();

 private:
  struct Free {
    void operator()(redisReader* reader) const;
  };
  std::unique_ptr<redisReader, Free> reader_;
  std::deque<RedisReply> ready_;
};

using RedisCommand = std::vector<std::string>;
void append_command(OutputBuffer& out, const RedisCommand& command);

}  // namespace wherry::results

// Mailbox: Celery's remote control on the wire (kombu's pidbox). Pure: messages to commands, answers to messages.
//
//   celery.pidbox          fanout exchange: each command goes to every worker
//   NAME.UNIQUE.celery.pidbox   this worker's queue on it: gone with its connection, so no command waits for the dead
//   reply.celery.pidbox    direct exchange for answers; whoever asks has a queue on it under a key of its own
//
// Celery names a worker's queue by its node name alone, and two workers of one name then take each other's commands.
// Nobody looks for that name, so here it holds something unique as well: each of them gets each command.
//
// Threads: no state. Format: kombu/pidbox.py; docs/control.md.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>

#include "base/result.h"
#include "protocol/task/value.h"
#include "sdk/link/messages.h"
#include "sdk/link/topology.h"

namespace wherry::worker {

inline constexpr std::string_view pidbox_exchange = "celery.pidbox";
inline constexpr std::string_view pidbox_reply_exchange = "reply.celery.pidbox";

struct Command {
  std::string method;
  task::Value::Map arguments = {};
  std::int64_t clock = 0;
  // Empty: nobody waits for an answer.
  std::string reply_exchange = {};
  std::string reply_key = {};
  std::string ticket = {};
};

// What must be there to be asked, and to ask others. unique: of this process.
sdk::Topology mailbox_topology(std::string_view node, std::string_view unique);
// What must be there to be asked alone.
sdk::Topology command_topology(std::string_view node, std::string_view unique);
std::string command_queue(std::string_view node, std::string_view unique);
std::string answer_queue(std::string_view unique);

// The command in a message. Empty method: it is for others. The header `expires` is not looked at, as Celery's workers
// do not: it is the asking machine's time. Errors: what is wrong with it.
Result<Command> read_command(const sdk::Delivery& delivery, std::string_view node);
// Whether a command's destination, or its pattern and matcher ("glob" or "pcre"), mean this node; all do without any.
bool is_addressed(const task::Value& body, std::string_view node);

// Errors: an answer that JSON cannot hold.
Result<sdk::Publication> answer_message(const Command& to, std::string_view node, task::Value answer,
                                        std::int64_t clock);
// A command to all workers, whose answers come to the answer queue.
Result<sdk::Publication> command_message(std::string_view method, task::Value::Map arguments, std::string_view unique,
                                         std::string_view ticket, std::int64_t clock);

// One answer: from which node, and what. Errors: what is wrong with the message.
struct Answer {
  std::string node;
  task::Value payload = {};
  std::int64_t clock = 0;
};
Result<Answer> read_answer(const sdk::Delivery& delivery, std::string_view ticket);

}  // namespace wherry::worker

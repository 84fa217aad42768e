// Why a message is not read as a task or a result.
#pragma once

#include <string>

namespace wherry::task {

struct DecodeError {
  enum class Kind {
    not_a_task,   // Well-formed, but there is no task in it, or one that lacks what it must have.
    undecodable,  // The body is not what its content type says.
    unsupported,  // A content type, encoding or compression that Wherry does not read; the message names it.
  };
  Kind kind = Kind::not_a_task;
  std::string message;  // One sentence.
};

}  // namespace wherry::task

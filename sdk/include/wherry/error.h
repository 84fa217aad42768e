// ClientError: the one type that the SDK throws for what goes wrong outside the program; its code says which.
//
//   try {
//     client.enqueue(SendEmail{...});
//   } catch (const wherry::ClientError& e) {
//     if (e.code() == wherry::Errc::unroutable) ...
//   }
//
// Mistakes of the program (a blocking call on the client's own thread, a pending result taken twice) are
// std::logic_error instead: they are not for catching.
#pragma once

#include <cstddef>
#include <cstdint>
#include <memory>
#include <stdexcept>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

namespace wherry {

enum class Errc {
  unroutable,        // No queue takes the message: the exchange has no binding for its routing key. Not enqueued.
  refused,           // The broker said no: nack (queue full), 404, 403, 406. Not enqueued.
  timed_out,         // The deadline passed without an answer. An enqueue may or may not have happened.
  disconnected,      // There was no connection until the deadline. An enqueue may or may not have happened.
  denied,            // Wrong user, password or vhost.
  overloaded,        // Too many messages wait in this process already. Not enqueued.
  invalid_argument,  // A URL, file, option or value that cannot be used; what() says which.
  task_failed,       // The task ran and failed: see TaskFailed.
  task_revoked,      // The task was revoked, or it expired before it ran.
  bad_result,        // The result that came does not fit the type that was asked for.
  closed,            // The client was closed while this waited.
};
// "unroutable", "timed_out", ...
std::string_view to_string(Errc code);

class ClientError : public std::runtime_error {
 public:
  ClientError(Errc code, const std::string& what, std::uint16_t reply_code = 0)
      : std::runtime_error(what), code_(code), reply_code_(reply_code) {}

  Errc code() const noexcept { return code_; }
  std::uint16_t reply_code() const noexcept { return reply_code_; }  // The broker's AMQP code, 0 when it gave none.

 private:
  Errc code_;
  std::uint16_t reply_code_;
};

// One task of an enqueue_many() that is not, or perhaps not, enqueued.
struct EnqueueFailure {
  std::size_t index;  // Its place among the tasks.
  ClientError error;
};

// Some tasks of an enqueue_many(); the others are enqueued. code(): that of the first. what(): how many, and the first.
class EnqueueManyFailed : public ClientError {
 public:
  EnqueueManyFailed(const std::string& what, std::vector<EnqueueFailure> failures)
      : ClientError(failures.front().error.code(), what, failures.front().error.reply_code()),
        failures_(std::make_shared<const std::vector<EnqueueFailure>>(std::move(failures))) {}

  // In the order of the tasks; never empty.
  const std::vector<EnqueueFailure>& failures() const noexcept { return *failures_; }

 private:
  std::shared_ptr<const std::vector<EnqueueFailure>> failures_;  // Shared: copying an exception must not throw.
};

// The exception of a task, as its worker wrote it down. what(): "ValueError: no such user".
class TaskFailed : public ClientError {
 public:
  TaskFailed(std::string type, std::string message, std::string traceback)
      : ClientError(Errc::task_failed, type + ": " + message),
        type_(std::move(type)),
        message_(std::move(message)),
        traceback_(std::move(traceback)) {}

  const std::string& type() const noexcept { return type_; }  // The exception's name: "ValueError".
  const std::string& message() const noexcept { return message_; }
  const std::string& traceback() const noexcept { return traceback_; }  // Empty when the worker sent none.

 private:
  std::string type_;
  std::string message_;
  std::string traceback_;
};

}  // namespace wherry

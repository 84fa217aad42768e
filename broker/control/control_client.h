// Asks a running broker something over its control socket, and waits for the answer.
//
//   auto answer = ask(data / "control.sock", request);     // the answer's "result", or why not
//
// Threads: any; it blocks the one it is called on. Errors: sentences for a terminal, the broker's own where it refused.
#pragma once

#include <chrono>
#include <filesystem>

#include "base/result.h"
#include "protocol/amqp/table.h"

namespace wherry::broker::control {

enum class AskFailure { no_broker, refused };
struct AskError {
  AskFailure why = AskFailure::refused;
  std::string message;
};

Result<amqp::FieldValue, AskError> ask(const std::filesystem::path& socket, const amqp::Table& request,
                                       std::chrono::milliseconds patience = std::chrono::seconds(30));

}  // namespace wherry::broker::control

// What a client says of a report of its link: the exception that its caller gets, and its code.
//
// Threads: no state.
#pragma once

#include <exception>
#include <string>

#include "sdk/link/messages.h"
#include "wherry/error.h"

namespace wherry::sdk {

// Of what became of a publish or a declaration.
Errc code_of(Outcome outcome);

// task: its name, which the text begins with. report: not a confirmed one.
ClientError client_error(const std::string& task, const Report& report);
std::exception_ptr error_of(const std::string& task, const Report& report);

}  // namespace wherry::sdk

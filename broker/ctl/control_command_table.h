// The commands for a running broker: their arguments, what they say and the columns they show. Plain data.
#pragma once

#include <string>
#include <vector>

namespace wherry::broker::ctl {

// A word that a command wants, and what it is in the request.
struct Operand {
  enum class Kind {
    text,
    json,    // An object, sent as such.
    value,   // Any JSON, sent as such.
    secret,  // Read from standard input where it is missing.
    file,    // Sent with its whole path; to a broker elsewhere the definitions in it.
    output,  // Where the answer goes; "-" for standard output. Not sent.
  };
  const char* name;
  Kind kind = Kind::text;
};

struct ControlCommand {
  const char* name;
  std::vector<Operand> operands;
  // Those of its own, among: p (vhost), P (priority, apply-to), u (user), g (global), n (a page), e (if-empty,
  // if-unused), d (description, tags), t (which tasks), r (terminate, signal), q (queue), E (what a task is sent with),
  // s (schedule), * (further words are columns), + (further words are tags), ? (the last operand
  // may be missing).
  const char* options;
  const char* said;  // "{name}" stands for an operand or option; empty: nothing.
  const char* said_globally;
  std::vector<std::string> columns;  // Of a listing; empty: none.
  const char* summary;
};

const std::vector<ControlCommand>& control_commands();

}  // namespace wherry::broker::ctl

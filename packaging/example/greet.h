// The task that the client sends and the worker runs: its name on the wire, what it returns, and its arguments.
#pragma once

#include <string>

struct Greet {
  static constexpr auto task_name = "greet";
  using Result = std::string;
  std::string name;
};

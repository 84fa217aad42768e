#include "protocol/task/bind.h"

namespace wherry::task::detail {

std::string in_argument(std::size_t number, const std::string& error) {
  // An error that names a field goes on from there.
  return "argument " + std::to_string(number) + (error.starts_with("field '") ? ", " : ": ") + error;
}

Error wrong_count(std::size_t least, std::size_t most, std::size_t got) {
  std::string takes = most == 0 ? "no" : least == most ? std::to_string(most) : "";
  if (takes.empty())
    takes = least == 0 ? "at most " + std::to_string(most) : std::to_string(least) + " to " + std::to_string(most);
  return {"takes " + takes + (most == 1 ? " argument" : " arguments") + ", got " + std::to_string(got)};
}

Error no_keywords(std::string_view first) {
  return {"takes no keyword arguments, got '" + std::string(first.substr(0, 100)) + "'"};
}

Error given_twice(std::string_view name) {
  return {"argument '" + std::string(name) + "' given twice"};
}

}  // namespace wherry::task::detail

#include "wherry/registry.h"

#include <cstdlib>
#include <stdexcept>
#include <typeinfo>

#include <cxxabi.h>

#include "protocol/task/result.h"

namespace wherry {

void Registry::add(std::string name, Entry entry) {
  if (name.empty()) throw std::logic_error("a task needs a name");
  if (entries_.contains(name)) throw std::logic_error("task '" + name + "' is registered twice");
  entries_.emplace(std::move(name), std::make_shared<const Entry>(std::move(entry)));
}

Registry::EntryRef Registry::find(std::string_view name) const {
  auto found = entries_.find(name);
  return found == entries_.end() ? nullptr : found->second;
}

std::vector<std::string> Registry::names() const {
  std::vector<std::string> all;
  for (const auto& [name, entry] : entries_) all.push_back(name);
  return all;
}

namespace detail {

namespace {
std::string type_name(const std::type_info& type) {
  int status = 0;
  char* readable = abi::__cxa_demangle(type.name(), nullptr, nullptr, &status);
  std::string name = status == 0 ? readable : type.name();
  std::free(readable);
  return name;
}
}  // namespace

Outcome outcome_of_current_exception() {
  Outcome outcome;
  try {
    throw;
  } catch (const Retry& retry) {
    outcome.kind = Outcome::Kind::retry;
    outcome.after = retry.after;
    outcome.reason = retry.reason.empty() ? "the task asked to be tried again" : retry.reason;
  } catch (const Dead& dead) {
    outcome.kind = Outcome::Kind::dead;
    outcome.reason = dead.reason;
  } catch (Raise& raise) {
    outcome.kind = Outcome::Kind::failed;
    outcome.error_type = raise.type;
    outcome.reason = task::TaskException{raise.type, raise.arguments, raise.module}.message();
    outcome.raised = std::move(raise);
  } catch (const Replace& replace) {
    outcome.kind = Outcome::Kind::replaced;
    outcome.result = task::write_signature(replace.by);
  } catch (const std::exception& error) {
    outcome.kind = Outcome::Kind::failed;
    outcome.error_type = type_name(typeid(error));
    outcome.reason = error.what();
  } catch (...) {
    outcome.kind = Outcome::Kind::failed;
    outcome.error_type = "UnknownError";
    outcome.reason = "the task threw something that is no std::exception";
  }
  return outcome;
}

}  // namespace detail
}  // namespace wherry

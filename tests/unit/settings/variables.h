// An environment for tests.
#pragma once

#include <map>
#include <string>

#include "base/yaml.h"

inline wherry::Environment variables(std::map<std::string, std::string> all) {
  return [all = std::move(all)](const std::string& name) -> std::optional<std::string> {
    auto found = all.find(name);
    return found == all.end() ? std::nullopt : std::optional(found->second);
  };
}

// A directory of one test, what a definitions file holds as text to compare, and changes to record.
#pragma once

#include <filesystem>
#include <string>
#include <vector>

#include "broker/definitions/definitions.h"

namespace wherry::broker::test {

class Directory {
 public:
  Directory();
  ~Directory();
  std::filesystem::path file() const { return path_ / "definitions.sqlite"; }
  const std::filesystem::path& path() const { return path_; }
  // The bytes of every file in it, by name.
  std::vector<std::pair<std::string, std::string>> contents() const;
  // As if nothing but these bytes were in the file.
  void write(const std::string& bytes) const;
  std::string read() const;
  // One statement by SQLite itself, as an operator would.
  void run_sql(const std::string& sql) const;

 private:
  std::filesystem::path path_;
};

// Collects one line for each entity.
class Listing final : public DefinitionsVisitor {
 public:
  std::vector<std::string> lines;

 private:
  Result<void> vhost(std::string_view name) override;
  Result<void> parameter(std::string_view vhost, ParameterSpec spec) override;
  Result<void> exchange(std::string_view vhost, ExchangeSpec spec) override;
  Result<void> queue(std::string_view vhost, QueueSpec spec, std::uint64_t id, unsigned home) override;
  Result<void> binding(std::string_view vhost, BindingSpec spec) override;
};

TopologyChange vhost(std::string name, bool added = true);
TopologyChange parameter(std::string name, std::int32_t value, bool added = true);
TopologyChange exchange(std::string name, bool added = true);
TopologyChange queue(std::string name, std::uint64_t id, bool added = true);
TopologyChange binding(std::string source, std::string destination, std::string key, bool added = true);

// What the file holds; throws with its text when it is refused.
std::vector<std::string> listing_of(const std::filesystem::path& file);
// Why it is refused, or empty.
std::string refusal_of(const std::filesystem::path& file);

}  // namespace wherry::broker::test

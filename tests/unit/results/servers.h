// The backends that the contract is shown on.
#pragma once

#include <memory>
#include <string>
#include <vector>

#include "tests/unit/results/bench.h"
#include "tests/unit/results/postgres_server.h"

namespace wherry::results::test {

class SqliteFile final : public Server {
 public:
  std::string url() const override { return "sqlite:///" + (folder_.path() / "results.db").string(); }
  void start() override {}
  void stop() override {}
  bool can_stop() const override { return false; }

 private:
  Folder folder_;
};

inline std::vector<std::string> kinds() {
  return {"redis", "sqlite", "postgresql"};
}

inline std::unique_ptr<Server> make_server(const std::string& kind) {
  UNSCOPED_INFO(kind);
  if (kind == "sqlite") return std::make_unique<SqliteFile>();
  if (kind == "postgresql") return std::make_unique<PgServer>();
  return std::make_unique<RedisServer>();
}

}  // namespace wherry::results::test

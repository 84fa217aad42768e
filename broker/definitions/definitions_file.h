// DefinitionsFile: DATA/definitions.sqlite: the durable vhosts, exchanges, queues and bindings, and the parameters that
// were set at run time; many changes in one transaction, and every row read and checked when it is opened.
//
//   auto file = DefinitionsFile::open(data / "definitions.sqlite");   // made when there is none
//   (*file)->load(topology);                                          // once, before anything else
//   (*file)->commit(changes, ids_below);                              // returns when it is on the disk
//
// A file of an older version is made one of today's when it has been loaded. One that is damaged, newer, somebody
// else's, or not to be written is refused, and is as it was afterwards. Guarantee: what commit() has returned for
// survives a power cut, and so does nothing of a commit that had not begun. Threads: one at a time; not bound to one.
// Errors: sentences that name the file and what to do.
#pragma once

#include <filesystem>
#include <memory>
#include <span>

#include "broker/definitions/rows.h"
#include "broker/definitions/schema.h"
#include "broker/definitions/sqlite.h"

namespace wherry::broker {

// What is in the file, in this order: vhosts, then parameters, exchanges, queues, and bindings. An error ends the
// loading with it. Called on the thread that loads.
class DefinitionsVisitor {
 public:
  virtual Result<void> vhost(std::string_view name) = 0;
  virtual Result<void> parameter(std::string_view vhost, ParameterSpec spec) = 0;
  virtual Result<void> exchange(std::string_view vhost, ExchangeSpec spec) = 0;
  virtual Result<void> queue(std::string_view vhost, QueueSpec spec, std::uint64_t id, unsigned home) = 0;
  virtual Result<void> binding(std::string_view vhost, BindingSpec spec) = 0;

 protected:
  ~DefinitionsVisitor() = default;
};

// What Definitions writes to: the file, or a test's stand-in before it. See DefinitionsFile.
class DefinitionsDisk {
 public:
  virtual ~DefinitionsDisk() = default;

  virtual Result<void> load(DefinitionsVisitor& visitor) = 0;
  struct Failure {
    std::string message;
    bool may_pass = false;  // The disk is full: the same commit may succeed later; nothing of it was done.
  };
  virtual Result<void, Failure> commit(std::span<const TopologyChange> changes, std::uint64_t queue_ids_below) = 0;
  virtual Result<void> tidy() = 0;
  virtual std::uint64_t queue_ids_below() const = 0;
};

class DefinitionsFile final : public DefinitionsDisk {
 public:
  static Result<std::unique_ptr<DefinitionsFile>> open(std::filesystem::path path);
  ~DefinitionsFile() override;

  // An error of the visitor, or damage: rows whose checksum or number is wrong. The file is not changed then.
  Result<void> load(DefinitionsVisitor& visitor) override;

  // All of it or nothing. queue_ids_below never becomes less.
  Result<void, Failure> commit(std::span<const TopologyChange> changes, std::uint64_t queue_ids_below) override;
  // Moves what the write-ahead log holds into the file, and empties the log: the file alone is then all there is.
  Result<void> tidy() override;

  // After load(). No queue has had this id or a greater one.
  std::uint64_t queue_ids_below() const override { return totals_.queue_ids_below; }

 private:
  struct Statements;

  DefinitionsFile(std::filesystem::path path, OpenedDefinitions opened);
  Result<Totals> read_totals();
  Result<void> load_vhosts(DefinitionsVisitor& visitor, Totals& seen);
  Result<void> load_parameters(DefinitionsVisitor& visitor, Totals& seen);
  Result<void> load_exchanges(DefinitionsVisitor& visitor, Totals& seen);
  Result<void> load_queues(DefinitionsVisitor& visitor, Totals& seen);
  Result<void> load_bindings(DefinitionsVisitor& visitor, Totals& seen);
  // Reads all rows of a table; take is given the statement and returns the row's checksum, or says what is damaged.
  template <class Take>
  Result<void> each_row(const char* sql, Totals& seen, Take take);
  Result<void> prepare();
  sqlite::SqlResult<int> apply(const TopologyChange& change, Totals& totals);
  sqlite::SqlResult<void> write(std::span<const TopologyChange> changes, Totals& totals);

  const std::filesystem::path path_;
  sqlite::Database db_;
  std::uint32_t version_;
  std::unique_ptr<Statements> statements_;
  Totals totals_;
};

}  // namespace wherry::broker

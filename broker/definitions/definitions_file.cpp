#include "broker/definitions/definitions_file.h"

#include <algorithm>

#include <fmt/format.h>

#include "base/assert.h"

namespace wherry::broker {

using sqlite::SqlError;
using sqlite::SqlResult;
using sqlite::Statement;

struct DefinitionsFile::Statements {
  Statement begin, commit, rollback, state;
  Statement add_vhost, remove_vhost, add_exchange, remove_exchange, add_queue, remove_queue, add_binding,
      remove_binding, add_parameter, remove_parameter;
};

DefinitionsFile::DefinitionsFile(std::filesystem::path path, OpenedDefinitions opened)
    : path_(std::move(path)), db_(std::move(opened.db)), version_(opened.version) {}

namespace {

// SQLite may leave an empty log beside a file that it could not read: a refused file is left as it was found.
void remove_empty_log(const std::filesystem::path& path) {
  std::error_code error;
  const std::filesystem::path log = path.string() + "-wal";
  if (std::filesystem::file_size(log, error) == 0 && !error) std::filesystem::remove(log, error);
}

}  // namespace

DefinitionsFile::~DefinitionsFile() {
  statements_.reset();
  { const sqlite::Database closed = std::move(db_); }
  remove_empty_log(path_);
}

Result<std::unique_ptr<DefinitionsFile>> DefinitionsFile::open(std::filesystem::path path) {
  auto there = look_at_definitions(path);
  if (!there) return tl::unexpected(there.error());
  if (!*there) {
    if (auto created = create_definitions(path); !created) return tl::unexpected(created.error());
  }
  auto opened = open_definitions(path);
  if (!opened) {
    remove_empty_log(path);
    return tl::unexpected(opened.error());
  }
  return std::unique_ptr<DefinitionsFile>(new DefinitionsFile(std::move(path), std::move(*opened)));
}

// --- loading ---------------------------------------------------------------------------------------------------------

template <class Take>
Result<void> DefinitionsFile::each_row(const char* sql, Totals& seen, Take take) {
  auto rows = db_.prepare(sql);
  if (!rows) return definitions_error(path_, rows.error());
  while (true) {
    auto row = rows->step();
    if (!row) return definitions_error(path_, row.error());
    if (!*row) return {};
    std::string damage;
    const Result<std::uint32_t> checksum = take(*rows, damage);
    if (!damage.empty()) return definitions_damaged(path_, damage);
    if (!checksum) return tl::unexpected(checksum.error());
    seen.rows_checksum += *checksum;
  }
}

namespace {

// The arguments as the wire has them; says in damage when they are none.
amqp::Table arguments_of(std::string_view raw, std::string& damage) {
  auto table = amqp::decode_table({raw});
  if (table) return std::move(*table);
  damage = "the arguments of a row: " + table.error().message;
  return {};
}

// The visitor hears of sound rows only.
template <class Row, class Tell>
Result<std::uint32_t> take_row(const Row& row, std::int64_t stored, std::string& damage, Tell tell) {
  const std::uint32_t checksum = checksum_of(row);
  if (static_cast<std::int64_t>(checksum) != stored) damage = "the checksum of a row is wrong";
  if (!damage.empty()) return checksum;
  if (Result<void> told = tell(); !told) return tl::unexpected(told.error());
  return checksum;
}

}  // namespace

Result<void> DefinitionsFile::load_vhosts(DefinitionsVisitor& visitor, Totals& seen) {
  return each_row("SELECT name, checksum FROM vhosts", seen, [&](Statement& columns, std::string& damage) {
    ++seen.vhosts;
    const VhostRow row{columns.text(0)};
    return take_row(row, columns.integer(1), damage, [&] { return visitor.vhost(row.name); });
  });
}

Result<void> DefinitionsFile::load_parameters(DefinitionsVisitor& visitor, Totals& seen) {
  if (version_ == definitions_version_without_parameters) return {};
  const char* sql = "SELECT vhost, component, name, value, checksum FROM parameters";
  return each_row(sql, seen, [&](Statement& columns, std::string& damage) {
    const ParameterRow row{columns.text(0), columns.text(1), columns.text(2), columns.blob(3)};
    ParameterSpec spec{std::string(row.component), std::string(row.name), arguments_of(row.value, damage)};
    return take_row(row, columns.integer(4), damage, [&] { return visitor.parameter(row.vhost, std::move(spec)); });
  });
}

Result<void> DefinitionsFile::load_exchanges(DefinitionsVisitor& visitor, Totals& seen) {
  const char* sql = "SELECT vhost, name, type, auto_delete, internal, arguments, checksum FROM exchanges";
  return each_row(sql, seen, [&](Statement& columns, std::string& damage) {
    ++seen.exchanges;
    const ExchangeRow row{columns.text(0),         columns.text(1),         columns.text(2),
                          columns.integer(3) != 0, columns.integer(4) != 0, columns.blob(5)};
    ExchangeSpec spec{std::string(row.name), std::string(row.type), true,
                      row.auto_delete,       row.internal,          arguments_of(row.arguments, damage)};
    return take_row(row, columns.integer(6), damage, [&] { return visitor.exchange(row.vhost, std::move(spec)); });
  });
}

Result<void> DefinitionsFile::load_queues(DefinitionsVisitor& visitor, Totals& seen) {
  const char* sql = "SELECT id, vhost, name, auto_delete, home, arguments, checksum FROM queues";
  return each_row(sql, seen, [&](Statement& columns, std::string& damage) {
    ++seen.queues;
    const QueueRow row{
        static_cast<std::uint64_t>(columns.integer(0)), columns.text(1), columns.text(2), columns.integer(3) != 0,
        static_cast<unsigned>(columns.integer(4)),      columns.blob(5)};
    if (row.id >= totals_.queue_ids_below) damage = "a queue has an id that was never given";
    QueueSpec spec{std::string(row.name), true, false, row.auto_delete, arguments_of(row.arguments, damage)};
    return take_row(row, columns.integer(6), damage,
                    [&] { return visitor.queue(row.vhost, std::move(spec), row.id, row.home); });
  });
}

Result<void> DefinitionsFile::load_bindings(DefinitionsVisitor& visitor, Totals& seen) {
  const char* sql = "SELECT vhost, source, kind, destination, routing_key, arguments, checksum FROM bindings";
  return each_row(sql, seen, [&](Statement& columns, std::string& damage) {
    ++seen.bindings;
    const DestinationKind kind = columns.integer(2) != 0 ? DestinationKind::exchange : DestinationKind::queue;
    const BindingRow row{columns.text(0), columns.text(1), kind, columns.text(3), columns.text(4), columns.blob(5)};
    BindingSpec spec{std::string(row.source), kind, std::string(row.destination), std::string(row.routing_key),
                     arguments_of(row.arguments, damage)};
    return take_row(row, columns.integer(6), damage, [&] { return visitor.binding(row.vhost, std::move(spec)); });
  });
}

Result<Totals> DefinitionsFile::read_totals() {
  auto row =
      db_.prepare("SELECT queue_ids_below, vhosts, exchanges, queues, bindings, rows_checksum, checksum FROM state");
  if (!row) return definitions_error(path_, row.error());
  auto there = row->step();
  if (!there) return definitions_error(path_, there.error());
  if (!*there) return Totals{};  // As it was made.
  Totals totals{
      static_cast<std::uint64_t>(row->integer(0)), row->integer(1), row->integer(2), row->integer(3), row->integer(4),
      static_cast<std::uint64_t>(row->integer(5))};
  if (static_cast<std::int64_t>(checksum_of(totals)) != row->integer(6)) {
    return definitions_damaged(path_, "the checksum of its totals is wrong");
  }
  return totals;
}

Result<void> DefinitionsFile::load(DefinitionsVisitor& visitor) {
  auto totals = read_totals();
  if (!totals) return tl::unexpected(totals.error());
  totals_ = *totals;
  Totals seen;
  seen.queue_ids_below = totals_.queue_ids_below;
  for (auto load : {&DefinitionsFile::load_vhosts, &DefinitionsFile::load_parameters, &DefinitionsFile::load_exchanges,
                    &DefinitionsFile::load_queues, &DefinitionsFile::load_bindings}) {
    if (auto loaded = (this->*load)(visitor, seen); !loaded) return loaded;
  }
  if (seen != totals_) {
    return definitions_damaged(
        path_, fmt::format("rows are missing, or others than were written: {} vhosts, {} exchanges, {} queues and {} "
                           "bindings, where there were {}, {}, {} and {}",
                           seen.vhosts, seen.exchanges, seen.queues, seen.bindings, totals_.vhosts, totals_.exchanges,
                           totals_.queues, totals_.bindings));
  }
  return prepare();
}

// --- writing ---------------------------------------------------------------------------------------------------------

Result<void> DefinitionsFile::prepare() {
  db_.leave_log_at_close(false);
  // One sync a commit: the write-ahead log's.
  auto ready = db_.run("PRAGMA journal_mode=WAL; PRAGMA synchronous=FULL; PRAGMA journal_size_limit=4194304");
  if (ready && version_ != definitions_version) {
    ready = db_.run(upgrade_of_definitions().c_str());
    version_ = definitions_version;
  }
  statements_ = std::make_unique<Statements>();
  auto make = [&](Statement& into, const char* sql) {
    if (!ready) return;
    auto made = db_.prepare(sql);
    if (made) {
      into = std::move(*made);
    } else {
      ready = tl::unexpected(made.error());
    }
  };
  make(statements_->begin, "BEGIN IMMEDIATE");
  make(statements_->commit, "COMMIT");
  make(statements_->rollback, "ROLLBACK");
  make(statements_->state, "INSERT OR REPLACE INTO state VALUES (1, ?, ?, ?, ?, ?, ?, ?)");
  make(statements_->add_vhost, "INSERT INTO vhosts VALUES (?, ?)");
  make(statements_->remove_vhost, "DELETE FROM vhosts WHERE name = ?");
  make(statements_->add_exchange, "INSERT INTO exchanges VALUES (?, ?, ?, ?, ?, ?, ?)");
  make(statements_->remove_exchange, "DELETE FROM exchanges WHERE vhost = ? AND name = ?");
  make(statements_->add_queue, "INSERT INTO queues VALUES (?, ?, ?, ?, ?, ?, ?)");
  make(statements_->remove_queue, "DELETE FROM queues WHERE id = ?");
  make(statements_->add_binding, "INSERT INTO bindings VALUES (?, ?, ?, ?, ?, ?, ?)");
  make(statements_->remove_binding,
       "DELETE FROM bindings WHERE vhost = ? AND source = ? AND kind = ? AND destination = ? AND routing_key = ? AND "
       "arguments = ?");
  make(statements_->add_parameter, "INSERT INTO parameters VALUES (?, ?, ?, ?, ?)");
  make(statements_->remove_parameter, "DELETE FROM parameters WHERE vhost = ? AND component = ? AND name = ?");
  if (!ready) return definitions_error(path_, ready.error());
  return {};
}

namespace {

SqlResult<int> write_row(const VhostRow& row, bool added, std::uint32_t checksum, Statement& to) {
  to.bind_text(1, row.name);
  if (added) to.bind(2, checksum);
  return to.run();
}

SqlResult<int> write_row(const ExchangeRow& row, bool added, std::uint32_t checksum, Statement& to) {
  to.bind_text(1, row.vhost);
  to.bind_text(2, row.name);
  if (!added) return to.run();
  to.bind_text(3, row.type);
  to.bind(4, row.auto_delete);
  to.bind(5, row.internal);
  to.bind_blob(6, row.arguments);
  to.bind(7, checksum);
  return to.run();
}

SqlResult<int> write_row(const QueueRow& row, bool added, std::uint32_t checksum, Statement& to) {
  to.bind(1, static_cast<std::int64_t>(row.id));
  if (!added) return to.run();
  to.bind_text(2, row.vhost);
  to.bind_text(3, row.name);
  to.bind(4, row.auto_delete);
  to.bind(5, row.home);
  to.bind_blob(6, row.arguments);
  to.bind(7, checksum);
  return to.run();
}

SqlResult<int> write_row(const BindingRow& row, bool added, std::uint32_t checksum, Statement& to) {
  to.bind_text(1, row.vhost);
  to.bind_text(2, row.source);
  to.bind(3, row.kind == DestinationKind::exchange);
  to.bind_text(4, row.destination);
  to.bind_text(5, row.routing_key);
  to.bind_blob(6, row.arguments);
  if (added) to.bind(7, checksum);
  return to.run();
}

SqlResult<int> write_row(const ParameterRow& row, bool added, std::uint32_t checksum, Statement& to) {
  to.bind_text(1, row.vhost);
  to.bind_text(2, row.component);
  to.bind_text(3, row.name);
  if (!added) return to.run();
  to.bind_blob(4, row.value);
  to.bind(5, checksum);
  return to.run();
}

template <class Row>
SqlResult<int> write_summed(const Row& row, bool added, Statement& add, Statement& remove, Totals& totals) {
  const std::uint32_t checksum = checksum_of(row);
  totals.rows_checksum += added ? std::uint64_t{checksum} : -std::uint64_t{checksum};
  return write_row(row, added, checksum, added ? add : remove);
}
template <class Row>
SqlResult<int> write_counted(const Row& row, bool added, Statement& add, Statement& remove, std::int64_t& count,
                             Totals& totals) {
  count += added ? 1 : -1;
  return write_summed(row, added, add, remove, totals);
}

}  // namespace

SqlResult<int> DefinitionsFile::apply(const TopologyChange& change, Totals& totals) {
  Statements& to = *statements_;
  if (const auto* queue = std::get_if<QueueEntryRef>(&change.entity)) {
    const QueueEntry& entry = **queue;
    const std::string arguments = amqp::encode_table(entry.spec.arguments);
    const QueueRow row{entry.id, change.vhost, entry.spec.name, entry.spec.auto_delete, entry.home, arguments};
    WHERRY_ASSERT(row.id < totals.queue_ids_below);
    return write_counted(row, change.added, to.add_queue, to.remove_queue, totals.queues, totals);
  }
  if (const auto* binding = std::get_if<BindingSpec>(&change.entity)) {
    const std::string arguments = amqp::encode_table(binding->arguments);
    const BindingRow row{change.vhost,         binding->source,      binding->kind,
                         binding->destination, binding->routing_key, arguments};
    return write_counted(row, change.added, to.add_binding, to.remove_binding, totals.bindings, totals);
  }
  if (const auto* exchange = std::get_if<ExchangeSpec>(&change.entity)) {
    const std::string arguments = amqp::encode_table(exchange->arguments);
    const ExchangeRow row{change.vhost,          exchange->name,     exchange->type,
                          exchange->auto_delete, exchange->internal, arguments};
    return write_counted(row, change.added, to.add_exchange, to.remove_exchange, totals.exchanges, totals);
  }
  if (const auto* parameter = std::get_if<ParameterSpec>(&change.entity)) {
    const std::string value = amqp::encode_table(parameter->value);
    const ParameterRow row{change.vhost, parameter->component, parameter->name, value};
    return write_summed(row, change.added, to.add_parameter, to.remove_parameter, totals);
  }
  return write_counted(VhostRow{change.vhost}, change.added, to.add_vhost, to.remove_vhost, totals.vhosts, totals);
}

SqlResult<void> DefinitionsFile::write(std::span<const TopologyChange> changes, Totals& totals) {
  if (auto begun = statements_->begin.run(); !begun) return tl::unexpected(begun.error());
  for (const TopologyChange& change : changes) {
    auto changed = apply(change, totals);
    if (!changed) return tl::unexpected(changed.error());
    if (*changed != 1) {
      return tl::unexpected<SqlError>(SqlError{0,
                                               "a row that was to be removed is not there: the file was changed, or is "
                                               "damaged"});
    }
  }
  Statement& state = statements_->state;
  state.bind(1, static_cast<std::int64_t>(totals.queue_ids_below));
  state.bind(2, totals.vhosts);
  state.bind(3, totals.exchanges);
  state.bind(4, totals.queues);
  state.bind(5, totals.bindings);
  state.bind(6, static_cast<std::int64_t>(totals.rows_checksum));
  state.bind(7, checksum_of(totals));
  if (auto written = state.run(); !written) return tl::unexpected(written.error());
  if (auto done = statements_->commit.run(); !done) return tl::unexpected(done.error());
  return {};
}

Result<void, DefinitionsDisk::Failure> DefinitionsFile::commit(std::span<const TopologyChange> changes,
                                                               std::uint64_t queue_ids_below) {
  WHERRY_ASSERT(statements_);
  Totals totals = totals_;
  totals.queue_ids_below = std::max(totals.queue_ids_below, queue_ids_below);
  auto written = write(changes, totals);
  if (written) {
    totals_ = totals;
    return {};
  }
  // SQLite may have rolled back by itself; then there is nothing to undo, and it says so.
  (void)statements_->rollback.run();
  return tl::unexpected<Failure>(
      Failure{definitions_error(path_, written.error().message).value().message, written.error().full()});
}

Result<void> DefinitionsFile::tidy() {
  if (auto done = db_.run("PRAGMA wal_checkpoint(TRUNCATE)"); !done) return definitions_error(path_, done.error());
  return {};
}

}  // namespace wherry::broker

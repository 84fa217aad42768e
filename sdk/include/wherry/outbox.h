// Outbox: tasks that are enqueued exactly if the application's own database transaction commits.
//
//   wherry::Outbox outbox({.database = wherry::OutboxDatabase::postgresql});
//   begin(); execute("UPDATE orders ..."); execute(outbox.insert(SendReceipt{.order = 17}, {.queue = "mail"}).sql);
//   commit();
//
// The SQL is plain text without parameters, for whatever way the application talks to its database; it writes one row
// of the outbox's table. A relay (wherry-worker --outbox URL) sends the rows and deletes them. See docs/producer.md.
//
// Errors: ClientError(invalid_argument): options that cannot be used, a value that cannot be written.
// Threads: any; nothing changes after the constructor. No connection is made, to a database or a broker.
#pragma once

#include <memory>
#include <string>

#include "wherry/error.h"
#include "wherry/options.h"
#include "wherry/task.h"

namespace wherry {

enum class OutboxDatabase { sqlite, postgresql };

struct OutboxOptions {
  OutboxDatabase database = OutboxDatabase::postgresql;
  std::string table = "wherry_outbox";  // Letters, digits, _ and, between schema and table, one dot.
  Serializer serializer = Serializer::msgpack;
  std::string default_queue = "celery";  // For tasks that no option sends elsewhere.
};

class Outbox {
 public:
  explicit Outbox(OutboxOptions options = {});

  struct Insert {
    std::string sql;
    std::string task_id;
  };
  // One statement that makes the table if it is missing. Its columns: id, task_id, message, failed.
  std::string create_table() const;
  // One statement. Options as of Client::enqueue, but for unique (a deduplication_key is fine). No result comes back.
  template <class T>
  Insert insert(const T& task, const EnqueueOptions& options = {}) const {
    return insert_call(detail::call_of(task), options);
  }

 private:
  Insert insert_call(Call<void> call, const EnqueueOptions& options) const;
  OutboxOptions options_;
};

}  // namespace wherry

// The tasks of the examples as plain structs: what the backend sends and the worker runs.
//
// The fields are the task's keyword arguments, on the wire as in Celery: a Python program sends the same with
// app.send_task("email.send", kwargs={"to": ..., "subject": ..., "body": ...}).
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <vector>

namespace examples {

// Where a mail went: the server it was handed to, and the Message-ID that it bears.
struct EmailReceipt {
  std::string server;
  std::string message_id;
  int attempts = 1;  // How often the task ran until it succeeded.
};

struct SendEmail {
  static constexpr auto task_name = "email.send";
  using Result = EmailReceipt;
  std::string to;
  std::string subject;
  std::string body;
};

// The gateway took the message. reference stands in the gateway's access log beside the id it gave the message.
struct SmsReceipt {
  std::string gateway;
  std::string reference;
  std::string answer;
  int attempts = 1;
};

struct SendSms {
  static constexpr auto task_name = "sms.send";
  using Result = SmsReceipt;
  std::string to;
  std::string text;
};

// Sent to the topic exchange "logs" with the routing key SERVICE.SEVERITY; whoever binds a queue there gets a copy.
struct RecordLog {
  static constexpr auto task_name = "log.record";
  std::string service;
  std::string severity;  // debug, info, warning or error.
  std::string message;
  std::string time;  // When it happened, as the sender saw it: ISO 8601.
};

// One column of a table. kind is "number" when every cell that is not missing is one, else "text". The four statistics
// are of the numbers, or of the texts' lengths in characters; none when all cells are missing.
struct ColumnSummary {
  std::string name;
  std::string kind;
  std::int64_t count = 0;    // Cells with a value.
  std::int64_t missing = 0;  // Empty cells, and NA, NaN and null.
  std::optional<double> min;
  std::optional<double> max;
  std::optional<double> mean;
  std::optional<double> stddev;  // Of the sample: divided by count - 1.
  std::int64_t distinct = 0;     // Exact up to 250,000; beyond that, at least so many.
  std::string top;               // The most frequent value, the first seen of several.
  std::int64_t top_count = 0;
};

struct TableSummary {
  std::string path;
  std::int64_t bytes = 0;
  std::int64_t rows = 0;         // Without the header.
  std::int64_t ragged_rows = 0;  // Rows that have fewer or more cells than the header.
  std::vector<ColumnSummary> columns;
  int attempts = 1;
};

// What analysis.summarize reports on its way.
struct SummaryProgress {
  std::int64_t bytes_done = 0;
  std::int64_t bytes_in_all = 0;
  std::int64_t rows = 0;
};

struct Summarize {
  static constexpr auto task_name = "analysis.summarize";
  using Result = TableSummary;
  std::string path;  // As the worker sees it.
  std::string separator = ",";
};

}  // namespace examples

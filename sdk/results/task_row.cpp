#include "sdk/results/task_row.h"

#include <utility>

#include <fmt/chrono.h>
#include <fmt/format.h>

#include "protocol/task/json.h"
#include "sdk/results/pickle.h"

namespace wherry::results {

std::string sql_time(WallTime time) {
  const auto seconds = std::chrono::floor<std::chrono::seconds>(time);
  const auto micros = std::chrono::duration_cast<std::chrono::microseconds>(time - seconds);
  return fmt::format("{:%Y-%m-%d %H:%M:%S}.{:06}", fmt::gmtime(std::chrono::system_clock::to_time_t(seconds)),
                     micros.count());
}

Result<TaskRow> row_of(const task::ResultMeta& meta) {
  const task::Value whole = task::meta_to_value(meta);
  const task::Value& result = *whole.find("result");
  auto pickled = encode_pickle(result);
  if (!pickled) return tl::unexpected(std::move(pickled.error()));
  auto json = task::encode_json(result);
  if (!json) return tl::unexpected(std::move(json.error()));
  TaskRow row;
  row.task_id = meta.task_id;
  row.status = meta.status;
  row.result = *std::move(pickled);
  row.date_done = meta.date_done;
  row.traceback = meta.traceback;
  row.result_json = *std::move(json);
  row.group_id = meta.group_id;
  row.parent_id = meta.parent_id;
  if (!meta.children.is_null()) {
    auto children = task::encode_json(meta.children);
    if (!children) return tl::unexpected(std::move(children.error()));
    row.children = *std::move(children);
  }
  return row;
}

Result<task::ResultMeta> meta_of(const TaskRow& row) {
  task::Value result;
  if (!row.result.empty()) {
    auto value = decode_pickle(row.result);
    if (!value) return tl::unexpected(std::move(value.error()));
    result = *std::move(value);
  }
  auto meta = task::meta_from_value(task::Value::Map{
      {"task_id", row.task_id}, {"status", row.status}, {"result", std::move(result)}, {"traceback", row.traceback}});
  if (!meta) return meta;
  meta->date_done = row.date_done;
  meta->group_id = row.group_id;
  meta->parent_id = row.parent_id;
  if (!row.children.empty()) {
    auto children = task::decode_json(row.children);
    if (!children) return tl::unexpected(std::move(children.error()));
    meta->children = *std::move(children);
  }
  return meta;
}

}  // namespace wherry::results

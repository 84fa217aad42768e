// Task arguments and answers of workers, as the API's JSON has them. Plain functions.
#pragma once

#include "broker/admin/rows.h"
#include "protocol/task/value.h"

namespace wherry::broker::admin {

task::Value value_of(const FieldValue& from);  // Of what a JSON body can hold.
task::Value::Map map_of(const Table& from);
task::Value::Array array_of(const FieldArray& from);

// Integers above 63 bits become numbers, bytes that are no text base64.
FieldValue field_of(const task::Value& from);
Table table_of_map(const task::Value::Map& from);

}  // namespace wherry::broker::admin

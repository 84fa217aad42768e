// Values as AMQP header fields and back: user headers, stamps.
//
// Written are only the types that every client reads alike: integers as I when they fit 32 bits, else as l when they
// are not negative. Read is every type: timestamps as ISO 8601 strings, decimals as strings, x as Bytes.
// Errors (one sentence): integers beyond that, names of more than 255 bytes, nesting deeper than 30.
#pragma once

#include "base/result.h"
#include "protocol/amqp/table.h"
#include "protocol/task/value.h"

namespace wherry::task {

Result<amqp::FieldValue> to_field(const Value& value);
Value from_field(const amqp::FieldValue& field);

}  // namespace wherry::task

// Arguments as configuration files give them, as a field table: what brokers and clients declare from YAML.
//
// Whole numbers become signed 32-bit where they fit, else 64-bit: the narrow form is the one that every client reads
// alike.
#pragma once

#include "base/yaml.h"
#include "protocol/amqp/table.h"

namespace wherry::amqp {

Table table_from_yaml(const yaml::Entries& entries);

}  // namespace wherry::amqp

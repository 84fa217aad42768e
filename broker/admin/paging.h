// Paging: a listing sorted, filtered, cut into pages and down to columns, as a query asks for:
// sort, sort_reverse, name, use_regex, page, page_size, pagination, columns.
//
// Without page the answer is the list; with it an object with the page's items and how many there are. Errors: what
// RabbitMQ refuses too. Limits: 500 rows a page. Threads: plain functions.
#pragma once

#include <map>
#include <string>

#include "broker/admin/answer.h"

namespace wherry::broker::admin {

Outcome<amqp::FieldValue> paged(amqp::FieldArray rows, const std::map<std::string, std::string>& query);
// An object alone, down to the columns that are asked for: "name,message_stats.publish_details.rate".
amqp::FieldValue with_columns(const amqp::FieldValue& value, const std::string& columns);

}  // namespace wherry::broker::admin

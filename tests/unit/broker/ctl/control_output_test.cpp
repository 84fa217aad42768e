#include "broker/ctl/control_output.h"

#include <catch2/catch.hpp>

using namespace wherry;
using namespace wherry::broker::ctl;

namespace {
amqp::FieldValue rows() {
  amqp::Table definition;
  definition.set("max-length", 5);
  amqp::Table one, other;
  one.set("name", "a\tb\n");
  one.set("definition", definition);
  one.set("priority", 3);
  other.set("name", "c");
  return amqp::FieldArray{one, other};
}
}  // namespace

TEST_CASE("a list is a table with tabs, whatever the cells hold") {
  CHECK(as_table(rows(), {"name", "definition", "priority"}, true) ==
        "name\tdefinition\tpriority\na\\tb\\n\t{\"max-length\":5}\t3\nc\t\t\n");
  CHECK(as_table(rows(), {"name"}, false) == "a\\tb\\n\nc\n");
  CHECK(as_table(amqp::FieldArray{}, {"name"}, true).empty());
}

TEST_CASE("a pretty table has a frame, and columns as wide as what is in them") {
  CHECK(as_pretty_table(rows(), {"name", "priority"}, true) ==
        "┌────────┬──────────┐\n│ name   │ priority │\n├────────┼──────────┤\n│ a\\tb\\n │ 3        │\n"
        "├────────┼──────────┤\n│ c      │          │\n└────────┴──────────┘\n");
  CHECK(as_pretty_table(amqp::FieldArray{}, {"name"}, true).empty());
}

TEST_CASE("a list of texts in a cell is written as rabbitmqctl writes tags") {
  amqp::Table row;
  row.set("tags", amqp::FieldArray{amqp::FieldValue("a"), amqp::FieldValue("b")});
  CHECK(as_table(amqp::FieldArray{amqp::FieldValue(row)}, {"tags"}, false) == "[a, b]\n");
}

TEST_CASE("as JSON a list is one object a line, with objects in it as texts") {
  CHECK(as_json(rows()) ==
        "[\n{\"name\":\"a\\tb\\n\",\"definition\":\"{\\\"max-length\\\":5}\",\"priority\":3}\n,{\"name\":\"c\"}\n]\n");
  CHECK(as_json(amqp::FieldArray{}) == "[\n]\n");
}

TEST_CASE("an object alone is a line, and nothing is nothing") {
  amqp::Table limits;
  limits.set("max-queues", 1);
  CHECK(as_table(limits, {}, true) == "{\"max-queues\":1}\n");
  CHECK(as_json(limits) == "{\"max-queues\":1}\n");
  CHECK(as_table({}, {}, true).empty());
  CHECK(as_json({}).empty());
}

// Verb: one thing that wherryctl asks of a running broker, and what the files of verbs have in common. Each of them has
// one subject and gives a list: listing_verbs.cpp, access_verbs.cpp, queue_verbs.cpp, task_verbs.cpp, broker_verbs.cpp.
// A new verb is a function and a line of the list there; docs/control-socket.md has the keys of each.
//
// A verb gets the request, {"verb": name, ...}, and answers with rows (a list of objects), an object, or null for a
// change; an error's reason is a sentence for the terminal. Threads: the desk's; verbs block.
#pragma once

#include <initializer_list>
#include <map>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "broker/admin/desk.h"
#include "broker/admin/request.h"

namespace wherry::broker::admin::verbs {

using Names = std::vector<std::string>;

struct Verb {
  std::string_view name;
  Outcome<FieldValue> (*run)(Desk& desk, const Table& request);
};

std::span<const Verb> listing_verbs();
std::span<const Verb> access_verbs();
std::span<const Verb> queue_verbs();
std::span<const Verb> task_verbs();
std::span<const Verb> broker_verbs();

// Runs a handler of the API as the operator who owns the broker.
Outcome<FieldValue> run(Desk& desk, Handler handler, Names parts, Table body = {},
                        std::map<std::string, std::string> query = {});
// Of a change to users, permissions and virtual hosts: waits until it is kept, and says in the log what it was.
Outcome<FieldValue> change(Desk& desk, const Result<std::uint64_t>& changed, std::string_view what);

// "/" where the request names none.
std::string vhost_of(const Table& request);
// A refusal where there is no such virtual host.
Outcome<void> check_vhost(Desk& desk, const Table& request);

// A column, and where in a row of the API it is: "queue.name" is the name in the object "queue".
struct Column {
  const char* name;
  const char* path;
};
using Columns = std::vector<Column>;
Columns same(std::initializer_list<const char*> names);
// The columns that were asked for, of each row; a refusal names those that are not known.
Outcome<FieldValue> choose(const Outcome<FieldValue>& rows, const Table& request, const Columns& known,
                           const Names& usual);
// A row with "key" and "value" for each entry: a table has columns.
FieldArray pairs(const Table& table);

}  // namespace wherry::broker::admin::verbs

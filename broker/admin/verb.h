// Verb: one thing that wherryctl asks of a running broker, and what the files of verbs have in common. Each of them has
// one subject and gives a list: listing_verbs.cpp, access_verbs.cpp, queue_verbs.cpp, task_verbs.cpp, policy_verbs.cpp,
// held_verbs.cpp, bridge_verbs.cpp, broker_verbs.cpp.
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
  Level level = Level::administrator;  // The least that a caller must be; what it may touch the verb itself looks at.
  Outcome<FieldValue> (*run)(Desk& desk, const Caller& caller, const Table& request) = nullptr;
};

std::span<const Verb> listing_verbs();
std::span<const Verb> access_verbs();
std::span<const Verb> queue_verbs();
std::span<const Verb> task_verbs();
std::span<const Verb> policy_verbs();
std::span<const Verb> held_verbs();
std::span<const Verb> bridge_verbs();
std::span<const Verb> broker_verbs();

// Runs a handler of the API for the caller: it looks at what the caller may touch.
Outcome<FieldValue> run(Desk& desk, const Caller& caller, Handler handler, Names parts, Table body = {},
                        std::map<std::string, std::string> query = {});
// Of a change to users, virtual hosts, permissions and limits: waits until it is kept, and says in the log what it was.
Outcome<FieldValue> change(Desk& desk, const Caller& caller, const Result<std::uint64_t>& changed,
                           std::string_view what);

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
// The outcome, with these words where it was a 404: who sits at a terminal has asked by name.
Outcome<FieldValue> in_words(Outcome<FieldValue> outcome, std::string missing);
// A row with "key" and "value" for each entry: a table has columns.
FieldArray pairs(const Table& table);

}  // namespace wherry::broker::admin::verbs

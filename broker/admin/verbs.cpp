#include "broker/admin/verbs.h"

#include <fmt/format.h>

#include "broker/admin/verb.h"

namespace wherry::broker::admin {

namespace {

const verbs::Verb* find_verb(std::string_view name) {
  for (const auto& all : {verbs::listing_verbs(), verbs::access_verbs(), verbs::queue_verbs(), verbs::task_verbs(),
                          verbs::broker_verbs()}) {
    for (const verbs::Verb& each : all) {
      if (each.name == name) return &each;
    }
  }
  return nullptr;
}

}  // namespace

bool is_verb(std::string_view name) {
  return find_verb(name) != nullptr;
}

Outcome<FieldValue> run_verb(Desk& desk, const Table& request) {
  const std::string name = text_of(request, "verb");
  const verbs::Verb* verb = find_verb(name);
  if (verb == nullptr) return not_found(fmt::format("this broker knows no verb '{}'", name));
  return verb->run(desk, request);
}

}  // namespace wherry::broker::admin

#include "broker/admin/verbs.h"

#include <fmt/format.h>

#include "broker/admin/handlers.h"
#include "broker/admin/verb.h"

namespace wherry::broker::admin {

namespace {

const verbs::Verb* find_verb(std::string_view name) {
  for (const auto& all : {verbs::listing_verbs(), verbs::access_verbs(), verbs::queue_verbs(), verbs::task_verbs(),
                          verbs::policy_verbs(), verbs::held_verbs(), verbs::bridge_verbs(), verbs::broker_verbs()}) {
    for (const verbs::Verb& each : all) {
      if (each.name == name) return &each;
    }
  }
  return nullptr;
}

}  // namespace

Outcome<FieldValue> run_verb(Desk& desk, const Caller& caller, const Table& request) {
  const std::string name = text_of(request, "verb");
  if (name.empty()) return bad_request("the request has no verb");
  const verbs::Verb* verb = find_verb(name);
  if (verb == nullptr) return not_found(fmt::format("this broker knows no verb '{}'", name));
  if (auto fine = caller.need(verb->level); !fine) return tl::unexpected(fine.error());
  return verb->run(desk, caller, request);
}

namespace handlers {

Outcome<Answer> control(Desk& desk, const Request& request) {
  auto result = run_verb(desk, request.caller, request.body);
  if (!result) return tl::unexpected(result.error());
  Table said;
  said.entries().emplace_back("result", std::move(*result));
  return answer(std::move(said));
}

}  // namespace handlers

}  // namespace wherry::broker::admin

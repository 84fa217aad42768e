// Users, permissions and virtual hosts.
#include <fmt/format.h>

#include "broker/admin/handlers.h"
#include "broker/auth/password_hash.h"
#include "protocol/task/base64.h"

namespace wherry::broker::admin::handlers {

namespace {

Table user_limits_of(Desk& desk, const std::string& user) {
  for (const Limits::Named& each : desk.settings().list_user_limits()) {
    if (each.name == user) return each.limits;
  }
  return {};
}

Table user_row(Desk& desk, const UserSpec& spec) {
  FieldArray tags(spec.tags.begin(), spec.tags.end());
  Table row;
  put(row, "name", spec.name);
  put(row, "password_hash", spec.password_hash);
  put(row, "hashing_algorithm", spec.hashing);
  put(row, "tags", std::move(tags));
  put(row, "limits", user_limits_of(desk, spec.name));
  return row;
}

Table permission_row(const UserSpec& spec, const Permission& permission) {
  Table row;
  put(row, "user", spec.name);
  put(row, "vhost", permission.vhost);
  put(row, "configure", permission.configure);
  put(row, "write", permission.write);
  put(row, "read", permission.read);
  return row;
}

Table topic_row(const UserSpec& spec, const TopicPermission& permission) {
  Table row;
  put(row, "user", spec.name);
  put(row, "vhost", permission.vhost);
  put(row, "exchange", permission.exchange);
  put(row, "write", permission.write);
  put(row, "read", permission.read);
  return row;
}

// The path's {vhost}/{user}.
struct Whose {
  std::string vhost;
  UserSpec user;
};
Outcome<Whose> whose(Desk& desk, const Request& request) {
  auto user = desk.access().user(request.part(1));
  if (!user || !desk.shared().find_vhost(request.part(0))) {
    if (request.method == "PUT") return bad_request("vhost_or_user_not_found");
    return not_found();
  }
  return Whose{request.part(0), std::move(*user)};
}

Outcome<std::string> pattern(const Table& body, const char* name) {
  const std::string* given = body.string(name);
  if (given == nullptr) return bad_request(fmt::format("key_missing: {}, a pattern", name));
  return *given;
}

Outcome<Answer> after(Desk& desk, const Request& request, const Result<std::uint64_t>& change, std::string_view what,
                      Answer fine) {
  if (auto kept = desk.kept(change); !kept) return tl::unexpected(kept.error());
  desk.audit(request.caller, what);
  return fine;
}

}  // namespace

// --- users ---

Outcome<Answer> list_users(Desk& desk, const Request&) {
  FieldArray rows;
  for (const UserSpec& each : desk.access().users()) rows.emplace_back(user_row(desk, each));
  return listing(std::move(rows));
}

Outcome<Answer> users_without_permissions(Desk& desk, const Request&) {
  FieldArray rows;
  for (const UserSpec& each : desk.access().users()) {
    if (each.permissions.empty()) rows.emplace_back(user_row(desk, each));
  }
  return listing(std::move(rows));
}

Outcome<Answer> get_user(Desk& desk, const Request& request) {
  auto user = desk.access().user(request.part(0));
  if (!user) return not_found();
  return answer(user_row(desk, *user));
}

Outcome<Answer> put_user(Desk& desk, const Request& request) {
  const std::string& name = request.part(0);
  auto user = desk.access().user(name);
  const bool fresh = !user;
  UserSpec spec = user ? *user : UserSpec{};
  spec.name = name;
  const Table& body = request.body;
  const std::string* password = body.string("password");
  const std::string* hash = body.string("password_hash");
  if (password != nullptr && hash != nullptr) return bad_request("password and password_hash exclude each other");
  if (password != nullptr) {
    if (password->empty())
      return bad_request("a password is not empty; for a user who cannot log in give an empty password_hash");
    spec.password_hash = hash_password(*password);
    spec.hashing = default_hashing;
  } else if (hash != nullptr) {
    if (!task::decode_base64(*hash)) return bad_request("not_base64: password_hash");
    spec.password_hash = *hash;
    spec.hashing = text_of(body, "hashing_algorithm", default_hashing);
  } else if (fresh) {
    spec.password_hash.clear();
  }
  if (!body.find("tags")) return bad_request("key_missing: tags, a text with commas or a list");
  spec.tags = texts_of(body, "tags");
  return after(desk, request, desk.access().put_user(std::move(spec)),
               fmt::format("{} user '{}' with tags [{}]", fresh ? "added" : "changed", name,
                           fmt::join(texts_of(body, "tags"), ", ")),
               fresh ? created() : done());
}

Outcome<Answer> delete_user(Desk& desk, const Request& request) {
  const std::string& name = request.part(0);
  if (request.caller.user() && name == request.caller.name()) {
    return bad_request("a user does not delete itself");
  }
  return after(desk, request, desk.access().delete_user(name), fmt::format("deleted user '{}'", name), done());
}

// POST /users/bulk-delete
Outcome<Answer> delete_users(Desk& desk, const Request& request) {
  if (request.body.find("users") == nullptr) return bad_request("key_missing: users, a list of names");
  for (const std::string& name : texts_of(request.body, "users")) {
    Request one = request;
    one.parts = {name};
    auto deleted = delete_user(desk, one);
    if (!deleted && deleted.error().status != 404) return deleted;
  }
  return done();
}

Outcome<Answer> user_permissions(Desk& desk, const Request& request) {
  auto user = desk.access().user(request.part(0));
  if (!user) return not_found();
  FieldArray rows;
  for (const Permission& each : user->permissions) rows.emplace_back(permission_row(*user, each));
  return listing(std::move(rows));
}

Outcome<Answer> user_topic_permissions(Desk& desk, const Request& request) {
  auto user = desk.access().user(request.part(0));
  if (!user) return not_found();
  FieldArray rows;
  for (const TopicPermission& each : user->topic_permissions) rows.emplace_back(topic_row(*user, each));
  return listing(std::move(rows));
}

// --- virtual hosts ---

Outcome<Answer> list_vhosts(Desk& desk, const Request& request) {
  auto queues = desk.survey().queues_of("");
  if (!queues) return unavailable(queues.error().message);
  FieldArray rows;
  for (const SharedVhostRef& vhost : desk.shared().vhosts()) {
    if (!request.caller.sees(vhost->name())) continue;
    std::uint64_t ready = 0, unacked = 0;
    for (const QueueState& each : *queues) {
      if (each.entry->vhost != vhost->name()) continue;
      ready += each.ready;
      unacked += each.unacked;
    }
    const VhostNotes notes = desk.access().notes(vhost->name());
    FieldArray tags(notes.tags.begin(), notes.tags.end());
    Table row, metadata, state;
    put(row, "name", vhost->name());
    put(row, "description", notes.description);
    put(row, "tags", tags);
    put(metadata, "description", notes.description);
    put(metadata, "tags", std::move(tags));
    put(row, "metadata", std::move(metadata));
    put(row, "tracing", false);
    state.entries().emplace_back(desk.config().node, std::string("running"));
    put(row, "cluster_state", std::move(state));
    put(row, "messages", count(ready + unacked));
    put(row, "messages_ready", count(ready));
    put(row, "messages_unacknowledged", count(unacked));
    put(row, "connections", count(vhost->connections().used()));
    rows.emplace_back(std::move(row));
  }
  return listing(std::move(rows));
}

Outcome<Answer> get_vhost(Desk& desk, const Request& request) {
  if (auto vhost = desk.vhost(request.caller, request.part(0)); !vhost) return tl::unexpected(vhost.error());
  auto all = list_vhosts(desk, request);
  if (!all) return all;
  for (const FieldValue& each : *all->body.get<FieldArray>()) {
    if (*each.get<Table>()->string("name") == request.part(0)) return answer(each);
  }
  return not_found();
}

Outcome<Answer> put_vhost(Desk& desk, const Request& request) {
  const std::string& name = request.part(0);
  const bool fresh = !desk.shared().find_vhost(name);
  std::optional<VhostNotes> notes;
  if (request.body.find("description") || request.body.find("tags")) {
    notes = {text_of(request.body, "description"), texts_of(request.body, "tags")};
  }
  auto put = desk.kept(desk.access().put_vhost(name, std::move(notes)));
  if (!put) return tl::unexpected(put.error());
  if (!fresh) return done();
  desk.audit(request.caller, fmt::format("added vhost '{}'", name));
  if (!request.caller.user()) return created();
  // Who makes it may use it.
  return after(desk, request, desk.access().set_permission(request.caller.name(), {.vhost = name}),
               fmt::format("gave user '{}' all permissions in vhost '{}'", request.caller.name(), name), created());
}

Outcome<Answer> delete_vhost(Desk& desk, const Request& request) {
  const std::string& name = request.part(0);
  return after(desk, request, desk.access().delete_vhost(name), fmt::format("deleted vhost '{}'", name), done());
}

// --- permissions ---

namespace {
Outcome<Answer> permissions_where(Desk& desk, const Request& request, bool topics) {
  if (!request.parts.empty() && !desk.shared().find_vhost(request.part(0))) return not_found();
  FieldArray rows;
  for (const UserSpec& user : desk.access().users()) {
    for (const Permission& each : user.permissions) {
      const bool asked = request.parts.empty() || each.vhost == request.part(0);
      if (asked && !topics) rows.emplace_back(permission_row(user, each));
    }
    for (const TopicPermission& each : user.topic_permissions) {
      const bool asked = request.parts.empty() || each.vhost == request.part(0);
      if (asked && topics) rows.emplace_back(topic_row(user, each));
    }
  }
  return listing(std::move(rows));
}
}  // namespace

Outcome<Answer> list_permissions(Desk& desk, const Request& request) {
  return permissions_where(desk, request, false);
}

Outcome<Answer> get_permission(Desk& desk, const Request& request) {
  auto of = whose(desk, request);
  if (!of) return tl::unexpected(of.error());
  for (const Permission& each : of->user.permissions) {
    if (each.vhost == of->vhost) return answer(permission_row(of->user, each));
  }
  return not_found();
}

Outcome<Answer> put_permission(Desk& desk, const Request& request) {
  auto of = whose(desk, request);
  if (!of) return tl::unexpected(of.error());
  auto configure = pattern(request.body, "configure"), write = pattern(request.body, "write"),
       read = pattern(request.body, "read");
  for (const auto* each : {&configure, &write, &read}) {
    if (!*each) return tl::unexpected(each->error());
  }
  const bool fresh = std::none_of(of->user.permissions.begin(), of->user.permissions.end(),
                                  [&](const Permission& each) { return each.vhost == of->vhost; });
  return after(desk, request, desk.access().set_permission(of->user.name, {of->vhost, *configure, *write, *read}),
               fmt::format("set permissions of user '{}' in vhost '{}' to '{}' '{}' '{}'", of->user.name, of->vhost,
                           *configure, *write, *read),
               fresh ? created() : done());
}

Outcome<Answer> delete_permission(Desk& desk, const Request& request) {
  auto of = whose(desk, request);
  if (!of) return tl::unexpected(of.error());
  return after(desk, request, desk.access().clear_permission(of->user.name, of->vhost),
               fmt::format("cleared permissions of user '{}' in vhost '{}'", of->user.name, of->vhost), done());
}

Outcome<Answer> list_topic_permissions(Desk& desk, const Request& request) {
  return permissions_where(desk, request, true);
}

Outcome<Answer> get_topic_permission(Desk& desk, const Request& request) {
  auto of = whose(desk, request);
  if (!of) return tl::unexpected(of.error());
  FieldArray rows;
  for (const TopicPermission& each : of->user.topic_permissions) {
    if (each.vhost == of->vhost) rows.emplace_back(topic_row(of->user, each));
  }
  if (rows.empty()) return not_found();
  return answer(std::move(rows));
}

Outcome<Answer> put_topic_permission(Desk& desk, const Request& request) {
  auto of = whose(desk, request);
  if (!of) return tl::unexpected(of.error());
  auto exchange = pattern(request.body, "exchange"), write = pattern(request.body, "write"),
       read = pattern(request.body, "read");
  for (const auto* each : {&exchange, &write, &read}) {
    if (!*each) return tl::unexpected(each->error());
  }
  return after(desk, request, desk.access().set_topic_permission(of->user.name, {of->vhost, *exchange, *write, *read}),
               fmt::format("set topic permissions of user '{}' in vhost '{}' on '{}' to '{}' '{}'", of->user.name,
                           of->vhost, *exchange, *write, *read),
               created());
}

Outcome<Answer> delete_topic_permission(Desk& desk, const Request& request) {
  auto of = whose(desk, request);
  if (!of) return tl::unexpected(of.error());
  std::optional<std::string> exchange;
  if (request.parts.size() > 2) exchange = request.part(2);
  return after(desk, request, desk.access().clear_topic_permission(of->user.name, of->vhost, exchange),
               fmt::format("cleared topic permissions of user '{}' in vhost '{}'", of->user.name, of->vhost), done());
}

}  // namespace wherry::broker::admin::handlers

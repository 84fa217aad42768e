// Users, what they may do, and virtual hosts.
#include <fmt/format.h>

#include "broker/admin/handlers.h"
#include "broker/admin/verb.h"
#include "broker/auth/password_hash.h"

namespace wherry::broker::admin::verbs {

namespace {

namespace h = handlers;

Outcome<void> check_user(Desk& desk, const Table& request) {
  const std::string name = text_of(request, "user");
  if (desk.access().user(name)) return {};
  return not_found(fmt::format("User '{}' does not exist", name));
}

Outcome<FieldValue> list_users(Desk& desk, const Caller& caller, const Table& request) {
  static const Columns columns{{"user", "name"}, {"tags", "tags"}};
  return choose(run(desk, caller, h::list_users, {}), request, columns, {"user", "tags"});
}

Outcome<FieldValue> add_user(Desk& desk, const Caller& caller, const Table& request) {
  const std::string name = text_of(request, "user");
  const std::string password = text_of(request, "password");
  if (desk.access().user(name)) return bad_request(fmt::format("User '{}' already exists", name));
  if (password.empty()) return bad_request("a password is not empty");
  UserSpec spec;
  spec.name = name;
  spec.password_hash = hash_password(password);
  return change(desk, caller, desk.access().put_user(std::move(spec)), fmt::format("added user '{}'", name));
}

Outcome<FieldValue> change_password(Desk& desk, const Caller& caller, const Table& request) {
  const std::string name = text_of(request, "user");
  const std::string password = text_of(request, "password");
  if (password.empty()) return bad_request("a password is not empty; clear_password takes it away");
  return change(desk, caller,
                desk.access().change_user(name,
                                          [&](UserSpec& spec) {
                                            spec.password_hash = hash_password(password);
                                            spec.hashing = default_hashing;
                                          }),
                fmt::format("changed the password of user '{}'", name));
}

Outcome<FieldValue> clear_password(Desk& desk, const Caller& caller, const Table& request) {
  const std::string name = text_of(request, "user");
  return change(desk, caller, desk.access().change_user(name, [](UserSpec& spec) { spec.password_hash.clear(); }),
                fmt::format("cleared the password of user '{}'", name));
}

Outcome<FieldValue> delete_user(Desk& desk, const Caller& caller, const Table& request) {
  const std::string name = text_of(request, "user");
  return change(desk, caller, desk.access().delete_user(name), fmt::format("deleted user '{}'", name));
}

Outcome<FieldValue> set_user_tags(Desk& desk, const Caller& caller, const Table& request) {
  const std::string name = text_of(request, "user");
  const Names tags = texts_of(request, "tags");
  return change(desk, caller, desk.access().change_user(name, [&](UserSpec& spec) { spec.tags = tags; }),
                fmt::format("set tags of user '{}' to [{}]", name, fmt::join(tags, ", ")));
}

Outcome<FieldValue> authenticate_user(Desk& desk, const Caller&, const Table& request) {
  const auto users = desk.shared().users().now();
  if (users->log_in(text_of(request, "user"), text_of(request, "password"), true)) return FieldValue();
  return not_authorised(fmt::format("failed to authenticate user \"{}\"", text_of(request, "user")));
}

Outcome<FieldValue> set_permissions(Desk& desk, const Caller& caller, const Table& request) {
  if (auto fine = check_vhost(desk, request); !fine) return tl::unexpected(fine.error());
  const Permission permission{vhost_of(request), text_of(request, "configure"), text_of(request, "write"),
                              text_of(request, "read")};
  return change(desk, caller, desk.access().set_permission(text_of(request, "user"), permission),
                fmt::format("set permissions of user '{}' in vhost '{}' to '{}' '{}' '{}'", text_of(request, "user"),
                            permission.vhost, permission.configure, permission.write, permission.read));
}

Outcome<FieldValue> clear_permissions(Desk& desk, const Caller& caller, const Table& request) {
  return change(
      desk, caller, desk.access().clear_permission(text_of(request, "user"), vhost_of(request)),
      fmt::format("cleared permissions of user '{}' in vhost '{}'", text_of(request, "user"), vhost_of(request)));
}

Outcome<FieldValue> list_permissions(Desk& desk, const Caller& caller, const Table& request) {
  if (auto fine = check_vhost(desk, request); !fine) return tl::unexpected(fine.error());
  return choose(run(desk, caller, h::list_permissions, {vhost_of(request)}), request,
                same({"user", "configure", "write", "read"}), {"user", "configure", "write", "read"});
}

Outcome<FieldValue> list_user_permissions(Desk& desk, const Caller& caller, const Table& request) {
  if (auto fine = check_user(desk, request); !fine) return tl::unexpected(fine.error());
  return choose(run(desk, caller, h::user_permissions, {text_of(request, "user")}), request,
                same({"vhost", "configure", "write", "read"}), {"vhost", "configure", "write", "read"});
}

Outcome<FieldValue> set_topic_permissions(Desk& desk, const Caller& caller, const Table& request) {
  const TopicPermission permission{vhost_of(request), text_of(request, "exchange"), text_of(request, "write"),
                                   text_of(request, "read")};
  return change(desk, caller, desk.access().set_topic_permission(text_of(request, "user"), permission),
                fmt::format("set topic permissions of user '{}' on '{}' in vhost '{}'", text_of(request, "user"),
                            permission.exchange, permission.vhost));
}

Outcome<FieldValue> clear_topic_permissions(Desk& desk, const Caller& caller, const Table& request) {
  std::optional<std::string> exchange;
  if (const std::string* given = request.string("exchange")) exchange = *given;
  return change(
      desk, caller, desk.access().clear_topic_permission(text_of(request, "user"), vhost_of(request), exchange),
      fmt::format("cleared topic permissions of user '{}' in vhost '{}'", text_of(request, "user"), vhost_of(request)));
}

Outcome<FieldValue> list_topic_permissions(Desk& desk, const Caller& caller, const Table& request) {
  if (auto fine = check_vhost(desk, request); !fine) return tl::unexpected(fine.error());
  return choose(run(desk, caller, h::list_topic_permissions, {vhost_of(request)}), request,
                same({"user", "exchange", "write", "read"}), {"user", "exchange", "write", "read"});
}

Outcome<FieldValue> list_user_topic_permissions(Desk& desk, const Caller& caller, const Table& request) {
  if (auto fine = check_user(desk, request); !fine) return tl::unexpected(fine.error());
  return choose(run(desk, caller, h::user_topic_permissions, {text_of(request, "user")}), request,
                same({"vhost", "exchange", "write", "read"}), {"vhost", "exchange", "write", "read"});
}

// --- virtual hosts ---

Outcome<FieldValue> list_vhosts(Desk& desk, const Caller& caller, const Table& request) {
  static const Columns columns = same({"name", "description", "tags", "tracing", "messages", "messages_ready",
                                       "messages_unacknowledged", "connections", "cluster_state"});
  return choose(run(desk, caller, h::list_vhosts, {}), request, columns, {"name"});
}

Outcome<FieldValue> add_vhost(Desk& desk, const Caller& caller, const Table& request) {
  const std::string name = text_of(request, "name");
  if (desk.shared().find_vhost(name)) return bad_request(fmt::format("Virtual host '{}' already exists", name));
  std::optional<VhostNotes> notes;
  if (request.find("description") || request.find("tags")) {
    notes = {text_of(request, "description"), texts_of(request, "tags")};
  }
  return change(desk, caller, desk.access().put_vhost(name, std::move(notes)), fmt::format("added vhost '{}'", name));
}

Outcome<FieldValue> delete_vhost(Desk& desk, const Caller& caller, const Table& request) {
  const std::string name = text_of(request, "name");
  return change(desk, caller, desk.access().delete_vhost(name), fmt::format("deleted vhost '{}'", name));
}

constexpr Verb known_access_verbs[] = {
    {"list_users", Level::administrator, list_users},
    {"add_user", Level::administrator, add_user},
    {"change_password", Level::administrator, change_password},
    {"clear_password", Level::administrator, clear_password},
    {"delete_user", Level::administrator, delete_user},
    {"set_user_tags", Level::administrator, set_user_tags},
    {"authenticate_user", Level::administrator, authenticate_user},
    {"set_permissions", Level::administrator, set_permissions},
    {"clear_permissions", Level::administrator, clear_permissions},
    {"list_permissions", Level::administrator, list_permissions},
    {"list_user_permissions", Level::administrator, list_user_permissions},
    {"set_topic_permissions", Level::administrator, set_topic_permissions},
    {"clear_topic_permissions", Level::administrator, clear_topic_permissions},
    {"list_topic_permissions", Level::administrator, list_topic_permissions},
    {"list_user_topic_permissions", Level::administrator, list_user_topic_permissions},
    {"list_vhosts", Level::management, list_vhosts},
    {"add_vhost", Level::administrator, add_vhost},
    {"delete_vhost", Level::administrator, delete_vhost},
};

}  // namespace

std::span<const Verb> access_verbs() {
  return known_access_verbs;
}

}  // namespace wherry::broker::admin::verbs

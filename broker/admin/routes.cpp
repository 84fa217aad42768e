#include "broker/admin/routes.h"

#include <algorithm>

#include <fmt/format.h>

#include "base/log.h"
#include "broker/admin/handlers.h"
#include "broker/admin/paging.h"
#include "broker/control/json.h"
#include "protocol/task/base64.h"

namespace wherry::broker::admin {

struct Routes::Route {
  std::string method;
  std::string path;
  Level level = Level::administrator;
  std::function<Outcome<Answer>(Desk& desk, const Request& request)> handler;
  std::vector<std::string> segments;  // Of the path.
};

namespace {

struct Known {
  const char* method;
  const char* path;
  Level level;
  Handler handler;
};

namespace h = handlers;
constexpr Level any = Level::anybody, management = Level::management, policymaker = Level::policymaker,
                monitoring = Level::monitoring, administrator = Level::administrator;

// The first that fits counts.
const Known known_routes[] = {
    {"GET", "/api/overview", management, h::overview},
    {"GET", "/api/cluster-name", management, h::cluster_name},
    {"PUT", "/api/cluster-name", administrator, h::put_cluster_name},
    {"GET", "/api/nodes", monitoring, h::list_nodes},
    {"GET", "/api/nodes/{node}", monitoring, h::get_node},
    {"GET", "/api/extensions", management, h::extensions},
    {"GET", "/api/feature-flags", monitoring, h::feature_flags},
    {"GET", "/api/whoami", management, h::whoami},
    {"GET", "/api/auth", any, h::auth},
    {"GET", "/api/definitions", administrator, h::export_definitions},
    {"POST", "/api/definitions", administrator, h::import_definitions},
    {"GET", "/api/definitions/{vhost}", administrator, h::export_definitions},
    {"POST", "/api/definitions/{vhost}", administrator, h::import_definitions},
    {"GET", "/api/connections", management, h::list_connections},
    {"GET", "/api/connections/{name}", management, h::get_connection},
    {"DELETE", "/api/connections/{name}", management, h::close_connection},
    {"GET", "/api/connections/{name}/channels", management, h::list_channels},
    {"GET", "/api/channels", management, h::list_channels},
    {"GET", "/api/channels/{name}", management, h::get_channel},
    {"GET", "/api/consumers", management, h::list_consumers},
    {"GET", "/api/consumers/{vhost}", management, h::list_consumers},
    {"GET", "/api/exchanges", management, h::list_exchanges},
    {"GET", "/api/exchanges/{vhost}", management, h::list_exchanges},
    {"GET", "/api/exchanges/{vhost}/{name}", management, h::get_exchange},
    {"PUT", "/api/exchanges/{vhost}/{name}", management, h::put_exchange},
    {"DELETE", "/api/exchanges/{vhost}/{name}", management, h::delete_exchange},
    {"POST", "/api/exchanges/{vhost}/{name}/publish", management, h::publish},
    {"GET", "/api/exchanges/{vhost}/{name}/bindings/source", management, h::bindings_from},
    {"GET", "/api/exchanges/{vhost}/{name}/bindings/destination", management, h::bindings_to_exchange},
    {"GET", "/api/queues", management, h::list_queues},
    {"GET", "/api/queues/{vhost}", management, h::list_queues},
    {"GET", "/api/queues/{vhost}/{name}", management, h::get_queue},
    {"PUT", "/api/queues/{vhost}/{name}", management, h::put_queue},
    {"DELETE", "/api/queues/{vhost}/{name}", management, h::delete_queue},
    {"GET", "/api/queues/{vhost}/{name}/bindings", management, h::bindings_of_queue},
    {"DELETE", "/api/queues/{vhost}/{name}/contents", management, h::purge_queue},
    {"POST", "/api/queues/{vhost}/{name}/actions", administrator, h::queue_action},
    {"POST", "/api/queues/{vhost}/{name}/get", management, h::get_messages},
    {"GET", "/api/bindings", management, h::list_bindings},
    {"GET", "/api/bindings/{vhost}", management, h::list_bindings},
    {"GET", "/api/bindings/{vhost}/e/{source}/{kind}/{destination}", management, h::bindings_between},
    {"POST", "/api/bindings/{vhost}/e/{source}/{kind}/{destination}", management, h::post_binding},
    {"GET", "/api/bindings/{vhost}/e/{source}/{kind}/{destination}/{key}", management, h::get_binding},
    {"DELETE", "/api/bindings/{vhost}/e/{source}/{kind}/{destination}/{key}", management, h::delete_binding},
    {"GET", "/api/vhosts", management, h::list_vhosts},
    {"GET", "/api/vhosts/{name}", management, h::get_vhost},
    {"PUT", "/api/vhosts/{name}", administrator, h::put_vhost},
    {"DELETE", "/api/vhosts/{name}", administrator, h::delete_vhost},
    {"GET", "/api/vhosts/{name}/permissions", administrator, h::list_permissions},
    {"GET", "/api/vhosts/{name}/topic-permissions", administrator, h::list_topic_permissions},
    {"GET", "/api/vhosts/{name}/connections", management, h::list_connections},
    {"GET", "/api/vhosts/{name}/channels", management, h::list_channels},
    {"GET", "/api/users", administrator, h::list_users},
    {"GET", "/api/users/without-permissions", administrator, h::users_without_permissions},
    {"POST", "/api/users/bulk-delete", administrator, h::delete_users},
    {"GET", "/api/users/{name}", administrator, h::get_user},
    {"PUT", "/api/users/{name}", administrator, h::put_user},
    {"DELETE", "/api/users/{name}", administrator, h::delete_user},
    {"GET", "/api/users/{name}/permissions", administrator, h::user_permissions},
    {"GET", "/api/users/{name}/topic-permissions", administrator, h::user_topic_permissions},
    {"GET", "/api/user-limits", administrator, h::list_user_limits},
    {"GET", "/api/user-limits/{user}", administrator, h::list_user_limits},
    {"PUT", "/api/user-limits/{user}/{limit}", administrator, h::put_user_limit},
    {"DELETE", "/api/user-limits/{user}/{limit}", administrator, h::delete_user_limit},
    {"GET", "/api/permissions", administrator, h::list_permissions},
    {"GET", "/api/permissions/{vhost}/{user}", administrator, h::get_permission},
    {"PUT", "/api/permissions/{vhost}/{user}", administrator, h::put_permission},
    {"DELETE", "/api/permissions/{vhost}/{user}", administrator, h::delete_permission},
    {"GET", "/api/topic-permissions", administrator, h::list_topic_permissions},
    {"GET", "/api/topic-permissions/{vhost}/{user}", administrator, h::get_topic_permission},
    {"PUT", "/api/topic-permissions/{vhost}/{user}", administrator, h::put_topic_permission},
    {"DELETE", "/api/topic-permissions/{vhost}/{user}", administrator, h::delete_topic_permission},
    {"DELETE", "/api/topic-permissions/{vhost}/{user}/{exchange}", administrator, h::delete_topic_permission},
    {"GET", "/api/parameters", policymaker, h::list_parameters},
    {"GET", "/api/parameters/{component}", policymaker, h::list_parameters},
    {"GET", "/api/parameters/{component}/{vhost}", policymaker, h::list_parameters},
    {"GET", "/api/parameters/{component}/{vhost}/{name}", policymaker, h::get_parameter},
    {"PUT", "/api/parameters/{component}/{vhost}/{name}", policymaker, h::put_parameter},
    {"DELETE", "/api/parameters/{component}/{vhost}/{name}", policymaker, h::delete_parameter},
    {"GET", "/api/shovels", monitoring, h::list_shovels},
    {"GET", "/api/shovels/{vhost}", monitoring, h::list_shovels},
    {"GET", "/api/shovels/vhost/{vhost}/{name}", monitoring, h::get_shovel},
    {"DELETE", "/api/shovels/vhost/{vhost}/{name}", policymaker, h::delete_shovel},
    {"DELETE", "/api/shovels/vhost/{vhost}/{name}/restart", policymaker, h::restart_shovel},
    {"GET", "/api/federation-links", monitoring, h::list_federation_links},
    {"GET", "/api/federation-links/{vhost}", monitoring, h::list_federation_links},
    {"DELETE", "/api/federation-links/vhost/{vhost}/{id}/{node}/restart", policymaker, h::restart_federation_link},
    {"GET", "/api/global-parameters", policymaker, h::list_global_parameters},
    {"GET", "/api/global-parameters/{name}", policymaker, h::get_global_parameter},
    {"PUT", "/api/global-parameters/{name}", policymaker, h::put_global_parameter},
    {"DELETE", "/api/global-parameters/{name}", policymaker, h::delete_global_parameter},
    {"GET", "/api/policies", management, h::list_policies},
    {"GET", "/api/policies/{vhost}", management, h::list_policies},
    {"GET", "/api/policies/{vhost}/{name}", management, h::get_policy},
    {"PUT", "/api/policies/{vhost}/{name}", policymaker, h::put_policy},
    {"DELETE", "/api/policies/{vhost}/{name}", policymaker, h::delete_policy},
    {"GET", "/api/operator-policies", management, h::list_operator_policies},
    {"GET", "/api/operator-policies/{vhost}", management, h::list_operator_policies},
    {"GET", "/api/operator-policies/{vhost}/{name}", management, h::get_operator_policy},
    {"PUT", "/api/operator-policies/{vhost}/{name}", administrator, h::put_operator_policy},
    {"DELETE", "/api/operator-policies/{vhost}/{name}", administrator, h::delete_operator_policy},
    {"GET", "/api/vhost-limits", management, h::list_vhost_limits},
    {"GET", "/api/vhost-limits/{vhost}", management, h::list_vhost_limits},
    {"PUT", "/api/vhost-limits/{vhost}/{limit}", administrator, h::put_vhost_limit},
    {"DELETE", "/api/vhost-limits/{vhost}/{limit}", administrator, h::delete_vhost_limit},
    {"GET", "/api/aliveness-test/{vhost}", management, h::aliveness},
    {"GET", "/api/health/checks/alarms", monitoring, h::check_alarms},
    {"GET", "/api/health/checks/local-alarms", monitoring, h::check_alarms},
    {"GET", "/api/health/checks/virtual-hosts", monitoring, h::check_virtual_hosts},
    {"GET", "/api/health/checks/node-is-mirror-sync-critical", monitoring, h::check_fine},
    {"GET", "/api/health/checks/node-is-quorum-critical", monitoring, h::check_fine},
    {"GET", "/api/health/checks/port-listener/{port}", monitoring, h::check_port},
    {"GET", "/api/health/checks/protocol-listener/{protocol}", monitoring, h::check_protocol},
    {"POST", "/api/wherry/tasks/{vhost}", management, h::post_task},
    {"GET", "/api/wherry/tasks/{vhost}", management, h::list_tasks},
    {"GET", "/api/wherry/tasks/{vhost}/{id}", management, h::get_task},
    {"POST", "/api/wherry/tasks/{vhost}/{id}/revoke", management, h::revoke_task},
    {"POST", "/api/wherry/tasks/{vhost}/{id}/retry", management, h::retry_task},
    {"GET", "/api/wherry/task-names/{vhost}", management, h::list_task_names},
    {"GET", "/api/wherry/task-overview/{vhost}", management, h::task_overview},
    {"GET", "/api/wherry/workers/{vhost}", management, h::list_workers},
    {"GET", "/api/wherry/workers/{vhost}/{name}", management, h::get_worker},
    {"POST", "/api/wherry/workers/{vhost}/{name}/{command}", management, h::command_workers},
    {"GET", "/api/wherry/schedules/{vhost}", management, h::list_schedules},
    {"POST", "/api/wherry/schedules/{vhost}/{schedule}/{name}/run", management, h::run_schedule},
    {"GET", "/api/wherry/queues/{vhost}/{name}/messages", management, h::look_at_messages},
    {"POST", "/api/wherry/queues/{vhost}/{name}/move", management, h::move_messages},
    {"POST", "/api/wherry/queues/{vhost}/{name}/discard", management, h::discard_messages},
    {"POST", "/api/wherry/queues/{vhost}/{name}/pause", management, h::pause_queue},
    {"POST", "/api/wherry/queues/{vhost}/{name}/resume", management, h::resume_queue},
    {"GET", "/api/wherry/dead-letters/{vhost}", management, h::dead_letters},
    {"GET", "/api/wherry/dead-letters/{vhost}/{id}", management, h::dead_letter},
    {"POST", "/api/wherry/dead-letters/{vhost}/replay", management, h::replay},
    {"POST", "/api/wherry/dead-letters/{vhost}/discard", management, h::discard},
    {"POST", "/api/wherry/control", management, h::control},
};

// The values that a body may hold grow with its size; a small one may have 100,000.
constexpr std::size_t least_budget = 800'000;

int hex(char c) {
  if (c >= '0' && c <= '9') return c - '0';
  if (c >= 'a' && c <= 'f') return c - 'a' + 10;
  if (c >= 'A' && c <= 'F') return c - 'A' + 10;
  return -1;
}

std::string decoded(std::string_view text, bool plus_is_space) {
  std::string out;
  for (std::size_t at = 0; at < text.size(); ++at) {
    if (text[at] == '%' && at + 2 < text.size() && hex(text[at + 1]) >= 0 && hex(text[at + 2]) >= 0) {
      out += static_cast<char>(hex(text[at + 1]) * 16 + hex(text[at + 2]));
      at += 2;
    } else {
      out += plus_is_space && text[at] == '+' ? ' ' : text[at];
    }
  }
  return out;
}

std::vector<std::string> segments_of(std::string_view path) {
  std::vector<std::string> parts;
  for (std::size_t at = 0; at < path.size();) {
    const std::size_t end = std::min(path.find('/', at + 1), path.size());
    parts.emplace_back(path.substr(at + 1, end - at - 1));
    at = end;
  }
  // A slash at the end means nothing.
  if (parts.size() > 1 && parts.back().empty()) parts.pop_back();
  return parts;
}

std::map<std::string, std::string> query_of(std::string_view text) {
  std::map<std::string, std::string> query;
  for (auto& [name, value] : parse_query(text)) query[name] = std::move(value);
  return query;
}

// What stands for the {names}; nothing where the path does not fit.
std::optional<std::vector<std::string>> matched(const std::vector<std::string>& pattern,
                                                const std::vector<std::string>& path) {
  if (pattern.size() != path.size()) return std::nullopt;
  std::vector<std::string> parts;
  for (std::size_t at = 0; at < path.size(); ++at) {
    if (pattern[at].starts_with('{')) {
      parts.push_back(decoded(path[at], false));
    } else if (pattern[at] != path[at]) {
      return std::nullopt;
    }
  }
  return parts;
}

// A page's script asks for the password itself: without the challenge the browser does not open its own dialog for it.
bool is_script(const HttpRequest& request) {
  return request.headers.contains("x-requested-with");
}

// RabbitMQ spells it otherwise here than for those who are logged in.
tl::unexpected<Refusal> login_failed() {
  return tl::unexpected<Refusal>(Refusal{401, "not_authorized", "Login failed"});
}

HttpAnswer refusal_text(const Refusal& refusal, const HttpRequest& request) {
  Table body;
  put(body, "error", refusal.error);
  put(body, "reason", refusal.reason);
  HttpAnswer answer{refusal.status, "application/json", control::to_json(body), {}};
  if (refusal.status == 401 && !is_script(request))
    answer.headers["WWW-Authenticate"] = "Basic realm=\"Wherry Management\"";
  return answer;
}

}  // namespace

std::vector<std::pair<std::string, std::string>> parse_query(std::string_view text) {
  std::vector<std::pair<std::string, std::string>> pairs;
  for (std::size_t at = 0; at < text.size();) {
    const std::size_t end = std::min(text.find('&', at), text.size());
    const std::string_view pair = text.substr(at, end - at);
    const std::size_t equals = pair.find('=');
    pairs.emplace_back(decoded(pair.substr(0, equals), true),
                       equals == pair.npos ? std::string() : decoded(pair.substr(equals + 1), true));
    at = end + 1;
  }
  return pairs;
}

Routes::Routes(Desk& desk) : desk_(desk) {
  for (const Known& each : known_routes) {
    routes_.push_back({each.method, each.path, each.level, each.handler, segments_of(each.path)});
  }
}

Routes::~Routes() = default;

std::vector<std::string> Routes::known() {
  std::vector<std::string> all;
  for (const Known& each : known_routes) all.push_back(fmt::format("{} {}", each.method, each.path));
  return all;
}

Outcome<Caller> Routes::log_in(const HttpRequest& request, Level level) {
  if (level == Level::anybody) return Caller::local_operator();
  const auto header = request.headers.find("authorization");
  constexpr std::string_view basic = "basic ";
  if (header == request.headers.end() || header->second.size() < basic.size() ||
      !std::equal(basic.begin(), basic.end(), header->second.begin(),
                  [](char a, char b) { return a == std::tolower(static_cast<unsigned char>(b)); })) {
    return login_failed();
  }
  if (!throttle_.allows(request.peer)) {
    return tl::unexpected<Refusal>(Refusal{429, "too_many_requests", "too many failed logins: wait a minute"});
  }
  auto credentials = task::decode_base64(header->second.substr(basic.size()));
  const std::size_t colon = credentials ? credentials->find(':') : std::string::npos;
  const auto users = desk_.shared().users().now();
  auto user = colon == std::string::npos
                  ? Result<UserRef>(fail("no user and password in the header"))
                  : users->log_in(credentials->substr(0, colon), credentials->substr(colon + 1), request.loopback);
  if (!user) {
    throttle_.failed(request.peer);
    log::warning("admin", "{}: login refused: {}", request.peer, user.error().message);
    return login_failed();
  }
  Caller caller = Caller::of(*user, request.peer);
  if (auto fine = caller.need(level); !fine) return tl::unexpected(fine.error());
  return caller;
}

Outcome<Answer> Routes::dispatch(const HttpRequest& http) {
  const std::string_view target = http.target;
  const std::size_t mark = std::min(target.find('?'), target.size());
  const std::vector<std::string> path = segments_of(target.substr(0, mark));
  const std::string method = http.method == "HEAD" ? "GET" : http.method;
  const Route* route = nullptr;
  Request request;
  std::string allowed;
  for (const Route& each : routes_) {
    auto parts = matched(each.segments, path);
    if (!parts) continue;
    if (each.method == method && route == nullptr) {
      route = &each;
      request.parts = std::move(*parts);
    }
    if (allowed.find(each.method) == allowed.npos) allowed += (allowed.empty() ? "" : ", ") + each.method;
  }
  if (route == nullptr) {
    // Who is nobody learns nothing of what there is.
    if (auto caller = log_in(http, Level::management); !caller) return tl::unexpected(caller.error());
    if (allowed.empty()) return not_found();
    return tl::unexpected<Refusal>(Refusal{405, "method_not_allowed", fmt::format("this path takes {}", allowed)});
  }
  auto caller = log_in(http, route->level);
  if (!caller) return tl::unexpected(caller.error());
  request.method = method;
  request.caller = std::move(*caller);
  request.headers = http.headers;
  if (mark < target.size()) request.query = query_of(target.substr(mark + 1));
  if (http.body.find_first_not_of(" \t\r\n") != std::string::npos) {
    auto body = control::parse_object(http.body, std::max(http.body.size(), least_budget));
    if (!body) return bad_request(fmt::format("the body is no JSON object: {}", body.error().message));
    request.body = std::move(*body);
  }
  auto answered = route->handler(desk_, request);
  // RabbitMQ's other word for it, where what is missing is not what the path names.
  const bool makes = method == "PUT" || method == "POST";
  if (!answered && answered.error().status == 404 && makes) answered.error().error = "not_found";
  return answered;
}

std::optional<HttpAnswer> Routes::admit(const HttpRequest& request) {
  auto caller = log_in(request, Level::management);
  if (caller) return std::nullopt;
  return refusal_text(caller.error(), request);
}

HttpAnswer Routes::answer(const HttpRequest& request) {
  auto answered = dispatch(request);
  if (!answered) return refusal_text(answered.error(), request);
  HttpAnswer out;
  out.status = answered->status;
  if (!answered->location.empty()) out.headers["Location"] = answered->location;
  if (!answered->text_type.empty()) {
    out.type = answered->text_type;
    out.body = std::move(answered->text);
    return out;
  }
  if (!answered->has_body) {
    out.type.clear();
    return out;
  }
  const std::size_t mark = request.target.find('?');
  const auto query =
      mark == std::string::npos ? std::map<std::string, std::string>() : query_of(request.target.substr(mark + 1));
  if (answered->is_listing) {
    auto rows = paged(std::move(*std::get_if<FieldArray>(&answered->body.value)), query);
    if (!rows) return refusal_text(rows.error(), request);
    out.body = control::to_json(*rows);
  } else {
    const auto columns = query.find("columns");
    out.body =
        control::to_json(columns == query.end() ? answered->body : with_columns(answered->body, columns->second));
  }
  return out;
}

}  // namespace wherry::broker::admin

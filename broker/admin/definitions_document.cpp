#include "broker/admin/definitions_document.h"

#include <fmt/format.h>

#include "broker/admin/handlers.h"

namespace wherry::broker::admin::handlers {

namespace {

using amqp::AmqpError;

// Whether a definition is for others to have: not a connection's own, and not what every virtual host has from the
// start.
bool exported(const ExchangeSpec& exchange) {
  return !exchange.name.empty() && !exchange.name.starts_with("amq.");
}

Table strip(Table row, std::initializer_list<const char*> names) {
  for (const char* name : names) row.erase(name);
  return row;
}

struct Lists {
  FieldArray parameters, policies, queues, exchanges, bindings;
};

void export_vhost(Desk& desk, const SharedVhostRef& vhost, bool alone, Lists& into) {
  const std::string& name = vhost->name();
  const auto start = [&] {
    Table row;
    if (!alone) put(row, "vhost", name);
    return row;
  };
  vhost->read([&](const Vhost& topology) {
    for (const QueueEntryRef& queue : topology.queues()) {
      if (queue->spec.exclusive) continue;
      Table row = start();
      put(row, "name", queue->spec.name);
      put(row, "durable", queue->spec.durable);
      put(row, "auto_delete", queue->spec.auto_delete);
      put(row, "arguments", queue->spec.arguments);
      into.queues.emplace_back(std::move(row));
    }
    for (const ExchangeSpec& exchange : topology.exchanges()) {
      if (!exported(exchange)) continue;
      Table row = start();
      put(row, "name", exchange.name);
      put(row, "type", exchange.type);
      put(row, "durable", exchange.durable);
      put(row, "auto_delete", exchange.auto_delete);
      put(row, "internal", exchange.internal);
      put(row, "arguments", exchange.arguments);
      into.exchanges.emplace_back(std::move(row));
    }
    for (const BindingSpec& binding : topology.bindings()) {
      const QueueEntryRef queue =
          binding.kind == DestinationKind::queue ? topology.look_up(binding.destination) : nullptr;
      if (queue && queue->spec.exclusive) continue;
      Table row = strip(binding_row(name, binding), {"properties_key"});
      if (alone) row.erase("vhost");
      into.bindings.emplace_back(std::move(row));
    }
  });
  for (PolicyKind kind : {PolicyKind::plain, PolicyKind::by_operator}) {
    auto listed = desk.settings().list_policies(name, kind);
    if (!listed) continue;
    for (const Policies::Listed& each : *listed) {
      Table row;
      put(row, "vhost", name);
      put(row, "name", each.spec.name);
      if (kind == PolicyKind::plain) {
        Table fields = to_table(each.spec);
        for (auto& entry : fields.entries()) row.entries().push_back(std::move(entry));
        into.policies.emplace_back(std::move(row));
      } else {
        put(row, "component", std::string(component_of(kind)));
        put(row, "value", to_table(each.spec));
        into.parameters.emplace_back(std::move(row));
      }
    }
  }
  for (const RuntimeParameters::Parameter& each : desk.settings().parameters().list()) {
    if (each.vhost != name) continue;
    Table row;
    put(row, "vhost", name);
    put(row, "component", each.component);
    put(row, "name", each.name);
    row.entries().emplace_back("value", each.value);
    into.parameters.emplace_back(std::move(row));
  }
  for (const Limits::Named& each : desk.settings().list_vhost_limits()) {
    if (each.name != name) continue;
    Table row;
    put(row, "vhost", name);
    put(row, "component", std::string("vhost-limits"));
    put(row, "name", std::string("limits"));
    put(row, "value", each.limits);
    into.parameters.emplace_back(std::move(row));
  }
}

FieldArray rows_of(Outcome<Answer> listed) {
  if (!listed) return {};
  const auto* rows = listed->body.get<FieldArray>();
  return rows ? *rows : FieldArray{};
}

Outcome<void> refused(const std::string& what, const AmqpError& error) {
  if (error.code == amqp::ReplyCode::internal_error) return unavailable(error.explanation);
  return bad_request(fmt::format("{}: {}", what, error.explanation));
}

Outcome<void> refused(const std::string& what, const Error& error) {
  return bad_request(fmt::format("{}: {}", what, error.message));
}

Outcome<void> import_access(Desk& desk, const DefinitionsDocument& document) {
  RuntimeAccess& access = desk.access();
  for (const auto& each : document.vhosts) {
    if (auto put = access.put_vhost(each.vhost, each.what); !put) {
      return refused(fmt::format("vhost '{}'", each.vhost), put.error());
    }
  }
  for (const UserSpec& each : document.users) {
    UserSpec spec = each;
    if (auto before = access.user(spec.name)) {
      spec.permissions = before->permissions;
      spec.topic_permissions = before->topic_permissions;
      spec.loopback_only = before->loopback_only;
    }
    if (auto put = access.put_user(std::move(spec)); !put) {
      return refused(fmt::format("user '{}'", each.name), put.error());
    }
  }
  for (const auto& [user, limits] : document.user_limits) {
    if (auto set = desk.settings().set_user_limits(user, limits); !set) {
      return refused(fmt::format("limits of user '{}'", user), set.error());
    }
  }
  for (const auto& each : document.permissions) {
    if (auto set = access.set_permission(each.user, each.permission); !set) {
      return refused(fmt::format("permission of '{}' in vhost '{}'", each.user, each.permission.vhost), set.error());
    }
  }
  for (const auto& each : document.topic_permissions) {
    if (auto set = access.set_topic_permission(each.user, each.permission); !set) {
      return refused(fmt::format("topic permission of '{}'", each.user), set.error());
    }
  }
  for (const auto& [name, value] : document.global_parameters) {
    if (auto set = access.set_global_parameter(name, value); !set) return refused(name, set.error());
  }
  return {};
}

Outcome<void> import_topology(Desk& desk, const DefinitionsDocument& document) {
  Operations operations(desk.shared(), Operations::Waits::many);
  for (const auto& each : document.policies) {
    if (auto set = desk.settings().set_policy(each.vhost, each.kind, each.spec); !set) {
      return refused(fmt::format("policy '{}' of vhost '{}'", each.spec.name, each.vhost), set.error());
    }
  }
  for (const auto& each : document.vhost_limits) {
    if (auto set = desk.settings().set_vhost_limits(each.vhost, each.what); !set) {
      return refused(fmt::format("limits of vhost '{}'", each.vhost), set.error());
    }
  }
  for (const auto& each : document.queues) {
    if (auto declared = operations.declare_queue(each.vhost, each.what); !declared) {
      return refused(fmt::format("queue '{}' of vhost '{}'", each.what.name, each.vhost), declared.error());
    }
  }
  for (const auto& each : document.exchanges) {
    if (!exported(each.what)) continue;
    if (auto declared = operations.declare_exchange(each.vhost, each.what); !declared) {
      return refused(fmt::format("exchange '{}' of vhost '{}'", each.what.name, each.vhost), declared.error());
    }
  }
  for (const auto& each : document.bindings) {
    // The default exchange's are there by themselves.
    if (each.what.source.empty()) continue;
    if (auto bound = operations.bind(each.vhost, each.what); !bound) {
      return refused(
          fmt::format("binding of '{}' to '{}' of vhost '{}'", each.what.destination, each.what.source, each.vhost),
          bound.error());
    }
  }
  // When what they move between is there.
  for (const auto& each : document.parameters) {
    if (auto set = desk.settings().parameters().set(each.vhost, each.component, each.name, each.value); !set) {
      return refused(fmt::format("{} '{}' of vhost '{}'", each.component, each.name, each.vhost), set.error());
    }
  }
  if (auto kept = operations.kept(); !kept) return unavailable(kept.error().explanation);
  return {};
}

}  // namespace

Outcome<Answer> export_definitions(Desk& desk, const Request& request) {
  Table out;
  put(out, "rabbit_version", std::string(rabbitmq_version));
  put(out, "rabbitmq_version", std::string(rabbitmq_version));
  put(out, "product_name", desk.config().product);
  put(out, "product_version", desk.config().version);
  Lists lists;
  const bool alone = !request.parts.empty();
  for (const SharedVhostRef& vhost : desk.shared().vhosts()) {
    if (!alone || vhost->name() == request.part(0)) export_vhost(desk, vhost, alone, lists);
  }
  if (alone && !desk.shared().find_vhost(request.part(0))) return not_found();
  if (!alone) {
    Request all = request;
    put(out, "users", rows_of(list_users(desk, all)));
    FieldArray vhosts;
    for (const SharedVhostRef& each : desk.shared().vhosts()) {
      Table row;
      put(row, "name", each->name());
      if (const VhostNotes notes = desk.access().notes(each->name()); notes != VhostNotes{}) {
        put(row, "description", notes.description);
        put(row, "tags", FieldArray(notes.tags.begin(), notes.tags.end()));
      }
      vhosts.emplace_back(std::move(row));
    }
    put(out, "vhosts", std::move(vhosts));
    put(out, "permissions", rows_of(list_permissions(desk, all)));
    put(out, "topic_permissions", rows_of(list_topic_permissions(desk, all)));
    put(out, "global_parameters", rows_of(list_global_parameters(desk, all)));
  }
  put(out, "parameters", std::move(lists.parameters));
  put(out, "policies", std::move(lists.policies));
  put(out, "queues", std::move(lists.queues));
  put(out, "exchanges", std::move(lists.exchanges));
  put(out, "bindings", std::move(lists.bindings));
  return answer(std::move(out));
}

Outcome<Answer> import_definitions(Desk& desk, const Request& request) {
  const std::string vhost = request.parts.empty() ? std::string() : request.part(0);
  if (!vhost.empty() && !desk.shared().find_vhost(vhost)) return not_found();
  auto document = parse_definitions(request.body, vhost);
  if (!document) return tl::unexpected(document.error());
  if (auto done = import_access(desk, *document); !done) return tl::unexpected(done.error());
  if (auto done = import_topology(desk, *document); !done) return tl::unexpected(done.error());
  desk.audit(request.caller,
             fmt::format("imported definitions: {} users, {} vhosts, {} queues, {} exchanges, {} bindings, {} policies",
                         document->users.size(), document->vhosts.size(), document->queues.size(),
                         document->exchanges.size(), document->bindings.size(), document->policies.size()));
  for (const std::string& component : document->passed_over) {
    desk.audit(request.caller,
               fmt::format("passed over a parameter of '{}', which this broker does not have", component));
  }
  return done();
}

}  // namespace wherry::broker::admin::handlers

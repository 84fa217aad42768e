#include <fmt/format.h>

#include "broker/admin/definitions_document.h"
#include "broker/auth/password_hash.h"
#include "broker/bridges/parameters.h"
#include "broker/routing/limits.h"

namespace wherry::broker::admin {

using amqp::FieldArray;
using amqp::FieldValue;
using amqp::Table;

namespace {

// One entry of a list, and the first thing that is wrong with it.
class Entry {
 public:
  Entry(const Table& table, std::string place, std::string_view vhost)
      : table_(table), place_(std::move(place)), vhost_(vhost) {}

  const Table& table() const { return table_; }
  const std::string& fault() const { return fault_; }
  void wrong(std::string_view what) {
    if (fault_.empty()) fault_ = fmt::format("{}: {}", place_, what);
  }

  std::string text(const char* name) {
    const std::string* given = table_.string(name);
    if (given == nullptr) wrong(fmt::format("{} is a text, and has to be there", name));
    return given ? *given : std::string();
  }
  // A name of AMQP.
  std::string name(const char* key) {
    std::string given = text(key);
    if (given.size() > 255) wrong(fmt::format("{} has at most 255 bytes", key));
    return given;
  }
  std::string vhost() {
    if (!vhost_.empty() && !table_.find("vhost")) return std::string(vhost_);
    std::string given = name("vhost");
    if (!vhost_.empty() && given != vhost_) return std::string(vhost_);
    return given;
  }
  bool flag(const char* name, bool otherwise) {
    const FieldValue* given = table_.find(name);
    if (given == nullptr || given->is_null()) return otherwise;
    if (const bool* value = given->get<bool>()) return *value;
    wrong(fmt::format("{} is true or false", name));
    return otherwise;
  }
  Table object(const char* name) {
    const FieldValue* given = table_.find(name);
    if (given == nullptr || given->is_null()) return {};
    if (const Table* value = given->get<Table>()) return *value;
    const auto* list = given->get<FieldArray>();
    if (list == nullptr || !list->empty()) wrong(fmt::format("{} is an object", name));
    return {};
  }
  std::vector<std::string> tags() {
    std::vector<std::string> all;
    const FieldValue* given = table_.find("tags");
    if (given == nullptr || given->is_null()) return all;
    if (const auto* list = given->get<FieldArray>()) {
      for (const FieldValue& each : *list) {
        if (const auto* tag = each.get<std::string>()) {
          all.push_back(*tag);
        } else {
          wrong("tags is a list of texts, or a text with commas");
        }
      }
    } else if (const auto* text = given->get<std::string>()) {
      for (std::size_t at = 0; at <= text->size();) {
        const std::size_t end = std::min(text->find(',', at), text->size());
        if (end > at) all.push_back(text->substr(at, end - at));
        at = end + 1;
      }
    } else {
      wrong("tags is a list of texts, or a text with commas");
    }
    return all;
  }

 private:
  const Table& table_;
  const std::string place_;
  const std::string_view vhost_;
  std::string fault_;
};

UserSpec read_user(Entry& entry) {
  UserSpec spec;
  spec.name = entry.name("name");
  if (spec.name.empty()) entry.wrong("name is not empty");
  spec.tags = entry.tags();
  if (entry.table().find("password")) {
    spec.password_hash = hash_password(entry.text("password"));
    return spec;
  }
  spec.password_hash = entry.text("password_hash");
  if (entry.table().find("hashing_algorithm")) spec.hashing = entry.text("hashing_algorithm");
  if (!is_password_hashing(spec.hashing)) entry.wrong(fmt::format("hashing_algorithm '{}' is not known", spec.hashing));
  return spec;
}

DefinitionsDocument::Of<std::optional<VhostNotes>> read_vhost(Entry& entry) {
  DefinitionsDocument::Of<std::optional<VhostNotes>> out{entry.name("name"), std::nullopt};
  if (out.vhost.empty()) entry.wrong("name is not empty");
  if (entry.table().find("description") || entry.table().find("tags")) {
    const bool described = entry.table().find("description") && !entry.table().find("description")->is_null();
    out.what = VhostNotes{described ? entry.text("description") : std::string(), entry.tags()};
  }
  return out;
}

DefinitionsDocument::Policy read_policy(Entry& entry, PolicyKind kind, std::string name, const Table& table) {
  DefinitionsDocument::Policy out{entry.vhost(), kind, {}};
  if (!table.string("pattern")) entry.wrong("pattern is a text, and has to be there");
  if (const std::string* to = table.string("apply-to"); to && !parse_policy_target(*to)) {
    entry.wrong(fmt::format("apply-to '{}' is none of all, queues, exchanges, classic_queues, quorum_queues", *to));
    return out;
  }
  auto spec = policy_of(std::move(name), table);
  if (!spec) {
    entry.wrong("a policy's definition is an object, its priority a number");
    return out;
  }
  if (std::string fault = policy_fault(kind, *spec); !fault.empty()) entry.wrong(fault);
  out.spec = std::move(*spec);
  return out;
}

void read_parameter(Entry& entry, DefinitionsDocument& into) {
  const std::string component = entry.text("component");
  const std::string name = entry.text("name");
  if (component == "vhost-limits") {
    Table limits = entry.object("value");
    if (std::string fault = limits_fault(LimitScope::vhost, limits); !fault.empty()) entry.wrong(fault);
    into.vhost_limits.push_back({entry.vhost(), std::move(limits)});
  } else if (component == component_of(PolicyKind::by_operator)) {
    into.policies.push_back(read_policy(entry, PolicyKind::by_operator, name, entry.object("value")));
  } else if (bridges::is_bridge_component(component)) {
    const std::string vhost = entry.vhost();
    const FieldValue* value = entry.table().find("value");
    if (value == nullptr) return entry.wrong("value has to be there");
    if (auto fault = bridges::parameter_fault(component, vhost, name, *value); !fault.empty())
      return entry.wrong(fault);
    into.parameters.push_back({component, vhost, name, *value});
  } else {
    into.passed_over.push_back(component);
  }
}

DefinitionsDocument::Of<BindingSpec> read_binding(Entry& entry) {
  DefinitionsDocument::Of<BindingSpec> out{entry.vhost(), {}};
  out.what.source = entry.name("source");
  out.what.destination = entry.name("destination");
  const std::string kind = entry.text("destination_type");
  if (kind != "queue" && kind != "exchange") entry.wrong("destination_type is queue or exchange");
  out.what.kind = kind == "exchange" ? DestinationKind::exchange : DestinationKind::queue;
  out.what.routing_key = entry.name("routing_key");
  out.what.arguments = entry.object("arguments");
  return out;
}

}  // namespace

Outcome<DefinitionsDocument> parse_definitions(const Table& body, std::string_view vhost) {
  DefinitionsDocument out;
  std::string fault;
  const auto each = [&](const char* list, auto read) {
    const FieldValue* given = body.find(list);
    if (given == nullptr || given->is_null() || !fault.empty()) return;
    const auto* entries = given->get<FieldArray>();
    if (entries == nullptr) {
      fault = fmt::format("{} is a list", list);
      return;
    }
    for (std::size_t at = 0; at < entries->size() && fault.empty(); ++at) {
      const Table* table = (*entries)[at].get<Table>();
      if (table == nullptr) {
        fault = fmt::format("{}[{}] is an object", list, at);
        return;
      }
      Entry entry(*table, fmt::format("{}[{}]", list, at), vhost);
      read(entry);
      fault = entry.fault();
    }
  };
  if (vhost.empty()) {
    each("users", [&](Entry& entry) {
      out.users.push_back(read_user(entry));
      if (entry.table().find("limits") == nullptr) return;
      Table limits = entry.object("limits");
      if (std::string wrong = limits_fault(LimitScope::user, limits); !wrong.empty()) entry.wrong(wrong);
      if (!limits.empty()) out.user_limits.emplace_back(out.users.back().name, std::move(limits));
    });
    each("vhosts", [&](Entry& entry) { out.vhosts.push_back(read_vhost(entry)); });
    each("permissions", [&](Entry& entry) {
      out.permissions.push_back(
          {entry.name("user"), {entry.vhost(), entry.text("configure"), entry.text("write"), entry.text("read")}});
    });
    each("topic_permissions", [&](Entry& entry) {
      out.topic_permissions.push_back(
          {entry.name("user"), {entry.vhost(), entry.name("exchange"), entry.text("write"), entry.text("read")}});
    });
    each("global_parameters", [&](Entry& entry) {
      const FieldValue* value = entry.table().find("value");
      if (value == nullptr) return entry.wrong("value has to be there");
      out.global_parameters.emplace_back(entry.text("name"), *value);
    });
  }
  each("parameters", [&](Entry& entry) { read_parameter(entry, out); });
  each("policies", [&](Entry& entry) {
    out.policies.push_back(read_policy(entry, PolicyKind::plain, entry.text("name"), entry.table()));
  });
  each("exchanges", [&](Entry& entry) {
    ExchangeSpec spec{entry.name("name"),
                      entry.text("type"),
                      entry.flag("durable", true),
                      entry.flag("auto_delete", false),
                      entry.flag("internal", false),
                      entry.object("arguments")};
    out.exchanges.push_back({entry.vhost(), std::move(spec)});
  });
  each("queues", [&](Entry& entry) {
    QueueSpec spec{entry.name("name"), entry.flag("durable", true), false, entry.flag("auto_delete", false),
                   entry.object("arguments")};
    out.queues.push_back({entry.vhost(), std::move(spec)});
  });
  each("bindings", [&](Entry& entry) { out.bindings.push_back(read_binding(entry)); });
  if (!fault.empty()) return bad_request(std::move(fault));
  return out;
}

}  // namespace wherry::broker::admin

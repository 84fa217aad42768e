#include "broker/shard/runtime_access.h"

#include <algorithm>

#include <fmt/format.h>

#include "broker/auth/password_hash.h"
#include "broker/shard/broker.h"
#include "broker/shard/shard.h"

namespace wherry::broker {

using amqp::FieldArray;
using amqp::FieldValue;
using amqp::Table;

namespace {

constexpr std::string_view user_component = "user";
constexpr std::string_view notes_component = "vhost-metadata";
constexpr std::string_view global_component = "global";
constexpr std::string_view cluster_name_parameter = "cluster_name";
constexpr std::chrono::seconds shards_patience{60};

FieldArray texts(const std::vector<std::string>& all) {
  return {all.begin(), all.end()};
}

std::vector<std::string> texts_in(const Table& table, std::string_view name) {
  std::vector<std::string> all;
  const FieldValue* value = table.find(name);
  const auto* array = value ? value->get<FieldArray>() : nullptr;
  if (array == nullptr) return all;
  for (const FieldValue& each : *array) {
    if (const auto* text = each.get<std::string>()) all.push_back(*text);
  }
  return all;
}

std::string text_in(const Table& table, std::string_view name) {
  const std::string* text = table.string(name);
  return text ? *text : std::string();
}

template <class F>
void each_table(const Table& table, std::string_view name, F visit) {
  const FieldValue* value = table.find(name);
  const auto* array = value ? value->get<FieldArray>() : nullptr;
  if (array == nullptr) return;
  for (const FieldValue& each : *array) {
    if (const auto* entry = each.get<Table>()) visit(*entry);
  }
}

Table table_of(const UserSpec& spec) {
  Table out;
  out.set("password_hash", spec.password_hash);
  out.set("hashing_algorithm", spec.hashing);
  out.set("tags", texts(spec.tags));
  out.set("loopback_only", spec.loopback_only);
  FieldArray permissions, topics;
  for (const Permission& each : spec.permissions) {
    Table row;
    row.set("vhost", each.vhost);
    row.set("configure", each.configure);
    row.set("write", each.write);
    row.set("read", each.read);
    permissions.emplace_back(std::move(row));
  }
  for (const TopicPermission& each : spec.topic_permissions) {
    Table row;
    row.set("vhost", each.vhost);
    row.set("exchange", each.exchange);
    row.set("write", each.write);
    row.set("read", each.read);
    topics.emplace_back(std::move(row));
  }
  out.set("permissions", std::move(permissions));
  out.set("topic_permissions", std::move(topics));
  return out;
}

UserSpec spec_of(std::string_view name, const Table& table) {
  UserSpec spec;
  spec.name = name;
  spec.password_hash = text_in(table, "password_hash");
  spec.hashing = text_in(table, "hashing_algorithm");
  spec.tags = texts_in(table, "tags");
  table.boolean("loopback_only", spec.loopback_only);
  each_table(table, "permissions", [&](const Table& row) {
    spec.permissions.push_back(
        {text_in(row, "vhost"), text_in(row, "configure"), text_in(row, "write"), text_in(row, "read")});
  });
  each_table(table, "topic_permissions", [&](const Table& row) {
    spec.topic_permissions.push_back(
        {text_in(row, "vhost"), text_in(row, "exchange"), text_in(row, "write"), text_in(row, "read")});
  });
  return spec;
}

std::set<std::string, std::less<>> names_of(const std::shared_ptr<const Users>& users) {
  if (!users) return {};
  const std::vector<std::string> names = users->names();
  return {names.begin(), names.end()};
}

tl::unexpected<Error> no_user(std::string_view name) {
  return fail(fmt::format("User '{}' does not exist", name));
}
tl::unexpected<Error> no_vhost(std::string_view name) {
  return fail(fmt::format("Virtual host '{}' does not exist", name));
}

}  // namespace

RuntimeAccess::RuntimeAccess(Shared& shared, RuntimeSettings& settings)
    : shared_(shared), settings_(settings), configured_(names_of(shared.config().users)) {}

std::uint64_t RuntimeAccess::recorded() const {
  const Definitions* definitions = shared_.config().definitions;
  return definitions == nullptr ? 0 : definitions->recorded();
}

void RuntimeAccess::keep(Key key, std::optional<Table> value) {
  Definitions* definitions = shared_.config().definitions;
  const auto& [vhost, component, name] = key;
  const auto record = [&](bool added, const Table& what) {
    if (definitions) definitions->record({added, vhost, ParameterSpec{component, name, what}});
  };
  if (auto before = kept_.find(key); before != kept_.end()) {
    record(false, before->second);
    kept_.erase(before);
  }
  if (!value) return;
  record(true, *value);
  kept_.emplace(std::move(key), std::move(*value));
}

Result<bool> RuntimeAccess::restore(std::string_view vhost, std::string_view component, std::string_view name,
                                    const Table& value) {
  std::lock_guard lock(mutex_);
  if (component == user_component) {
    bool deleted = false;
    value.boolean("deleted", deleted);
    if (deleted) {
      shared_.users().remove(name);
      shared_.remove_user_quota(name);
    } else {
      if (auto put = shared_.users().put(spec_of(name, value)); !put)
        return fail("definitions: " + put.error().message);
      shared_.add_user_quota(name);
    }
  } else if (component == notes_component) {
    notes_[std::string(vhost)] = {text_in(value, "description"), texts_in(value, "tags")};
  } else if (component != global_component) {
    return false;
  }
  kept_.insert_or_assign(Key(vhost, component, name), value);
  if (component == global_component) tell_cluster_name(name);
  return true;
}

// --- users -----------------------------------------------------------------------------------------------------------

std::vector<UserSpec> RuntimeAccess::users() const {
  const auto now = shared_.users().now();
  std::vector<UserSpec> all;
  for (const std::string& name : now->names()) all.push_back(now->find(name)->spec());
  return all;
}

std::optional<UserSpec> RuntimeAccess::user(std::string_view name) const {
  const UserRef found = shared_.users().now()->find(name);
  if (!found) return std::nullopt;
  return found->spec();
}

RuntimeAccess::Change RuntimeAccess::put_user_locked(UserSpec spec) {
  if (spec.name.empty()) return fail("a user needs a name");
  if (spec.name.size() > 255) return fail("a user's name has at most 255 bytes");
  if (!is_password_hashing(spec.hashing)) return fail(fmt::format("unknown hashing algorithm '{}'", spec.hashing));
  for (const Permission& each : spec.permissions) {
    if (!shared_.find_vhost(each.vhost)) return no_vhost(each.vhost);
  }
  const Table table = table_of(spec);
  const std::string name = spec.name;
  if (auto put = shared_.users().put(std::move(spec)); !put) return tl::unexpected(put.error());
  if (shared_.add_user_quota(name)) settings_.apply_user_limits();
  keep({"", std::string(user_component), name}, table);
  return recorded();
}

RuntimeAccess::Change RuntimeAccess::put_user(UserSpec spec) {
  std::lock_guard lock(mutex_);
  return put_user_locked(std::move(spec));
}

RuntimeAccess::Change RuntimeAccess::change_user(std::string_view name,
                                                 const std::function<void(UserSpec& spec)>& change) {
  std::lock_guard lock(mutex_);
  auto spec = user(name);
  if (!spec) return no_user(name);
  change(*spec);
  return put_user_locked(std::move(*spec));
}

RuntimeAccess::Change RuntimeAccess::delete_user(std::string_view name) {
  {
    std::lock_guard lock(mutex_);
    if (!shared_.users().remove(name)) return no_user(name);
    std::optional<Table> gone;
    if (configured_.contains(name)) gone.emplace().set("deleted", true);
    keep({"", std::string(user_component), std::string(name)}, std::move(gone));
  }
  if (auto cleared = settings_.clear_user_limits(name, "all"); !cleared) return cleared;
  shared_.remove_user_quota(name);
  shared_.close_where([user = std::string(name)](const Session& session) { return session.user_name() == user; },
                      fmt::format("user '{}' is deleted", name));
  return recorded();
}

RuntimeAccess::Change RuntimeAccess::set_permission(std::string_view name, Permission permission) {
  return change_user(name, [&](UserSpec& spec) {
    std::erase_if(spec.permissions, [&](const Permission& each) { return each.vhost == permission.vhost; });
    spec.permissions.push_back(std::move(permission));
  });
}

RuntimeAccess::Change RuntimeAccess::clear_permission(std::string_view name, std::string_view vhost) {
  if (!shared_.find_vhost(vhost)) return no_vhost(vhost);
  return change_user(name, [&](UserSpec& spec) {
    std::erase_if(spec.permissions, [&](const Permission& each) { return each.vhost == vhost; });
  });
}

RuntimeAccess::Change RuntimeAccess::set_topic_permission(std::string_view name, TopicPermission permission) {
  if (!shared_.find_vhost(permission.vhost)) return no_vhost(permission.vhost);
  return change_user(name, [&](UserSpec& spec) {
    std::erase_if(spec.topic_permissions, [&](const TopicPermission& each) {
      return each.vhost == permission.vhost && each.exchange == permission.exchange;
    });
    spec.topic_permissions.push_back(std::move(permission));
  });
}

RuntimeAccess::Change RuntimeAccess::clear_topic_permission(std::string_view name, std::string_view vhost,
                                                            std::optional<std::string> exchange) {
  if (!shared_.find_vhost(vhost)) return no_vhost(vhost);
  return change_user(name, [&](UserSpec& spec) {
    std::erase_if(spec.topic_permissions, [&](const TopicPermission& each) {
      return each.vhost == vhost && (!exchange || each.exchange == *exchange);
    });
  });
}

// --- virtual hosts ---------------------------------------------------------------------------------------------------

VhostNotes RuntimeAccess::notes(std::string_view vhost) const {
  std::lock_guard lock(mutex_);
  auto found = notes_.find(vhost);
  return found == notes_.end() ? VhostNotes{} : found->second;
}

RuntimeAccess::Change RuntimeAccess::put_vhost(std::string_view name, std::optional<VhostNotes> notes) {
  if (name.empty()) return fail("a virtual host needs a name");
  if (name.size() > 255) return fail("a virtual host's name has at most 255 bytes");
  std::lock_guard lock(mutex_);
  Definitions* definitions = shared_.config().definitions;
  if (!shared_.find_vhost(name)) {
    auto vhost = std::make_shared<SharedVhost>(std::string(name));
    if (definitions) {
      definitions->record({true, std::string(name), {}});
      vhost->write([&](Vhost& topology) { topology.set_journal(*definitions); });
    }
    shared_.add_vhost(std::move(vhost));
    settings_.vhost_added(name);
  }
  if (notes && *notes != notes_[std::string(name)]) {
    Table value;
    value.set("description", notes->description);
    value.set("tags", texts(notes->tags));
    keep({std::string(name), std::string(notes_component), "metadata"}, std::move(value));
    notes_[std::string(name)] = std::move(*notes);
  }
  return recorded();
}

// Nobody is connected to it, and nobody can find it any more.
void RuntimeAccess::empty_vhost(const SharedVhostRef& vhost) {
  std::vector<QueueEntryRef> queues;
  std::vector<std::string> delaying;
  vhost->read([&](const Vhost& topology) {
    queues = topology.queues();
    for (const ExchangeSpec& exchange : topology.exchanges()) {
      if (exchange.type == "x-delayed-message") delaying.push_back(exchange.name);
    }
  });
  shared_.on_each_shard(
      [vhost, queues, delaying](Shard& shard) {
        for (const QueueEntryRef& queue : queues) {
          if (queue->home == shard.shard()) shard.delete_queue(vhost, queue, {}, [](const auto&) {});
        }
        shard.drop_delayed(vhost->name(), delaying);
      },
      shards_patience);
  vhost->write([](Vhost& topology) {
    for (const ExchangeSpec& exchange : topology.exchanges()) {
      if (!exchange.name.empty() && !exchange.name.starts_with("amq.")) {
        (void)topology.delete_exchange(exchange.name, false);
      }
    }
    for (const BindingSpec& binding : topology.bindings()) (void)topology.unbind(binding, 0);
  });
}

RuntimeAccess::Change RuntimeAccess::delete_vhost(std::string_view name) {
  const SharedVhostRef vhost = shared_.take_vhost(name);
  if (!vhost) return no_vhost(name);
  const std::string text = fmt::format("vhost '{}' is deleted", name);
  shared_.on_each_shard(
      [vhost, text](Shard& shard) {
        shard.close_where([&](const Session& session) { return session.vhost() == vhost; }, text);
      },
      shards_patience);
  empty_vhost(vhost);
  settings_.vhost_removed(*vhost);
  std::lock_guard lock(mutex_);
  for (UserSpec& spec : users()) {
    const auto of_vhost = [&](const auto& each) { return each.vhost == name; };
    if (std::erase_if(spec.permissions, of_vhost) + std::erase_if(spec.topic_permissions, of_vhost) > 0) {
      if (auto put = put_user_locked(std::move(spec)); !put) return put;
    }
  }
  notes_.erase(std::string(name));
  keep({std::string(name), std::string(notes_component), "metadata"}, std::nullopt);
  if (Definitions* definitions = shared_.config().definitions) definitions->record({false, std::string(name), {}});
  return recorded();
}

// --- parameters ------------------------------------------------------------------------------------------------------

std::map<std::string, FieldValue> RuntimeAccess::global_parameters() const {
  std::lock_guard lock(mutex_);
  std::map<std::string, FieldValue> all;
  for (const auto& [key, value] : kept_) {
    const FieldValue* it = value.find("value");
    if (std::get<1>(key) == global_component && it != nullptr) all.emplace(std::get<2>(key), *it);
  }
  return all;
}

RuntimeAccess::Change RuntimeAccess::set_global_parameter(std::string_view name, FieldValue value) {
  std::lock_guard lock(mutex_);
  Table table;
  table.set("value", std::move(value));
  keep({"", std::string(global_component), std::string(name)}, std::move(table));
  tell_cluster_name(name);
  return recorded();
}

RuntimeAccess::Change RuntimeAccess::clear_global_parameter(std::string_view name) {
  std::lock_guard lock(mutex_);
  const Key key("", global_component, name);
  if (!kept_.contains(key)) return fail("Parameter does not exist");
  keep(key, std::nullopt);
  tell_cluster_name(name);
  return recorded();
}

void RuntimeAccess::tell_cluster_name(std::string_view changed) {
  if (changed != cluster_name_parameter) return;
  const auto found = kept_.find(Key("", global_component, changed));
  const FieldValue* value = found == kept_.end() ? nullptr : found->second.find("value");
  shared_.set_cluster_name(value ? value->get<std::string>() : nullptr);
}

}  // namespace wherry::broker

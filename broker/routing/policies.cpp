#include "broker/routing/policies.h"

#include <array>
#include <utility>

#include <fmt/format.h>
#include <re2/re2.h>

#include "broker/routing/vhost.h"

namespace wherry::broker {

namespace {

constexpr std::size_t most_name_bytes = 255;
constexpr std::size_t most_pattern_bytes = 4096;

constexpr std::pair<std::string_view, PolicyTarget> targets[] = {
    {"all", PolicyTarget::all},
    {"queues", PolicyTarget::queues},
    {"classic_queues", PolicyTarget::classic_queues},
    {"quorum_queues", PolicyTarget::quorum_queues},
    {"exchanges", PolicyTarget::exchanges},
};

std::unique_ptr<RE2> compile(const std::string& pattern) {
  RE2::Options options(RE2::Latin1);
  options.set_log_errors(false);
  return std::make_unique<RE2>(pattern, options);
}

struct Policy {
  PolicySpec spec;
  std::string place;
  std::unique_ptr<RE2> pattern;

  bool applies(PolicyTarget to, std::string_view name) const {
    const bool queue = to != PolicyTarget::exchanges;
    const bool wanted =
        spec.apply_to == PolicyTarget::all || spec.apply_to == to || (queue && spec.apply_to == PolicyTarget::queues);
    return wanted && RE2::PartialMatch(re2::StringPiece(name.data(), name.size()), *pattern);
  }
};
using ByName = std::map<std::string, Policy, std::less<>>;

Policy make(PolicySpec spec, std::string place) {
  auto pattern = compile(spec.pattern);
  return {std::move(spec), std::move(place), std::move(pattern)};
}

}  // namespace

std::string_view to_string(PolicyTarget target) {
  for (const auto& [name, each] : targets) {
    if (each == target) return name;
  }
  return {};
}

std::optional<PolicyTarget> parse_policy_target(std::string_view text) {
  for (const auto& [name, target] : targets) {
    if (name == text) return target;
  }
  return {};
}

std::string_view component_of(PolicyKind kind) {
  return kind == PolicyKind::plain ? "policy" : "operator_policy";
}

std::optional<PolicyKind> policy_kind_of(std::string_view component) {
  for (const PolicyKind kind : {PolicyKind::plain, PolicyKind::by_operator}) {
    if (component == component_of(kind)) return kind;
  }
  return {};
}

std::string policy_fault(PolicyKind kind, const PolicySpec& spec) {
  if (spec.name.empty() || spec.name.size() > most_name_bytes) return "a policy needs a name of 1 to 255 bytes";
  if (spec.pattern.size() > most_pattern_bytes) return "pattern is longer than 4096 bytes";
  if (const auto pattern = compile(spec.pattern); !pattern->ok()) {
    return fmt::format("pattern should be regular expression but is invalid: {}", pattern->error());
  }
  return policy_definition_fault(kind, spec.definition);
}

amqp::Table to_table(const PolicySpec& spec) {
  amqp::Table table;
  table.set("pattern", spec.pattern);
  table.set("apply-to", std::string(to_string(spec.apply_to)));
  table.set("priority", spec.priority);
  table.set("definition", spec.definition);
  return table;
}

std::optional<PolicySpec> policy_of(std::string name, const amqp::Table& table) {
  PolicySpec spec;
  spec.name = std::move(name);
  if (const amqp::FieldValue* value = table.find("pattern")) {
    const std::string* text = value->get<std::string>();
    if (text == nullptr) return {};
    spec.pattern = *text;
  }
  if (const amqp::FieldValue* value = table.find("apply-to")) {
    const std::string* text = value->get<std::string>();
    const auto target = text ? parse_policy_target(*text) : std::nullopt;
    if (!target) return {};
    spec.apply_to = *target;
  }
  if (const amqp::FieldValue* value = table.find("priority"); value && !value->integer(spec.priority)) return {};
  if (const amqp::FieldValue* value = table.find("definition")) {
    const amqp::Table* definition = value->get<amqp::Table>();
    if (definition == nullptr) return {};
    spec.definition = *definition;
  }
  return spec;
}

struct Policies::Impl {
  struct Kind {
    ByName configured;
    ByName set;

    // Those of the configuration hide what was set under their names.
    template <class Visit>
    void each(Visit visit) const {
      auto a = configured.begin();
      auto b = set.begin();
      while (a != configured.end() || b != set.end()) {
        if (b == set.end() || (a != configured.end() && a->first <= b->first)) {
          if (b != set.end() && a->first == b->first) ++b;
          visit((a++)->second);
        } else {
          visit((b++)->second);
        }
      }
    }
    const Policy* of(PolicyTarget target, std::string_view name) const {
      const Policy* best = nullptr;
      each([&](const Policy& policy) {
        if (best != nullptr && policy.spec.priority <= best->spec.priority) return;
        if (policy.applies(target, name)) best = &policy;
      });
      return best;
    }
  };

  Kind& of(PolicyKind kind) { return kinds[static_cast<std::size_t>(kind)]; }
  Result<void> not_configured(PolicyKind kind, std::string_view name) {
    const auto found = of(kind).configured.find(name);
    if (found == of(kind).configured.end()) return {};
    return fail(fmt::format("{} '{}' stands in the configuration ({}): change it there",
                            kind == PolicyKind::plain ? "policy" : "operator policy", name, found->second.place));
  }

  EffectiveRef effective(PolicyTarget target, std::string_view name, const amqp::Table& arguments) {
    const Policy* plain = kinds[0].of(target, name);
    const Policy* by_operator = kinds[1].of(target, name);
    if (plain == nullptr && by_operator == nullptr) return {};
    // There may be very many queues without arguments under one policy.
    const bool alike = arguments.entries().empty();
    if (alike && last && last_of == std::pair{plain, by_operator}) return last;
    auto made = std::make_shared<Effective>();
    if (plain) made->policy = plain->spec.name;
    if (by_operator) made->operator_policy = by_operator->spec.name;
    const amqp::Table none;
    made->definition =
        merge_definitions(plain ? plain->spec.definition : none, by_operator ? by_operator->spec.definition : none);
    made->arguments = merge_arguments(arguments, made->definition);
    if (alike) {
      last = made;
      last_of = {plain, by_operator};
    }
    return made;
  }

  std::array<Kind, 2> kinds;
  EffectiveRef last;
  std::pair<const Policy*, const Policy*> last_of;
};

Policies::Policies() : impl_(std::make_unique<Impl>()) {}
Policies::~Policies() = default;
Policies::Policies(Policies&&) noexcept = default;
Policies& Policies::operator=(Policies&&) noexcept = default;

void Policies::configure(PolicyKind kind, std::vector<Configured> policies) {
  impl_->last.reset();
  ByName& configured = impl_->of(kind).configured;
  configured.clear();
  for (Configured& each : policies) {
    std::string name = each.spec.name;
    configured.insert_or_assign(std::move(name), make(std::move(each.spec), std::move(each.place)));
  }
}

Result<std::optional<PolicySpec>> Policies::set(PolicyKind kind, PolicySpec spec) {
  if (auto free = impl_->not_configured(kind, spec.name); !free) return tl::unexpected(free.error());
  if (std::string fault = policy_fault(kind, spec); !fault.empty()) return fail(std::move(fault));
  impl_->last.reset();
  std::optional<PolicySpec> before;
  ByName& set = impl_->of(kind).set;
  if (const auto found = set.find(spec.name); found != set.end()) before = std::move(found->second.spec);
  std::string name = spec.name;
  set.insert_or_assign(std::move(name), make(std::move(spec), {}));
  return before;
}

Result<std::optional<PolicySpec>> Policies::clear(PolicyKind kind, std::string_view name) {
  if (auto free = impl_->not_configured(kind, name); !free) return tl::unexpected(free.error());
  ByName& set = impl_->of(kind).set;
  const auto found = set.find(name);
  if (found == set.end()) return std::optional<PolicySpec>();
  impl_->last.reset();
  std::optional<PolicySpec> before = std::move(found->second.spec);
  set.erase(found);
  return before;
}

EffectiveRef Policies::of(const QueueSpec& queue) {
  const std::string* type = queue.arguments.string("x-queue-type");
  const bool quorum_queue = type != nullptr && *type == "quorum";
  return impl_->effective(quorum_queue ? PolicyTarget::quorum_queues : PolicyTarget::classic_queues, queue.name,
                          queue.arguments);
}

EffectiveRef Policies::of(const ExchangeSpec& exchange) {
  // The default exchange is nobody's.
  if (exchange.name.empty()) return {};
  return impl_->effective(PolicyTarget::exchanges, exchange.name, exchange.arguments);
}

std::vector<Policies::Listed> Policies::list(PolicyKind kind) const {
  std::vector<Listed> all;
  impl_->of(kind).each([&](const Policy& policy) { all.push_back({policy.spec, policy.place}); });
  return all;
}

}  // namespace wherry::broker

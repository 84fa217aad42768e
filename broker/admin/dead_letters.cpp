#include "broker/admin/dead_letters.h"

#include <algorithm>
#include <charconv>
#include <map>
#include <memory>
#include <string>

#include <fmt/format.h>

#include "base/iso8601.h"
#include "base/utf8.h"
#include "broker/admin/handlers.h"
#include "broker/admin/wait.h"
#include "protocol/amqp/properties.h"
#include "protocol/task/base64.h"
#include "protocol/task/dead_letter.h"

namespace wherry::broker::admin {

namespace {

constexpr std::size_t most_body_shown = 64 * 1024;
constexpr std::size_t most_shown = 20;

amqp::Properties properties_of(const Message& message) {
  // They were checked when they came in.
  return amqp::decode_properties(message.properties()).value_or(amqp::Properties{});
}

FieldValue number(std::uint64_t value) {
  return static_cast<std::int64_t>(value);
}

std::string time_text(const std::optional<WallTime>& time) {
  return time ? format_iso8601(*time) : std::string();
}

Table row_of(Position at, const task::DeadLetter& letter, const Message& message) {
  Table row;
  row.set("key", std::to_string(at));
  row.set("id", letter.id);
  row.set("task", letter.task);
  row.set("queue", letter.queue);
  row.set("dead_at", time_text(letter.dead_at));
  row.set("reason", letter.reason);
  row.set("error", letter.error());
  row.set("attempts", number(letter.history.size()));
  row.set("crashes", number(letter.crashes));
  row.set("replays", number(letter.replays));
  row.set("bytes", number(message.body().size()));
  return row;
}

void add_all(Table& row, const task::DeadLetter& letter, const amqp::Properties& properties, const Message& message) {
  row.set("args", letter.args);
  row.set("kwargs", letter.kwargs);
  FieldArray history;
  for (const task::DeadAttempt& each : letter.history) {
    Table entry;
    entry.set("attempt", number(each.attempt));
    entry.set("error", each.error);
    entry.set("at", each.at);
    entry.set("worker", each.worker);
    history.emplace_back(std::move(entry));
  }
  row.set("history", std::move(history));
  row.set("headers", properties.headers.value_or(amqp::Headers{}).table());
  row.set("content_type", properties.content_type.value_or(""));
  std::string_view body = message.body();
  row.set("body_truncated", body.size() > most_body_shown);
  body = body.substr(0, most_body_shown);
  if (is_utf8(body)) {
    row.set("body", std::string(body));
  } else {
    row.set("body_base64", task::encode_base64(body));
  }
}

std::optional<Position> position_of(const std::string& text) {
  Position at = 0;
  const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), at);
  if (error != std::errc{} || end != text.data() + text.size()) return std::nullopt;
  return at;
}

Result<std::string> text_at(const Table& request, std::string_view name) {
  const FieldValue* given = request.find(name);
  if (given == nullptr || given->is_null()) return std::string();
  if (const auto* text = given->get<std::string>()) return *text;
  return fail(fmt::format("{} is a text", name));
}

Result<std::optional<WallTime>> time_at(const Table& request, std::string_view name) {
  auto text = text_at(request, name);
  if (!text) return tl::unexpected(text.error());
  if (text->empty()) return std::optional<WallTime>();
  auto time = parse_iso8601(*text);
  if (!time) return fail(fmt::format("{}: {}", name, time.error().message));
  return std::optional(*time);
}

// A request, read.
struct Asked {
  std::string vhost = "/";
  std::string queue = "wherry.dead";
  task::DeadLetterFilter filter = {};
  std::vector<std::string> ids = {};  // Of tasks, or keys of the listing.
  bool all = false;
  bool dry_run = false;
  std::int64_t limit = 0;  // 0: none.
  Sweep::Range range = {};

  bool wants(Position at, const task::DeadLetter& letter) const {
    if (!ids.empty()) {
      const bool named = std::any_of(ids.begin(), ids.end(),
                                     [&](const std::string& id) { return id == letter.id || position_of(id) == at; });
      if (!named) return false;
    }
    return filter.matches(letter);
  }
  bool says_which() const { return all || !ids.empty() || !filter.empty(); }

  static Result<Asked> read(const Table& request) {
    Asked asked;
    struct Text {
      std::string_view name;
      std::string& into;
    };
    for (const Text& each : {Text{"vhost", asked.vhost}, Text{"queue", asked.queue}, Text{"task", asked.filter.task},
                             Text{"reason", asked.filter.reason}, Text{"source", asked.filter.queue}}) {
      auto text = text_at(request, each.name);
      if (!text) return tl::unexpected(text.error());
      if (!text->empty()) each.into = *std::move(text);
    }
    for (auto [name, into] : {std::pair("since", &asked.filter.since), std::pair("before", &asked.filter.before)}) {
      auto time = time_at(request, name);
      if (!time) return tl::unexpected(time.error());
      *into = *time;
    }
    if (const FieldValue* ids = request.find("ids"); ids && !ids->is_null()) {
      const auto* list = ids->get<FieldArray>();
      if (list == nullptr) return fail("ids is a list of texts");
      for (const FieldValue& each : *list) {
        const auto* id = each.get<std::string>();
        if (id == nullptr || id->empty()) return fail("ids is a list of texts, none of them empty");
        asked.ids.push_back(*id);
      }
      if (list->empty()) return fail("ids is empty: say which, or all");
      if (list->size() > task::DeadLetterFilter::most_ids) {
        return fail(fmt::format("at most {} ids at once", task::DeadLetterFilter::most_ids));
      }
    }
    request.boolean("all", asked.all);
    request.boolean("dry_run", asked.dry_run);
    if (const FieldValue* limit = request.find("limit"); limit && !limit->integer(asked.limit)) {
      return fail("limit is a number");
    }
    if (asked.limit < 0) return fail("limit is 1 or more");
    for (auto [name, into] : {std::pair("next", &asked.range.from), std::pair("end", &asked.range.end)}) {
      auto text = text_at(request, name);
      if (!text) return tl::unexpected(text.error());
      const auto at = text->empty() ? std::optional<Position>(0) : position_of(*text);
      if (!at) return fail(fmt::format("{} '{}' is not one of an answer", name, *text));
      *into = *at;
    }
    return asked;
  }
};

void collect(Broker& broker, const Asked& asked, bool whole, DeadLettersAnswered answered) {
  const auto rows = std::make_shared<FieldArray>();
  auto judge = [rows, asked, whole](Position at, const Message& message) {
    const amqp::Properties properties = properties_of(message);
    const task::DeadLetter letter = task::read_dead_letter(properties);
    if (!asked.wants(at, letter)) return Sweep::Verdict{};
    if (static_cast<std::int64_t>(rows->size()) == asked.limit) return Sweep::Verdict{.what = Sweep::What::stop};
    Table row = row_of(at, letter, message);
    if (whole) add_all(row, letter, properties, message);
    rows->emplace_back(std::move(row));
    return Sweep::Verdict{};
  };
  broker.sweep(asked.vhost, asked.queue, asked.range, std::move(judge),
               [rows, answered = std::move(answered)](Result<Sweep::Report> report) {
                 if (!report) return answered(bad_request(report.error().message));
                 answered(FieldValue(std::move(*rows)));
               });
}

void act(Broker& broker, const Table& request, bool replay, DeadLettersAnswered answered) {
  auto asked = Asked::read(request);
  if (!asked) return answered(bad_request(asked.error().message));
  if (!asked->says_which()) return answered(bad_request("say which dead letters: ids, a filter, or all"));
  struct Counted {
    std::uint64_t chosen = 0;
    std::uint64_t refused = 0;
    FieldArray why{};                       // Of those that no rule can send anywhere.
    std::map<Position, std::string> ids{};  // Of the others, as long as it may be wanted.
  };
  const auto counted = std::make_shared<Counted>();
  const auto refuse = [counted](Position at, const std::string& id, const std::string& why) {
    ++counted->refused;
    if (counted->why.size() >= Sweep::most_refused) return;
    Table row;
    row.set("key", std::to_string(at));
    row.set("id", id);
    row.set("why", why);
    counted->why.emplace_back(std::move(row));
  };
  auto judge = [counted, refuse, replay, asked = *asked](Position at, const Message& message) {
    const amqp::Properties properties = properties_of(message);
    const task::DeadLetter letter = task::read_dead_letter(properties);
    if (!asked.wants(at, letter)) return Sweep::Verdict{};
    if (asked.limit > 0 && static_cast<std::int64_t>(counted->chosen) == asked.limit) {
      return Sweep::Verdict{.what = Sweep::What::stop};
    }
    ++counted->chosen;
    if (!replay) return Sweep::Verdict{.what = asked.dry_run ? Sweep::What::keep : Sweep::What::remove};
    auto again = task::replay_of(properties, asked.queue);
    if (!again) {
      refuse(at, letter.id, again.error().message);
      return Sweep::Verdict{};
    }
    if (asked.dry_run) return Sweep::Verdict{};
    if (counted->ids.size() < Sweep::most_refused) counted->ids.emplace(at, letter.id);
    return Sweep::Verdict{Sweep::What::move, again->queue, amqp::encode_properties(again->properties)};
  };
  broker.sweep(
      asked->vhost, asked->queue, asked->range, std::move(judge),
      [counted, refuse, replay, dry_run = asked->dry_run,
       answered = std::move(answered)](Result<Sweep::Report> report) {
        if (!report) return answered(bad_request(report.error().message));
        const std::uint64_t by_rule = counted->refused;
        for (const auto& [at, why] : report->refused) {
          const auto id = counted->ids.find(at);
          refuse(at, id == counted->ids.end() ? std::string() : id->second, why);
        }
        Table result;
        result.set("matched", number(counted->chosen));
        result.set(replay ? "replayed" : "discarded", number(dry_run ? 0 : replay ? report->moved : report->removed));
        result.set("looked_at", number(report->looked_at));
        result.set("left", number(report->left));
        result.set("refused_count", number(by_rule + report->refused_count));
        result.set("refused", std::move(counted->why));
        result.set("next", report->next == 0 ? FieldValue() : FieldValue(std::to_string(report->next)));
        result.set("end", std::to_string(report->end));
        answered(FieldValue(std::move(result)));
      });
}

}  // namespace

void list_dead_letters(Broker& broker, const Table& request, DeadLettersAnswered answered) {
  auto asked = Asked::read(request);
  if (!asked) return answered(bad_request(asked.error().message));
  if (asked->limit == 0) asked->limit = 100;
  if (asked->limit > most_listed) return answered(bad_request(fmt::format("the limit is 1 to {}", most_listed)));
  auto after = text_at(request, "after");
  const auto key = after && !after->empty() ? position_of(*after) : std::optional<Position>(0);
  if (!after || !key) return answered(bad_request("after is a key of the listing"));
  if (*key > 0) asked->range.from = *key + 1;
  collect(broker, *asked, false, std::move(answered));
}

void show_dead_letter(Broker& broker, const Table& request, DeadLettersAnswered answered) {
  auto asked = Asked::read(request);
  if (!asked) return answered(bad_request(asked.error().message));
  auto id = text_at(request, "id");
  if (!id || id->empty()) return answered(bad_request("show wants an id"));
  asked->ids = {*id};
  asked->limit = most_shown;
  collect(broker, *asked, true, [answered = std::move(answered), id = *id, queue = asked->queue](auto found) {
    const auto* rows = found ? found->template get<FieldArray>() : nullptr;
    if (rows && rows->empty()) return answered(not_found(fmt::format("no dead letter '{}' in '{}'", id, queue)));
    answered(std::move(found));
  });
}

void replay_dead_letters(Broker& broker, const Table& request, DeadLettersAnswered answered) {
  act(broker, request, true, std::move(answered));
}

void discard_dead_letters(Broker& broker, const Table& request, DeadLettersAnswered answered) {
  act(broker, request, false, std::move(answered));
}

// --- by HTTP ---------------------------------------------------------------------------------------------------------

namespace {

using Ask = void (*)(Broker& broker, const Table& request, DeadLettersAnswered answered);

// What a caller may do with the queue by AMQP it may do here: looking and discarding read it, a replay writes as well.
Outcome<Answer> ask(Desk& desk, const Request& request, Ask what, bool writes) {
  Table asked = request.body;
  for (const auto& [name, value] : request.query) asked.set(name, value);
  if (const std::string limit = request.option("limit"); !limit.empty()) {
    // As a text where it is no number: the answer names it.
    if (const auto number = position_of(limit)) asked.set("limit", static_cast<std::int64_t>(*number));
  }
  const std::string& vhost = request.part(0);
  asked.set("vhost", vhost);
  if (request.parts.size() > 1) asked.set("id", request.part(1));
  auto topology = desk.vhost(request.caller, vhost);
  if (!topology) return tl::unexpected(topology.error());
  const std::string queue = text_of(asked, "queue", Asked().queue);
  if (auto may = request.caller.check(Access::read, "queue", vhost, queue); !may) return tl::unexpected(may.error());
  if (writes) {
    if (auto may = request.caller.check(Access::write, "exchange", vhost, "amq.default"); !may) {
      return tl::unexpected(may.error());
    }
  }
  if (!(*topology)->read([&](const Vhost& known) { return known.look_up(queue) != nullptr; })) {
    return not_found(fmt::format("there is no queue '{}'", queue));
  }
  auto said = wait_for<Outcome<FieldValue>>([&](auto answered) { what(desk.broker(), asked, std::move(answered)); });
  if (!said) return unavailable(still_going_on);
  if (!*said) return tl::unexpected(said->error());
  return answer(std::move(**said));
}

}  // namespace

namespace handlers {

Outcome<Answer> dead_letters(Desk& desk, const Request& request) {
  return ask(desk, request, list_dead_letters, false);
}

Outcome<Answer> dead_letter(Desk& desk, const Request& request) {
  return ask(desk, request, show_dead_letter, false);
}

Outcome<Answer> replay(Desk& desk, const Request& request) {
  auto answer = ask(desk, request, replay_dead_letters, true);
  if (answer) desk.audit(request.caller, fmt::format("replayed dead letters of {}", request.part(0)));
  return answer;
}

Outcome<Answer> discard(Desk& desk, const Request& request) {
  auto answer = ask(desk, request, discard_dead_letters, false);
  if (answer) desk.audit(request.caller, fmt::format("discarded dead letters of {}", request.part(0)));
  return answer;
}

}  // namespace handlers

}  // namespace wherry::broker::admin

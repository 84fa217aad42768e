// Ready messages of a queue in an operator's hands: looked at where they lie, sent to another queue, thrown away; and a
// queue that is stopped and resumed. Looking delivers nothing: no flag changes, no consumer notices.
#include <algorithm>
#include <charconv>
#include <optional>
#include <set>

#include <fmt/format.h>

#include "base/utf8.h"
#include "broker/admin/handlers.h"
#include "broker/admin/wait.h"
#include "broker/shard/sweep.h"
#include "protocol/task/base64.h"

namespace wherry::broker::admin::handlers {

namespace {

constexpr std::size_t most_keys = 1'000;
constexpr std::size_t most_looked_at = 1'000;
constexpr std::size_t most_bytes_shown = 8u << 20;  // Of an answer's bodies together.

// Whoever does what is allowed in AMQP, in a virtual host that is open to it, to a queue that is there.
Outcome<void> let_in(Desk& desk, const Request& request, std::initializer_list<Access> accesses) {
  const std::string &vhost = request.part(0), &queue = request.part(1);
  const SharedVhostRef topology = desk.shared().find_vhost(vhost);
  if (!topology) return not_found();
  if (!request.caller.may_open(vhost)) return not_authorised("User not authorised to access virtual host");
  for (const Access access : accesses) {
    if (auto may = request.caller.check(access, "queue", vhost, queue); !may) return may;
  }
  if (!topology->read([&](const Vhost& known) { return known.look_up(queue) != nullptr; })) {
    return not_found(fmt::format("there is no queue '{}'", queue));
  }
  return {};
}

std::optional<Position> key_of(std::string_view text) {
  Position at = 0;
  const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), at);
  if (text.empty() || error != std::errc{} || end != text.data() + text.size()) return std::nullopt;
  return at;
}

// A number of the query, or what it is without one.
Outcome<std::size_t> number_of(const Request& request, const char* name, std::size_t otherwise, std::size_t most) {
  const std::string text = request.option(name);
  if (text.empty()) return otherwise;
  const auto number = key_of(text);
  if (!number || *number > most) return bad_request(fmt::format("{} is a number, {} at most", name, most));
  return static_cast<std::size_t>(*number);
}

// The keys of a listing that a body names; none where it names none.
Outcome<std::set<Position>> keys_of(const Table& body) {
  std::set<Position> keys;
  const FieldValue* given = body.find("keys");
  if (given == nullptr || given->is_null()) return keys;
  const auto* list = given->get<FieldArray>();
  if (list == nullptr || list->empty() || list->size() > most_keys) {
    return bad_request(fmt::format("keys is a list of 1 to {} keys of the listing", most_keys));
  }
  for (const FieldValue& each : *list) {
    const auto* text = each.get<std::string>();
    const auto key = text ? key_of(*text) : std::nullopt;
    if (!key) return bad_request("keys is a list of texts, each a key of the listing");
    keys.insert(*key);
  }
  return keys;
}

Outcome<Sweep::Report> sweep(Desk& desk, const Request& request, Sweep::Range range, Sweep::Judge judge) {
  auto report = wait_for<Result<Sweep::Report>>([&](auto answered) {
    desk.broker().sweep(request.part(0), request.part(1), range, std::move(judge), std::move(answered));
  });
  if (!report) return unavailable(still_going_on);
  if (!*report) return bad_request(report->error().message);
  return std::move(**report);
}

// From the first of the keys to behind the last: nothing else needs to be looked at.
Sweep::Range range_of(const std::set<Position>& keys) {
  if (keys.empty()) return {};
  return {*keys.begin(), *keys.rbegin() + 1};
}

Table report_row(const Sweep::Report& report, const char* done, std::uint64_t number) {
  Table row;
  put(row, done, count(number));
  put(row, "looked_at", count(report.looked_at));
  put(row, "left", count(report.left));
  put(row, "refused_count", count(report.refused_count));
  FieldArray refused;
  for (const auto& [at, why] : report.refused) {
    Table each;
    put(each, "key", std::to_string(at));
    put(each, "why", why);
    refused.emplace_back(std::move(each));
  }
  put(row, "refused", std::move(refused));
  put(row, "next", report.next == 0 ? FieldValue() : FieldValue(std::to_string(report.next)));
  put(row, "end", std::to_string(report.end));
  return row;
}

Table message_row(Position at, const Message& message, std::size_t truncate) {
  const std::string_view body = message.body().substr(0, truncate);
  // A cut may go through a character.
  std::size_t whole = body.size();
  while (whole > 0 && body.size() - whole < 4 && body.size() < message.body().size() &&
         !is_utf8(body.substr(0, whole))) {
    --whole;
  }
  const bool plain = is_utf8(body.substr(0, whole));
  auto properties = amqp::decode_properties(message.properties());
  Table row;
  put(row, "key", std::to_string(at));
  put(row, "exchange", std::string(message.exchange()));
  put(row, "routing_key", std::string(message.routing_key()));
  put(row, "published", iso_time(message.published_ms()));
  put(row, "properties", properties ? properties_row(*properties) : Table{});
  put(row, "payload_bytes", count(message.body().size()));
  put(row, "payload", plain ? std::string(body.substr(0, whole)) : task::encode_base64(body));
  put(row, "payload_encoding", std::string(plain ? "string" : "base64"));
  put(row, "payload_truncated", body.size() < message.body().size());
  return row;
}

}  // namespace

Outcome<Answer> look_at_messages(Desk& desk, const Request& request) {
  if (auto may = let_in(desk, request, {Access::read}); !may) return tl::unexpected(may.error());
  auto limit = number_of(request, "limit", 20, most_looked_at);
  if (!limit) return tl::unexpected(limit.error());
  auto truncate = number_of(request, "truncate", 64 * 1024, most_bytes_shown);
  if (!truncate) return tl::unexpected(truncate.error());
  Sweep::Range range;
  if (const std::string after = request.option("after"); !after.empty()) {
    const auto key = key_of(after);
    if (!key) return bad_request("after is a key of the listing");
    range.from = *key + 1;
  }
  struct Shown {
    FieldArray rows;
    std::size_t bytes = 0;
  };
  const auto shown = std::make_shared<Shown>();
  auto report =
      sweep(desk, request, range, [shown, most = *limit, cut = *truncate](Position at, const Message& message) {
        if (shown->rows.size() >= most || shown->bytes >= most_bytes_shown)
          return Sweep::Verdict{.what = Sweep::What::stop};
        shown->bytes += std::min(message.body().size(), cut);
        shown->rows.emplace_back(message_row(at, message, cut));
        return Sweep::Verdict{};
      });
  if (!report) return tl::unexpected(report.error());
  return answer(std::move(shown->rows));
}

Outcome<Answer> move_messages(Desk& desk, const Request& request) {
  if (auto may = let_in(desk, request, {Access::read}); !may) return tl::unexpected(may.error());
  if (auto may = request.caller.check(Access::write, "exchange", request.part(0), "amq.default"); !may) {
    return tl::unexpected(may.error());
  }
  const std::string to = text_of(request.body, "to");
  if (to.empty()) return bad_request("to is the name of a queue of the same virtual host");
  if (to == request.part(1)) return bad_request(fmt::format("'{}' is where they lie", to));
  if (!desk.shared().find_vhost(request.part(0))->read([&](const Vhost& known) {
        return known.look_up(to) != nullptr;
      })) {
    return not_found(fmt::format("there is no queue '{}' to move to", to));
  }
  auto keys = keys_of(request.body);
  if (!keys) return tl::unexpected(keys.error());
  std::int64_t limit = 0;
  if (const FieldValue* given = request.body.find("limit"); given && (!given->integer(limit) || limit < 1)) {
    return bad_request("limit is a number, 1 or more");
  }
  Sweep::Range range = range_of(*keys);
  for (auto [name, into] : {std::pair("next", &range.from), std::pair("end", &range.end)}) {
    const std::string text = text_of(request.body, name);
    if (text.empty()) continue;
    const auto key = key_of(text);
    if (!key) return bad_request(fmt::format("{} '{}' is not one of an answer", name, text));
    *into = *key;
  }
  auto judge = [keys = *keys, to, limit, chosen = std::int64_t{0}](Position at, const Message& message) mutable {
    if (!keys.empty() && !keys.contains(at)) return Sweep::Verdict{};
    if (limit > 0 && chosen == limit) return Sweep::Verdict{.what = Sweep::What::stop};
    ++chosen;
    return Sweep::Verdict{Sweep::What::move, to, std::string(message.properties())};
  };
  auto report = sweep(desk, request, range, std::move(judge));
  if (!report) return tl::unexpected(report.error());
  desk.audit(request.caller, fmt::format("moved {} messages of queue '{}' in vhost '{}' to '{}'", report->moved,
                                         request.part(1), request.part(0), to));
  return answer(report_row(*report, "moved", report->moved));
}

Outcome<Answer> discard_messages(Desk& desk, const Request& request) {
  if (auto may = let_in(desk, request, {Access::read}); !may) return tl::unexpected(may.error());
  auto keys = keys_of(request.body);
  if (!keys) return tl::unexpected(keys.error());
  if (keys->empty()) return bad_request("keys says which; purging the queue throws all away");
  auto report = sweep(desk, request, range_of(*keys), [keys = *keys](Position at, const Message&) {
    return Sweep::Verdict{.what = keys.contains(at) ? Sweep::What::remove : Sweep::What::keep};
  });
  if (!report) return tl::unexpected(report.error());
  desk.audit(request.caller, fmt::format("discarded {} messages of queue '{}' in vhost '{}'", report->removed,
                                         request.part(1), request.part(0)));
  return answer(report_row(*report, "discarded", report->removed));
}

namespace {

Outcome<Answer> set_stopped(Desk& desk, const Request& request, bool stopped) {
  if (auto may = let_in(desk, request, {Access::configure}); !may) return tl::unexpected(may.error());
  auto set = desk.operations().set_stopped(request.part(0), request.part(1), stopped);
  if (!set) return refusal_of(set.error());
  if (auto kept = desk.kept(*set); !kept) return tl::unexpected(kept.error());
  desk.audit(request.caller, fmt::format("{} queue '{}' of vhost '{}'", stopped ? "paused" : "resumed", request.part(1),
                                         request.part(0)));
  return done();
}

}  // namespace

Outcome<Answer> pause_queue(Desk& desk, const Request& request) {
  return set_stopped(desk, request, true);
}

Outcome<Answer> resume_queue(Desk& desk, const Request& request) {
  return set_stopped(desk, request, false);
}

}  // namespace wherry::broker::admin::handlers

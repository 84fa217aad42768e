#include "broker/ctl/dead_letters.h"

#include <algorithm>
#include <chrono>
#include <cstdio>
#include <memory>
#include <optional>
#include <sstream>

#include <boost/program_options.hpp>
#include <fmt/format.h>

#include "base/iso8601.h"
#include "base/nearest.h"
#include "broker/control/json.h"
#include "broker/ctl/control_commands.h"
#include "broker/ctl/control_output.h"
#include "broker/ctl/progress.h"
#include "broker/ctl/reach.h"
#include "broker/ctl/where_options.h"

namespace wherry::broker::ctl {

namespace po = boost::program_options;
using amqp::FieldArray;
using amqp::FieldValue;
using amqp::Table;

namespace {

struct LettersCommand {
  const char* name;
  const char* verb;
  const char* operands;
  const char* summary;
  const char* examples;
};
constexpr LettersCommand letters_commands[] = {
    {"list", "list_dead_letters", "", "what there is, oldest first, and why",
     "  wherryctl dead-letters list --task 'email.*' --since 1h\n"
     "  wherryctl dead-letters list --formatter json | jq -r '.[].id'\n"},
    {"show", "show_dead_letter", " ID", "all there is to one: attempts, errors, headers, body",
     "  wherryctl dead-letters show 6fd0b5a2-51a2-4f5c-b25b-26a4f0a3c1de\n"},
    {"replay", "replay_dead_letters", " [ID ...]",
     "send them to the queues that they came from, with all their attempts",
     "  wherryctl dead-letters replay 6fd0b5a2-51a2-4f5c-b25b-26a4f0a3c1de\n"
     "  wherryctl dead-letters replay --task 'email.*' --reason 'connection refused' --dry-run\n"
     "  wherryctl dead-letters replay --all\n"},
    {"discard", "discard_dead_letters", " [ID ...]", "throw them away",
     "  wherryctl dead-letters discard --before 30d\n"},
};
// Dead letters in one request of a replay: enough to be quick, few enough that the bar moves.
constexpr std::int64_t letters_at_once = 500;

const LettersCommand* find_letters_command(std::string_view name) {
  for (const LettersCommand& each : letters_commands) {
    if (name == each.name) return &each;
  }
  return nullptr;
}

bool acts(const LettersCommand& command) {
  return std::string_view(command.operands) == " [ID ...]";
}

std::string letters_help() {
  std::string text =
      "wherryctl dead-letters: looks after the tasks that no worker could do.\n\n"
      "Usage: wherryctl dead-letters COMMAND [options]\n\nCommands:\n";
  for (const LettersCommand& each : letters_commands) text += fmt::format("  {:<8} {}\n", each.name, each.summary);
  return text +
         "\nwherryctl dead-letters COMMAND --help lists the options of a command, with examples.\n"
         "\nExit status: 0 done; 1 some that were named are not there, or could not be replayed; 64 wrong command "
         "line;\n"
         "69 the broker refused it, or there is none.\n\ndocs/dead-letters.md shows what they do.\n";
}

po::options_description letters_options(const LettersCommand& command) {
  const std::string_view name = command.name;
  po::options_description all("Options", 100, 60);
  add_where_options(all);
  all.add_options()("help,h", "this text")("vhost,p", po::value<std::string>()->value_name("VHOST")->default_value("/"),
                                           "the queue's virtual host")(
      "queue", po::value<std::string>()->value_name("QUEUE")->default_value("wherry.dead"), "the dead-letter queue")(
      "formatter", po::value<std::string>()->value_name("FORM")->default_value("table"), "table or json")(
      "timeout,t", po::value<unsigned>()->value_name("S")->default_value(60), "seconds to wait for an answer");
  if (name != "show") {
    all.add_options()("task", po::value<std::string>()->value_name("PATTERN"), "of tasks with such names: email.*")(
        "reason", po::value<std::string>()->value_name("TEXT"), "whose reason or last error has this in it")(
        "source", po::value<std::string>()->value_name("QUEUE"), "that came from this queue")(
        "since", po::value<std::string>()->value_name("TIME"), "dead since then: ISO 8601, or 90s, 15m, 2h, 3d ago")(
        "before", po::value<std::string>()->value_name("TIME"), "dead before then");
  }
  if (name == "list") {
    all.add_options()("limit,n", po::value<std::int64_t>()->value_name("N")->default_value(100),
                      "at most so many: 1 to 1000")("after", po::value<std::string>()->value_name("KEY"),
                                                    "behind this key of a list before");
  }
  if (acts(command)) {
    all.add_options()("all", "every one that is there")("dry-run", "say how many, and change nothing")(
        "quiet,q", "no bar that shows how far it is (on a terminal only)");
  }
  return all;
}

// "15m" is a quarter of an hour ago; anything else is the broker's to read.
std::string point_in_time(const std::string& text) {
  const std::string_view units = "smhd";
  const auto unit = text.empty() ? units.npos : units.find(text.back());
  const std::string_view digits = std::string_view(text).substr(0, text.empty() ? 0 : text.size() - 1);
  const bool ago = unit != units.npos && !digits.empty() && digits.size() < 8 &&
                   std::all_of(digits.begin(), digits.end(), [](char c) { return c >= '0' && c <= '9'; });
  if (!ago) return text;
  constexpr long seconds[] = {1, 60, 3'600, 86'400};
  return format_iso8601(std::chrono::system_clock::now() -
                        std::chrono::seconds(std::stol(std::string(digits)) * seconds[unit]));
}

struct LettersAsked {
  po::variables_map values;
  std::unique_ptr<Reach> reach;
  std::vector<std::string> ids;

  bool has(const char* name) const { return values.count(name) > 0; }
  std::string text(const char* name) const { return has(name) ? values[name].as<std::string>() : std::string(); }
  bool json() const { return text("formatter") == "json"; }
};

int wrong(const LettersCommand& command, const std::string& message) {
  std::fprintf(stderr, "wherryctl dead-letters %s: %s\n\nUsage: wherryctl dead-letters %s%s [options]; see --help\n",
               command.name, message.c_str(), command.name, command.operands);
  return kWrongCommandLine;
}

Table request_for(const LettersCommand& command, const LettersAsked& asked) {
  Table request;
  request.set("verb", std::string(command.verb));
  for (const char* name : {"vhost", "queue", "task", "reason", "source", "after"}) {
    if (asked.has(name)) request.set(name, asked.text(name));
  }
  for (const char* name : {"since", "before"}) {
    if (asked.has(name)) request.set(name, point_in_time(asked.text(name)));
  }
  if (asked.has("limit")) request.set("limit", asked.values["limit"].as<std::int64_t>());
  if (asked.has("all")) request.set("all", true);
  if (asked.has("dry-run")) request.set("dry_run", true);
  return request;
}

auto ask_broker(const LettersAsked& asked, const Table& request) {
  return asked.reach->ask(request, std::chrono::seconds(asked.values["timeout"].as<unsigned>()));
}

int refused(const std::string& message) {
  std::fflush(stdout);
  std::fprintf(stderr, "Error:\n%s\n", message.c_str());
  return kRefused;
}

void put_out(const std::string& text) {
  std::fwrite(text.data(), 1, text.size(), stdout);
}

std::string shown(const FieldValue& value) {
  const auto* text = value.get<std::string>();
  return text ? *text : control::to_json(value);
}

// One letter for people: a line for each thing known, then its attempts.
std::string as_page(const Table& letter) {
  std::string page;
  for (const auto& [name, value] : letter.entries()) {
    if (name == "history" || value.is_null() || shown(value).empty()) continue;
    page += fmt::format("{:<15} {}\n", name, shown(value));
  }
  const FieldValue* history = letter.find("history");
  const auto* attempts = history ? history->get<FieldArray>() : nullptr;
  if (attempts == nullptr) return page;
  for (const FieldValue& each : *attempts) {
    const auto* attempt = each.get<Table>();
    if (attempt == nullptr) continue;
    const auto cell = [&](const char* name) { return attempt->find(name) ? shown(*attempt->find(name)) : ""; };
    page += fmt::format("attempt {:<7} {}  {}  {}\n", cell("attempt"), cell("at"), cell("worker"), cell("error"));
  }
  return page;
}

int look(const LettersCommand& command, const LettersAsked& asked) {
  Table request = request_for(command, asked);
  if (!asked.ids.empty()) request.set("id", asked.ids.front());
  auto answer = ask_broker(asked, request);
  if (!answer) return refused(answer.error().message);
  if (asked.json()) {
    put_out(as_json(*answer));
  } else if (const auto* letters = answer->get<FieldArray>(); letters && std::string_view(command.name) == "show") {
    for (const FieldValue& each : *letters) {
      if (const auto* letter = each.get<Table>()) put_out(as_page(*letter) + (&each == &letters->back() ? "" : "\n"));
    }
  } else {
    put_out(as_table(*answer, {"key", "id", "task", "queue", "dead_at", "attempts", "reason"}, true));
  }
  return 0;
}

std::int64_t integer_in(const Table& table, const char* name) {
  std::int64_t number = 0;
  table.integer(name, number);
  return number;
}

// Portion by portion, so that nobody waits for an answer that takes minutes.
int act(const LettersCommand& command, const LettersAsked& asked) {
  const bool replays = std::string_view(command.name) == "replay";
  const char* done_name = replays ? "replayed" : "discarded";
  std::int64_t matched = 0, acted = 0, refused_count = 0, looked_at = 0;
  FieldArray why;
  FieldValue next;
  std::string end;
  std::optional<Progress> progress;
  Table request = request_for(command, asked);
  request.set("limit", letters_at_once);
  if (!asked.ids.empty()) request.set("ids", FieldArray(asked.ids.begin(), asked.ids.end()));
  do {
    if (!end.empty()) {
      request.set("next", next);
      request.set("end", end);
    }
    auto answer = ask_broker(asked, request);
    const Table* part = answer ? answer->get<Table>() : nullptr;
    if (part == nullptr) {
      progress.reset();
      if (acted > 0) std::fprintf(stderr, "%s until then: %lld\n", done_name, static_cast<long long>(acted));
      return refused(answer ? "the broker's answer cannot be read" : answer.error().message);
    }
    matched += integer_in(*part, "matched");
    acted += integer_in(*part, done_name);
    refused_count += integer_in(*part, "refused_count");
    looked_at += integer_in(*part, "looked_at");
    if (const FieldValue* list = part->find("refused"); list && list->get<FieldArray>()) {
      for (const FieldValue& each : *list->get<FieldArray>()) why.push_back(each);
    }
    next = part->find("next") ? *part->find("next") : FieldValue();
    end = part->string("end") ? *part->string("end") : std::string();
    if (!progress && !asked.has("quiet") && !next.is_null()) {
      const auto all = static_cast<std::uint64_t>(std::max<std::int64_t>(looked_at, 0) + integer_in(*part, "left"));
      progress.emplace(command.name, all, "dead letters");
    }
    if (progress) progress->add(static_cast<std::uint64_t>(integer_in(*part, "looked_at")));
  } while (!next.is_null());
  progress.reset();
  if (asked.json()) {
    Table result;
    result.set("matched", matched);
    result.set(done_name, acted);
    result.set("refused_count", refused_count);
    result.set("refused", why);
    put_out(control::to_json(result) + "\n");
  } else if (asked.has("dry-run")) {
    put_out(fmt::format("would be {}: {}\n", done_name, matched - refused_count));
  } else {
    put_out(fmt::format("{}: {}\n", done_name, acted));
  }
  for (const FieldValue& each : why) {
    const auto* one = each.get<Table>();
    if (one == nullptr) continue;
    const std::string* id = one->string("id");
    const std::string* reason = one->string("why");
    std::fprintf(stderr, "left: %s: %s\n", id && !id->empty() ? id->c_str() : one->string("key")->c_str(),
                 reason ? reason->c_str() : "");
  }
  const auto named = static_cast<std::int64_t>(asked.ids.size());
  if (matched < named)
    std::fprintf(stderr, "not there: %lld of %lld\n", static_cast<long long>(named - matched),
                 static_cast<long long>(named));
  return refused_count > 0 || matched < named ? kSomeLeft : 0;
}

}  // namespace

int run_dead_letters(const std::vector<std::string>& words) {
  if (words.empty() || words[0] == "--help" || words[0] == "-h") {
    put_out(letters_help());
    return words.empty() ? kWrongCommandLine : 0;
  }
  const LettersCommand* command = find_letters_command(words[0]);
  if (command == nullptr) {
    std::vector<std::string> names;
    for (const LettersCommand& each : letters_commands) names.emplace_back(each.name);
    const auto near = nearest(words[0], names);
    std::fprintf(stderr, "wherryctl dead-letters: no command '%s'%s; 'wherryctl dead-letters --help' lists them\n",
                 words[0].c_str(), near ? fmt::format(" (did you mean '{}'?)", *near).c_str() : "");
    return kWrongCommandLine;
  }
  LettersAsked asked;
  const po::options_description options = letters_options(*command);
  try {
    po::options_description all = options;
    all.add_options()("id", po::value<std::vector<std::string>>(&asked.ids));
    po::positional_options_description operands;
    operands.add("id", -1);
    const int style = po::command_line_style::unix_style & ~po::command_line_style::allow_guessing;
    const std::vector<std::string> rest(words.begin() + 1, words.end());
    po::store(po::command_line_parser(rest).options(all).positional(operands).style(style).run(), asked.values);
    po::notify(asked.values);
  } catch (const po::error& error) {
    return wrong(*command, error.what());
  }
  if (asked.has("help")) {
    std::ostringstream text;
    text << "wherryctl dead-letters " << command->name << ": " << command->summary
         << ".\n\nUsage: wherryctl dead-letters " << command->name << command->operands << " [options]\n\n"
         << options << "\nExamples:\n"
         << command->examples;
    put_out(text.str());
    return 0;
  }
  if (const std::string form = asked.text("formatter"); form != "table" && form != "json") {
    return wrong(*command, fmt::format("--formatter is table or json, not '{}'", form));
  }
  if (std::string_view(command->name) == "show" && asked.ids.size() != 1) return wrong(*command, "it wants one ID");
  if (std::string_view(command->name) == "list" && !asked.ids.empty()) return wrong(*command, "it wants no ID");
  auto reach = Reach::open(where_of(asked.values));
  if (!reach) return wrong(*command, reach.error().message);
  asked.reach = std::move(*reach);
  if (!acts(*command)) return look(*command, asked);
  const bool filtered =
      asked.has("task") || asked.has("reason") || asked.has("source") || asked.has("since") || asked.has("before");
  if (asked.ids.empty() && !filtered && !asked.has("all")) return wrong(*command, "say which: IDs, a filter, or --all");
  return act(*command, asked);
}

}  // namespace wherry::broker::ctl

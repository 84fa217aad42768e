#include "broker/ctl/options.h"

#include <algorithm>
#include <sstream>
#include <vector>

#include <boost/program_options.hpp>
#include <fmt/format.h>

#include "base/nearest.h"
#include "broker/ctl/control_commands.h"

namespace wherry::broker::ctl {

namespace po = boost::program_options;

namespace {

struct CommandInfo {
  const char* name;
  Command command;
  const char* summary;
  const char* text;
  const char* examples;
};

constexpr CommandInfo commands[] = {
    {"verify", Command::verify, "read all of it, and say what is damaged and what that means",
     "Reads every byte that counts: the log, each message in the segments, their indexes, the delayed messages, the\n"
     "definitions. Says for each damage the file, the range of bytes, and which messages it costs. Changes nothing.\n",
     "  wherryctl store verify\n"
     "  wherryctl store verify --data-dir /var/lib/wherry --json | jq '.findings[].file'\n"},
    {"dump", Command::dump, "print the messages that a restart would bring back",
     "Prints each message that a restart would bring back: queue, position, size, properties, how often its delivery\n"
     "failed, where it lies. With --records: what the log says, record by record. Changes nothing.\n",
     "  wherryctl store dump --queue jobs --limit 10 --bodies\n"
     "  wherryctl store dump --json | jq -r .properties.message_id\n"
     "  wherryctl store dump --records --queue jobs\n"},
    {"stats", Command::stats, "count messages and bytes by queue, live and dead bytes by file",
     "Counts, as a restart would: for each queue its messages, bytes and oldest message; for each file how much of it\n"
     "is alive. Changes nothing.\n",
     "  wherryctl store stats\n"
     "  wherryctl store stats --json | jq '.queues[] | select(.messages > 1000)'\n"},
    {"repair", Command::repair, "take damaged ranges out, and say exactly what was lost",
     "Copies each damaged range to shard-N/quarantine/, then writes what is whole anew, so that the next start finds\n"
     "nothing wrong. Says what was lost. May be killed at any moment: what is whole is in the old files or in the "
     "new.\n",
     "  wherryctl store repair --dry-run\n"
     "  wherryctl store repair --data-dir /var/lib/wherry\n"},
};

constexpr const char* statuses =
    "\nExit status: 0 all is well, 1 damage was found, 2 wrong command line, 3 it cannot be read (or a broker uses "
    "it).\n";

std::string command_list() {
  std::string text = "Commands:\n";
  for (const CommandInfo& info : commands) text += fmt::format("  {:<8} {}\n", info.name, info.summary);
  return text;
}

std::string store_help() {
  return "wherryctl store: looks into the data directory of a broker that is stopped.\n\n"
         "Usage: wherryctl store COMMAND [options]\n\n" +
         command_list() + "\nwherryctl store COMMAND --help lists the options of a command, with examples.\n" +
         statuses;
}

std::string program_help() {
  return "wherryctl: looks after a Wherry broker and what it keeps on the disk.\n\n"
         "Usage: wherryctl COMMAND [arguments]           a broker that runs\n"
         "       wherryctl dead-letters COMMAND          its tasks that no worker could do: list, show, replay, "
         "discard\n"
         "       wherryctl top                           queues, tasks and connections, again every second\n"
         "       wherryctl store COMMAND [options]       the data directory of one that is stopped\n"
         "       wherryctl config check [options] FILE...  settings files, before anything is started with them\n\n"
         "Of a broker that runs, with rabbitmqctl's arguments (wherryctl COMMAND --help):\n" +
         control_command_list() + "\nOf the store:\n" + command_list() +
         "\nThese want the broker of that directory stopped, and say so when it is not.\n"
         "wherryctl store COMMAND --help lists the options of a command, with examples.\n"
         "\nA running broker elsewhere is asked with --url https://HOST:15671 --username USER: wherryctl COMMAND "
         "--help.\n"
         "\nOptions that stand alone:\n  --help, --version\n" +
         statuses + "\ndocs/policies.md and docs/store-tools.md show what they print.\n";
}

po::options_description options_of(Command command) {
  po::options_description all("Options", 100, 60);
  all.add_options()("help,h", "this text")(
      "data-dir,d", po::value<std::string>()->value_name("DIR"),
      "the broker's data directory (/var/lib/wherry as root, else ~/.local/state/wherry)")(
      "json",
      command == Command::dump ? "a line of JSON for each message or record" : "the outcome as one JSON object");
  if (command != Command::dump) all.add_options()("quiet,q", "no bar that shows how far it is (on a terminal only)");
  if (command == Command::dump) {
    all.add_options()("queue", po::value<std::string>()->value_name("NAME"),
                      "of this queue alone: NAME, VHOST/NAME where there are several, or #7 by its number")(
        "limit,n", po::value<std::uint64_t>()->value_name("N"), "stop after so many")(
        "bodies", "the messages' bodies too (of those that are no text, in JSON, as base64)")(
        "records", "what the log says, record by record, instead of messages");
  }
  if (command == Command::repair) all.add_options()("dry-run", "say what would be done and lost, and change nothing");
  return all;
}

tl::unexpected<Error> unknown(const std::string& word, const std::vector<std::string>& words, const char* help) {
  const auto near = nearest(word, words);
  return fail(fmt::format("no command '{}'{}; '{}' lists them", word,
                          near ? fmt::format(" (did you mean '{}'?)", *near) : "", help));
}

Result<Options> parse_command(const CommandInfo& info, const std::vector<std::string>& words) {
  const po::options_description all = options_of(info.command);
  Options options;
  options.command = info.command;
  try {
    po::variables_map values;
    const int style = po::command_line_style::unix_style & ~po::command_line_style::allow_guessing;
    po::store(po::command_line_parser(words).options(all).positional({}).style(style).run(), values);
    po::notify(values);
    if (values.count("help")) {
      std::ostringstream text;
      text << "wherryctl store " << info.name << ": " << info.summary << ".\n\nUsage: wherryctl store " << info.name
           << " [options]\n\n"
           << info.text << '\n'
           << all << "\nExamples:\n"
           << info.examples << statuses;
      options.answer = text.str();
    }
    if (values.count("data-dir")) options.data_dir = values["data-dir"].as<std::string>();
    if (values.count("queue")) options.queue = values["queue"].as<std::string>();
    if (values.count("limit")) options.limit = values["limit"].as<std::uint64_t>();
    options.json = values.count("json") > 0;
    options.quiet = values.count("quiet") > 0;
    options.bodies = values.count("bodies") > 0;
    options.records = values.count("records") > 0;
    options.dry_run = values.count("dry-run") > 0;
    return options;
  } catch (const po::error& error) {
    return fail(fmt::format("{}; 'wherryctl store {} --help' lists the options", error.what(), info.name));
  }
}

}  // namespace

Result<Options> parse_options(int argc, const char* const* argv) {
  const std::vector<std::string> words(argv + std::min(1, argc), argv + argc);
  Options options;
  const auto asks = [&](std::size_t at) { return words[at] == "--help" || words[at] == "-h" || words[at] == "help"; };
  if (words.empty() || asks(0)) {
    if (words.empty()) return fail("what shall it do? 'wherryctl --help' lists the commands");
    options.answer = program_help();
    return options;
  }
  if (words[0] == "--version" || words[0] == "-V") {
    options.answer = "wherryctl " WHERRY_VERSION "\n";
    return options;
  }
  if (words[0] != "store") {
    std::vector<std::string> known = control_command_names();
    known.emplace_back("dead-letters");
    known.emplace_back("top");
    known.emplace_back("store");
    known.emplace_back("config");
    return unknown(words[0], known, "wherryctl --help");
  }
  if (words.size() == 1) return fail("what shall it do with the store? 'wherryctl store --help' lists the commands");
  if (asks(1)) {
    options.answer = store_help();
    return options;
  }
  std::vector<std::string> names;
  for (const CommandInfo& info : commands) {
    if (words[1] == info.name) return parse_command(info, {words.begin() + 2, words.end()});
    names.emplace_back(info.name);
  }
  return unknown(words[1], names, "wherryctl store --help");
}

}  // namespace wherry::broker::ctl

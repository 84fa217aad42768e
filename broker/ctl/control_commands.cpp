#include "broker/ctl/control_commands.h"

#include <algorithm>
#include <charconv>
#include <chrono>
#include <cstdio>
#include <filesystem>
#include <fstream>
#include <iostream>
#include <sstream>
#include <thread>

#include <fmt/format.h>

#include "broker/ctl/control_command_table.h"
#include "broker/ctl/control_output.h"
#include "broker/ctl/reach.h"

namespace wherry::broker::ctl {

namespace {

constexpr std::size_t kMostFileBytes = std::size_t{64} << 20;

const ControlCommand* find(std::string_view name) {
  for (const ControlCommand& command : control_commands()) {
    if (name == command.name) return &command;
  }
  return nullptr;
}

bool takes(const ControlCommand& command, char option) {
  return std::string_view(command.options).find(option) != std::string_view::npos;
}

std::string usage(const ControlCommand& command) {
  std::string text = fmt::format("wherryctl {}", command.name);
  if (takes(command, 'p')) text += " [-p VHOST]";
  for (const Operand& operand : command.operands) {
    const bool optional = takes(command, '?') && &operand == &command.operands.back();
    text += optional ? fmt::format(" [{}]", operand.name) : fmt::format(" {}", operand.name);
  }
  if (takes(command, 'P')) text += " [--priority N] [--apply-to queues|exchanges|all]";
  if (takes(command, 'u')) text += " [--user USER]";
  if (takes(command, 'g')) text += " [--global]";
  if (takes(command, 'n')) text += " [--limit N] [--after KEY]";
  if (takes(command, 'e')) text += " [--if-empty] [--if-unused]";
  if (takes(command, 'd')) text += " [--description TEXT] [--tags TAG,...]";
  if (takes(command, 't')) {
    text += " [--state STATE,...] [--task PATTERN] [--worker NAME] [--queue QUEUE] [--root ID] [--limit N]";
  }
  if (takes(command, 'r')) text += " [--terminate] [--signal NAME]";
  if (takes(command, 'q')) text += " [--queue QUEUE]";
  if (takes(command, 'E')) {
    text += " [--args LIST] [--kwargs OBJECT] [--id ID] [--eta TIME] [--countdown SECONDS] [--expires TIME]";
  }
  if (takes(command, 's')) text += " [--schedule SCHEDULE]";
  if (takes(command, '+')) text += " [TAG ...]";
  if (takes(command, '*')) text += " [COLUMN ...]";
  return text +
         " [--data-dir DIR | --url URL --username USER] [--formatter table|pretty_table|json] [--timeout S] [-q]";
}

// The command line, taken apart.
struct Asked {
  std::vector<std::pair<std::string, std::string>> values;  // Operands and options by name, as they were written.
  std::vector<std::string> words;                           // Operands as they came.
  Where where;
  std::chrono::milliseconds patience = std::chrono::seconds(60);
  Format format = Format::table;
  bool if_empty = false;
  bool if_unused = false;
  bool terminate = false;
  bool quiet = false;
  bool headers = true;
  bool global = false;
  bool help = false;

  std::string value(std::string_view name) const {
    for (const auto& [key, text] : values) {
      if (key == name) return text;
    }
    return {};
  }
};

Result<std::int64_t> whole(const std::string& text, std::string_view what) {
  std::int64_t number = 0;
  const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), number);
  if (error == std::errc{} && end == text.data() + text.size()) return number;
  return fail(fmt::format("{} wants a number, got '{}'", what, text));
}

struct Option {
  const char* name;
  const char* brief;
  bool value;
  char of;  // Of commands that take this; 0: of all.
};
constexpr Option kOptions[] = {
    {"--vhost", "-p", true, 'p'},
    {"--priority", "", true, 'P'},
    {"--apply-to", "", true, 'P'},
    {"--limit", "", true, 'n'},
    {"--after", "", true, 'n'},
    {"--user", "", true, 'u'},
    {"--if-empty", "-e", false, 'e'},
    {"--if-unused", "-u", false, 'e'},
    {"--description", "", true, 'd'},
    {"--state", "", true, 't'},
    {"--task", "", true, 't'},
    {"--worker", "", true, 't'},
    {"--root", "", true, 't'},
    {"--queue", "", true, 't'},
    {"--limit", "", true, 't'},
    {"--queue", "", true, 'q'},
    {"--terminate", "", false, 'r'},
    {"--signal", "", true, 'r'},
    {"--args", "", true, 'E'},
    {"--kwargs", "", true, 'E'},
    {"--id", "", true, 'E'},
    {"--eta", "", true, 'E'},
    {"--countdown", "", true, 'E'},
    {"--expires", "", true, 'E'},
    {"--schedule", "", true, 's'},
    {"--tags", "", true, 'd'},
    {"--global", "", false, 'g'},
    {"--data-dir", "-d", true, 0},
    {"--url", "", true, 0},
    {"--username", "", true, 0},
    {"--password", "", true, 0},
    {"--password-file", "", true, 0},
    {"--cacert", "", true, 0},
    {"--cert", "", true, 0},
    {"--key", "", true, 0},
    {"--insecure", "", false, 0},
    {"--formatter", "", true, 0},
    {"--timeout", "-t", true, 0},
    {"--quiet", "-q", false, 0},
    {"--silent", "-s", false, 0},
    {"--no-table-headers", "", false, 0},
    {"--help", "-h", false, 0},
};

Result<void> take(Asked& asked, const Option& option, const std::string& value) {
  const std::string_view name = option.name;
  if (asked.where.take(name.substr(2), value)) return {};
  if (name == "--formatter") {
    if (value != "json" && value != "table" && value != "pretty_table") {
      return fail(fmt::format("--formatter is table, pretty_table or json, not '{}'", value));
    }
    asked.format = value == "json" ? Format::json : value == "table" ? Format::table : Format::pretty_table;
  } else if (name == "--timeout") {
    auto seconds = whole(value, "--timeout");
    if (!seconds) return tl::unexpected(seconds.error());
    if (*seconds < 1 || *seconds > 86'400) return fail("--timeout is 1 to 86400 seconds");
    asked.patience = std::chrono::seconds(*seconds);
  } else if (name == "--quiet" || name == "--silent") {
    asked.quiet = true;
    asked.headers = asked.headers && name != "--silent";
  } else if (name == "--no-table-headers") {
    asked.headers = false;
  } else if (name == "--help") {
    asked.help = true;
  } else if (name == "--if-empty") {
    asked.if_empty = true;
  } else if (name == "--if-unused") {
    asked.if_unused = true;
  } else if (name == "--terminate") {
    asked.terminate = true;
  } else if (name == "--global") {
    asked.global = true;
  } else {
    asked.values.emplace_back(name.substr(2), value);
  }
  return {};
}

Result<Asked> parse(const ControlCommand& command, const std::vector<std::string>& words) {
  Asked asked;
  bool only_operands = false;
  for (std::size_t at = 1; at < words.size(); ++at) {
    const std::string& word = words[at];
    if (only_operands || word.size() < 2 || word[0] != '-') {
      asked.words.push_back(word);
      continue;
    }
    only_operands = word == "--";
    if (only_operands) continue;
    const std::size_t equals = word.starts_with("--") ? word.find('=') : word.npos;
    const std::string name = word.substr(0, equals);
    const Option* option = nullptr;
    for (const Option& each : kOptions) {
      if ((name == each.name || name == each.brief) && (each.of == 0 || takes(command, each.of))) option = &each;
    }
    if (option == nullptr) return fail(fmt::format("it has no option '{}'", name));
    if (equals != word.npos && !option->value) return fail(fmt::format("{} takes no value", name));
    const bool apart = option->value && equals == word.npos;
    if (apart && at + 1 == words.size()) return fail(fmt::format("{} wants a value", name));
    const std::string value = apart ? words[++at] : equals == word.npos ? "" : word.substr(equals + 1);
    if (auto taken = take(asked, *option, value); !taken) return tl::unexpected(taken.error());
  }
  if (asked.help) return asked;
  const std::size_t least = command.operands.size() - (takes(command, '?') ? 1 : 0);
  const bool more = takes(command, '*') || takes(command, '+');
  const bool enough = asked.words.size() >= least && (more || asked.words.size() <= command.operands.size());
  if (!enough) return fail(fmt::format("it wants {} arguments, got {}", command.operands.size(), asked.words.size()));
  if (asked.words.size() < command.operands.size() && command.operands.back().kind == Operand::Kind::secret) {
    std::string secret;
    std::getline(std::cin, secret);
    asked.words.push_back(std::move(secret));
  }
  for (std::size_t at = 0; at < std::min(asked.words.size(), command.operands.size()); ++at) {
    asked.values.emplace_back(command.operands[at].name, asked.words[at]);
  }
  // What was not said.
  const std::pair<const char*, const char*> defaults[] = {{"vhost", "/"}, {"priority", "0"}, {"user", "guest"}};
  for (const auto& [name, value] : defaults) {
    if (asked.value(name).empty()) asked.values.emplace_back(name, value);
  }
  return asked;
}

std::string banner(const ControlCommand& command, const Asked& asked) {
  std::string text;
  std::string_view rest = asked.global ? command.said_globally : command.said;
  for (std::size_t begin; (begin = rest.find('{')) != rest.npos;) {
    const std::size_t end = rest.find('}', begin);
    text += rest.substr(0, begin);
    text += asked.value(rest.substr(begin + 1, end - begin - 1));
    rest.remove_prefix(end + 1);
  }
  return text += rest;
}

// A file of this machine: its path for a broker that sees it, for others what is in it.
Result<void> put_file(amqp::Table& request, const Operand& operand, const std::string& path, const Reach& reach) {
  if (reach.is_here()) {
    request.set(operand.name, std::filesystem::absolute(path).string());
    return {};
  }
  std::ifstream in(path, std::ios::binary);
  std::stringstream text;
  if (!in || !(text << in.rdbuf())) return fail(fmt::format("cannot read {}", path));
  auto content = control::parse_object(text.str(), kMostFileBytes);
  if (!content) return fail(fmt::format("{}: {}", path, content.error().message));
  request.set("definitions", std::move(*content));
  return {};
}

Result<amqp::Table> request_of(const ControlCommand& command, const Asked& asked, const Reach& reach) {
  amqp::Table request;
  request.set("verb", std::string(command.name));
  if (takes(command, 'p')) request.set("vhost", asked.value("vhost"));
  if (takes(command, 'u')) request.set("user", asked.value("user"));
  if (asked.global) request.set("global", true);
  if (takes(command, 'P')) {
    auto priority = whole(asked.value("priority"), "--priority");
    if (!priority) return tl::unexpected(priority.error());
    request.set("priority", *priority);
    if (const std::string target = asked.value("apply-to"); !target.empty()) request.set("apply-to", target);
  }
  // Options of other commands are empty.
  for (const char* name :
       {"after", "state", "task", "worker", "queue", "root", "signal", "id", "eta", "expires", "schedule"}) {
    if (const std::string value = asked.value(name); !value.empty()) request.set(name, value);
  }
  for (const char* name : {"limit", "countdown"}) {
    const std::string value = asked.value(name);
    if (value.empty()) continue;
    auto number = whole(value, fmt::format("--{}", name));
    if (!number) return tl::unexpected(number.error());
    request.set(name, *number);
  }
  for (const char* name : {"args", "kwargs"}) {
    const std::string value = asked.value(name);
    if (value.empty()) continue;
    // A value alone is no object.
    auto object = control::parse_object(fmt::format(R"({{"value":{}}})", value));
    if (!object) return fail(fmt::format("--{}: JSON decoding error. Reason: {}", name, object.error().message));
    request.set(name, *object->find("value"));
  }
  if (asked.terminate) request.set("terminate", true);
  if (asked.if_empty) request.set("if_empty", true);
  if (asked.if_unused) request.set("if_unused", true);
  if (takes(command, 'd')) {
    for (const char* name : {"description", "tags"}) {
      if (const std::string value = asked.value(name); !value.empty()) request.set(name, value);
    }
  }
  for (std::size_t at = 0; at < std::min(asked.words.size(), command.operands.size()); ++at) {
    const Operand& operand = command.operands[at];
    if (operand.kind == Operand::Kind::output) continue;
    if (operand.kind == Operand::Kind::file) {
      if (auto put = put_file(request, operand, asked.words[at], reach); !put) return tl::unexpected(put.error());
      continue;
    }
    if (operand.kind == Operand::Kind::value) {
      auto value = control::parse_value(asked.words[at]);
      if (!value) return fail("JSON decoding error. Reason: " + value.error().message);
      request.set(operand.name, std::move(*value));
      continue;
    }
    if (operand.kind != Operand::Kind::json) {
      request.set(operand.name, asked.words[at]);
      continue;
    }
    auto object = control::parse_object(asked.words[at]);
    if (!object) return fail("JSON decoding error. Reason: " + object.error().message);
    request.set(operand.name, std::move(*object));
  }
  if (takes(command, '*') || takes(command, '+')) {
    amqp::FieldArray more;
    for (std::size_t at = command.operands.size(); at < asked.words.size(); ++at) more.emplace_back(asked.words[at]);
    request.set(takes(command, '*') ? "columns" : "tags", std::move(more));
  }
  return request;
}

int refuse(const std::string& message) {
  std::fflush(stdout);
  std::fprintf(stderr, "Error:\n%s\n", message.c_str());
  return kRefused;
}

int complain(const ControlCommand& command, const std::string& message) {
  std::fprintf(stderr, "wherryctl %s: %s\n\nUsage: %s\n", command.name, message.c_str(), usage(command).c_str());
  return kWrongCommandLine;
}

int write_to(const std::string& path, const amqp::FieldValue& answer) {
  const std::string text = control::to_json(answer) + '\n';
  if (path == "-") {
    std::fwrite(text.data(), 1, text.size(), stdout);
    return 0;
  }
  std::ofstream out(path, std::ios::binary | std::ios::trunc);
  if (!(out << text) || !out.flush()) return refuse(fmt::format("cannot write to {}", path));
  return 0;
}

// Who waits for a broker to start asks until there is one.
Result<amqp::FieldValue, control::AskError> ask(const ControlCommand& command, const Asked& asked, Reach& reach,
                                                const amqp::Table& request) {
  const auto until = std::chrono::steady_clock::now() + asked.patience;
  while (true) {
    auto answer = reach.ask(request, asked.patience);
    const bool again = !answer && answer.error().why == control::AskFailure::no_broker &&
                       std::string_view(command.name) == "await_startup" && std::chrono::steady_clock::now() < until;
    if (!again) return answer;
    std::this_thread::sleep_for(std::chrono::milliseconds(100));
  }
}

}  // namespace

bool is_control_command(std::string_view name) {
  return find(name) != nullptr;
}

std::vector<std::string> control_command_names() {
  std::vector<std::string> names;
  for (const ControlCommand& command : control_commands()) names.emplace_back(command.name);
  return names;
}

std::string control_command_list() {
  std::string text;
  for (const ControlCommand& command : control_commands())
    text += fmt::format("  {:<27} {}\n", command.name, command.summary);
  return text;
}

std::vector<std::string> command_first(std::vector<std::string> words) {
  auto command = words.begin();
  while (command != words.end() && command->starts_with('-')) {
    const std::string name = command->substr(0, command->find('='));
    const auto* known = std::find_if(std::begin(kOptions), std::end(kOptions), [&](const Option& each) {
      return (each.of == 0 || each.of == 'p') && (name == each.name || name == each.brief);
    });
    if (known == std::end(kOptions) || name == "--help" || name == "-h") return words;
    const bool value_follows = known->value && name == *command;
    if (words.end() - command <= (value_follows ? 2 : 1)) return words;
    command += value_follows ? 2 : 1;
  }
  std::rotate(words.begin(), command, words.end());
  return words;
}

int run_control_command(const std::vector<std::string>& words) {
  const ControlCommand& command = *find(words.front());
  const auto asked = parse(command, words);
  if (!asked) return complain(command, asked.error().message);
  if (asked->help) {
    std::printf("wherryctl %s: %s.\n\nUsage: %s\n\n%s\ndocs/wherryctl.md shows what they do.\n", command.name,
                command.summary, usage(command).c_str(), Where::help().c_str());
    return 0;
  }
  const auto reach = Reach::open(asked->where);
  if (!reach) return complain(command, reach.error().message);
  const bool json = asked->format == Format::json;
  const bool to_output = !command.operands.empty() && command.operands.front().kind == Operand::Kind::output;
  const std::string output = to_output ? asked->words.front() : std::string();
  if (!asked->quiet && !json && output != "-") {
    if (takes(command, '*'))
      std::printf("Timeout: %.1f seconds ...\n", static_cast<double>(asked->patience.count()) / 1000);
    std::printf("%s\n", banner(command, *asked).c_str());
  }
  const auto request = request_of(command, *asked, **reach);
  if (!request) return refuse(request.error().message);
  auto answer = ask(command, *asked, **reach, *request);
  if (!answer) return refuse(answer.error().message);
  if (to_output) return write_to(output, *answer);
  std::vector<std::string> columns = command.columns;
  if (takes(command, '*') && !asked->words.empty()) columns = asked->words;
  const std::string text = json                             ? as_json(*answer)
                           : asked->format == Format::table ? as_table(*answer, columns, asked->headers)
                                                            : as_pretty_table(*answer, columns, asked->headers);
  std::fwrite(text.data(), 1, text.size(), stdout);
  return 0;
}

}  // namespace wherry::broker::ctl

#include "broker/ctl/config_commands.h"

#include <algorithm>
#include <cstdio>
#include <sstream>

#include <boost/program_options.hpp>
#include <fmt/format.h>

#include "base/json_writer.h"
#include "broker/ctl/commands.h"
#include "broker/ctl/config_check.h"

namespace wherry::broker::ctl {

namespace po = boost::program_options;

namespace {

po::options_description options_of_check() {
  po::options_description all("Options", 100, 60);
  all.add_options()("help,h", "this text")(
      "kind,k", po::value<std::string>()->value_name("KIND"),
      "what the files are: broker, app, worker or schedule (by their keys, else by their names)")(
      "json", "the outcome as one JSON object")("strict", "warnings count as mistakes");
  return all;
}

std::string help() {
  std::ostringstream text;
  text
      << "wherryctl config check: reads settings files as the programs read them, and changes nothing.\n\n"
         "Usage: wherryctl config check [options] FILE...\n\n"
         "Tells every mistake with line and column: what would keep a program from starting. Files that a worker's "
         "file\n"
         "names are checked too. What is given together is held against each other; a warning is what may be meant: a\n"
         "route to a queue that is declared nowhere, a library that is not there. Variables (WHERRY_..., ${...}) are\n"
         "those of this environment.\n\n"
      << options_of_check()
      << "\nExamples:\n"
         "  wherryctl config check /etc/wherry/broker.yaml\n"
         "  wherryctl config check worker.yaml                     and the app.yaml that it names\n"
         "  wherryctl config check --strict app.yaml schedule.yaml\n"
         "  wherryctl config check --json *.yaml | jq '.files[].mistakes[]'\n"
         "\nExit status: 0 no mistake, 1 there is one, 2 wrong command line.\n";
  return text.str();
}

int wrong(const std::string& message) {
  std::fprintf(stderr, "wherryctl: %s; 'wherryctl config --help' shows how\n", message.c_str());
  return kUsage;
}

void print_text(const std::vector<CheckedFile>& files) {
  for (const CheckedFile& file : files) {
    for (const FileNote& note : file.mistakes) std::printf("%s: %s\n", note.place.c_str(), note.text.c_str());
    for (const FileNote& note : file.warnings) std::printf("%s: warning: %s\n", note.place.c_str(), note.text.c_str());
    const auto count = [](std::size_t number, const char* what) {
      return number == 0 ? std::string() : fmt::format(", {} {}{}", number, what, number == 1 ? "" : "s");
    };
    const bool fine = file.mistakes.empty() && file.warnings.empty();
    std::printf("%s: %s%s%s%s\n", file.path.c_str(),
                file.kind ? fmt::format("{} settings", name_of(*file.kind)).c_str() : "unknown", fine ? ", fine" : "",
                count(file.mistakes.size(), "mistake").c_str(), count(file.warnings.size(), "warning").c_str());
  }
}

void write_notes(Json& json, const char* key, const std::vector<FileNote>& notes) {
  json.key(key).array();
  for (const FileNote& note : notes) {
    json.object().key("place").text(note.place);
    if (note.line > 0) {
      json.key("line").number(static_cast<std::uint64_t>(note.line));
      json.key("column").number(static_cast<std::uint64_t>(note.column));
    }
    json.key("text").text(note.text).end();
  }
  json.end();
}

void print_json(const std::vector<CheckedFile>& files, bool fine) {
  Json json;
  json.object().key("fine").flag(fine).key("files").array();
  for (const CheckedFile& file : files) {
    json.object().key("file").text(file.path).key("kind");
    if (file.kind) {
      json.text(name_of(*file.kind));
    } else {
      json.null();
    }
    write_notes(json, "mistakes", file.mistakes);
    write_notes(json, "warnings", file.warnings);
    json.end();
  }
  std::printf("%s\n", json.end().end().str().c_str());
}

int check(const std::vector<std::string>& words) {
  po::options_description all = options_of_check();
  all.add_options()("file", po::value<std::vector<std::string>>());
  po::positional_options_description positional;
  positional.add("file", -1);
  po::variables_map values;
  try {
    const int style = po::command_line_style::unix_style & ~po::command_line_style::allow_guessing;
    po::store(po::command_line_parser(words).options(all).positional(positional).style(style).run(), values);
    po::notify(values);
  } catch (const po::error& error) {
    return wrong(error.what());
  }
  if (values.count("help")) {
    std::fputs(help().c_str(), stdout);
    return kFine;
  }
  std::optional<FileKind> kind;
  if (values.count("kind")) {
    const auto name = values["kind"].as<std::string>();
    kind = parse_file_kind(name);
    if (!kind) return wrong(fmt::format("--kind: '{}' is none of broker, app, worker, schedule", name));
  }
  if (!values.count("file")) return wrong("which files?");
  std::vector<FileToCheck> files;
  for (const std::string& path : values["file"].as<std::vector<std::string>>()) files.push_back({path, kind});
  const std::vector<CheckedFile> checked = check_config(std::move(files), process_environment());
  const bool strict = values.count("strict") > 0;
  const bool fine = std::all_of(checked.begin(), checked.end(), [&](const CheckedFile& file) {
    return file.mistakes.empty() && !(strict && !file.warnings.empty());
  });
  if (values.count("json")) {
    print_json(checked, fine);
  } else {
    print_text(checked);
  }
  return fine ? kFine : kDamaged;
}

}  // namespace

int run_config_command(const std::vector<std::string>& words) {
  if (words.empty()) return wrong("what shall it do with settings?");
  if (words[0] == "--help" || words[0] == "-h" || words[0] == "help") {
    std::fputs(help().c_str(), stdout);
    return kFine;
  }
  if (words[0] != "check") return wrong(fmt::format("no command 'config {}'", words[0]));
  return check({words.begin() + 1, words.end()});
}

}  // namespace wherry::broker::ctl

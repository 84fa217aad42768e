#include "worker/cli/options.h"

#include <sstream>

#include <boost/program_options.hpp>
#include <fmt/format.h>

#include "wherry/worker.h"

namespace wherry::worker {

namespace po = boost::program_options;

namespace {

template <class T>
std::optional<T> given(const po::variables_map& values, const char* name) {
  return values.count(name) ? std::optional<T>(values[name].as<T>()) : std::nullopt;
}

// "email,sms" and "-Q email -Q sms" alike.
std::vector<std::string> split(const std::vector<std::string>& lists) {
  std::vector<std::string> names;
  for (const std::string& list : lists) {
    std::stringstream text(list);
    for (std::string name; std::getline(text, name, ',');) {
      if (!name.empty()) names.push_back(name);
    }
  }
  return names;
}

std::string out_of_range(const char* option, unsigned most) {
  return fmt::format("--{}: a number from 0 to {}; 'wherry-worker --help' lists the options", option, most);
}

std::string help(const po::options_description& options) {
  std::ostringstream text;
  text
      << "wherry-worker: runs the tasks of a library, taking them from an AMQP broker's queues.\n\n"
         "Usage: wherry-worker --load libtasks.so [-Q email,sms] [-c 4] [options]\n\n"
         "The library defines its tasks with WHERRY_TASKS(registry) { ... }, see docs/worker.md. When tasks are being\n"
         "taken it prints one line; its log goes to standard error. SIGTERM stops it: what runs is finished, the rest\n"
         "goes back to its queue, and it exits with 0. A second SIGTERM stops it at once.\n\n"
      << options
      << "\nExamples:\n"
         "  wherry-worker --load build/release/lib/libtasks.so -Q email,sms -c 4\n"
         "  wherry-worker --config config/worker.yaml --broker amqp://user:secret@broker.example/\n\n"
         "Every key of the files can be set as WHERRY_..., see docs/configuration.md.\n";
  return text.str();
}

}  // namespace

Result<Options> parse_options(int argc, const char* const* argv) {
  using Texts = std::vector<std::string>;
  po::options_description all("Options", 100, 60);
  all.add_options()("help,h", "this text")("version,V", "the version")(
      "load,l", po::value<Texts>()->value_name("LIB"), "a library of tasks; may be given several times")(
      "queues,Q", po::value<Texts>()->value_name("Q1,Q2"), "take tasks from these queues (celery)")(
      "concurrency,c", po::value<unsigned>()->value_name("N"), "run so many tasks at once (one a core)")(
      "prefetch,p", po::value<unsigned>()->value_name("N"),
      "take so many tasks from the broker at once (concurrency); more is for coroutines")(
      "broker,b", po::value<std::string>()->value_name("URL"),
      "amqp://user:password@host:port/vhost; several with ';'")(
      "config,C", po::value<std::string>()->value_name("FILE"),
      "configuration (YAML); config/worker.yaml shows every key")(
      "app,A", po::value<std::string>()->value_name("FILE"),
      "the application's queues, routes and retries; config/app.yaml shows every key")(
      "name,n", po::value<std::string>()->value_name("NAME"), "this worker's name (wherry@HOST)")(
      "log-level,L", po::value<std::string>()->value_name("LEVEL"), "debug, info, warning, error or off (info)");
  try {
    po::variables_map values;
    // Without guessing: "--shard" must not quietly mean "--shards", nor something else in the next version.
    const int style = po::command_line_style::unix_style & ~po::command_line_style::allow_guessing;
    po::store(po::command_line_parser(argc, argv).options(all).positional({}).style(style).run(), values);
    po::notify(values);
    Options options;
    if (values.count("help")) options.answer = help(all);
    if (values.count("version")) options.answer = "wherry-worker " WHERRY_VERSION "\n";
    options.config = given<std::string>(values, "config");
    options.app = given<std::string>(values, "app");
    options.broker = given<std::string>(values, "broker");
    options.load = given<Texts>(values, "load").value_or(Texts{});
    options.queues = split(given<Texts>(values, "queues").value_or(Texts{}));
    options.concurrency = given<unsigned>(values, "concurrency");
    options.prefetch = given<unsigned>(values, "prefetch");
    if (options.concurrency > most_concurrency) return fail(out_of_range("concurrency", most_concurrency));
    if (options.prefetch > most_prefetch) return fail(out_of_range("prefetch", most_prefetch));
    options.name = given<std::string>(values, "name");
    options.log_level = given<std::string>(values, "log-level");
    return options;
  } catch (const po::error& error) {
    return fail(fmt::format("{}; 'wherry-worker --help' lists the options", error.what()));
  }
}

}  // namespace wherry::worker

#include "worker/cli/options.h"

#include <charconv>
#include <sstream>
#include <tuple>
#include <utility>

#include <boost/program_options.hpp>
#include <fmt/format.h>

#include "wherry/worker.h"

namespace wherry::worker {

namespace po = boost::program_options;

namespace {

constexpr unsigned most_ticks_shown = 10'000;

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

// "10,3" or "10": max, min (1).
Result<std::pair<unsigned, unsigned>> parse_autoscale(const std::string& text) {
  unsigned max = 0, min = 1;
  const char* const end = text.data() + text.size();
  auto [rest, error] = std::from_chars(text.data(), end, max);
  if (error == std::errc() && rest != end && *rest == ',') {
    std::tie(rest, error) = [&] {
      const auto read = std::from_chars(rest + 1, end, min);
      return std::pair(read.ptr, read.ec);
    }();
  }
  if (error != std::errc() || rest != end || min < 1 || max < min || max > most_concurrency) {
    return fail(fmt::format("--autoscale: MAX,MIN with 1 <= MIN <= MAX <= {}; 'wherry-worker --help' lists the options",
                            most_concurrency));
  }
  return std::pair(max, min);
}

std::string help(const po::options_description& options) {
  std::ostringstream text;
  text
      << "wherry-worker: runs the tasks of a library, taking them from an AMQP broker's queues.\n\n"
         "Usage: wherry-worker --load libtasks.so [-Q email,sms] [-c 4] [options]\n\n"
         "The library defines its tasks with WHERRY_TASKS(registry) { ... }, see docs/worker.md. When tasks are being\n"
         "taken it prints one line; its log goes to standard error. SIGTERM stops it: what runs is finished, the rest\n"
         "goes back to its queue, and it exits with 0. A second SIGTERM, or SIGQUIT, stops it at once. SIGHUP reads "
         "the\n"
         "files again. As a service: docs/services.md.\n\n"
      << options
      << "\nExamples:\n"
         "  wherry-worker --load build/release/lib/libtasks.so -Q email,sms -c 4\n"
         "  wherry-worker --config config/worker.yaml --broker amqp://user:secret@broker.example/\n"
         "  wherry-worker --schedule config/schedule.yaml --next 3\n\n"
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
      "take so many tasks from the broker at once (concurrency, more while they are short); more is for coroutines")(
      "broker,b", po::value<std::string>()->value_name("URL"),
      "amqp://user:password@host:port/vhost; several with ';'")(
      "result-backend", po::value<std::string>()->value_name("URL"),
      "where results go: rpc (reply queues), none, redis://...; docs/results.md")(
      "config,C", po::value<std::string>()->value_name("FILE"),
      "configuration (YAML); config/worker.yaml shows every key")(
      "app,A", po::value<std::string>()->value_name("FILE"),
      "the application's queues, routes and retries; config/app.yaml shows every key")(
      "name,n", po::value<std::string>()->value_name("NAME"), "this worker's name (wherry@HOST)")(
      "autoscale", po::value<std::string>()->value_name("MAX,MIN"),
      "run between MIN and MAX tasks at once, as there are")("pool,P", po::value<std::string>()->value_name("POOL"),
                                                             "threads (default), or processes: tasks in children")(
      "max-tasks-per-child", po::value<unsigned>()->value_name("N"), "with processes: a new one after so many tasks")(
      "task-events,E", "send events of tasks from the start; `celery control enable_events` does so later")(
      "statedb,S", po::value<std::string>()->value_name("FILE"), "keep the ids of revoked tasks in this file")(
      "log-level,L", po::value<std::string>()->value_name("LEVEL"), "debug, info, warning, error or off (info)")(
      "log-format", po::value<std::string>()->value_name("FORMAT"),
      "text, or json: an object a line with the ids of tasks (text)")(
      "metrics", po::value<std::string>()->value_name("HOST:PORT"),
      "serve metrics to Prometheus there, and /healthz and /readyz (nowhere)")(
      "outbox", po::value<std::string>()->value_name("URL"),
      "send what applications put into the outbox of this database: sqlite:PATH or postgresql://...; without --load "
      "that "
      "alone")("outbox-table", po::value<std::string>()->value_name("TABLE"), "the outbox's table (wherry_outbox)")(
      "schedule", po::value<std::string>()->value_name("FILE"),
      "be one of the schedulers of these periodic tasks; config/schedule.yaml shows every key")(
      "schedule-only", "be a scheduler alone: no library, no queues")(
      "print-effective", "print the settings as they come out, with where each is from, and end")(
      "next", po::value<unsigned>()->value_name("N"), "print the next N ticks of each entry of the schedule, and end");
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
    options.result_backend = given<std::string>(values, "result-backend");
    options.load = given<Texts>(values, "load").value_or(Texts{});
    options.queues = split(given<Texts>(values, "queues").value_or(Texts{}));
    options.concurrency = given<unsigned>(values, "concurrency");
    options.prefetch = given<unsigned>(values, "prefetch");
    if (options.concurrency > most_concurrency) return fail(out_of_range("concurrency", most_concurrency));
    if (options.prefetch > most_prefetch) return fail(out_of_range("prefetch", most_prefetch));
    options.name = given<std::string>(values, "name");
    options.pool = given<std::string>(values, "pool");
    if (options.pool && *options.pool != "threads" && *options.pool != "processes") {
      return fail("--pool: threads or processes; 'wherry-worker --help' lists the options");
    }
    options.max_tasks_per_child = given<unsigned>(values, "max-tasks-per-child");
    options.task_events = values.count("task-events") > 0;
    options.statedb = given<std::string>(values, "statedb");
    if (values.count("autoscale")) {
      auto bounds = parse_autoscale(values["autoscale"].as<std::string>());
      if (!bounds) return tl::unexpected(bounds.error());
      options.autoscale = *bounds;
    }
    options.log_level = given<std::string>(values, "log-level");
    options.log_format = given<std::string>(values, "log-format");
    options.metrics = given<std::string>(values, "metrics");
    options.outbox = given<std::string>(values, "outbox");
    options.outbox_table = given<std::string>(values, "outbox-table").value_or(options.outbox_table);
    options.schedule = given<std::string>(values, "schedule");
    options.print_effective = values.count("print-effective") != 0;
    options.schedule_only = values.count("schedule-only") != 0;
    options.next = given<unsigned>(values, "next");
    if (options.next > most_ticks_shown) return fail(out_of_range("next", most_ticks_shown));
    return options;
  } catch (const po::error& error) {
    return fail(fmt::format("{}; 'wherry-worker --help' lists the options", error.what()));
  }
}

}  // namespace wherry::worker

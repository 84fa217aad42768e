#include "perf/options.h"

#include <algorithm>
#include <optional>
#include <sstream>

#include <boost/program_options.hpp>
#include <fmt/format.h>

#include "base/nearest.h"
#include "base/units.h"

namespace wherry::perf {

namespace po = boost::program_options;

namespace {

using Text = std::string;

struct CommandInfo {
  const char* name;
  Command command;
  const char* summary;
  const char* examples;
};

constexpr CommandInfo commands[] = {
    {"throughput", Command::throughput, "publish and consume as fast as the broker allows",
     "  wherry-perf throughput --size 1KiB --pid $(pidof wherry-broker)\n"
     "  wherry-perf throughput --size 1KiB --persistent --confirm 1000 --ack each --prefetch 100\n"
     "  wherry-perf throughput --producers 4 --consumers 4 --queues 4 --count 1000000 --json\n"
     "  wherry-perf throughput --exchange fanout --queues 10 --size 256\n"
     "  wherry-perf throughput --exchange topic --bindings 1000 --queues 10 --size 64 --svg topic.svg\n"},
    {"latency", Command::latency, "end-to-end latency at a given rate",
     "  wherry-perf latency --rate 1000,5000 --size 1KiB --persistent --confirm 1000 --ack each --prefetch 100\n"
     "  wherry-perf latency --rate 20000 --seconds 30 --svg latency.svg\n"},
    {"ping", Command::ping, "one message at a time: round trips per second",
     "  wherry-perf ping --seconds 5\n"
     "  wherry-perf ping --size 1KiB --persistent --confirm 1\n"},
    {"backlog", Command::backlog, "fill queues, look at the broker's memory, drain them",
     "  wherry-perf backlog --count 1000000 --pid $(pidof wherry-broker) --data-dir /var/lib/wherry\n"
     "  wherry-perf backlog --count 1000000 --phase fill      then stop and start the broker, and\n"
     "  wherry-perf backlog --count 1000000 --phase await     says when all of them are back\n"},
    {"connections", Command::connections, "memory of idle connections; connections opened and closed per second",
     "  wherry-perf connections --idle 2000 --churn 2000 --pid $(pidof wherry-broker)\n"
     "  wherry-perf connections --idle 0 --churn 10000 --parallel 8\n"},
    {"declares", Command::declares, "queues declared and deleted per second",
     "  wherry-perf declares --count 5000 --outstanding 100\n"
     "  wherry-perf declares --count 1000 --outstanding 1 --kind transient\n"},
};

std::string most_help() {
  std::string text =
      "wherry-perf: measures an AMQP 0-9-1 broker from outside: Wherry's, RabbitMQ, or any other.\n\n"
      "Usage: wherry-perf COMMAND [options]\n\nCommands:\n";
  for (const CommandInfo& info : commands) text += fmt::format("  {:<12} {}\n", info.name, info.summary);
  return text +
         "\nwherry-perf COMMAND --help lists the options of a command, with examples. Each run prints what it "
         "measured,\n"
         "with --json as one line; with --pid also the broker's processor time for each message and its memory, which\n"
         "stay put on a busy machine where rates swing. Ctrl-C ends a run and prints what there is. Exit status: 0 "
         "when\n"
         "all arrived, 1 when the broker failed, 2 for a wrong command line, 130 after Ctrl-C.\n"
         "\nExamples:\n"
         "  wherry-perf throughput --size 1KiB --pid $(pidof wherry-broker)\n"
         "  wherry-perf latency --rate 1000 --persistent --confirm 1000 --uri "
         "amqp://user:password@broker.example/vhost\n"
         "  wherry-perf backlog --count 1000000\n"
         "\nOptions that stand alone:\n  --help, --version\n\ndocs/performance.md says how to measure and how to read "
         "it.\n";
}

// --- the options of a command ---------------------------------------------------------------------------------------

void add_common(po::options_description& to) {
  to.add_options()("help,h", "this text")(
      "uri,u", po::value<Text>()->value_name("URI"),
      "the broker: amqp://user:password@host:port/vhost (amqp://guest:guest@127.0.0.1:5672/)")(
      "pid", po::value<std::vector<int>>()->value_name("PID"),
      "the broker's process: its processor time and memory are measured, its children included; may be repeated")(
      "json", "one JSON line for each run, on standard output")("svg", po::value<Text>()->value_name("FILE"),
                                                                "write a picture of the run")(
      "label", po::value<Text>()->value_name("TEXT"), "a word to find the run by, in the JSON")(
      "quiet,q", "no line that shows how it goes (there is one on a terminal only)");
}

void add_queue_options(po::options_description& to) {
  to.add_options()("prefix", po::value<Text>()->value_name("NAME"),
                   "the names of queues and exchange begin with it (wherry-perf)")(
      "queue-argument", po::value<std::vector<Text>>()->value_name("NAME=VALUE"),
      "declare the queues with it, such as x-queue-type=quorum; may be repeated")("transient-queues",
                                                                                  "declare the queues not durable");
}

void add_message_options(po::options_description& to, const char* size) {
  to.add_options()("size,s", po::value<Text>()->value_name("SIZE"), size)(
      "confirm", po::value<unsigned>()->value_name("N"),
      "publisher confirms, at most N of each producer outstanding (none)")(
      "queues", po::value<unsigned>()->value_name("N"), "queues (1)");
}

void add_consumer_options(po::options_description& to, const char* ack) {
  to.add_options()("ack", po::value<Text>()->value_name("MODE"), ack)(
      "ack-every", po::value<unsigned>()->value_name("N"),
      "with --ack multiple: one ack for N messages (half of the prefetch, or 100)")(
      "prefetch", po::value<unsigned>()->value_name("N"), "most unacknowledged messages of a consumer (no limit)");
}

void add_flow_options(po::options_description& to) {
  to.add_options()("producers,p", po::value<unsigned>()->value_name("N"), "connections that publish (1)")(
      "consumers,c", po::value<unsigned>()->value_name("N"), "connections that consume (1)")(
      "persistent", "messages that survive a restart of the broker (delivery mode 2)")(
      "exchange", po::value<Text>()->value_name("TYPE"),
      "none (by queue name), fanout (to all queues), direct or topic (none)")(
      "bindings", po::value<unsigned>()->value_name("N"),
      "of a direct or topic exchange, over all queues; those of a topic have wildcards (1000)")(
      "keys", po::value<unsigned>()->value_name("N"),
      "different routing keys for a topic exchange (as many as bindings)")(
      "seconds,t", po::value<double>()->value_name("S"), "how long to publish (5)")(
      "count,n", po::value<std::uint64_t>()->value_name("N"), "publish so many messages instead");
}

void add_end_options(po::options_description& to) {
  to.add_options()("drain", po::value<double>()->value_name("S"),
                   "at the end, wait for what is outstanding until nothing comes for so long (60)");
}

po::options_description options_of(Command command) {
  po::options_description all("Options", 100, 58);
  switch (command) {
    case Command::throughput:
      add_flow_options(all);
      add_message_options(all, "bytes of a body, such as 16, 1KiB (16)");
      add_consumer_options(all, "auto, each or multiple (auto)");
      all.add_options()("in-flight", po::value<std::uint64_t>()->value_name("N"),
                        "most messages published and not yet delivered (no cap)");
      add_end_options(all);
      add_queue_options(all);
      break;
    case Command::latency:
      all.add_options()("rate,r", po::value<Text>()->value_name("N[,N]"),
                        "messages a second, all producers together; several: one run each (1000)")(
          "warm", po::value<double>()->value_name("S"), "leave out what the first seconds measured (1)");
      add_flow_options(all);
      add_message_options(all, "bytes of a body, 8 at least (16)");
      add_consumer_options(all, "auto, each or multiple (auto)");
      add_end_options(all);
      add_queue_options(all);
      break;
    case Command::ping:
      all.add_options()("seconds,t", po::value<double>()->value_name("S"), "how long (5)")(
          "count,n", po::value<std::uint64_t>()->value_name("N"), "so many messages instead")(
          "depth", po::value<unsigned>()->value_name("N"), "so many messages at a time (1)")(
          "warm", po::value<double>()->value_name("S"), "leave out what the first seconds measured (0.5)")(
          "persistent", "messages that survive a restart of the broker (delivery mode 2)");
      add_message_options(all, "bytes of a body, 8 at least (16)");
      add_consumer_options(all, "auto, each or multiple (auto)");
      add_end_options(all);
      add_queue_options(all);
      break;
    case Command::backlog:
      all.add_options()("count,n", po::value<std::uint64_t>()->value_name("N"), "messages to fill in (1000000)")(
          "phase", po::value<Text>()->value_name("WHICH"),
          "both, fill (and leave them), drain (what is there), or await (wait until they are there) (both)")(
          "transient", "messages that need not survive a restart (they are persistent)")(
          "settle", po::value<double>()->value_name("S"), "wait between the fill and reading the memory (1)")(
          "data-dir", po::value<Text>()->value_name("DIR"), "the broker's data: its size on disk is reported")(
          "producers,p", po::value<unsigned>()->value_name("N"), "connections that publish (1)")(
          "consumers,c", po::value<unsigned>()->value_name("N"), "connections that consume (1)");
      add_message_options(all, "bytes of a body (1KiB)");
      add_consumer_options(all, "auto, each or multiple (each)");
      add_end_options(all);
      add_queue_options(all);
      break;
    case Command::connections:
      all.add_options()("idle", po::value<unsigned>()->value_name("N"),
                        "connections with a channel, open at once; 0: none (2000)")(
          "hold", po::value<double>()->value_name("S"), "how long they are held (3)")(
          "churn", po::value<unsigned>()->value_name("N"),
          "connections opened with a channel and closed again; 0: none (2000)")(
          "parallel", po::value<unsigned>()->value_name("N"), "so many of them at once (4)");
      break;
    case Command::declares:
      all.add_options()("count,n", po::value<std::uint64_t>()->value_name("N"), "queues (5000)")(
          "outstanding", po::value<unsigned>()->value_name("N"), "declares without an answer yet; 1: one by one (100)")(
          "kind", po::value<Text>()->value_name("KIND"), "durable, transient or exclusive (durable)")(
          "prefix", po::value<Text>()->value_name("NAME"), "the queues' names begin with it (wherry-perf)");
      break;
  }
  add_common(all);
  return all;
}

std::string help_of(const CommandInfo& info, const po::options_description& options) {
  std::ostringstream text;
  text << "wherry-perf " << info.name << ": " << info.summary << ".\n\nUsage: wherry-perf " << info.name
       << " [options]\n\n"
       << options << "\nExamples:\n"
       << info.examples;
  return text.str();
}

// --- reading
// ----------------------------------------------------------------------------------------------------------

class Reader {
 public:
  explicit Reader(const po::variables_map& values) : values_(values) {}

  bool has(const char* name) const { return values_.count(name) > 0; }

  // Takes the option's value when it was given. most: of numbers.
  template <class T, class Into>
  void take(const char* name, Into& into, T least, T most) {
    if (!has(name)) return;
    const T value = values_[name].as<T>();
    if (!(value >= least && value <= most)) {
      return complain(fmt::format("--{} {}: a number from {} to {}", name, value, least, most));
    }
    into = static_cast<Into>(value);
  }
  void number(const char* name, unsigned& into, unsigned least, unsigned most) { take(name, into, least, most); }
  void seconds(const char* name, double& into) { take<double>(name, into, 0, 1e6); }
  void text(const char* name, std::string& into) {
    if (has(name)) into = values_[name].as<Text>();
  }
  template <class T>
  void choose(const char* name, T& into, const std::vector<std::pair<const char*, T>>& choices) {
    if (!has(name)) return;
    const Text word = values_[name].as<Text>();
    std::vector<std::string> words;
    for (const auto& [known, value] : choices) {
      if (word == known) {
        into = value;
        return;
      }
      words.emplace_back(known);
    }
    complain(fmt::format("--{} {}: one of {}", name, word, fmt::join(words, ", ")));
  }
  template <class T>
  T value(const char* name) const {
    return values_[name].as<T>();
  }

  void complain(std::string what) {
    if (!problem) problem = std::move(what);
  }
  std::optional<std::string> problem;

 private:
  const po::variables_map& values_;
};

constexpr unsigned most_connections = 60'000;
constexpr std::uint64_t most_messages = 1'000'000'000'000;

void read_common(Reader& from, Common& into) {
  std::string uri = "amqp://guest:guest@127.0.0.1:5672/";
  from.text("uri", uri);
  if (auto endpoint = sdk::parse_endpoint(uri)) {
    into.endpoint = *endpoint;
  } else {
    from.complain("--uri: " + endpoint.error().message);
  }
  if (from.has("pid")) into.pids = from.value<std::vector<int>>("pid");
  from.text("label", into.label);
  from.text("svg", into.svg);
  into.json = from.has("json");
  into.quiet = from.has("quiet");
}

void read_rates(Reader& from, std::vector<double>& into) {
  into = {1000};
  if (!from.has("rate")) return;
  into.clear();
  std::stringstream list(from.value<Text>("rate"));
  for (std::string word; std::getline(list, word, ',');) {
    std::istringstream number(word);
    double rate = 0;
    if (!(number >> rate) || !number.eof() || rate <= 0 || rate > 1e8) {
      return from.complain(fmt::format("--rate {}: messages a second, such as 1000 or 1000,5000", word));
    }
    into.push_back(rate);
  }
  if (into.empty()) from.complain("--rate: messages a second, such as 1000 or 1000,5000");
}

void read_workload(Reader& from, Workload& into) {
  from.number("producers", into.producers, 0, most_connections);
  from.number("consumers", into.consumers, 0, most_connections);
  from.number("queues", into.queues, 1, 1'000'000);
  if (from.has("size")) {
    if (auto size = parse_size(from.value<Text>("size"))) {
      into.size_bytes = *size;
    } else {
      from.complain("--size: " + size.error().message);
    }
  }
  into.persistent = into.persistent || from.has("persistent");
  from.take<unsigned>("confirm", into.confirm_window, 0, 10'000'000);
  from.choose<AckMode>("ack", into.ack,
                       {{"auto", AckMode::automatic}, {"each", AckMode::each}, {"multiple", AckMode::multiple}});
  from.take<unsigned>("prefetch", into.prefetch, 0, 65'535);
  if (into.ack == AckMode::multiple) into.ack_every = into.prefetch > 1 ? into.prefetch / 2u : 100u;
  if (into.prefetch == 1) into.ack_every = 1;
  from.take<unsigned>("ack-every", into.ack_every, 1, 1'000'000);
  if (from.has("ack-every") && into.ack != AckMode::multiple) from.complain("--ack-every goes with --ack multiple");
  from.choose<ExchangeKind>("exchange", into.exchange,
                            {{"none", ExchangeKind::none},
                             {"fanout", ExchangeKind::fanout},
                             {"direct", ExchangeKind::direct},
                             {"topic", ExchangeKind::topic}});
  from.number("bindings", into.bindings, 1, 10'000'000);
  from.number("keys", into.keys, 1, 10'000'000);
  from.take<std::uint64_t>("in-flight", into.in_flight, 0, most_messages);
  from.take<std::uint64_t>("count", into.count, 1, most_messages);
  from.seconds("seconds", into.seconds);
  from.seconds("drain", into.drain_limit_s);
  from.seconds("warm", into.warm_s);
  from.take<unsigned>("depth", into.depth, 1, 1'000'000);
  into.durable_queues = !from.has("transient-queues");
  from.text("prefix", into.prefix);
  if (from.has("queue-argument")) {
    for (const Text& argument : from.value<std::vector<Text>>("queue-argument")) {
      if (auto added = add_argument(into.queue_arguments, argument); !added) from.complain(added.error().message);
    }
  }
}

void read_backlog(Reader& from, BacklogPlan& into) {
  enum class Phase { both, fill, drain, await } phase = Phase::both;
  from.choose<Phase>("phase", phase,
                     {{"both", Phase::both}, {"fill", Phase::fill}, {"drain", Phase::drain}, {"await", Phase::await}});
  into.fill = phase == Phase::both || phase == Phase::fill;
  into.drain = phase == Phase::both || phase == Phase::drain;
  into.await = phase == Phase::await;
  from.seconds("settle", into.settle_s);
  from.text("data-dir", into.data_dir);
}

void read_command(Reader& from, Options& into) {
  Workload& workload = into.workload;
  switch (into.command) {
    case Command::throughput:
      break;
    case Command::latency:
      workload.warm_s = 1;
      read_rates(from, into.rates);
      workload.rate = into.rates.empty() ? 0 : into.rates.front();
      break;
    case Command::ping:
      workload.warm_s = 0.5;
      workload.depth = 1;
      break;
    case Command::backlog:
      workload.persistent = !from.has("transient");
      workload.size_bytes = 1024;
      workload.count = 1'000'000;
      workload.confirm_window = 1000;
      workload.ack = AckMode::each;
      workload.prefetch = 1000;
      read_backlog(from, into.backlog);
      break;
    case Command::connections:
      from.number("idle", into.connections.idle, 0, most_connections);
      from.seconds("hold", into.connections.hold_s);
      from.number("churn", into.connections.churn, 0, 100'000'000);
      from.number("parallel", into.connections.parallel, 1, 1000);
      if (into.connections.idle == 0 && into.connections.churn == 0) {
        from.complain("--idle 0 --churn 0: there is nothing to measure");
      }
      return;
    case Command::declares:
      from.take<std::uint64_t>("count", into.declares.count, 1, 100'000'000);
      from.take<unsigned>("outstanding", into.declares.outstanding, 1, 1'000'000);
      from.choose<QueueKind>(
          "kind", into.declares.kind,
          {{"durable", QueueKind::durable}, {"transient", QueueKind::transient}, {"exclusive", QueueKind::exclusive}});
      from.text("prefix", into.declares.prefix);
      return;
  }
  read_workload(from, workload);
  // A warm-up as long as the run would leave nothing of it.
  if (!from.has("warm") && workload.count == 0) workload.warm_s = std::min(workload.warm_s, workload.seconds / 4);
  if (!from.has("warm") && workload.count > 0) workload.warm_s = 0;
  if (auto sound = check(workload); !sound) from.complain(sound.error().message);
}

// --- the command line
// -------------------------------------------------------------------------------------------------

std::vector<std::string> names_of(const po::options_description& options) {
  std::vector<std::string> names;
  for (const auto& option : options.options()) names.push_back("--" + option->long_name());
  return names;
}

Result<const CommandInfo*> command_of(const std::string& word) {
  std::vector<std::string> names;
  for (const CommandInfo& info : commands) {
    if (word == info.name) return &info;
    names.emplace_back(info.name);
  }
  const auto near = nearest(word, names);
  return fail(fmt::format("there is no command '{}'{}; 'wherry-perf --help' lists them", word,
                          near ? fmt::format(", did you mean {}?", *near) : ""));
}

}  // namespace

Result<Options> parse_options(int argc, const char* const* argv) {
  const std::vector<std::string> words(argv + std::min(argc, 1), argv + argc);
  Options options;
  if (words.empty()) return fail("a command is missing; 'wherry-perf --help' lists them");
  if (words[0] == "--help" || words[0] == "-h" || words[0] == "help") {
    options.answer = most_help();
    return options;
  }
  if (words[0] == "--version" || words[0] == "-V") {
    options.answer = "wherry-perf " WHERRY_VERSION "\n";
    return options;
  }
  const auto info = command_of(words[0]);
  if (!info) return tl::unexpected(info.error());
  options.command = (*info)->command;
  const po::options_description all = options_of(options.command);
  const std::string help_hint = fmt::format("'wherry-perf {} --help' lists the options", (*info)->name);
  try {
    po::variables_map values;
    const int style = po::command_line_style::unix_style & ~po::command_line_style::allow_guessing;
    const std::vector<std::string> rest(words.begin() + 1, words.end());
    po::store(po::command_line_parser(rest).options(all).positional({}).style(style).run(), values);
    po::notify(values);
    if (values.count("help")) {
      options.answer = help_of(**info, all);
      return options;
    }
    Reader reader(values);
    read_common(reader, options.common);
    read_command(reader, options);
    if (reader.problem) return fail(fmt::format("{}; {}", *reader.problem, help_hint));
    return options;
  } catch (const po::unknown_option& error) {
    const auto near = nearest(error.get_option_name(), names_of(all));
    return fail(fmt::format("{}{}; {}", error.what(), near ? fmt::format(", did you mean {}?", *near) : "", help_hint));
  } catch (const po::error& error) {
    return fail(fmt::format("{}; {}", error.what(), help_hint));
  }
}

}  // namespace wherry::perf

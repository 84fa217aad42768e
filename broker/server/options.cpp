#include "broker/server/options.h"

#include <sstream>

#include <boost/program_options.hpp>
#include <fmt/format.h>

namespace wherry::broker {

namespace po = boost::program_options;

namespace {

template <class T>
std::optional<T> given(const po::variables_map& values, const char* name) {
  return values.count(name) ? std::optional<T>(values[name].as<T>()) : std::nullopt;
}

std::string help(const po::options_description& options) {
  std::ostringstream text;
  text
      << "wherry-broker: a message broker that speaks AMQP 0-9-1 as RabbitMQ does.\n\n"
         "Usage: wherry-broker [options]\n\n"
         "Without options it listens on 127.0.0.1:5672, lets guest/guest in from this machine, and keeps its data in\n"
         "/var/lib/wherry (as root) or ~/.local/state/wherry. When it is ready it prints one line with its addresses;\n"
         "its log goes to standard error. SIGTERM or SIGINT stops it cleanly: clients are told, then it exits with "
         "0.\n\n"
      << options
      << "\nExamples:\n"
         "  wherry-broker                                        the defaults\n"
         "  wherry-broker --amqp 127.0.0.1:0 --data-dir /tmp/w   any free port: read it from the ready line\n"
         "  wherry-broker --config config/broker.yaml --shards 2 vhosts, users and queues from a file\n\n"
         "Every key of the file can be set as WHERRY_..., see docs/configuration.md.\n";
  return text.str();
}

}  // namespace

Result<Options> parse_options(int argc, const char* const* argv) {
  po::options_description all("Options", 100, 60);
  all.add_options()("help,h", "this text")("version,V", "the version")(
      "config,c", po::value<std::string>()->value_name("FILE"),
      "configuration (YAML); config/broker.yaml shows every key")(
      "data-dir,d", po::value<std::string>()->value_name("DIR"),
      "where the broker keeps its data; created when missing")(
      "amqp,a", po::value<std::string>()->value_name("HOST:PORT"),
      "where to listen for AMQP (127.0.0.1:5672); port 0 picks a free one")(
      "amqps", po::value<std::string>()->value_name("HOST:PORT"),
      "where to listen for AMQP over TLS, RabbitMQ's is on 5671; wants tls.certificate in the file")(
      "management,m", po::value<std::string>()->value_name("HOST:PORT"),
      "where the management HTTP API listens, RabbitMQ's is on 15672; without this nobody listens")(
      "metrics", po::value<std::string>()->value_name("HOST:PORT"),
      "where Prometheus scrapes metrics, RabbitMQ's are on 15692; without this nobody listens")(
      "shards,s", po::value<unsigned>()->value_name("N"),
      "threads that share the connections and queues (1); more pay on a machine with cores to spare")(
      "durability", po::value<std::string>()->value_name("MODE"),
      "what a confirm means: sync, on the disk (the default); os, with the operating system; none, in memory")(
      "memory-high-watermark", po::value<std::string>()->value_name("LIMIT"),
      "memory above which publishers wait: a share (0.4) or a size (2GiB)")(
      "disk-free-limit", po::value<std::string>()->value_name("SIZE"),
      "free space on the disk below which publishers wait (50MB)")(
      "log-level,l", po::value<std::string>()->value_name("LEVEL"), "debug, info, warning, error or off (info)")(
      "log-format", po::value<std::string>()->value_name("FORMAT"), "text, or json: an object a line (text)")(
      "print-effective", "print the settings as they come out, with where each is from, and end");
  try {
    po::variables_map values;
    // Without guessing: "--shard" must not quietly mean "--shards", nor something else in the next version.
    const int style = po::command_line_style::unix_style & ~po::command_line_style::allow_guessing;
    po::store(po::command_line_parser(argc, argv).options(all).positional({}).style(style).run(), values);
    po::notify(values);
    Options options;
    if (values.count("help")) options.answer = help(all);
    if (values.count("version")) options.answer = "wherry-broker " WHERRY_VERSION "\n";
    options.config = given<std::string>(values, "config");
    options.data_dir = given<std::string>(values, "data-dir");
    options.amqp = given<std::string>(values, "amqp");
    options.amqps = given<std::string>(values, "amqps");
    options.management = given<std::string>(values, "management");
    options.metrics = given<std::string>(values, "metrics");
    options.shards = given<unsigned>(values, "shards");
    options.durability = given<std::string>(values, "durability");
    options.memory_high_watermark = given<std::string>(values, "memory-high-watermark");
    options.disk_free_limit = given<std::string>(values, "disk-free-limit");
    options.log_level = given<std::string>(values, "log-level");
    options.print_effective = values.count("print-effective") != 0;
    options.log_format = given<std::string>(values, "log-format");
    return options;
  } catch (const po::error& error) {
    return fail(fmt::format("{}; 'wherry-broker --help' lists the options", error.what()));
  }
}

}  // namespace wherry::broker

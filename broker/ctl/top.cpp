#include "broker/ctl/top.h"

#include <chrono>
#include <csignal>
#include <cstdio>
#include <memory>
#include <optional>
#include <sstream>
#include <thread>

#include <boost/program_options.hpp>
#include <fmt/format.h>
#include <poll.h>
#include <sys/ioctl.h>
#include <termios.h>
#include <unistd.h>

#include "broker/control/json.h"
#include "broker/ctl/control_commands.h"
#include "broker/ctl/reach.h"
#include "broker/ctl/top_frame.h"
#include "broker/ctl/where_options.h"

namespace wherry::broker::ctl {

namespace po = boost::program_options;
using amqp::FieldArray;
using amqp::FieldValue;
using amqp::Table;
using Clock = std::chrono::steady_clock;

namespace {

struct TopAsked {
  std::string vhost;
  TopSort sort = TopSort::depth;
  std::chrono::seconds interval{1};
  std::chrono::seconds patience{60};
  bool json = false;
  bool once = false;
};

struct Looked {
  TopLook look;
  Clock::time_point at{};
};

using Failed = control::AskError;

Result<FieldArray, Failed> ask_rows(Reach& reach, const TopAsked& asked, const char* verb,
                                    std::initializer_list<const char*> columns) {
  Table request;
  request.set("verb", std::string(verb));
  request.set("vhost", asked.vhost);
  FieldArray names;
  for (const char* each : columns) names.emplace_back(std::string(each));
  if (!names.empty()) request.set("columns", std::move(names));
  auto answer = reach.ask(request, asked.patience);
  if (!answer) return tl::unexpected(answer.error());
  FieldArray* rows = std::get_if<FieldArray>(&answer->value);
  return rows ? std::move(*rows) : FieldArray();
}

Result<Looked, Failed> look_at(Reach& reach, const TopAsked& asked) {
  Looked out;
  auto queues = ask_rows(reach, asked, "list_queues",
                         {"name", "messages_ready", "messages_unacknowledged", "consumers", "message_stats"});
  if (!queues) return tl::unexpected(queues.error());
  out.at = Clock::now();
  auto connections =
      ask_rows(reach, asked, "list_connections", {"name", "user", "state", "channels", "recv_oct", "send_oct"});
  if (!connections) return tl::unexpected(connections.error());
  auto tasks = ask_rows(reach, asked, "task_names", {});
  if (!tasks && tasks.error().why == control::AskFailure::no_broker) return tl::unexpected(tasks.error());
  out.look.queues = std::move(*queues);
  out.look.connections = std::move(*connections);
  if (tasks) {
    out.look.tasks = std::move(*tasks);
  } else {
    out.look.no_tasks = tasks.error().message;
  }
  return out;
}

Table frame_of(const Looked& before, const Looked& now, TopSort sort) {
  return top_frame(before.look, now.look, std::chrono::duration<double>(now.at - before.at).count(), sort);
}

volatile std::sig_atomic_t interrupted = 0;
void interrupt(int) {
  interrupted = 1;
}

// The terminal, as it was when this goes.
class Screen {
 public:
  Screen() {
    struct sigaction action {};
    action.sa_handler = interrupt;
    for (int signal : {SIGINT, SIGTERM, SIGHUP}) ::sigaction(signal, &action, nullptr);
    keys_ = ::tcgetattr(STDIN_FILENO, &before_) == 0;
    if (keys_) {
      termios raw = before_;
      raw.c_lflag &= ~static_cast<tcflag_t>(ICANON | ECHO);
      ::tcsetattr(STDIN_FILENO, TCSANOW, &raw);
    }
    put("\x1b[?1049h\x1b[?25l");  // A screen of its own, no cursor.
  }
  Screen(const Screen&) = delete;
  Screen& operator=(const Screen&) = delete;
  ~Screen() {
    put("\x1b[?25h\x1b[?1049l");
    if (keys_) ::tcsetattr(STDIN_FILENO, TCSANOW, &before_);
  }

  TopSize size() const {
    winsize window{};
    if (::ioctl(STDOUT_FILENO, TIOCGWINSZ, &window) != 0 || window.ws_row == 0) return {24, 80};
    return {window.ws_row, window.ws_col};
  }

  void draw(const std::string& text) {
    std::string out = "\x1b[H";
    for (char c : text) out += c == '\n' ? std::string("\x1b[K\n") : std::string(1, c);
    put(out + "\x1b[J");
  }

  // A key that came within that time, else 0.
  char key(std::chrono::milliseconds patience) {
    pollfd wanted{keys_ ? STDIN_FILENO : -1, POLLIN, 0};
    char typed = 0;
    if (::poll(&wanted, 1, static_cast<int>(patience.count())) > 0 && ::read(STDIN_FILENO, &typed, 1) == 1)
      return typed;
    if ((wanted.revents & (POLLHUP | POLLERR)) != 0) interrupted = 1;
    return 0;
  }

 private:
  static void put(const std::string& text) {
    std::fwrite(text.data(), 1, text.size(), stdout);
    std::fflush(stdout);
  }

  termios before_{};
  bool keys_ = false;
};

void live(Reach& reach, TopAsked asked, Looked before) {
  Screen screen;
  Looked now = before;
  std::string trouble;
  auto next = Clock::now() + asked.interval;
  while (interrupted == 0) {
    TopSize size = screen.size();
    const std::string head = trouble.empty() ? fmt::format(
                                                   "wherryctl top  vhost {}  every {} s  q quits, d r n sort by depth, "
                                                   "rate, name",
                                                   asked.vhost, asked.interval.count())
                                             : trouble;
    size.lines -= std::min<std::size_t>(size.lines, 3);
    screen.draw(head.substr(0, size.columns - 1) + "\n\n" + top_text(frame_of(before, now, asked.sort), size));
    while (interrupted == 0 && Clock::now() < next) {
      const auto left = std::chrono::duration_cast<std::chrono::milliseconds>(next - Clock::now());
      const char key = screen.key(left + std::chrono::milliseconds(1));
      if (key == 'q' || key == 4) return;
      const auto sort = key == 'd'   ? TopSort::depth
                        : key == 'r' ? TopSort::rate
                        : key == 'n' ? TopSort::name
                                     : asked.sort;
      if (std::exchange(asked.sort, sort) != sort) break;
    }
    if (Clock::now() < next) continue;
    next = Clock::now() + asked.interval;
    auto looked = look_at(reach, asked);
    trouble = looked ? std::string() : looked.error().message.substr(0, looked.error().message.find('\n'));
    if (looked) before = std::exchange(now, std::move(*looked));
  }
}

int fail_with(const std::string& message, int status) {
  std::fflush(stdout);
  std::fprintf(stderr, status == kRefused ? "Error:\n%s\n" : "wherryctl top: %s; see --help\n", message.c_str());
  return status;
}

}  // namespace

int run_top(const std::vector<std::string>& words) {
  po::options_description options("Options", 100, 60);
  add_where_options(options);
  options.add_options()("help,h", "this text")(
      "vhost,p", po::value<std::string>()->value_name("VHOST")->default_value("/"), "whose queues and tasks")(
      "sort", po::value<std::string>()->value_name("KEY")->default_value("depth"), "depth, rate or name")(
      "interval", po::value<unsigned>()->value_name("S")->default_value(1), "seconds between two looks: 1 to 60")(
      "once", "one frame, as where the output is no terminal")(
      "formatter", po::value<std::string>()->value_name("FORM")->default_value("table"), "table, or json: one object")(
      "timeout,t", po::value<unsigned>()->value_name("S")->default_value(60), "seconds to wait for an answer");
  TopAsked asked;
  po::variables_map values;
  try {
    const int style = po::command_line_style::unix_style & ~po::command_line_style::allow_guessing;
    po::store(po::command_line_parser(words).options(options).positional({}).style(style).run(), values);
    po::notify(values);
  } catch (const po::error& error) {
    return fail_with(error.what(), kWrongCommandLine);
  }
  if (values.count("help") > 0) {
    std::ostringstream text;
    text << "wherryctl top: queues, tasks and connections, looked at again every second.\n\nUsage: wherryctl top "
            "[options]\n\n"
         << options << "\ndocs/wherryctl.md shows what it shows.\n";
    std::fputs(text.str().c_str(), stdout);
    return 0;
  }
  const auto sort = parse_top_sort(values["sort"].as<std::string>());
  if (!sort) return fail_with("--sort is depth, rate or name", kWrongCommandLine);
  const std::string form = values["formatter"].as<std::string>();
  if (form != "table" && form != "json") return fail_with("--formatter is table or json", kWrongCommandLine);
  const unsigned interval = values["interval"].as<unsigned>();
  if (interval < 1 || interval > 60) return fail_with("--interval is 1 to 60 seconds", kWrongCommandLine);
  asked.vhost = values["vhost"].as<std::string>();
  asked.sort = *sort;
  asked.interval = std::chrono::seconds(interval);
  asked.patience = std::chrono::seconds(std::max(1u, values["timeout"].as<unsigned>()));
  asked.json = form == "json";
  asked.once = values.count("once") > 0 || asked.json || ::isatty(STDOUT_FILENO) == 0;
  const auto reach = Reach::open(where_of(values));
  if (!reach) return fail_with(reach.error().message, kWrongCommandLine);
  auto first = look_at(**reach, asked);
  if (!first) return fail_with(first.error().message, kRefused);
  if (!asked.once) {
    live(**reach, asked, std::move(*first));
    return 0;
  }
  std::this_thread::sleep_until(first->at + asked.interval);
  auto second = look_at(**reach, asked);
  if (!second) return fail_with(second.error().message, kRefused);
  const Table frame = frame_of(*first, *second, asked.sort);
  const std::string text = asked.json ? control::to_json(frame) + "\n" : top_text(frame, {});
  std::fwrite(text.data(), 1, text.size(), stdout);
  return 0;
}

}  // namespace wherry::broker::ctl

// A web backend that answers at once and leaves the work to the workers.
//
//   backend APP.YAML [HOST:PORT]      default 127.0.0.1:8080; port 0 picks a free one
//
//   POST /signups   {"name": ..., "email": ..., "phone": ...}             a mail and an SMS
//   POST /logs      {"service": ..., "severity": ..., "message": ...}     to the topic exchange "logs"
//   POST /analyses  {"path": ..., "separator": ","}                       statistics of a CSV file
//   GET  /tasks/ID  state, latency, progress, result or error
//   GET  /tasks     all of them
//
// POST answers 202 with the tasks that were enqueued: the broker has them then. It answers 400 when the request is
// wrong, and 503 with the reason when the broker did not take the task.
#include <chrono>
#include <csignal>
#include <cstdio>
#include <ctime>
#include <stdexcept>
#include <string>
#include <thread>

#include <httplib.h>
#include <nlohmann/json.hpp>
#include <wherry/client.h>

#include "examples/backend/ledger.h"
#include "examples/tasks/tasks.h"

using nlohmann::json;
using namespace std::chrono_literals;

namespace {

class BadRequest : public std::runtime_error {
 public:
  using std::runtime_error::runtime_error;
};

std::string text_of(const json& body, const char* field) {
  const auto found = body.find(field);
  if (found == body.end() || !found->is_string() || found->get_ref<const std::string&>().empty()) {
    throw BadRequest(std::string("the request needs the text \"") + field + "\"");
  }
  return found->get<std::string>();
}

std::string iso_now() {
  const auto now = std::chrono::system_clock::now();
  const std::time_t seconds = std::chrono::system_clock::to_time_t(now);
  const auto milliseconds =
      std::chrono::duration_cast<std::chrono::milliseconds>(now.time_since_epoch()).count() % 1000;
  std::tm utc{};
  gmtime_r(&seconds, &utc);
  char day[32];
  char text[48];
  std::strftime(day, sizeof day, "%Y-%m-%dT%H:%M:%S", &utc);
  std::snprintf(text, sizeof text, "%s.%03dZ", day, static_cast<int>(milliseconds));
  return text;
}

class Backend {
 public:
  explicit Backend(const std::string& config) : client_(wherry::Client::from_file(config)) {
    client_.wait_connected(10s);
    route("/signups", &Backend::sign_up);
    route("/logs", &Backend::log);
    route("/analyses", &Backend::analyse);
    server_.Get("/tasks",
                [this](const httplib::Request&, httplib::Response& response) { answer(response, 200, ledger_.all()); });
    server_.Get(R"(/tasks/([^/]+))", [this](const httplib::Request& request, httplib::Response& response) {
      const auto entry = ledger_.entry(request.matches[1]);
      answer(response, entry ? 200 : 404, entry.value_or(json{{"error", "no such task"}}));
    });
  }

  // Serves until stop(). Tells the port on standard output once it is bound.
  bool serve(const std::string& host, int port) {
    if (port == 0) {
      port = server_.bind_to_any_port(host);
    } else if (!server_.bind_to_port(host, port)) {
      port = -1;
    }
    if (port < 0) {
      std::fprintf(stderr, "backend: cannot listen on %s\n", host.c_str());
      return false;
    }
    std::printf("backend: listening on http://%s:%d\n", host.c_str(), port);
    std::fflush(stdout);
    return server_.listen_after_bind();
  }
  void stop() { server_.stop(); }

 private:
  using Handler = json (Backend::*)(const json& body);

  json sign_up(const json& body) {
    const std::string name = text_of(body, "name");
    const auto now = examples::Ledger::Clock::now();
    // Both are under way before either is waited for.
    auto mail = client_.async_enqueue(examples::SendEmail{
        .to = text_of(body, "email"),
        .subject = "Welcome aboard, " + name,
        .body = "Hello " + name + ",\n\nyour account is ready.\n",
    });
    auto sms = client_.async_enqueue(examples::SendSms{
        .to = text_of(body, "phone"),
        .text = "Welcome aboard, " + name + "!",
    });
    return json::array({ledger_.watch("email.send", now, mail.get()), ledger_.watch("sms.send", now, sms.get())});
  }

  json log(const json& body) {
    const auto now = examples::Ledger::Clock::now();
    const examples::RecordLog record{
        .service = text_of(body, "service"),
        .severity = text_of(body, "severity"),
        .message = text_of(body, "message"),
        .time = iso_now(),
    };
    // Everybody who bound a queue with a matching pattern runs it: there is no single result to wait for.
    const auto job = client_.enqueue(
        record, {.exchange = "logs", .routing_key = record.service + "." + record.severity, .ignore_result = true});
    return json::array({ledger_.note("log.record", now, job.id())});
  }

  json analyse(const json& body) {
    const auto now = examples::Ledger::Clock::now();
    const auto job = client_.enqueue(examples::Summarize{
        .path = text_of(body, "path"),
        .separator = body.value("separator", ","),
    });
    return json::array({ledger_.watch("analysis.summarize", now, job)});
  }

  void route(const char* path, Handler handler) {
    server_.Post(path, [this, handler](const httplib::Request& request, httplib::Response& response) {
      try {
        const json body = json::parse(request.body);
        if (!body.is_object()) throw BadRequest("the request's body is a JSON object");
        answer(response, 202, {{"tasks", (this->*handler)(body)}});
      } catch (const json::exception& error) {
        answer(response, 400, {{"error", error.what()}});
      } catch (const BadRequest& error) {
        answer(response, 400, {{"error", error.what()}});
      } catch (const wherry::ClientError& error) {
        answer(response, 503, {{"error", error.what()}, {"code", wherry::to_string(error.code())}});
      }
    });
  }

  static void answer(httplib::Response& response, int status, const json& body) {
    response.status = status;
    // A text that is not UTF-8 (a CSV file may hold any bytes) is answered with replacement characters.
    response.set_content(body.dump(2, ' ', false, json::error_handler_t::replace) + "\n", "application/json");
  }

  // Before the client, which must be gone before the ledger is.
  examples::Ledger ledger_;
  wherry::Client client_;
  httplib::Server server_;
};

}  // namespace

int main(int argc, char** argv) {
  if (argc < 2 || argc > 3 || argv[1][0] == '-') {
    std::fprintf(stderr, "usage: backend APP.YAML [HOST:PORT]\n");
    return 2;
  }
  const std::string address = argc > 2 ? argv[2] : "127.0.0.1:8080";
  const auto colon = address.rfind(':');
  // Blocked before any thread starts, so that only the one that waits for them gets them.
  sigset_t signals;
  sigemptyset(&signals);
  sigaddset(&signals, SIGTERM);
  sigaddset(&signals, SIGINT);
  pthread_sigmask(SIG_BLOCK, &signals, nullptr);
  try {
    const int port = std::stoi(address.substr(colon + 1));
    Backend backend(argv[1]);
    std::thread waiter([&] {
      int number = 0;
      sigwait(&signals, &number);
      backend.stop();
    });
    const bool served = backend.serve(address.substr(0, colon), port);
    // When serving ended by itself, the waiter still waits.
    pthread_kill(waiter.native_handle(), SIGTERM);
    waiter.join();
    return served ? 0 : 1;
  } catch (const std::exception& error) {
    std::fprintf(stderr, "backend: %s\n", error.what());
    return 1;
  }
}

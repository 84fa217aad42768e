// Requests to the management API of a running broker, by users with and without tags: each is answered, the API's
// errors as JSON with "error" and "reason"; and whoever is not let in gets 401 whatever it asks for.
//
// An input: a character that stands for a user, the method, the target, and behind the line the body.
#include "broker/admin/routes.h"

#include <memory>

#include "base/log.h"
#include "broker/admin/metrics.h"
#include "broker/auth/password_hash.h"
#include "broker/control/json.h"
#include "broker/store/memory_store.h"
#include "tests/fuzz/fuzz.h"

using namespace wherry;
using namespace wherry::broker;

namespace {

// "user:password" in base64; the last one is nobody's.
const char* const logins[] = {
    "YWRtaW46eA==", "cG9saWN5Ong=", "bWFuYWdlOng=", "bW9uaXRvcjp4", "cGxhaW46eA==", "bm9ib2R5Ong="};
constexpr std::size_t nobody = 5;

// What was made makes what comes slower, so it is begun anew from time to time.
struct Subject {
  Subject() {
    log::set_level(log::Level::off);
    BrokerConfig config;
    std::vector<UserSpec> users;
    const std::pair<const char*, const char*> all[] = {{"admin", "administrator"},
                                                       {"policy", "policymaker"},
                                                       {"manage", "management"},
                                                       {"monitor", "monitoring"},
                                                       {"plain", ""}};
    for (const auto& [name, tag] : all) {
      UserSpec user;
      user.name = name;
      user.password_hash = hash_password("x");
      user.tags = {tag};
      user.permissions.push_back({});
      users.push_back(std::move(user));
    }
    config.users = *Users::build(std::move(users));
    config.queue_max = 1'000;
    config.make_store = [](unsigned, StoreOwner) {
      return std::unique_ptr<MessageStore>(std::make_unique<MemoryStore>());
    };
    broker = std::make_unique<Broker>(std::move(config));
    WHERRY_FUZZ_CHECK(broker->start({}));
    bridges = std::make_unique<bridges::Bridges>(*broker);
    desk = std::make_unique<admin::Desk>(*broker, *bridges, admin::DeskConfig{});
    routes = std::make_unique<admin::Routes>(*desk);
    ask("PUT", "/api/queues/%2F/q", R"({"durable":true})");
    ask("PUT", "/api/exchanges/%2F/e", R"({"type":"topic"})");
    ask("POST", "/api/bindings/%2F/e/e/q/q", R"({"routing_key":"#"})");
    ask("POST", "/api/exchanges/%2F/e/publish",
        R"({"routing_key":"k","payload":"x","payload_encoding":"string","properties":{}})");
  }
  void ask(const char* method, const char* target, const char* body) {
    admin::HttpRequest request;
    request.method = method;
    request.target = target;
    request.body = body;
    request.headers["authorization"] = std::string("Basic ") + logins[0];
    WHERRY_FUZZ_CHECK(routes->answer(request).status < 300);
  }
  std::unique_ptr<Broker> broker;
  std::unique_ptr<bridges::Bridges> bridges;  // Not started: no connection leaves this process.
  std::unique_ptr<admin::Desk> desk;
  std::unique_ptr<admin::Routes> routes;
};

Subject& subject() {
  static std::unique_ptr<Subject> now;
  static unsigned asked = 0;
  if (asked++ % 2'000 == 0) {
    now.reset();
    now = std::make_unique<Subject>();
  }
  return *now;
}

const char* const values[] = {"%2F", "q",     "e", "amq.topic", "admin",      "plain", "%00",
                              "%ff", "a%2Fb", "~", "",          "max-queues", "p",     "vhost-limits"};
const char* const queries[] = {"",
                               "?page=1&page_size=2",
                               "?page=-1",
                               "?sort=name&sort_reverse=true",
                               "?columns=name,message_stats.publish",
                               "?name=%5B&use_regex=true&page=1",
                               "?family=queue_metrics&vhost=%2F",
                               "?if-empty=true&if-unused=true",
                               "?limit=3&after=x&before=-1"};
const char* const bodies[] = {
    "",
    "{}",
    "[]",
    R"({"durable":true,"arguments":{"x-max-length":-1}})",
    R"({"type":"topic","durable":false,"auto_delete":true,"internal":true})",
    R"({"routing_key":"#","arguments":{"x-match":"all","a":[1,{"b":null}]}})",
    R"({"password":"x","tags":"administrator,,management"})",
    R"({"password_hash":"AAAA","tags":["a"],"hashing_algorithm":"rabbit_password_hashing_md5"})",
    R"({"configure":"(","write":".*","read":".*"})",
    R"({"exchange":"e","write":"^a{1,9}","read":""})",
    R"({"pattern":"^q","definition":{"max-length":3,"dead-letter-exchange":"e"},"priority":1e3,"apply-to":"queues"})",
    R"({"value":1})",
    R"({"value":{"a":-9223372036854775808}})",
    R"({"count":5,"ackmode":"ack_requeue_true","encoding":"auto","truncate":3})",
    R"({"count":-5,"ackmode":"ack_requeue_false","encoding":"base64"})",
    R"({"routing_key":"k","payload":"eA==","payload_encoding":"base64","properties":{"delivery_mode":2,"headers":{"a":1.5}}})",
    R"({"routing_key":"k","payload":"x","payload_encoding":"string","properties":{"priority":999,"expiration":"-1"}})",
    R"({"task":"a.b","args":[1],"kwargs":{"x":null},"queue":"q","countdown":-1,"headers":{"h":"v"}})",
    R"({"users":["plain","nobody"]})",
    R"({"action":"sync"})",
    R"({"task":"*","limit":3})",
    R"({"vhosts":[{"name":"/"}],"queues":[{"name":"z","vhost":"/","durable":true,"auto_delete":false,"arguments":{}}]})"};

bool slow(std::string_view target) {
  // Waits for its end in real time when many messages are there; nothing that bytes can change.
  return target.find("dead-letters") != target.npos && target.find("replay") != target.npos;
}

}  // namespace

std::string fuzz::make_input(std::uint64_t seed) {
  std::mt19937_64 random(seed);
  static const std::vector<std::string> known = admin::Routes::known();
  std::string route = known[random() % known.size()];
  std::string text = std::to_string(random() % std::size(logins));
  for (std::size_t at; (at = route.find('{')) != std::string::npos;) {
    route.replace(at, route.find('}') + 1 - at, values[random() % std::size(values)]);
  }
  return text + route + queries[random() % std::size(queries)] + "\n" + bodies[random() % std::size(bodies)];
}

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  const std::string_view text = fuzz::view(data, size);
  const std::size_t line = text.find('\n');
  const std::size_t space = text.find(' ');
  if (line == text.npos || space == text.npos || space > line || space < 1) return 0;
  admin::HttpRequest request;
  const std::size_t user = static_cast<unsigned char>(text[0]) % std::size(logins);
  request.method = text.substr(1, space - 1);
  request.target = text.substr(space + 1, line - space - 1);
  request.body = text.substr(line + 1);
  request.headers["authorization"] = std::string("Basic ") + logins[user];
  // A guess a time from each address: nobody is throttled.
  static unsigned number = 0;
  request.peer = std::to_string(++number);
  request.loopback = true;
  if (slow(request.target)) return 0;
  Subject& to = subject();
  const admin::HttpAnswer answer = to.routes->answer(request);
  WHERRY_FUZZ_CHECK(answer.status >= 200 && answer.status < 600 && answer.status != 500);
  const bool open = request.target.starts_with("/api/auth");
  if (user == nobody && !open) WHERRY_FUZZ_CHECK(answer.status == 401);
  if (answer.status >= 400 && answer.type == "application/json" && answer.status != 503) {
    auto said = control::parse_object(answer.body, answer.body.size());
    WHERRY_FUZZ_CHECK(said);
    // A health check that fails says more.
    WHERRY_FUZZ_CHECK(said->find("reason") != nullptr);
  }
  admin::answer_metrics(*to.desk, request);
  return 0;
}

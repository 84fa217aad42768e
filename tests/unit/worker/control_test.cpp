// The parts of remote control that need no worker: commands and answers as messages, revoked ids and their file.
#include <csignal>
#include <cstdio>
#include <filesystem>
#include <fstream>

#include <catch2/catch.hpp>
#include <unistd.h>

#include "protocol/task/json.h"
#include "worker/control/arguments.h"
#include "worker/control/panel.h"
#include "worker/control/revoked.h"
#include "worker/mailbox/mailbox.h"

using namespace wherry;
using namespace wherry::worker;
using namespace std::chrono_literals;
using Map = task::Value::Map;
using Array = task::Value::Array;

namespace {

sdk::Delivery json_delivery(const task::Value& body) {
  sdk::Delivery delivery;
  delivery.properties.content_type = "application/json";
  delivery.properties.headers.emplace();
  delivery.body = *task::encode_json(body);
  return delivery;
}

bool means(const char* key, task::Value value, const char* matcher = nullptr) {
  Map body{{key, std::move(value)}};
  if (matcher) body.emplace_back("matcher", matcher);
  return is_addressed(body, "wherry@web-1");
}

WallTime at(std::int64_t seconds) {
  return WallTime(std::chrono::seconds(seconds));
}

struct StateFile {
  std::string path =
      (std::filesystem::temp_directory_path() / ("wherry-revoked-" + std::to_string(::getpid()))).string();
  StateFile() { std::filesystem::remove(path); }
  ~StateFile() { std::filesystem::remove(path); }
  std::string text() const {
    std::ifstream file(path);
    return {std::istreambuf_iterator<char>(file), {}};
  }
};

}  // namespace

TEST_CASE("A command is for all, for those it names, or for those that its pattern fits") {
  CHECK(means("destination", nullptr));
  CHECK(means("destination", Array{}));
  CHECK(means("destination", Array{"other@x", "wherry@web-1"}));
  CHECK_FALSE(means("destination", Array{"other@x"}));
  CHECK(means("pattern", "*@web-?", "glob"));
  CHECK_FALSE(means("pattern", "*@db-?", "glob"));
  CHECK(means("pattern", "wherry@web", "pcre"));  // As Python's re.match: the beginning is enough.
  CHECK_FALSE(means("pattern", "web", "pcre"));
  CHECK_FALSE(means("pattern", "(", "pcre"));
  CHECK(means("pattern", "*@db-?"));  // Without its matcher it is none.
}

TEST_CASE("A command's parts are read, and what is wrong with it is said") {
  auto delivery = json_delivery(Map{{"method", "revoke"},
                                    {"arguments", Map{{"task_id", "7"}}},
                                    {"ticket", "t"},
                                    {"reply_to", Map{{"exchange", "reply.celery.pidbox"}, {"routing_key", "me"}}}});
  delivery.properties.headers->set("clock", std::int32_t{41});
  auto command = read_command(delivery, "n");
  REQUIRE(command);
  CHECK(command->method == "revoke");
  CHECK(command->arguments == Map{{"task_id", "7"}});
  CHECK(command->clock == 41);
  CHECK(command->reply_exchange == "reply.celery.pidbox");
  CHECK(command->reply_key == "me");
  CHECK(command->ticket == "t");
  CHECK(read_command(json_delivery(Map{{"method", "ping"}, {"destination", Array{"x"}}}), "n")->method.empty());
  CHECK_FALSE(read_command(json_delivery(Map{{"arguments", Map{}}}), "n"));
  CHECK_FALSE(read_command(json_delivery(Map{{"method", "ping"}, {"arguments", "x"}}), "n"));
  CHECK_FALSE(read_command(json_delivery(Array{1}), "n"));
  delivery.properties.content_type = "application/x-python-serialize";
  CHECK_FALSE(read_command(delivery, "n"));
}

TEST_CASE("An answer goes where the command says, and is read where it was asked") {
  Command command{.method = "ping", .reply_exchange = "e", .reply_key = "k", .ticket = "t"};
  auto message = answer_message(command, "w@h", Map{{"ok", "pong"}}, 5);
  REQUIRE(message);
  CHECK(message->exchange == "e");
  CHECK(message->routing_key == "k");
  CHECK_FALSE(message->mandatory);
  sdk::Delivery delivery{.ref = {}, .queue = "q", .properties = message->properties, .body = message->body};
  auto answer = read_answer(delivery, "t");
  REQUIRE(answer);
  CHECK(answer->node == "w@h");
  CHECK(answer->payload == task::Value(Map{{"ok", "pong"}}));
  CHECK(answer->clock == 5);
  CHECK_FALSE(read_answer(delivery, "another"));
}

TEST_CASE("Revoked ids are kept in order, once each, the newest of too many, and not for ever") {
  Revoked revoked("", at(0));
  CHECK(revoked.add({"a", "b", "a"}, at(1)) == std::vector<std::string>{"a", "b"});
  CHECK(revoked.add({"b"}, at(2)).empty());
  CHECK(revoked.add({"", "line\nbreak", std::string(256, 'x')}, at(2)).empty());
  CHECK(revoked.ids() == std::vector<std::string>{"a", "b"});
  std::vector<std::string> many;
  for (std::size_t i = 0; i < Revoked::most_revoked; ++i) many.push_back(std::to_string(i));
  revoked.add(many, at(3));
  CHECK(revoked.size() == Revoked::most_revoked);
  CHECK_FALSE(revoked.contains("b"));
  CHECK(revoked.contains("0"));
  revoked.add({"late"}, at(4) + Revoked::keep_revoked);
  CHECK(revoked.ids() == std::vector<std::string>{"late"});
}

TEST_CASE("What a peer sends of its revoked ids is taken in each of its forms") {
  Revoked revoked("", at(0));
  CHECK(revoked.merge(Map{{"a", 12.5}, {"b", Array{12.5, "b"}}}, at(1)).size() == 2);
  CHECK(revoked.merge(Array{"b", "c", 7}, at(1)) == std::vector<std::string>{"c"});
  CHECK(revoked.merge("nonsense", at(1)).empty());
  for (const auto& [id, since] : revoked.for_peer(at(1))) CHECK(since.get<double>() != nullptr);
}

TEST_CASE("A state file is read back, but for a line that was cut short") {
  StateFile file;
  {
    Revoked revoked(file.path, at(100));
    revoked.add({"a", "b"}, at(100));
    revoked.add({"c"}, at(101));
  }
  CHECK(file.text() == "100 a\n100 b\n101 c\n");
  std::ofstream(file.path, std::ios::app) << "nonsense\n102 d\n103 cut-sho";
  Revoked again(file.path, at(200));
  CHECK(again.ids() == std::vector<std::string>{"a", "b", "c", "d"});
  CHECK(file.text() == "100 a\n100 b\n101 c\n102 d\n");
}

TEST_CASE("A state file that cannot be written leaves the ids in memory") {
  Revoked revoked("/nowhere/at/all", at(0));
  revoked.add({"a"}, at(1));
  CHECK(revoked.contains("a"));
}

TEST_CASE("Arguments are taken as programs send them: numbers as text, one or several") {
  const Map map{{"n", 3},    {"text", "4"}, {"half", 0.5}, {"ids", Array{"a", "b"}},
                {"id", "c"}, {"yes", true}, {"bad", "x"}};
  CHECK(**count_argument(map, "n", 10) == 3);
  CHECK(**count_argument(map, "text", 10) == 4);
  CHECK_FALSE(count_argument(map, "gone", 10)->has_value());
  CHECK_FALSE(count_argument(map, "n", 2));
  CHECK_FALSE(count_argument(map, "bad", 10));
  CHECK(**seconds_argument(map, "half") == 500ms);
  CHECK_FALSE(seconds_argument(Map{{"s", -1}}, "s"));
  CHECK(texts_argument(map, "ids") == std::vector<std::string>{"a", "b"});
  CHECK(texts_argument(map, "id") == std::vector<std::string>{"c"});
  CHECK(flag_argument(map, "yes"));
  CHECK_FALSE(flag_argument(map, "gone"));
}

TEST_CASE("Signals go by name or number") {
  CHECK(*parse_signal("SIGKILL") == SIGKILL);
  CHECK(*parse_signal("term") == SIGTERM);
  CHECK(*parse_signal(9) == SIGKILL);
  CHECK(*parse_signal(nullptr) == SIGTERM);
  CHECK_FALSE(parse_signal("SIGNONE"));
  CHECK_FALSE(parse_signal(1000));
}

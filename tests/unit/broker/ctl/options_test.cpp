#include "broker/ctl/options.h"

#include <catch2/catch.hpp>

#include "broker/ctl/control_commands.h"

using namespace wherry::broker::ctl;

namespace {

wherry::Result<Options> parse(std::vector<const char*> words) {
  words.insert(words.begin(), "wherryctl");
  return parse_options(static_cast<int>(words.size()), words.data());
}

}  // namespace

TEST_CASE("each command has its options") {
  auto dump = parse({"store", "dump", "--queue", "jobs", "--limit", "3", "--bodies", "-d", "/data", "--json"});
  REQUIRE(dump);
  CHECK(dump->command == Command::dump);
  CHECK(dump->queue == "jobs");
  CHECK(dump->limit == 3u);
  CHECK(dump->bodies);
  CHECK(dump->json);
  CHECK(dump->data_dir == "/data");
  CHECK(parse({"store", "repair", "--dry-run"})->dry_run);
  CHECK(parse({"store", "verify"})->command == Command::verify);
  CHECK_FALSE(parse({"store", "verify", "--dry-run"}));
  CHECK_FALSE(parse({"store", "verify", "what"}));
  CHECK_FALSE(parse({}));
  CHECK_FALSE(parse({"store"}));
}

TEST_CASE("help helps at each level") {
  CHECK(parse({"--help"})->answer.find("verify") != std::string::npos);
  CHECK(parse({"store", "--help"})->answer.find("repair") != std::string::npos);
  for (const char* command : {"verify", "dump", "stats", "repair"}) {
    const auto help = parse({"store", command, "--help"});
    REQUIRE(help);
    CHECK(help->answer.find("Examples:") != std::string::npos);
    CHECK(help->answer.find("--data-dir") != std::string::npos);
  }
}

TEST_CASE("the help lists the commands of a running broker, and a mistyped one is answered with the nearest") {
  CHECK(parse({"--help"})->answer.find("set_policy") != std::string::npos);
  CHECK(is_control_command("list_queues"));
  CHECK_FALSE(is_control_command("store"));
  const auto wrong = parse({"list_queue"});
  REQUIRE_FALSE(wrong);
  CHECK(wrong.error().message.find("did you mean 'list_queues'?") != std::string::npos);
}

TEST_CASE("a command of a running broker with wrong arguments is refused before anybody is asked") {
  for (const std::vector<std::string>& words :
       std::vector<std::vector<std::string>>{{"set_policy", "p"},
                                             {"set_policy", "p", "q", "{}", "more"},
                                             {"list_policies", "--nothing"},
                                             {"list_policies", "-p"},
                                             {"list_policies", "--formatter", "xml"},
                                             {"list_queues", "--timeout", "soon"},
                                             {"list_queues", "--priority", "1"}}) {
    CHECK(run_control_command(words) == kWrongCommandLine);
  }
  for (const std::vector<std::string>& words :
       std::vector<std::vector<std::string>>{{"set_policy", "p", "q", "{bad", "-d", "/nonexistent"},
                                             {"list_queues", "--data-dir=/nonexistent"},
                                             {"set_policy", "p", "q", "{}", "--priority", "high"}}) {
    CHECK(run_control_command(words) == kRefused);
  }
}

TEST_CASE("a mistyped command is answered with the nearest") {
  const auto wrong = parse({"store", "verfy"});
  REQUIRE_FALSE(wrong);
  CHECK(wrong.error().message.find("did you mean 'verify'?") != std::string::npos);
}

TEST_CASE("what is said to all commands may stand before the command") {
  using Words = std::vector<std::string>;
  CHECK(command_first({"-q", "-p", "/", "list_queues", "name"}) == Words{"list_queues", "name", "-q", "-p", "/"});
  CHECK(command_first({"--url=https://x", "status"}) == Words{"status", "--url=https://x"});
  CHECK(command_first({"-d", "/data", "store", "verify"}) == Words{"store", "verify", "-d", "/data"});
  for (const Words& as_it_is :
       {Words{}, Words{"--help"}, Words{"-q"}, Words{"-p", "/"}, Words{"--priority", "1", "x"}}) {
    CHECK(command_first(as_it_is) == as_it_is);
  }
}

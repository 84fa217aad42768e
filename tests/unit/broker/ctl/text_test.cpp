#include <catch2/catch.hpp>

#include "broker/ctl/finding.h"
#include "broker/ctl/progress.h"

using namespace wherry::broker;

TEST_CASE("positions are told in ranges") {
  CHECK(ranges_of({7}) == "7");
  CHECK(ranges_of({7, 9, 10, 11, 20}) == "7, 9 to 11, 20");
}

TEST_CASE("a finding says what it means") {
  QueueNames names;
  names.add(3, {"/", "jobs"});
  Finding finding;
  CHECK(describe(finding, names) == "nothing is lost");
  finding.lost = {{3, {7, 9, 10}}, {4, {1}}};
  finding.settled = 2;
  CHECK(describe(finding, names) ==
        "lost: 3 messages of queue 'jobs' in '/', positions 7, 9 to 10; lost: 1 message of queue #4, position 1; 2 "
        "messages of it had been settled");
}

TEST_CASE("queues are found by name, by virtual host and name, and by number") {
  QueueNames names;
  names.add(3, {"/", "jobs"});
  names.add(4, {"other", "jobs"});
  names.add(5, {"/", "mail"});
  CHECK(names.id_of("mail") == 5u);
  CHECK_FALSE(names.id_of("jobs"));
  CHECK(names.id_of("//jobs") == 3u);
  CHECK(names.id_of("other/jobs") == 4u);
  CHECK(names.id_of("#9") == 9u);
  CHECK_FALSE(names.id_of("nothing"));
}

TEST_CASE("the bar is as long as what is done") {
  CHECK(Progress::bar("verify", 0, 100) == "verify [>                             ]   0 %  0 bytes");
  CHECK(Progress::bar("verify", 100, 100) == "verify [==============================] 100 %  100 bytes");
}

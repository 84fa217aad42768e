#include "broker/admin/machine.h"

#include <catch2/catch.hpp>
#include <fcntl.h>
#include <unistd.h>

using namespace wherry::broker::admin;
using namespace std::chrono_literals;

TEST_CASE("open files are counted, once a second at most") {
  MachineWatch watch;
  const auto start = std::chrono::steady_clock::time_point(1h);
  const auto before = watch.look(start).open_files;
  REQUIRE(before > 0);
  const int file = ::open("/dev/null", O_RDONLY | O_CLOEXEC);
  CHECK(watch.look(start + 999ms).open_files == before);
  CHECK(watch.look(start + 1s).open_files == before + 1);
  ::close(file);
  CHECK(watch.look(start + 2s).open_files == before);
}

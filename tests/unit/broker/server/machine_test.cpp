#include "broker/server/machine.h"

#include <fstream>
#include <vector>

#include <catch2/catch.hpp>
#include <unistd.h>

using namespace wherry::broker;
namespace fs = std::filesystem;

namespace {

// A file tree with just what is asked for.
struct Root {
  fs::path path = fs::temp_directory_path() / ("wherry-machine-" + std::to_string(::getpid()));
  Root() {
    fs::remove_all(path);
    write("proc/meminfo", "MemTotal:        8000000 kB\nMemFree: 1 kB\n");
  }
  ~Root() { fs::remove_all(path); }
  void write(const std::string& name, const std::string& text) {
    fs::create_directories((path / name).parent_path());
    std::ofstream(path / name) << text;
  }
};

constexpr std::uint64_t installed = 8'000'000ull * 1024;

}  // namespace

TEST_CASE("without control groups the memory is the machine's") {
  Root root;
  CHECK(memory_there_is(root.path) == installed);
}

TEST_CASE("a control group's limit counts, its own or one above it") {
  Root root;
  root.write("proc/self/cgroup", "0::/system.slice/wherry.service\n");
  root.write("sys/fs/cgroup/system.slice/wherry.service/memory.max", "max\n");
  CHECK(memory_there_is(root.path) == installed);
  root.write("sys/fs/cgroup/system.slice/memory.max", "2147483648\n");
  CHECK(memory_there_is(root.path) == 2147483648);
  root.write("sys/fs/cgroup/system.slice/wherry.service/memory.max", "1073741824\n");
  CHECK(memory_there_is(root.path) == 1073741824);
}

TEST_CASE("inside a container the limit stands at the root of what is seen") {
  Root root;
  root.write("proc/self/cgroup", "0::/\n");
  root.write("sys/fs/cgroup/memory.max", "536870912\n");
  CHECK(memory_there_is(root.path) == 536870912);
}

TEST_CASE("control groups of version 1 have their own tree for memory") {
  Root root;
  root.write("proc/self/cgroup", "5:cpu,cpuacct:/x\n4:memory:/docker/abc\n");
  root.write("sys/fs/cgroup/memory/memory.limit_in_bytes", "9223372036854771712\n");
  CHECK(memory_there_is(root.path) == installed);
  root.write("sys/fs/cgroup/memory/docker/abc/memory.limit_in_bytes", "268435456\n");
  CHECK(memory_there_is(root.path) == 268435456);
}

TEST_CASE("this machine can be measured") {
  const std::uint64_t before = resident_bytes();
  CHECK(before > 0);
  CHECK(memory_there_is() >= before);
  CHECK(disk_free_bytes(fs::temp_directory_path()));
  CHECK_FALSE(disk_free_bytes("/there/is/no/such/place"));
  std::vector<char> block(64 << 20, 'x');
  CHECK(resident_bytes() >= before + (60u << 20));
  CHECK(block[12345] == 'x');
}

TEST_CASE("sizes are written for people") {
  CHECK(size_text(999) == "999 B");
  CHECK(size_text(1536) == "1.5 KiB");
  CHECK(size_text(50'000'000) == "47.7 MiB");
  CHECK(size_text(3ull << 40) == "3.0 TiB");
}

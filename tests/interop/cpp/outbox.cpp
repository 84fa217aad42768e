// interop-outbox sqlite|postgresql QUEUE COUNT: the SQL of an application with an outbox, one statement a line: the
// table, then COUNT tasks "tasks.add" with the arguments 0, 1, 2, ... and 1.
#include <cstdio>
#include <cstdlib>
#include <string>
#include <string_view>

#include <wherry/outbox.h>

int main(int argc, char** argv) {
  if (argc != 4) return 2;
  wherry::OutboxOptions options{.serializer = wherry::Serializer::json};
  options.database =
      std::string_view(argv[1]) == "sqlite" ? wherry::OutboxDatabase::sqlite : wherry::OutboxDatabase::postgresql;
  const wherry::Outbox outbox(options);
  std::printf("%s\n", outbox.create_table().c_str());
  constexpr wherry::Function<int(int, int)> add{"tasks.add"};
  for (int i = 0; i < std::atoi(argv[3]); ++i) {
    std::printf("%s\n", outbox.insert(add(i, 1), {.queue = argv[2]}).sql.c_str());
  }
}

// interop-workflows URL json|msgpack COMMAND [ARGUMENT...]: a Wherry client that sends workflows whose tasks run in C++
// (queue "cpp") and in Python (queue "celery"), and prints what they come to, a line each.
//
//   chain TEXT | group N | callback TEXT | failing TEXT | maps | chunks | compressed METHOD
//   chord N | failing-chord TEXT | many N     with RESULT_BACKEND set
#include <chrono>
#include <cstdio>
#include <cstdlib>
#include <string>
#include <string_view>
#include <vector>

#include <wherry/canvas.h>
#include <wherry/client.h>

using namespace std::chrono_literals;

namespace {

constexpr auto kDeadline = 60s;

constexpr wherry::Function<std::int64_t(std::int64_t, std::int64_t)> add{"tasks.add"};
constexpr wherry::Function<std::string(std::string)> mark{"tasks.mark"};
constexpr wherry::Function<std::string(std::string)> fail{"tasks.fail"};
constexpr wherry::Function<std::string(std::string, std::string)> noted{"tasks.noted"};
constexpr wherry::Function<std::string(std::string)> told{"tasks.told"};
constexpr wherry::Function<std::int64_t(std::vector<std::int64_t>)> total{"tasks.total"};

const wherry::EnqueueOptions cpp{.queue = "cpp"};
const wherry::EnqueueOptions python{.queue = "celery"};

void print(const char* what, std::int64_t number) {
  std::printf("%s %lld\n", what, static_cast<long long>(number));
}

void run(wherry::Client& client, std::string_view command, const std::vector<std::string>& arguments) {
  using namespace wherry;
  auto text = [&] { return arguments.at(0); };
  if (command == "chain") {
    const auto marks =
        sig(mark, text()).with(cpp) | sig(mark).with(python) | sig(mark).with(cpp) | sig(mark).with(python);
    std::puts(client.enqueue(marks).get(kDeadline).c_str());
  } else if (command == "group") {
    std::vector<Sig<std::int64_t>> parts;
    for (std::int64_t n = 0; n < std::strtoll(text().c_str(), nullptr, 10); ++n) {
      parts.push_back(sig(add, n, n).with(n % 2 == 0 ? cpp : python));
    }
    const auto job = client.enqueue(group(parts));
    std::int64_t sum = 0;
    for (const std::int64_t each : job.get(kDeadline)) sum += each;
    print("sum", sum);
    std::printf("completed %zu of %zu\n", job.completed(), job.size());
    const auto [first, second] =
        client.enqueue(group(sig(add, 1, 2).with(cpp), sig(mark, std::string("two")).with(python))).get(kDeadline);
    std::printf("both %lld %s\n", static_cast<long long>(first), second.c_str());
  } else if (command == "callback") {
    const auto work = sig(mark, text()).with(cpp).on_success(sig(noted, std::string()).with(python));
    std::puts(client.enqueue(work).get(kDeadline).c_str());
  } else if (command == "failing") {
    const auto work = (sig(mark, text()) | sig(fail) | sig(mark)).with(cpp).on_error(sig(told).with(cpp));
    client.enqueue(work).get(kDeadline);
  } else if (command == "maps") {
    for (const auto& where : {cpp, python}) {
      for (const auto& each : client.enqueue(map(mark, {"a", "b"}), where).get(kDeadline)) std::puts(each.c_str());
      for (const std::int64_t each : client.enqueue(starmap(add, {{1, 2}, {3, 4}}), where).get(kDeadline)) {
        print("sum", each);
      }
    }
  } else if (command == "chunks") {
    for (const auto& where : {cpp, python}) {
      for (const auto& part : client.enqueue(chunks(add, {{1, 2}, {3, 4}, {5, 6}}, 2), where).get(kDeadline)) {
        print("chunk of", static_cast<std::int64_t>(part.size()));
      }
    }
  } else if (command == "chord") {
    std::vector<Sig<std::int64_t>> parts;
    for (std::int64_t n = 0; n < std::strtoll(text().c_str(), nullptr, 10); ++n) {
      parts.push_back(sig(add, n, n).with(n % 2 == 0 ? cpp : python));
    }
    for (const auto& where : {cpp, python})
      print("total", client.enqueue(group(parts) | sig(total).with(where)).get(kDeadline));
    const auto within = sig(add, 1, 2).with(cpp) | group(sig(add, 10).with(python), sig(add, 20).with(cpp)) |
                        sig(total).with(python) | sig(add, 100).with(cpp);
    print("within", client.enqueue(within).get(kDeadline));
  } else if (command == "failing-chord") {
    const auto work =
        group(std::vector{sig(add, 1, 2).with(cpp), named<std::int64_t>("tasks.fail", args(text())).with(cpp)}) |
        sig(total).with(cpp).on_error(sig(told).with(cpp));
    client.enqueue(work).get(kDeadline);
  } else if (command == "many") {
    const std::vector<Sig<std::int64_t>> parts(std::strtoull(text().c_str(), nullptr, 10), sig(add, 0, 1));
    const auto began = std::chrono::steady_clock::now();
    print("total", client.enqueue(group(parts) | sig(total), {.queue = "cpp", .timeout = kDeadline}).get(kDeadline));
    print("milliseconds", (std::chrono::steady_clock::now() - began) / 1ms);
  } else if (command == "compressed") {
    const auto method = text() == "zlib"    ? Compression::zlib
                        : text() == "bzip2" ? Compression::bzip2
                                            : Compression::zstd;
    const std::string large(100'000, 'x');
    for (const char* queue : {"cpp", "celery"}) {
      const auto back = client.enqueue(mark(large), {.queue = queue, .compression = method}).get(kDeadline);
      std::printf("%zu\n", back.size() - large.size());
    }
  } else {
    std::fprintf(stderr, "unknown command\n");
    std::exit(64);
  }
}

}  // namespace

int main(int argc, char** argv) {
  if (argc < 4) return 64;
  const bool json = std::string_view(argv[2]) == "json";
  try {
    const char* backend = std::getenv("RESULT_BACKEND");
    wherry::Client client(argv[1], {.serializer = json ? wherry::Serializer::json : wherry::Serializer::msgpack,
                                    .result_backend = backend ? backend : "rpc"});
    run(client, argv[3], {argv + 4, argv + argc});
  } catch (const wherry::TaskFailed& failed) {
    std::printf("failed %s: %s\n", failed.type().c_str(), failed.message().c_str());
    return 2;
  } catch (const wherry::ClientError& error) {
    std::printf("error %s: %s\n", std::string(to_string(error.code())).c_str(), error.what());
    return 3;
  }
}

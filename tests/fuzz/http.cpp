// Requests of HTTP from a client's bytes: however they come in pieces, they are the same requests. What is wrong may be
// found later in pieces: once a head is known to be incomplete the parser waits for its end.
#include <vector>

#include "net/http_reader.h"
#include "tests/fuzz/fuzz.h"

using namespace wherry;
using namespace wherry::net;

namespace {

const char* const methods[] = {"GET", "PUT", "POST", "DELETE", "HEAD", "OPTIONS", "PATCH", "get", "", "A B"};
const char* const fields[] = {"Host: x",
                              "Content-Length: 3",
                              "Content-Length: 03",
                              "Content-Length: 99999999999999999999",
                              "Content-Length: -1",
                              "Transfer-Encoding: chunked",
                              "Transfer-Encoding: gzip, chunked",
                              "Connection: close",
                              "Connection: keep-alive, upgrade",
                              "Expect: 100-continue",
                              "X:",
                              " folded",
                              ": nothing",
                              "Authorization: Basic Zzpn"};
const char* const bodies[] = {
    "", "abc", "{}", "3\r\nabc\r\n0\r\n\r\n", "ffffffffffffffff\r\n", "0\r\nTrailer: x\r\n\r\n"};

template <std::size_t n>
const char* one_of(const char* const (&all)[n], std::mt19937_64& random) {
  return all[random() % n];
}

// What is read: each request on a line, and how it ends.
std::string read_all(std::string_view bytes, std::size_t piece) {
  HttpLimits limits;
  limits.head_bytes = 512;
  limits.body_bytes = 1024;
  HttpReader reader(limits);
  std::string said, kept;
  for (std::size_t at = 0; at < bytes.size(); at += piece) {
    kept += bytes.substr(at, piece);
    while (!kept.empty()) {
      const std::size_t used = reader.put(kept);
      WHERRY_FUZZ_CHECK(used <= kept.size());
      kept.erase(0, used);
      if (reader.state() == HttpReader::State::refused) {
        WHERRY_FUZZ_CHECK(reader.refusal().status >= 400);
        return said;
      }
      if (reader.state() == HttpReader::State::body) {
        reader.head();
        reader.expects_continue();
        WHERRY_FUZZ_CHECK(reader.body_bytes() <= limits.body_bytes);
      }
      if (reader.state() == HttpReader::State::complete) {
        const HttpRequest request = reader.take();
        WHERRY_FUZZ_CHECK(request.body.size() <= limits.body_bytes);
        said += request.method + " " + request.target + " " + request.body;
        for (const auto& [name, value] : request.headers) said += " " + name + "=" + value;
        said += reader.keep_alive() ? "\n" : " closes\n";
        if (!reader.keep_alive()) return said;
      } else if (used == 0) {
        break;
      }
    }
  }
  return said;
}

}  // namespace

std::string fuzz::make_input(std::uint64_t seed) {
  std::mt19937_64 random(seed);
  std::string text;
  for (auto requests = 1 + random() % 3; requests > 0; --requests) {
    text += std::string(one_of(methods, random)) + " /api/queues/%2F?x=" + std::to_string(random() % 10) + " HTTP/1." +
            std::to_string(random() % 3) + "\r\n";
    for (auto left = random() % 4; left > 0; --left) text += std::string(one_of(fields, random)) + "\r\n";
    text += "\r\n";
    text += one_of(bodies, random);
  }
  return text;
}

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  const std::string_view bytes = fuzz::view(data, size);
  const std::string whole = read_all(bytes, size + 1);
  for (const std::size_t piece : {std::size_t{1}, std::size_t{7}}) WHERRY_FUZZ_CHECK(read_all(bytes, piece) == whole);
  return 0;
}

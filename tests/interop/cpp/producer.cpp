// interop-producer URL json|msgpack: a Wherry client that does what it is told, a line of JSON at a time, and answers
// each with a line of JSON. So a test in Python has it send anything that the library can.
//
//   {"op": "send", "task": NAME, "args": [...], "kwargs": {...}, "options": {...}}     {"id": ID}
//   {"op": "workflow", "signature": {...}, "options": {...}}                           {"id": ID}    a task, chain or
//   chord
//   {"op": "group", "signatures": [{...}, ...], "options": {...}}                      {"id": ID}
//   {"op": "kinds", "task": NAME, "kind": time|bytes, "options": {...}}                {"id": ID}    a value that JSON
//   has not
//   {"op": "get", "id": ID}      {"result": ...}, {"failed": TYPE, "message": TEXT} or {"revoked": true}; once
//   {"op": "forget", "id": ID}   {}    nobody will ask for it
//
// A mistake is answered with {"error": CODE, "message": TEXT}. options: those of an enqueue by name, times in seconds.
// RESULT_BACKEND: where results are; rpc when it is not set.
#include <chrono>
#include <cstdio>
#include <cstdlib>
#include <functional>
#include <iostream>
#include <map>
#include <string>
#include <string_view>
#include <vector>

#include <wherry/canvas.h>
#include <wherry/client.h>

#include "protocol/task/json.h"

using wherry::task::Value;
using namespace std::chrono_literals;

namespace {

constexpr auto kDeadline = 60s;

std::string text(const Value& map, std::string_view key, const std::string& otherwise = {}) {
  const Value* found = map.find(key);
  const auto* held = found ? found->get<std::string>() : nullptr;
  return held ? *held : otherwise;
}

Value::Array list(const Value& map, std::string_view key) {
  const Value* found = map.find(key);
  const auto* held = found ? found->get<Value::Array>() : nullptr;
  return held ? *held : Value::Array{};
}

std::optional<std::chrono::milliseconds> duration(const Value& map, std::string_view key) {
  const Value* found = map.find(key);
  if (!found) return std::nullopt;
  const auto* whole = found->get<std::int64_t>();
  const auto* real = found->get<double>();
  if (!whole && !real) return std::nullopt;
  return std::chrono::milliseconds(whole ? *whole * 1000 : static_cast<std::int64_t>(*real * 1000));
}

wherry::Compression compression(const std::string& name) {
  if (name == "zlib") return wherry::Compression::zlib;
  if (name == "bzip2") return wherry::Compression::bzip2;
  return wherry::Compression::zstd;
}

wherry::EnqueueOptions options_of(const Value& request) {
  wherry::EnqueueOptions out;
  const Value* given = request.find("options");
  if (!given) return out;
  out.queue = text(*given, "queue");
  if (given->find("exchange")) out.exchange = text(*given, "exchange");
  if (given->find("routing_key")) out.routing_key = text(*given, "routing_key");
  out.countdown = duration(*given, "countdown");
  if (const auto eta = duration(*given, "eta")) out.eta = std::chrono::system_clock::time_point(*eta);
  out.expires = duration(*given, "expires");
  out.time_limit = duration(*given, "time_limit");
  out.soft_time_limit = duration(*given, "soft_time_limit");
  if (const Value* priority = given->find("priority")) {
    out.priority = static_cast<std::uint8_t>(*priority->get<std::int64_t>());
  }
  if (given->find("compression")) out.compression = compression(text(*given, "compression"));
  if (const Value* ignore = given->find("ignore_result")) out.ignore_result = *ignore->get<bool>();
  if (const Value* headers = given->find("headers")) {
    for (const auto& [name, value] : *headers->get<Value::Map>()) out.headers.emplace(name, value);
  }
  return out;
}

wherry::task::Signature signature(const Value& given) {
  auto read = wherry::task::read_signature(given);
  if (!read) throw std::invalid_argument(read.error().message);
  return *std::move(read);
}

class Producer {
 public:
  Producer(const std::string& url, wherry::ClientOptions options) : client_(url, std::move(options)) {}

  Value::Map answer(const Value& request) {
    const std::string op = text(request, "op");
    if (op == "get") return get(text(request, "id"));
    if (op == "forget") {
      jobs_.erase(text(request, "id"));
      return {};
    }
    if (op == "send") {
      wherry::Kwargs kwargs;
      if (const Value* given = request.find("kwargs")) {
        for (const auto& each : *given->get<Value::Map>()) kwargs.push_back(each);
      }
      return sent(client_.send(text(request, "task"), list(request, "args"), kwargs, options_of(request)));
    }
    if (op == "workflow") {
      return sent(client_.enqueue(wherry::from_signature(signature(*request.find("signature"))), options_of(request)));
    }
    if (op == "group") {
      std::vector<wherry::Sig<Value>> parts;
      for (const Value& each : list(request, "signatures")) parts.push_back(wherry::from_signature(signature(each)));
      auto job = client_.enqueue(wherry::group(parts), options_of(request));
      const std::string id = job.id();
      jobs_.emplace(id, [job]() mutable { return Value(job.get(kDeadline)); });
      return {{"id", id}};
    }
    if (op == "kinds") {
      const std::chrono::system_clock::time_point time(1'790'000'000s);
      const wherry::task::Bytes bytes{"\x01\x02\xff"};
      const auto args = text(request, "kind") == "time" ? wherry::args(time) : wherry::args(bytes);
      return sent(client_.send(text(request, "task"), args, {}, options_of(request)));
    }
    throw std::invalid_argument("unknown op");
  }

 private:
  Value::Map sent(wherry::Job<Value> job) {
    const std::string id = job.id();
    jobs_.insert_or_assign(id, [job]() mutable { return job.get(kDeadline); });
    return {{"id", id}};
  }

  Value::Map get(const std::string& id) {
    try {
      const auto job = std::move(jobs_.extract(id).mapped());
      return {{"result", job()}};
    } catch (const wherry::TaskFailed& failed) {
      return {{"failed", failed.type()}, {"message", failed.message()}};
    } catch (const wherry::ClientError& error) {
      if (error.code() == wherry::Errc::task_revoked) return {{"revoked", true}};
      throw;
    }
  }

  wherry::Client client_;
  std::map<std::string, std::function<Value()>> jobs_;
};

}  // namespace

int main(int argc, char** argv) {
  if (argc < 3) return 64;
  const bool json = std::string_view(argv[2]) == "json";
  const char* backend = std::getenv("RESULT_BACKEND");
  Producer producer(argv[1], {.serializer = json ? wherry::Serializer::json : wherry::Serializer::msgpack,
                              .result_backend = backend ? backend : "rpc",
                              .task_sent_event = true});
  for (std::string line; std::getline(std::cin, line);) {
    Value::Map answer;
    try {
      auto request = wherry::task::decode_json(line);
      if (!request) throw std::invalid_argument(request.error().message);
      answer = producer.answer(*request);
    } catch (const wherry::ClientError& error) {
      answer = {{"error", std::string(to_string(error.code()))}, {"message", error.what()}};
    } catch (const std::exception& error) {
      answer = {{"error", "logic"}, {"message", error.what()}};
    }
    std::cout << wherry::task::encode_json(Value(answer)).value() << std::endl;
  }
}

#include "perf/frame_scanner.h"

#include <catch2/catch.hpp>

#include "perf/frames.h"
#include "protocol/amqp/properties.h"

using namespace wherry;
using namespace wherry::perf;

namespace {

void feed(FrameScanner& scanner, std::string_view bytes) {
  char* room = scanner.room();
  REQUIRE(scanner.room_size() >= bytes.size());
  std::memcpy(room, bytes.data(), bytes.size());
  scanner.commit(bytes.size());
}

std::string publish(std::string_view body, std::uint32_t frame_max = 4096) {
  std::string out;
  amqp::BasicPublish method;
  method.exchange = "x";
  method.routing_key = "key";
  append_publish(out, 1, method, true, body, frame_max);
  return out;
}

}  // namespace

TEST_CASE("Frames are found whole, however the bytes are cut") {
  const std::string bytes = publish("hello") + publish("") + publish(std::string(100, 'b'));
  for (std::size_t cut = 1; cut < bytes.size(); ++cut) {
    FrameScanner scanner(4096);
    std::string types;
    std::string bodies;
    for (std::size_t at = 0; at < bytes.size(); at += cut) {
      feed(scanner, std::string_view(bytes).substr(at, cut));
      for (Frame frame; scanner.next(frame);) {
        types += static_cast<char>('0' + static_cast<int>(frame.type));
        CHECK(frame.channel == 1);
        if (frame.type == amqp::FrameType::body) bodies += frame.payload;
      }
    }
    INFO(cut);
    CHECK(types == "12312123");
    CHECK(bodies == "hello" + std::string(100, 'b'));
    CHECK_FALSE(scanner.broken());
  }
}

TEST_CASE("A partial frame is moved to the front when its room ends") {
  const std::string bytes = publish(std::string(300, 'x'));
  FrameScanner scanner(1024);
  std::size_t frames = 0;
  for (int round = 0; round < 50; ++round) {
    for (std::size_t at = 0; at < bytes.size(); at += 100) {
      feed(scanner, std::string_view(bytes).substr(at, 100));
      for (Frame frame; scanner.next(frame);) ++frames;
    }
  }
  CHECK(frames == 150);
  CHECK_FALSE(scanner.broken());
}

TEST_CASE("A wrong end octet or a frame that is too long breaks it for good") {
  std::string bytes = publish("hello");
  bytes[bytes.size() - 1] = 'x';
  FrameScanner wrong(4096);
  feed(wrong, bytes);
  Frame frame;
  CHECK(wrong.next(frame));
  CHECK(wrong.next(frame));
  CHECK_FALSE(wrong.next(frame));
  CHECK(wrong.broken());

  FrameScanner small(64);
  feed(small, publish(std::string(200, 'x')).substr(0, 60));
  while (small.next(frame)) {
  }
  CHECK(small.broken());
}

TEST_CASE("A large body is cut into frames as negotiated, and its place is known") {
  const std::string body(10'000, 'b');
  const std::string bytes = publish(body, 4096);
  FrameScanner scanner(20'000);
  feed(scanner, bytes);
  std::vector<std::size_t> sizes;
  for (Frame frame; scanner.next(frame);) {
    if (frame.type == amqp::FrameType::body) sizes.push_back(frame.payload.size());
  }
  CHECK(sizes == std::vector<std::size_t>{4088, 4088, 10'000 - 2 * 4088});
  CHECK(bytes.substr(body_offset(bytes), 8) == "bbbbbbbb");
  CHECK(bytes[body_offset(bytes) - 1] != 'b');
}

TEST_CASE("A published message is what the protocol's own decoder reads") {
  FrameScanner scanner(4096);
  feed(scanner, publish("hello"));
  Frame frame;
  REQUIRE(scanner.next(frame));
  CHECK(frame.method() == amqp::BasicPublish::id);
  const auto method = amqp::decode_method(frame.payload);
  REQUIRE(method);
  CHECK(std::get<amqp::BasicPublish>(*method).routing_key == "key");
  REQUIRE(scanner.next(frame));
  CHECK(frame.type == amqp::FrameType::header);
  CHECK(load_big<std::uint64_t>(frame.payload.data() + 4) == 5);
  const auto properties = amqp::decode_properties(frame.payload.substr(amqp::content_header_fixed_size));
  REQUIRE(properties);
  CHECK(properties->delivery_mode == 2);
  REQUIRE(scanner.next(frame));
  CHECK(frame.payload == "hello");
  CHECK_FALSE(scanner.holds_frame());
}

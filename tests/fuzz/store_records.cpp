// Payloads of the log's records and images of messages: anything decodes or does not; what does encodes to the same.
#include "broker/store/message_image.h"
#include "broker/store/records.h"
#include "broker/store/schedule_format.h"
#include "tests/fuzz/fuzz.h"
#include "tests/unit/protocol/amqp/generate.h"

using namespace wherry;
using namespace wherry::broker;

namespace {

void check_message(std::string_view image) {
  const MessageRef message = decode_message(image);
  if (!message) return;
  WHERRY_FUZZ_CHECK(message->complete());
  std::string again;
  append_message_image(again, *message);
  WHERRY_FUZZ_CHECK(again == image && message_image_bytes(*message) == image.size());
}

void check_publish(std::string_view payload) {
  const auto record = decode_publish(payload);
  if (!record) return;
  std::vector<Place> places;
  for (std::size_t n = 0; n < record->places; ++n) places.push_back(record->place(n));
  std::string again;
  encode_publish(again, places, record->released);
  WHERRY_FUZZ_CHECK(again.substr(record->released ? 24 : 8) == record->place_bytes);
  check_message(record->image);
}

// The same bytes but for those that are zero when we write them.
template <class Record>
void check(std::string_view payload, std::optional<Record> (*decode)(std::string_view),
           void (*encode)(std::string&, const Record&)) {
  const auto record = decode(payload);
  if (!record) return;
  std::string once;
  encode(once, *record);
  WHERRY_FUZZ_CHECK(once.size() == payload.size());
  const auto again = decode(once);
  WHERRY_FUZZ_CHECK(again);
  std::string twice;
  encode(twice, *again);
  WHERRY_FUZZ_CHECK(once == twice);
}

void check_schedule(std::string_view payload) {
  if (auto scheduled = decode_scheduled(payload)) {
    const MessageRef message = message_of(*scheduled);
    std::string again;
    encode_scheduled(again, scheduled->key, scheduled->vhost, *message, scheduled->queue);
    const auto same = decode_scheduled(again);
    WHERRY_FUZZ_CHECK(same && same->key == scheduled->key && same->body == scheduled->body &&
                      same->properties == scheduled->properties && same->routing_key == scheduled->routing_key);
  }
  if (auto fired = decode_fired(payload)) WHERRY_FUZZ_CHECK(decode_fired(encode_fired(*fired)));
  if (auto dropped = decode_dropped(payload)) WHERRY_FUZZ_CHECK(decode_dropped(encode_dropped(*dropped)));
  if (auto withdrawn = decode_withdrawn(payload)) WHERRY_FUZZ_CHECK(encode_withdrawn(*withdrawn) == payload);
}

}  // namespace

std::string fuzz::make_input(std::uint64_t seed) {
  std::mt19937_64 random(seed);
  amqp::test::Generator generate(seed);
  const std::string properties = amqp::encode_properties(generate.properties());
  const std::string body = generate.text(60);
  auto message = Message::create({.exchange = "exchange",
                                  .routing_key = "key",
                                  .properties = properties,
                                  .delivery_mode = 2,
                                  .priority = 3,
                                  .body_size = body.size(),
                                  .published_ms = random()});
  message->append_body(body);
  std::string out(1, static_cast<char>(random() % 6));
  switch (out[0]) {
    case 0:
    case 1: {
      std::vector<Place> places(random() % 4);
      for (Place& place : places) place = {random(), random()};
      if (out[0] == 0) encode_publish(out, places);
      append_message_image(out, *message);
      break;
    }
    case 2:
      encode_settle(out, {random(), random(), random()});
      break;
    case 3:
      encode_attempts(out, {random(), random(), static_cast<std::uint32_t>(random())});
      break;
    case 4:
      encode_page_state(out, {random(), random(), random(), 1, {random(), random()}});
      break;
    default:
      if (random() % 3 == 0) {
        out += encode_fired({{random(), random()}, random()});
      } else if (random() % 2) {
        out += encode_dropped({random(), "/", "delayed"});
      } else {
        encode_scheduled(out, {random(), random()}, "/", *message);
      }
  }
  return out;
}

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  if (size == 0) return 0;
  const std::string_view payload = fuzz::view(data + 1, size - 1);
  switch (data[0] % 6) {
    case 0:
      check_publish(payload);
      break;
    case 1:
      check_message(payload);
      break;
    case 2:
      check(payload, decode_settle, encode_settle);
      break;
    case 3:
      check(payload, decode_attempts, encode_attempts);
      break;
    case 4:
      check(payload, decode_page_state, encode_page_state);
      break;
    default:
      check_schedule(payload);
      break;
  }
  return 0;
}

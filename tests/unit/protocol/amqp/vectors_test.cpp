// Bytes worked out by hand from the specification.
#include <catch2/catch.hpp>

#include "protocol/amqp/frame.h"
#include "protocol/amqp/properties.h"
#include "protocol/amqp/table.h"

using namespace wherry;
using namespace wherry::amqp;
using namespace std::string_literals;

TEST_CASE("basic.publish frame: bits share an octet, low bit first") {
  OutputBuffer out;
  write_method_frame(out, 1,
                     BasicPublish{.exchange = "ex", .routing_key = "rk", .mandatory = true, .immediate = false});
  CHECK(out.to_string() ==
        "\x01\x00\x01\x00\x00\x00\x0d"
        "\x00\x3c\x00\x28\x00\x00\x02"
        "ex\x02rk\x01\xce"s);
}

TEST_CASE("queue.declare frame: five bits and a table") {
  Table arguments;
  arguments.set("x-a", std::int32_t{-2});
  std::string raw = encode_table(arguments);
  CHECK(raw == "\x03x-aI\xff\xff\xff\xfe"s);
  OutputBuffer out;
  write_method_frame(
      out, 0x0102,
      QueueDeclare{.queue = "q", .durable = true, .auto_delete = true, .nowait = true, .arguments = {raw}});
  CHECK(out.to_string() ==
        "\x01\x01\x02\x00\x00\x00\x16"
        "\x00\x32\x00\x0a\x00\x00\x01q\x1a"
        "\x00\x00\x00\x09\x03x-aI\xff\xff\xff\xfe\xce"s);
}

TEST_CASE("basic.deliver: a bit between a long-long and a short string has its own octet") {
  std::string bytes;
  encode_method(BasicDeliver{"c", 0x0102030405060708, true, "e", "r"}, bytes);
  CHECK(bytes == "\x00\x3c\x00\x3c\x01\x63\x01\x02\x03\x04\x05\x06\x07\x08\x01\x01\x65\x01r"s);
}

TEST_CASE("connection.tune") {
  auto method = decode_method("\x00\x0a\x00\x1e\x07\xff\x00\x02\x00\x00\x00\x3c"s);
  REQUIRE(method);
  auto& tune = std::get<ConnectionTune>(*method);
  CHECK(tune.channel_max == 2047);
  CHECK(tune.frame_max == 131072);
  CHECK(tune.heartbeat_s == 60);
}

TEST_CASE("heartbeat frame") {
  OutputBuffer out;
  write_heartbeat_frame(out);
  CHECK(out.to_string() == "\x08\x00\x00\x00\x00\x00\x00\xce"s);
}

TEST_CASE("content: header with persistent mode and a body in two frames") {
  OutputBuffer out;
  std::string body(4096 - 8 + 1, 'b');
  Properties properties;
  properties.content_type = "a";
  properties.delivery_mode = 2;
  std::string raw = encode_properties(properties);
  CHECK(raw == "\x90\x00\x01\x61\x02"s);
  write_content(out, 3, BasicAck{1, false}, raw, body, 4096, nullptr, nullptr);
  std::string method = "\x01\x00\x03\x00\x00\x00\x0d\x00\x3c\x00\x50\x00\x00\x00\x00\x00\x00\x00\x01\x00\xce"s;
  std::string header = "\x02\x00\x03\x00\x00\x00\x11\x00\x3c\x00\x00\x00\x00\x00\x00\x00\x00\x0f\xf9"s + raw + "\xce"s;
  std::string bodies =
      "\x03\x00\x03\x00\x00\x0f\xf8"s + std::string(4088, 'b') + "\xce\x03\x00\x03\x00\x00\x00\x01\x62\xce"s;
  CHECK(out.to_string() == method + header + bodies);
}

TEST_CASE("large bodies are pinned, once for each fragment, and released when they were consumed") {
  static int made = 0;
  static int released = 0;
  made = released = 0;
  std::string body(100'000, 'x');
  OutputBuffer out;
  write_content(
      out, 1, BasicAck{}, "\0\0"s, body, 65536,
      [](const void* context) {
        ++made;
        return Pin(context, [](const void*) { ++released; });
      },
      &body);
  CHECK(made == 2);
  std::string all = out.to_string();
  CHECK(all.substr(all.size() - 9, 9) == "xxxxxxxx\xce");
  out.consume(out.size());
  CHECK(released == 2);
}

TEST_CASE("every field type of both dialects is read") {
  auto read = [](std::string value) {
    auto table = decode_table({"\x01k"s + value});
    REQUIRE(table);
    return table->entries().at(0).second;
  };
  CHECK(read("t\x01"s).value == FieldValue::Variant(true));
  CHECK(read("b\xff"s).value == FieldValue::Variant(std::int8_t{-1}));
  CHECK(read("B\xff"s).value == FieldValue::Variant(std::uint8_t{255}));
  CHECK(read("s\xff\xfe"s).value == FieldValue::Variant(std::int16_t{-2}));
  CHECK(read("U\xff\xfe"s).value == FieldValue::Variant(std::int16_t{-2}));
  CHECK(read("u\xff\xfe"s).value == FieldValue::Variant(std::uint16_t{65534}));
  CHECK(read("I\xff\xff\xff\xff"s).value == FieldValue::Variant(std::int32_t{-1}));
  CHECK(read("i\xff\xff\xff\xff"s).value == FieldValue::Variant(std::uint32_t{4294967295u}));
  CHECK(read("l\xff\xff\xff\xff\xff\xff\xff\xff"s).value == FieldValue::Variant(std::int64_t{-1}));
  CHECK(read("L\x00\x00\x00\x00\x00\x00\x01\x00"s).value == FieldValue::Variant(std::int64_t{256}));
  CHECK(read("f\x3f\xc0\x00\x00"s).value == FieldValue::Variant(1.5f));
  CHECK(read("d\xbf\xf8\x00\x00\x00\x00\x00\x00"s).value == FieldValue::Variant(-1.5));
  CHECK(read("D\x02\x00\x00\x01\x3a"s).value == FieldValue::Variant(Decimal{2, 314}));
  CHECK(read("S\x00\x00\x00\x02hi"s).value == FieldValue::Variant(std::string("hi")));
  CHECK(read("x\x00\x00\x00\x02\x00\x01"s).value == FieldValue::Variant(ByteArray{"\0\1"s}));
  CHECK(read("T\x00\x00\x00\x00\x5f\x00\x00\x00"s).value == FieldValue::Variant(Timestamp{0x5f000000}));
  CHECK(read("V"s).is_null());
  CHECK(read("A\x00\x00\x00\x03t\x00V"s).value == FieldValue::Variant(FieldArray{FieldValue(false), FieldValue()}));
  Table inner;
  inner.set("a", 7);
  CHECK(read("F\x00\x00\x00\x07\x01\x61I\x00\x00\x00\x07"s).value == FieldValue::Variant(inner));
}

TEST_CASE("what is written is the set that every client reads alike") {
  auto written = [](FieldValue value) {
    Table table;
    table.set("", std::move(value));
    return encode_table(table).at(1);
  };
  CHECK(written(std::int8_t{1}) == 'I');
  CHECK(written(std::uint8_t{1}) == 'I');
  CHECK(written(std::int16_t{1}) == 'I');
  CHECK(written(std::uint16_t{1}) == 'I');
  CHECK(written(std::int32_t{1}) == 'I');
  CHECK(written(std::uint32_t{1}) == 'I');
  CHECK(written(std::uint32_t{0x80000000u}) == 'l');
  CHECK(written(std::int64_t{1}) == 'l');
  CHECK(written(1.0f) == 'd');
  CHECK(written(1.0) == 'd');
  CHECK(written("s") == 'S');
  CHECK(written(ByteArray{"s"}) == 'x');
  CHECK(written(true) == 't');
  CHECK(written(FieldValue()) == 'V');
  CHECK(written(Timestamp{1}) == 'T');
  CHECK(written(FieldArray{}) == 'A');
  CHECK(written(Table{}) == 'F');
}

#include "net/address.h"

#include <catch2/catch.hpp>

using wherry::net::Address;
using wherry::net::parse_address;

TEST_CASE("an address is a host and a port, with brackets around IPv6") {
  CHECK(parse_address("127.0.0.1:5672", 1) == Address{"127.0.0.1", 5672});
  CHECK(parse_address("localhost:0", 1) == Address{"localhost", 0});
  CHECK(parse_address("example.org", 5672) == Address{"example.org", 5672});
  CHECK(parse_address("[::1]:77", 1) == Address{"::1", 77});
  CHECK(parse_address("[::1]", 5672) == Address{"::1", 5672});
  CHECK(parse_address(":5672", 1) == Address{"0.0.0.0", 5672});
  CHECK(Address{"::1", 77}.text() == "[::1]:77");
  CHECK(Address{"127.0.0.1", 5672}.text() == "127.0.0.1:5672");
}

TEST_CASE("a wrong address is refused with what is wrong about it") {
  CHECK(parse_address("host:port", 1).error().message == "address 'host:port': 'port' is not a port (0 to 65535)");
  CHECK(parse_address("host:70000", 1).error().message == "address 'host:70000': '70000' is not a port (0 to 65535)");
  CHECK(parse_address("host:", 1).error().message == "address 'host:': '' is not a port (0 to 65535)");
  CHECK(parse_address("::1:5672", 1).error().message ==
        "address '::1:5672': write an IPv6 host in brackets, as [::1]:5672");
  CHECK(parse_address("[::1", 1).error().message == "address '[::1': no ']' after the IPv6 host");
}

TEST_CASE("loopback is known by its spelling") {
  CHECK(Address{"127.0.0.1", 1}.is_loopback());
  CHECK(Address{"127.8.8.8", 1}.is_loopback());
  CHECK(Address{"::1", 1}.is_loopback());
  CHECK(Address{"::ffff:127.0.0.1", 1}.is_loopback());
  CHECK_FALSE(Address{"10.0.0.1", 1}.is_loopback());
}

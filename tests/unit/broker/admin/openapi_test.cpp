#include <algorithm>
#include <fstream>

#include <catch2/catch.hpp>

#include "broker/admin/routes.h"

using namespace wherry::broker;

// The file is written in one way: a path two spaces in, its methods four.
TEST_CASE("docs/openapi.yaml describes each path and method of the management API, and no other") {
  std::ifstream file(WHERRY_TOP "/docs/openapi.yaml");
  REQUIRE(file);
  std::vector<std::string> described;
  std::string path;
  for (std::string line; std::getline(file, line);) {
    if (line.starts_with("  /api")) path = line.substr(2, line.size() - 3);
    for (const char* method : {"get", "put", "post", "delete"}) {
      if (line != std::string("    ") + method + ":") continue;
      std::string upper = method;
      std::transform(upper.begin(), upper.end(), upper.begin(), [](unsigned char c) { return std::toupper(c); });
      described.push_back(upper + " " + path);
    }
  }
  std::vector<std::string> known = admin::Routes::known();
  std::sort(known.begin(), known.end());
  std::sort(described.begin(), described.end());
  CHECK(described == known);
}

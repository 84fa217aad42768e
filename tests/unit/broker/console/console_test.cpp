#include "broker/console/console.h"

#include <catch2/catch.hpp>

using namespace wherry::broker::console;

namespace {

const ConsoleFile shelf[] = {
    {"/", "text/html; charset=utf-8", "\"p1\"", false, "<!doctype html>", "zipped page"},
    {"/assets/main-AB.js", "text/javascript; charset=utf-8", "\"j1\"", true, "let x = 1", "zipped script"},
    {"/icon.svg", "image/svg+xml", "\"i1\"", false, "<svg/>", ""},
};

std::optional<ConsoleAnswer> ask(std::string_view target, std::string_view method = "GET",
                                 std::string_view accept_encoding = "", std::string_view if_none_match = "") {
  return console_answer(shelf, {method, target, accept_encoding, if_none_match});
}

}  // namespace

TEST_CASE("the console's page is asked for each time, and its hashed files are kept for a year") {
  auto page = ask("/");
  REQUIRE(page);
  CHECK(page->status == 200);
  CHECK(page->body == "<!doctype html>");
  CHECK(page->type == "text/html; charset=utf-8");
  CHECK(page->headers["Cache-Control"] == "no-cache");
  CHECK(ask("/index.html")->body == page->body);
  CHECK(ask("/?from=mail")->body == page->body);
  CHECK(ask("/assets/main-AB.js")->headers["Cache-Control"] == "public, max-age=31536000, immutable");
}

TEST_CASE("a path that is not one of the console's is somebody else's business") {
  for (const char* path : {"/api/overview", "/assets", "/assets/", "/assets/main-AC.js", "/assets/../icon.svg", "//",
                           "/./", "/../../etc/passwd", "/assets/%2e%2e/icon.svg", "/ICON.SVG", "", "/icon.svg/", "*"}) {
    INFO(path);
    CHECK_FALSE(ask(path));
  }
}

TEST_CASE("a browser that takes gzip gets it, with a tag of its own") {
  auto zipped = ask("/", "GET", "gzip, deflate, br");
  CHECK(zipped->body == "zipped page");
  CHECK(zipped->headers["Content-Encoding"] == "gzip");
  CHECK(zipped->headers["ETag"] == "\"p1-gz\"");
  CHECK(zipped->headers["Vary"] == "Accept-Encoding");
  CHECK(ask("/", "GET", "br;q=1, GZIP;q=0.5")->body == "zipped page");
  CHECK(ask("/", "GET", "*")->body == "zipped page");
  for (const char* none : {"", "identity", "gzip;q=0", "gzip;q=0.0, br", "gzipped", "br"}) {
    INFO(none);
    auto plain = ask("/", "GET", none);
    CHECK(plain->body == "<!doctype html>");
    CHECK_FALSE(plain->headers.contains("Content-Encoding"));
    CHECK(plain->headers["ETag"] == "\"p1\"");
    CHECK(plain->headers["Vary"] == "Accept-Encoding");
  }
  // What does not get smaller is sent as it is.
  CHECK(ask("/icon.svg", "GET", "gzip")->body == "<svg/>");
}

TEST_CASE("a page that the browser has is answered 304, without a body") {
  for (const char* known : {"\"p1\"", "W/\"p1\"", "\"other\", \"p1\"", "*"}) {
    INFO(known);
    auto answer = ask("/", "GET", "", known);
    CHECK(answer->status == 304);
    CHECK(answer->body.empty());
    CHECK(answer->headers["ETag"] == "\"p1\"");
    CHECK(answer->headers["Cache-Control"] == "no-cache");
    CHECK(answer->headers.contains("Content-Security-Policy"));
  }
  CHECK(ask("/", "GET", "gzip", "\"p1-gz\"")->status == 304);
  // The other form is another thing.
  CHECK(ask("/", "GET", "gzip", "\"p1\"")->status == 200);
  CHECK(ask("/", "GET", "", "\"p2\"")->status == 200);
}

TEST_CASE("HEAD is answered as GET, other methods with what the path takes") {
  CHECK(ask("/", "HEAD")->status == 200);
  CHECK(ask("/", "HEAD", "", "\"p1\"")->status == 304);
  for (const char* method : {"POST", "PUT", "DELETE", "PATCH", "OPTIONS"}) {
    auto answer = ask("/", method);
    CHECK(answer->status == 405);
    CHECK(answer->headers["Allow"] == "GET, HEAD");
  }
  CHECK_FALSE(ask("/api/queues", "POST"));
}

TEST_CASE("no answer of the console lets foreign scripts, frames or connections in") {
  for (const char* path : {"/", "/assets/main-AB.js", "/icon.svg"}) {
    auto answer = ask(path);
    const std::string policy = answer->headers["Content-Security-Policy"];
    CHECK(policy.starts_with("default-src 'none'; "));
    CHECK(policy.find("script-src 'self';") != policy.npos);
    CHECK(policy.find("unsafe") == policy.npos);
    CHECK(policy.find("frame-ancestors 'none'") != policy.npos);
    CHECK(answer->headers["X-Content-Type-Options"] == "nosniff");
    CHECK(answer->headers["X-Frame-Options"] == "DENY");
    CHECK(answer->headers["Referrer-Policy"] == "no-referrer");
  }
}

TEST_CASE("a build without the console has a page that says how to get it, and nothing else") {
  auto page = console_answer({}, {"GET", "/", "gzip", ""});
  REQUIRE(page);
  CHECK(page->status == 200);
  CHECK(page->body.find("WHERRY_CONSOLE=ON") != page->body.npos);
  CHECK(page->body.find("<script") == page->body.npos);
  CHECK_FALSE(page->headers.contains("Content-Encoding"));
  CHECK(console_answer({}, {"GET", "/", "", page->headers["ETag"]})->status == 304);
  CHECK_FALSE(console_answer({}, {"GET", "/assets/main-AB.js", "", ""}));
}

TEST_CASE("what this program was built with is whole: the page names files that are there") {
  const auto files = console_files();
  if (files.empty()) return;
  auto page = console_answer(files, {"GET", "/", "", ""});
  REQUIRE(page);
  std::size_t named = 0;
  for (std::size_t at = page->body.find("\"/"); at != page->body.npos; at = page->body.find("\"/", at + 1)) {
    const std::string_view path = page->body.substr(at + 1, page->body.find('"', at + 1) - at - 1);
    INFO(path);
    auto answer = console_answer(files, {"GET", path, "gzip", ""});
    REQUIRE(answer);
    CHECK(answer->status == 200);
    CHECK_FALSE(answer->body.empty());
    ++named;
  }
  CHECK(named == 3);
  for (const ConsoleFile& file : files) {
    CHECK(file.etag.starts_with('"'));
    CHECK(file.etag.ends_with('"'));
    CHECK(file.gzip.starts_with("\x1f\x8b"));
  }
}

// Console: the web console's files as bytes of this program, and how a browser gets them: the page, its script and its
// style, bundled at build time from the sources in console/ (docs/console.md).
//
//   ConsoleRequest request{.method = "GET", .target = "/", .accept_encoding = "gzip"};
//   if (auto answer = console_answer(console_files(), request)) ...            // nothing: the path is not the
//   console's
//
// A file is found by its exact path, so that no path leads anywhere else. Files whose names hold their hash are kept by
// browsers for a year, the page is asked for each time and answered 304 while its ETag is the same. Every answer
// forbids foreign scripts, frames and connections. None needs a login: there is nothing in them that is not in the
// package. A build without the console has no files; "/" is then a page that says how to get one. Threads: any.
// Lifetime: what console_files() gives lives as long as the program; an answer's body points into it.
#pragma once

#include <map>
#include <optional>
#include <span>
#include <string>
#include <string_view>

namespace wherry::broker::console {

struct ConsoleFile {
  std::string_view path;  // "/assets/main-ABCD.js"; "/" is the page.
  std::string_view type;  // Content-Type.
  std::string_view etag;  // With its quotes.
  bool forever = false;   // Its name changes with what is in it.
  std::string_view plain;
  std::string_view gzip;  // Empty where it would not be smaller.
};

struct ConsoleRequest {
  std::string_view method;  // GET or HEAD; others are answered 405.
  std::string_view target;  // Path and query.
  std::string_view accept_encoding;
  std::string_view if_none_match;
};

struct ConsoleAnswer {
  int status = 200;
  std::string_view type;
  std::string_view body;
  std::map<std::string, std::string> headers;
};

// What this program was built with; empty without the console.
std::span<const ConsoleFile> console_files();

std::optional<ConsoleAnswer> console_answer(std::span<const ConsoleFile> files, const ConsoleRequest& request);

}  // namespace wherry::broker::console

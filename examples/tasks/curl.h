// A libcurl handle with its limits set: 5 s to connect, 30 s in all, no signals.
// Threads: a handle belongs to one thread at a time; making one is safe from any thread.
#pragma once

#include <memory>
#include <string>

#include <curl/curl.h>

namespace examples {

using CurlHandle = std::unique_ptr<CURL, decltype(&curl_easy_cleanup)>;
using CurlList = std::unique_ptr<curl_slist, decltype(&curl_slist_free_all)>;

CurlHandle make_curl(const std::string& url);

// How a transfer ended: the protocol's own code (SMTP 451, HTTP 503; 0 when there was no answer), and words for a
// person.
struct CurlOutcome {
  CURLcode code;
  long response;
  std::string words;
};
CurlOutcome perform(CURL* curl);

}  // namespace examples

// What a run says at its end: a few lines for a person, or one JSON line; and its picture.
// Threads: plain functions.
#pragma once

#include <string>

#include "perf/json_line.h"
#include "perf/run.h"

namespace wherry::perf {

// Adds what the watched process cost: cpu_us_per_UNIT, cores, memory_mb, ... and this program's own share. units: how
// many of them there were; with none the quotients are left out.
void add_usage(JsonLine& line, const Usage& usage, double units, std::string_view unit);
// "  broker        1.02 µs/message, 0.96 cores (41 % in the kernel), memory 12.4 MiB, at most 13.0"
std::string usage_text(const Usage& usage, double units, std::string_view unit);

// p50, p90, p99, p99.9 and the maximum in microseconds: NAME_p50_us, ...; nothing when it is empty.
void add_latency(JsonLine& line, std::string_view name, const Histogram& latencies);
std::string latency_text(std::string_view name, const Histogram& latencies);

JsonLine json_of(std::string_view command, const Workload& workload, const RunResult& result);
std::string text_of(std::string_view command, const Workload& workload, const RunResult& result);

// Rates over the time of the run.
std::string rate_picture(std::string_view command, const Workload& workload, const RunResult& result);

}  // namespace wherry::perf

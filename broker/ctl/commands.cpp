#include "broker/ctl/commands.h"

#include <cstdio>

#include <fmt/format.h>

#include "base/json_writer.h"
#include "base/log.h"
#include "broker/ctl/check_shard.h"
#include "broker/ctl/definitions_view.h"
#include "broker/ctl/dump.h"
#include "broker/ctl/progress.h"
#include "broker/ctl/repair.h"
#include "broker/ctl/stats.h"
#include "broker/store/data_dir.h"
#include "broker/store/posix_vfs.h"

namespace wherry::broker::ctl {

namespace {

namespace fs = std::filesystem;

void print(const std::string& line) {
  std::fwrite(line.data(), 1, line.size(), stdout);
  std::fputc('\n', stdout);
}

int cannot(const std::string& message) {
  std::fflush(stdout);
  std::fprintf(stderr, "wherryctl: %s\n", message.c_str());
  return kUnreadable;
}
int cannot(const DiskError& error) {
  return cannot(error.code == std::errc::not_supported
                    ? error.message + "; take the wherryctl of the version that wrote it"
                    : error.message);
}

struct Place {
  PosixVfs disk;
  fs::path data;
  std::vector<std::string> shards;
  DefinitionsView definitions;

  // Without the data directory in front of it.
  std::string brief(const std::string& file) const {
    const std::string front = data.string() + "/";
    return file.starts_with(front) ? file.substr(front.size()) : file;
  }
};

void write_positions(Json& json, const char* key, const std::vector<QueuePositions>& list, const QueueNames& names) {
  json.key(key).array();
  for (const QueuePositions& each : list) {
    json.object().key("queue").text(names.brief(each.queue)).key("queue_id").number(each.queue);
    if (const QueueNames::Name* name = names.find(each.queue)) json.key("vhost").text(name->vhost);
    json.key("positions").array();
    for (Position at : each.positions) json.number(at);
    json.end().end();
  }
  json.end();
}

void write_findings(Json& json, const Place& place, const std::vector<Finding>& findings) {
  json.key("findings").array();
  for (const Finding& finding : findings) {
    json.object().key("part").text(name_of(finding.part)).key("file").text(place.brief(finding.file));
    json.key("begin").number(finding.begin).key("end").number(finding.end);
    write_positions(json, "lost", finding.lost, place.definitions.names);
    write_positions(json, "in_log", finding.in_log, place.definitions.names);
    if (finding.records() > 0) {
      json.key("first_lsn").number(finding.first_lsn).key("last_lsn").number(finding.last_lsn);
    }
    json.key("unknown").flag(finding.unknown).key("harmless").flag(finding.harmless());
    json.key("text").text(describe(finding, place.definitions.names)).end();
  }
  json.end();
}

void print_findings(const Place& place, const std::vector<Finding>& findings) {
  for (const Finding& finding : findings) {
    const std::string where =
        finding.end == 0 ? std::string() : fmt::format(", bytes {} to {}", finding.begin, finding.end);
    print(fmt::format("{}{}: {}", place.brief(finding.file), where, describe(finding, place.definitions.names)));
  }
}

std::string lost_text(const std::vector<Finding>& findings) {
  std::uint64_t messages = 0;
  std::uint64_t records = 0;
  bool unknown = false;
  for (const Finding& finding : findings) {
    if (finding.part == Finding::Part::definitions) continue;
    messages += finding.messages();
    records += finding.records();
    unknown = unknown || finding.unknown;
  }
  if (messages + records == 0 && !unknown) return "nothing is lost";
  std::string text;
  const auto add = [&](const std::string& part) { text += (text.empty() ? "lost: " : ", ") + part; };
  if (messages > 0) add(fmt::format("{} message{}", messages, messages == 1 ? "" : "s"));
  if (records > 0) add(fmt::format("{} unknown record{} of the log", records, records == 1 ? "" : "s"));
  if (unknown) add("messages of which nothing is known");
  return text;
}

// --- verify ----------------------------------------------------------------------------------------------------------

int verify(Place& place, const Options& options) {
  std::uint64_t total = 0;
  for (const std::string& folder : place.shards) {
    const auto bytes = bytes_of_shard(place.disk, folder);
    if (!bytes) return cannot(bytes.error());
    total += *bytes;
  }
  std::vector<Finding> findings = place.definitions.findings;
  ShardCheck::Totals totals;
  {
    std::optional<Progress> bar;
    if (!options.quiet) bar.emplace("verify", total);
    for (const std::string& folder : place.shards) {
      ShardCheck check(place.disk, folder);
      if (auto done = check.read([&](std::uint64_t bytes) {
            if (bar) bar->add(bytes);
          });
          !done) {
        bar.reset();
        return cannot(done.error());
      }
      findings.insert(findings.end(), check.findings().begin(), check.findings().end());
      const ShardCheck::Totals& each = check.totals();
      totals.log_files += each.log_files;
      totals.records += each.records;
      totals.segments += each.segments;
      totals.entries += each.entries;
      totals.runs += each.runs;
      totals.scheduled += each.scheduled;
      totals.bytes += each.bytes;
    }
  }
  if (options.json) {
    Json json;
    json.object().key("data_dir").text(place.data.string()).key("shards").number(place.shards.size());
    json.key("bytes").number(totals.bytes).key("log_files").number(totals.log_files);
    json.key("records").number(totals.records).key("segments").number(totals.segments);
    json.key("entries").number(totals.entries).key("runs").number(totals.runs);
    json.key("scheduled").number(totals.scheduled).key("queues").number(place.definitions.queues);
    write_findings(json, place, findings);
    print(json.key("damaged").flag(!findings.empty()).end().str());
  } else {
    print_findings(place, findings);
    print(
        fmt::format("read {}: {} log file{} with {} records, {} segment{} with {} messages, {} run{} with {} delayed "
                    "messages, {}",
                    size_text(totals.bytes), totals.log_files, totals.log_files == 1 ? "" : "s", totals.records,
                    totals.segments, totals.segments == 1 ? "" : "s", totals.entries, totals.runs,
                    totals.runs == 1 ? "" : "s", totals.scheduled, place.definitions.text()));
    print(findings.empty() ? "no damage"
                           : fmt::format("{} damaged place{}; {}", findings.size(), findings.size() == 1 ? "" : "s",
                                         lost_text(findings)));
  }
  return findings.empty() ? kFine : kDamaged;
}

// --- stats -----------------------------------------------------------------------------------------------------------

int stats(Place& place, const Options& options) {
  std::vector<ShardStats> all;
  std::uint64_t damage = place.definitions.findings.size();
  for (const std::string& folder : place.shards) {
    auto shard = read_shard(place.disk, folder);
    if (!shard) return cannot(shard.error());
    auto stats = stats_of(*shard);
    if (!stats) return cannot(stats.error());
    damage += shard->damage + stats->unreadable;
    all.push_back(std::move(*stats));
  }
  const QueueNames& names = place.definitions.names;
  std::uint64_t messages = 0;
  std::uint64_t body_bytes = 0;
  std::uint64_t file_bytes = 0;
  Json json;
  json.object().key("data_dir").text(place.data.string()).key("queues").array();
  if (!options.json) {
    print(fmt::format("{:<32} {:>12} {:>12} {:>12} {:>12}  {}", "queue", "messages", "bodies", "in the log",
                      "in segments", "oldest"));
  }
  for (const ShardStats& shard : all) {
    for (const QueueStats& queue : shard.queues) {
      messages += queue.messages;
      body_bytes += queue.body_bytes;
      if (!options.json) {
        print(fmt::format("{:<32} {:>12} {:>12} {:>12} {:>12}  {}", names.brief(queue.queue), queue.messages,
                          size_text(queue.body_bytes), queue.in_log, queue.in_segments, time_text(queue.oldest_ms)));
        continue;
      }
      json.object().key("queue").text(names.brief(queue.queue)).key("queue_id").number(queue.queue);
      if (const QueueNames::Name* name = names.find(queue.queue)) json.key("vhost").text(name->vhost);
      json.key("messages").number(queue.messages).key("body_bytes").number(queue.body_bytes);
      json.key("in_log").number(queue.in_log).key("in_segments").number(queue.in_segments);
      json.key("oldest_ms").number(queue.oldest_ms).end();
    }
  }
  json.end().key("files").array();
  if (!options.json)
    print(fmt::format("\n{:<46} {:>12} {:>12} {:>12} {:>12}", "file", "size", "messages", "live", "dead"));
  for (const ShardStats& shard : all) {
    for (const FileStats& file : shard.files) {
      file_bytes += file.size_bytes;
      const std::uint64_t dead = file.size_bytes - std::min(file.size_bytes, file.live_bytes);
      if (!options.json) {
        print(fmt::format("{:<46} {:>12} {:>12} {:>12} {:>12}", place.brief(file.file), size_text(file.size_bytes),
                          file.live, size_text(file.live_bytes), size_text(dead)));
        continue;
      }
      json.object().key("file").text(place.brief(file.file)).key("bytes").number(file.size_bytes);
      json.key("messages").number(file.live).key("live_bytes").number(file.live_bytes);
      json.key("dead_bytes").number(dead).end();
    }
  }
  json.end().key("messages").number(messages).key("body_bytes").number(body_bytes);
  json.key("file_bytes").number(file_bytes).key("damaged_places").number(damage).end();
  if (options.json) {
    print(json.str());
  } else {
    print(fmt::format("\nin all: {} messages, {} of bodies, {} of files", messages, size_text(body_bytes),
                      size_text(file_bytes)));
    if (damage > 0) print(fmt::format("{} damaged places were met; 'wherryctl store verify' says more", damage));
  }
  return damage > 0 ? kDamaged : kFine;
}

// --- dump ------------------------------------------------------------------------------------------------------------

int dump(Place& place, const Options& options) {
  DumpOptions wanted{.bodies = options.bodies, .json = options.json};
  if (options.limit) wanted.limit = *options.limit;
  if (options.queue) {
    wanted.queue = place.definitions.names.id_of(*options.queue);
    if (!wanted.queue) {
      std::fprintf(stderr, "wherryctl: no queue '%s', or several of that name; give VHOST/NAME, or #ID\n",
                   options.queue->c_str());
      return kUsage;
    }
  }
  Dump dump(wanted, place.definitions.names, print);
  std::uint64_t damage = 0;
  for (const std::string& folder : place.shards) {
    std::function<void(const LogRecord&)> each_record;
    if (options.records) each_record = [&](const LogRecord& record) { dump.record(record); };
    auto shard = read_shard(place.disk, folder, each_record);
    if (!shard) return cannot(shard.error());
    damage += shard->damage;
    if (options.records) continue;
    if (auto done = dump.messages(*shard); !done) return cannot(done.error());
  }
  damage += dump.unreadable();
  if (damage > 0) {
    std::fflush(stdout);
    std::fprintf(stderr, "wherryctl: %llu damaged places were met; 'wherryctl store verify' says more\n",
                 static_cast<unsigned long long>(damage));
  }
  return damage > 0 ? kDamaged : kFine;
}

// --- repair ----------------------------------------------------------------------------------------------------------

int repair(Place& place, const Options& options) {
  std::vector<Finding> findings;
  std::vector<std::string> copies;
  std::vector<std::string> replaced;
  std::vector<Finding> left;
  for (const std::string& folder : place.shards) {
    const auto total = bytes_of_shard(place.disk, folder);
    if (!total) return cannot(total.error());
    std::optional<Progress> bar;
    const auto shown = [&](std::uint64_t bytes) {
      if (bar) bar->add(bytes);
    };
    if (!options.quiet) bar.emplace("look", *total);
    ShardCheck check(place.disk, folder);
    if (auto done = check.read(shown); !done) {
      bar.reset();
      return cannot(done.error());
    }
    findings.insert(findings.end(), check.findings().begin(), check.findings().end());
    if (check.findings().empty() || options.dry_run) continue;
    bar.reset();
    if (!options.quiet) bar.emplace("repair", *total);
    const auto outcome = repair_shard(place.disk, check, {.random = {}, .on_written = shown});
    bar.reset();
    if (!outcome) return cannot(outcome.error());
    copies.insert(copies.end(), outcome->copies.begin(), outcome->copies.end());
    replaced.insert(replaced.end(), outcome->replaced.begin(), outcome->replaced.end());
    if (!options.quiet) bar.emplace("verify", *total);
    ShardCheck again(place.disk, folder);
    const auto done = again.read(shown);
    bar.reset();
    if (!done) return cannot(done.error());
    left.insert(left.end(), again.findings().begin(), again.findings().end());
  }
  left.insert(left.end(), place.definitions.findings.begin(), place.definitions.findings.end());
  if (options.json) {
    Json json;
    json.object().key("data_dir").text(place.data.string()).key("dry_run").flag(options.dry_run);
    write_findings(json, place, findings);
    json.key("copies").array();
    for (const std::string& copy : copies) json.text(place.brief(copy));
    json.end().key("replaced").array();
    for (const std::string& file : replaced) json.text(place.brief(file));
    print(json.end().key("damage_left").number(left.size()).end().str());
  } else {
    print_findings(place, findings);
    for (const std::string& copy : copies) print(fmt::format("a copy is in {}", place.brief(copy)));
    if (!replaced.empty()) print("written anew, and gone:");
    for (const std::string& file : replaced) print("  " + place.brief(file));
    print_findings(place, left);
    if (findings.empty()) {
      print(left.empty() ? "no damage; nothing was changed" : "nothing that could be repaired; nothing was changed");
    } else if (options.dry_run) {
      print(fmt::format("{} damaged place{}; a repair would change them; {}", findings.size(),
                        findings.size() == 1 ? "" : "s", lost_text(findings)));
    } else {
      print(fmt::format("{} damaged place{} repaired; {}", findings.size(), findings.size() == 1 ? "" : "s",
                        lost_text(findings)));
    }
  }
  return left.empty() && (findings.empty() || !options.dry_run) ? kFine : kDamaged;
}

}  // namespace

int run(const Options& options) {
  // What is found is printed; the store's own lines would say it twice.
  log::set_level(log::Level::off);
  const fs::path data = options.data_dir ? fs::path(*options.data_dir) : DataDir::default_path();
  const auto claimed = DataDir::claim(data);
  if (!claimed) return cannot(claimed.error().message);
  Place place{.disk = {}, .data = data, .shards = shard_folders(data), .definitions = {}};
  auto definitions = view_definitions(data);
  if (!definitions) return cannot(definitions.error().message);
  place.definitions = std::move(*definitions);
  switch (options.command) {
    case Command::verify:
      return verify(place, options);
    case Command::stats:
      return stats(place, options);
    case Command::dump:
      return dump(place, options);
    case Command::repair:
      break;
  }
  return repair(place, options);
}

}  // namespace wherry::broker::ctl

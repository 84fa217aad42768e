#include "broker/ctl/finding.h"

#include <fmt/format.h>

namespace wherry::broker {

namespace {

std::string counted(std::uint64_t count, const char* noun) {
  return fmt::format("{} {}{}", count, noun, count == 1 ? "" : "s");
}

}  // namespace

std::uint64_t Finding::messages() const {
  std::uint64_t count = 0;
  for (const QueuePositions& each : lost) count += each.positions.size();
  return count;
}

const char* name_of(Finding::Part part) {
  switch (part) {
    case Finding::Part::log:
      return "log";
    case Finding::Part::segment:
      return "segment";
    case Finding::Part::schedule:
      return "schedule";
    case Finding::Part::definitions:
      break;
  }
  return "definitions";
}

std::string ranges_of(const std::vector<Position>& positions) {
  std::string text;
  for (std::size_t at = 0; at < positions.size();) {
    std::size_t end = at + 1;
    while (end < positions.size() && positions[end] == positions[end - 1] + 1) ++end;
    if (!text.empty()) text += ", ";
    text +=
        end - at == 1 ? fmt::format("{}", positions[at]) : fmt::format("{} to {}", positions[at], positions[end - 1]);
    at = end;
  }
  return text;
}

std::string describe(const Finding& finding, const QueueNames& names) {
  // What they say is a sentence, with what to do.
  if (finding.part == Finding::Part::definitions) return finding.note;
  std::string text = finding.note;
  const auto say = [&](const std::string& sentence) {
    if (!text.empty()) text += "; ";
    text += sentence;
  };
  for (const QueuePositions& each : finding.lost) {
    say(fmt::format("lost: {} of {}, {} {}", counted(each.positions.size(), "message"), names.text(each.queue),
                    each.positions.size() == 1 ? "position" : "positions", ranges_of(each.positions)));
  }
  for (const QueuePositions& each : finding.in_log) {
    say(fmt::format("{} of {}, {} {}: the log has a copy, which a repair takes",
                    counted(each.positions.size(), "message"), names.text(each.queue),
                    each.positions.size() == 1 ? "position" : "positions", ranges_of(each.positions)));
  }
  if (finding.records() > 0) {
    say(finding.records() == 1
            ? fmt::format("lost: one unknown record, LSN {}: messages, or that messages were settled, which come back",
                          finding.first_lsn)
            : fmt::format("lost: {} unknown records, LSN {} to {}: messages, or that messages were settled, which come "
                          "back",
                          finding.records(), finding.first_lsn, finding.last_lsn));
  }
  if (finding.settled > 0) say(fmt::format("{} of it had been settled", counted(finding.settled, "message")));
  if (finding.unknown) say("lost: messages of which nothing is known");
  if (finding.harmless()) say("nothing is lost");
  return text;
}

}  // namespace wherry::broker

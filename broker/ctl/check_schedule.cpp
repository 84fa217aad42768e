// Runs of the schedule: every entry, the index, and the copy of the header.
#include "broker/ctl/check_shard.h"
#include "broker/store/schedule_run.h"

namespace wherry::broker {

namespace {

Finding finding_of(const ScheduleDamage& damage) {
  Finding finding;
  finding.part = Finding::Part::schedule;
  finding.file = damage.file;
  finding.begin = damage.begin;
  finding.end = damage.end;
  finding.note = damage.what;
  return finding;
}

}  // namespace

DiskResult<std::uint64_t> check_run(Vfs& disk, const std::string& folder, std::uint64_t number,
                                    std::vector<Finding>& findings) {
  bool footer_found = true;
  const auto run = open_run(disk, folder, number, [&](const ScheduleDamage& damage) {
    Finding finding = finding_of(damage);
    // Only of the header is there a copy, only the footer can be made anew.
    finding.unknown = !damage.what.starts_with("the header") && !damage.what.starts_with("the footer");
    footer_found = footer_found && damage.what.starts_with("the header");
    findings.push_back(std::move(finding));
  });
  if (!run) return tl::unexpected(run.error());
  if (!*run) return 0;
  std::uint64_t whole = 0;
  // Where the footer is bad, open_run() has reported the gaps between entries already.
  RunCursor cursor(disk, **run, [&](const ScheduleDamage& damage) {
    if (!footer_found && damage.what.starts_with("entries")) return;
    findings.push_back(finding_of(damage));
    findings.back().unknown = true;
  });
  while (!cursor.at_end()) whole += cursor.take() ? 1 : 0;
  if (!footer_found) return whole;

  const RunFooter& footer = (*run)->footer;
  auto file = disk.open((*run)->path, OpenMode::read);
  if (!file) return tl::unexpected(file.error());
  const auto part = [&](std::uint64_t offset, std::uint64_t count) -> DiskResult<std::string> {
    std::string bytes(count, '\0');
    const auto got = (*file)->read_at(offset, bytes.data(), bytes.size());
    if (!got) return tl::unexpected(got.error());
    bytes.resize(*got);
    return bytes;
  };
  const RunSeal seal((*run)->header.id);
  const std::uint64_t header_at = footer.index_offset + std::uint64_t{footer.index_entries} * kRunIndexBytes;
  const auto index = part(footer.index_offset, header_at - footer.index_offset);
  if (!index) return tl::unexpected(index.error());
  for (std::size_t at = 0; at + kRunIndexBytes <= index->size(); at += kRunIndexBytes) {
    if (seal.index(std::string_view(*index).substr(at, kRunIndexBytes))) continue;
    findings.push_back(finding_of({(*run)->path, footer.index_offset + at, footer.index_offset + at + kRunIndexBytes,
                                   "the index; the entries are read instead"}));
  }
  const auto copy = part(header_at, footer.header_bytes);
  if (!copy) return tl::unexpected(copy.error());
  if (!decode_run_header(*copy)) {
    findings.push_back(
        finding_of({(*run)->path, header_at, header_at + footer.header_bytes, "the copy of the header"}));
  }
  return whole;
}

}  // namespace wherry::broker

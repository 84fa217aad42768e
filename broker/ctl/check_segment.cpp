// A segment whose header, index or footer are damaged: which of them, and whether messages are lost with them.
#include <algorithm>

#include "base/crc32c.h"
#include "broker/ctl/check_shard.h"

namespace wherry::broker {

namespace {

bool same_pages(const std::vector<PageInfo>& a, const std::vector<PageInfo>& b) {
  return std::equal(a.begin(), a.end(), b.begin(), b.end(), [](const PageInfo& x, const PageInfo& y) {
    return x.queue == y.queue && x.chunk == y.chunk && x.written == y.written && x.offset == y.offset &&
           x.length == y.length;
  });
}

DiskResult<std::string> read_tail(Vfs& disk, const std::string& path, std::uint64_t begin) {
  auto file = disk.open(path, OpenMode::read);
  if (!file) return tl::unexpected(file.error());
  const auto size = (*file)->size();
  if (!size) return tl::unexpected(size.error());
  std::string bytes(*size - std::min(*size, begin), '\0');
  const auto got = (*file)->read_at(begin, bytes.data(), bytes.size());
  if (!got) return tl::unexpected(got.error());
  bytes.resize(*got);
  return bytes;
}

}  // namespace

DiskResult<std::vector<Finding>> explain_segment(Vfs& disk, const std::string& folder, std::uint64_t sequence) {
  auto opened = Segment::open(disk, folder, sequence);
  if (!opened) return tl::unexpected(opened.error());
  const SegmentContents contents = (*opened)->take_contents();
  const std::uint64_t first_page = contents.pages.empty() ? contents.size_bytes : contents.pages.front().offset;
  std::vector<Finding> findings;
  for (const SegmentDamage& damage : contents.damage) {
    Finding finding;
    finding.file = damage.file;
    finding.begin = damage.begin;
    finding.end = damage.end;
    finding.unknown = true;
    if (damage.end == contents.size_bytes && !(damage.begin == 0 && contents.pages.empty())) {
      // Behind the last whole entry: index and footer, of which one is bad; each says where the entries had to end.
      const auto tail = read_tail(disk, damage.file, damage.begin);
      if (!tail) return tl::unexpected(tail.error());
      const std::size_t index_bytes = tail->size() - std::min(tail->size(), kSegmentFooterBytes);
      const auto footer = decode_segment_footer(std::string_view(*tail).substr(index_bytes));
      if (footer) {
        finding.note = "the index; the pages were found without it";
        finding.unknown = footer->index_offset != damage.begin;
      } else {
        finding.note = "index or footer; the pages were found without them";
        finding.unknown = index_bytes % segment_index_bytes(1) != 0 ||
                          !same_pages(contents.pages, decode_segment_index(tail->substr(0, index_bytes)));
      }
    } else if (damage.begin == 0 && damage.end == first_page && contents.damage.size() == 1 &&
               !contents.pages.empty()) {
      finding.note = "the header; pages and index are whole";
      finding.unknown = false;
    } else if (damage.begin == 0) {
      finding.note = contents.pages.empty() ? "header and footer: nothing in the file can be read" : "the header";
    } else {
      finding.note = "messages, and the index that would name them";
    }
    findings.push_back(std::move(finding));
  }
  return findings;
}

}  // namespace wherry::broker

#include "broker/ctl/definitions_view.h"

#include <cstdlib>

#include <fmt/format.h>

#include "broker/definitions/definitions_file.h"

namespace wherry::broker {

namespace fs = std::filesystem;

namespace {

class Names final : public DefinitionsVisitor {
 public:
  explicit Names(DefinitionsView& into) : into_(into) {}
  Result<void> vhost(std::string_view) override { return {}; }
  Result<void> parameter(std::string_view, ParameterSpec) override { return {}; }
  Result<void> exchange(std::string_view, ExchangeSpec) override { return {}; }
  Result<void> queue(std::string_view vhost, QueueSpec spec, std::uint64_t id, unsigned) override {
    ++into_.queues;
    into_.names.add(id, {std::string(vhost), std::move(spec.name)});
    return {};
  }
  Result<void> binding(std::string_view, BindingSpec) override { return {}; }

 private:
  DefinitionsView& into_;
};

// A folder that goes with the object.
class TemporaryFolder {
 public:
  static Result<TemporaryFolder> make() {
    std::error_code error;
    std::string path = (fs::temp_directory_path(error) / "wherryctl-XXXXXX").string();
    if (error || ::mkdtemp(path.data()) == nullptr) {
      return fail(fmt::format("cannot make a temporary folder for a copy of the definitions ({}); set TMPDIR", path));
    }
    return TemporaryFolder(path);
  }
  explicit TemporaryFolder(fs::path path) : path_(std::move(path)) {}
  TemporaryFolder(TemporaryFolder&& from) noexcept { path_.swap(from.path_); }
  TemporaryFolder& operator=(TemporaryFolder&&) = delete;
  ~TemporaryFolder() {
    std::error_code error;
    if (!path_.empty()) fs::remove_all(path_, error);
  }
  const fs::path& path() const { return path_; }

 private:
  fs::path path_;
};

std::string named(std::string message, const std::string& copy, const std::string& original) {
  for (std::size_t at = 0; (at = message.find(copy, at)) != std::string::npos; at += original.size()) {
    message.replace(at, copy.size(), original);
  }
  return message;
}

}  // namespace

std::string DefinitionsView::text() const {
  return there ? fmt::format("definitions of {} queue{}", queues, queues == 1 ? "" : "s") : "no definitions";
}

Result<DefinitionsView> view_definitions(const fs::path& data) {
  DefinitionsView view;
  const fs::path original = data / "definitions.sqlite";
  std::error_code error;
  if (!fs::exists(original, error)) {
    if (error) return fail(fmt::format("{}: {}", original.string(), error.message()));
    return view;
  }
  view.there = true;
  // Reading a database with a write-ahead log changes files beside it: a copy is read.
  auto folder = TemporaryFolder::make();
  if (!folder) return tl::unexpected(folder.error());
  const fs::path copy = folder->path() / original.filename();
  for (const char* ending : {"", "-wal"}) {
    if (!fs::exists(original.string() + ending, error)) continue;
    fs::copy_file(original.string() + ending, copy.string() + ending, error);
    if (error) return fail(fmt::format("cannot copy {}{}: {}", original.string(), ending, error.message()));
    fs::permissions(copy.string() + ending, fs::perms::owner_read | fs::perms::owner_write, error);
  }
  auto file = DefinitionsFile::open(copy);
  Names names(view);
  const Result<void> loaded = file ? (*file)->load(names) : Result<void>(tl::unexpected(file.error()));
  if (loaded) return view;
  Finding finding;
  finding.part = Finding::Part::definitions;
  finding.file = original.string();
  finding.note = named(loaded.error().message, copy.string(), original.string());
  view.findings.push_back(std::move(finding));
  return view;
}

}  // namespace wherry::broker

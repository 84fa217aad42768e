#include "worker/pool/crash.h"

#include <array>
#include <csignal>
#include <cstdlib>
#include <cstring>
#include <memory>
#include <string_view>

#include <cxxabi.h>
#include <execinfo.h>
#include <fmt/format.h>
#include <sys/mman.h>
#include <unistd.h>

namespace wherry::worker {

namespace {

int crash_file_of_this_child = -1;

void on_crash(int signal) {
  // Reset already (SA_RESETHAND): a crash in here ends it as it should. And should this hang, on a lock that the crash
  // left held, the alarm ends it.
  ::signal(SIGALRM, SIG_DFL);
  ::alarm(5);
  void* frames[64];
  const int count = ::backtrace(frames, 64);
  // Without this function itself.
  if (count > 1) ::backtrace_symbols_fd(frames + 1, count - 1, crash_file_of_this_child);
  ::raise(signal);
}

// "lib.so(_ZN4spam3eggEv+0x12) [0x7f..]" -> "lib.so(spam::egg()+0x12) [0x7f..]"
std::string demangle_frame(std::string_view line) {
  const std::size_t open = line.find('(');
  const std::size_t plus = line.find('+', open == std::string_view::npos ? 0 : open);
  if (open == std::string_view::npos || plus == std::string_view::npos || plus == open + 1) return std::string(line);
  const std::string mangled(line.substr(open + 1, plus - open - 1));
  int status = 0;
  const std::unique_ptr<char, decltype(&std::free)> name(
      abi::__cxa_demangle(mangled.c_str(), nullptr, nullptr, &status), &std::free);
  if (status != 0) return std::string(line);
  return fmt::format("{}{}{}", line.substr(0, open + 1), name.get(), line.substr(plus));
}

}  // namespace

void install_crash_handlers(int file) {
  crash_file_of_this_child = file;
  // The first call loads a library, which a handler must not.
  void* frame = nullptr;
  ::backtrace(&frame, 1);
  struct sigaction action {};
  action.sa_handler = on_crash;
  action.sa_flags = SA_ONSTACK | SA_NODEFER | static_cast<int>(SA_RESETHAND);
  for (const int signal : {SIGSEGV, SIGBUS, SIGFPE, SIGILL, SIGABRT, SIGSYS}) ::sigaction(signal, &action, nullptr);
}

void use_signal_stack() {
  constexpr std::size_t size = 64 * 1024;
  // Kept until the process ends.
  void* memory = ::mmap(nullptr, size, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
  if (memory == MAP_FAILED) return;
  stack_t stack{};
  stack.ss_sp = memory;
  stack.ss_size = size;
  ::sigaltstack(&stack, nullptr);
}

int make_crash_file() {
  return ::memfd_create("wherry-crash", MFD_CLOEXEC);
}

std::string read_backtrace(int file) {
  std::array<char, 16 * 1024> buffer{};
  const ssize_t size = file < 0 ? 0 : ::pread(file, buffer.data(), buffer.size(), 0);
  std::string text;
  std::string_view left(buffer.data(), size > 0 ? static_cast<std::size_t>(size) : 0);
  while (!left.empty()) {
    const std::size_t end = std::min(left.find('\n'), left.size());
    text += demangle_frame(left.substr(0, end)) + '\n';
    left.remove_prefix(std::min(end + 1, left.size()));
  }
  return text;
}

std::string signal_text(int signal) {
  const char* name = ::sigabbrev_np(signal);
  const char* description = ::sigdescr_np(signal);
  return fmt::format("signal {} (SIG{}: {})", signal, name ? name : "?", description ? description : "unknown");
}

}  // namespace wherry::worker

// What a crashed child leaves behind: where it was, written by its last instructions into a file in memory that its
// worker gave it, and read there when it is dead.
//
// Threads: install once, before there are others; use_signal_stack() on each thread that is to be covered, so that even
// an overflown stack can be told.
#pragma once

#include <string>

namespace wherry::worker {

// SIGSEGV, SIGBUS, SIGFPE, SIGILL, SIGABRT, SIGSYS: the backtrace goes to the file, then the signal does what it does.
void install_crash_handlers(int file);
void use_signal_stack();

// A file in memory for one child. -1: the system has none; then there are no backtraces.
int make_crash_file();
// Readable: a frame a line, names demangled. Empty: nothing was written.
std::string read_backtrace(int file);
// "signal 11 (SIGSEGV: Segmentation fault)".
std::string signal_text(int signal);

}  // namespace wherry::worker

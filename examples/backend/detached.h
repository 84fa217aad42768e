// The return type of a coroutine that nobody waits for: it starts at once and frees itself at its end.
//
// Pass it everything by value. An exception that leaves it ends the program: catch what can come.
#pragma once

#include <coroutine>
#include <exception>

namespace examples {

struct Detached {
  struct promise_type {
    Detached get_return_object() { return {}; }
    std::suspend_never initial_suspend() noexcept { return {}; }
    std::suspend_never final_suspend() noexcept { return {}; }
    void return_void() {}
    void unhandled_exception() { std::terminate(); }
  };
};

}  // namespace examples

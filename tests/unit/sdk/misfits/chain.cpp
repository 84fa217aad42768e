// Must not compile: a number is no text.
#include <wherry/canvas.h>

constexpr wherry::Function<int(std::string)> count{"words.count"};
const auto misfit = wherry::sig(count, "a.txt") | wherry::sig(count);

// Must not compile: a list of numbers is no list of texts.
#include <wherry/canvas.h>

constexpr wherry::Function<int(std::string)> count{"words.count"};
constexpr wherry::Function<void(std::vector<std::string>)> join{"text.join"};
const auto misfit = wherry::group(wherry::sig(count, "a.txt"), wherry::sig(count, "b.txt")) | wherry::sig(join);

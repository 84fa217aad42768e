// Must not compile: nobody gives the first task its argument.
#include <wherry/canvas.h>
#include <wherry/client.h>

constexpr wherry::Function<int(int, int)> add{"math.add"};
auto misfit(wherry::Client& client) {
  return client.enqueue(wherry::sig(add, 1) | wherry::sig(add, 2));
}

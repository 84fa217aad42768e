// The x-delay header of messages to x-delayed-message exchanges.
#pragma once

#include <cstdint>
#include <string_view>

namespace wherry::broker {

// Milliseconds to hold the message back: an integer, a number or decimal digits above 0, at most ten years. 0 when
// there is no such header or it is none of these.
std::uint64_t delay_header(std::string_view raw_properties);

}  // namespace wherry::broker

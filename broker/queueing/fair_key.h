// The key of a message in a fair queue: what its header of that name says.
//
// A text counts as it is, up to its 255th byte (keys are in memory while the messages may not be), an integer of any
// width in decimal: 7 and "7" are one key. Messages without the header, or
// with one of another type, share the empty key. Pure.
#pragma once

#include <string>
#include <string_view>

#include "broker/routing/message.h"

namespace wherry::broker {

std::string fair_key(const Message& message, std::string_view header);

}  // namespace wherry::broker

// What `wherryctl top` shows: two looks at the broker's listings, some time apart, become one frame with rates.
//
//   TopLook look{.queues = ..., .connections = ..., .tasks = ...};      // answers of the verbs, as they came
//   amqp::Table frame = top_frame(before, look, seconds, TopSort::depth);
//   std::string text = top_text(frame, {.lines = 24, .columns = 80});
//
// Rates are what a counter grew by, for each second; of what was not there before they are 0, and after a counter has
// gone back (a restart) too. The frame is an object: "seconds", "sort", and the lists "queues", "connections", "tasks",
// each sorted, the largest first; --formatter json prints it. Text for the terminal has no control characters but its
// ends of lines: names come from clients. Threads: plain functions.
#pragma once

#include <optional>
#include <string>
#include <string_view>

#include "protocol/amqp/table.h"

namespace wherry::broker::ctl {

enum class TopSort { depth, rate, name };
std::optional<TopSort> parse_top_sort(std::string_view text);

struct TopLook {
  amqp::FieldArray queues;       // list_queues name messages_ready messages_unacknowledged consumers message_stats
  amqp::FieldArray connections;  // list_connections name user state channels recv_oct send_oct
  amqp::FieldArray tasks;        // task_names
  std::string no_tasks;          // Why there are none, in the broker's words; empty where they are watched.
};

amqp::Table top_frame(const TopLook& before, const TopLook& now, double seconds, TopSort sort);

struct TopSize {
  std::size_t lines = 0;  // 0: all there is.
  std::size_t columns = 0;
};
std::string top_text(const amqp::Table& frame, TopSize size);

}  // namespace wherry::broker::ctl

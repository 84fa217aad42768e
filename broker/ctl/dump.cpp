#include "broker/ctl/dump.h"

#include <algorithm>
#include <ctime>

#include <fmt/format.h>

#include "base/json_writer.h"
#include "base/utf8.h"
#include "broker/store/message_image.h"
#include "broker/store/schedule_format.h"
#include "protocol/amqp/properties.h"

namespace wherry::broker {

namespace {

// "content_type: text/plain, delivery_mode: 2, headers: {x: 1}"; each as (name, text).
std::vector<std::pair<const char*, std::string>> taken_apart(std::string_view raw) {
  std::vector<std::pair<const char*, std::string>> list;
  const auto properties = amqp::decode_properties(raw);
  if (!properties) {
    list.emplace_back("not readable", properties.error().message);
    return list;
  }
  const auto add = [&](const char* name, const auto& value) {
    if (value) list.emplace_back(name, fmt::format("{}", *value));
  };
  add("content_type", properties->content_type);
  add("content_encoding", properties->content_encoding);
  if (properties->headers) list.emplace_back("headers", amqp::to_string(properties->headers->table()));
  add("delivery_mode", properties->delivery_mode);
  add("priority", properties->priority);
  add("correlation_id", properties->correlation_id);
  add("reply_to", properties->reply_to);
  add("expiration", properties->expiration);
  add("message_id", properties->message_id);
  add("timestamp", properties->timestamp);
  add("type", properties->type);
  add("user_id", properties->user_id);
  add("app_id", properties->app_id);
  add("cluster_id", properties->cluster_id);
  return list;
}

// On one line of a terminal: control characters and what is no UTF-8 as \xNN.
std::string printable(std::string_view bytes) {
  const bool text = is_utf8(bytes);
  std::string out;
  for (const char c : bytes) {
    const auto byte = static_cast<unsigned char>(c);
    if (byte < 0x20 || byte == 0x7f || c == '\\' || (byte >= 0x80 && !text)) {
      out += c == '\\' ? "\\\\" : c == '\n' ? "\\n" : fmt::format("\\x{:02x}", byte);
    } else {
      out += c;
    }
  }
  return out;
}

const char* type_text(std::uint8_t type) {
  switch (static_cast<RecordType>(type)) {
    case RecordType::publish:
      return "publish";
    case RecordType::settle:
      return "settle";
    case RecordType::attempts:
      return "attempts";
    case RecordType::page_state:
      return "page state";
    case RecordType::scheduled:
      return "scheduled";
    case RecordType::fired:
      return "fired";
    case RecordType::exchange_dropped:
      return "dropped";
    case RecordType::withdrawn:
      return "withdrawn";
    case RecordType::note:
      return "note";
  }
  return "unknown";
}

}  // namespace

std::string time_text(std::uint64_t posix_ms) {
  const auto seconds = static_cast<std::time_t>(posix_ms / 1000);
  std::tm parts{};
  char text[32] = "";
  if (::gmtime_r(&seconds, &parts) != nullptr) std::strftime(text, sizeof text, "%Y-%m-%d %H:%M:%S", &parts);
  return fmt::format("{}.{:03} UTC", text, posix_ms % 1000);
}

DiskResult<void> Dump::messages(ShardContents& shard) {
  std::vector<QueueId> order;
  for (const auto& [id, kept] : shard.contents->queues()) {
    if (!options_.queue || *options_.queue == id) order.push_back(id);
  }
  std::sort(order.begin(), order.end());
  for (const QueueId id : order) {
    KeptQueue& kept = *shard.contents->queues().at(id);
    struct Found {
      SegmentEntry entry;
      std::string where;
    };
    std::vector<Found> chunk;
    Position next = no_position;
    const auto take_log_before = [&](Position end) {
      kept.unretired.each_in(next, end, [&](const UnretiredMessage& each) {
        chunk.push_back({{id, each.at, each.message, each.delivery_count}, fmt::format("log, LSN {}", each.lsn)});
      });
      next = end;
    };
    const auto print_chunk = [&] {
      std::sort(chunk.begin(), chunk.end(), [](const Found& a, const Found& b) { return a.entry.at < b.entry.at; });
      for (const Found& each : chunk) {
        message(id, each.entry.at, *each.entry.message, each.entry.delivery_count, each.where);
      }
      chunk.clear();
    };
    for (auto page = kept.pages.begin(); page != kept.pages.end() && !full();) {
      // The messages of a chunk's pages, and some of the log, may lie between each other.
      const std::uint64_t number = page->chunk;
      take_log_before(number * chunk_positions);
      print_chunk();
      take_log_before((number + 1) * chunk_positions);
      for (; page != kept.pages.end() && page->chunk == number; ++page) {
        if (!page->live.any()) continue;
        const std::string where = fmt::format("segment {}", page->segment->file->sequence());
        const auto whole = shard.contents->read_page(
            id, kept, *page,
            [&](SegmentEntry&& entry) {
              chunk.push_back({std::move(entry), where});
            },
            [](const SegmentDamage&) {});
        if (!whole) return tl::unexpected(whole.error());
        unreadable_ += (page->live - *whole).count();
      }
      print_chunk();
    }
    take_log_before(kept.highest + 1);
    print_chunk();
  }
  return {};
}

void Dump::message(QueueId queue, Position at, const Message& message, std::uint32_t delivery_count,
                   const std::string& where) {
  if (full()) return;
  ++printed_;
  const auto properties = taken_apart(message.properties());
  const DeliveryCounts counts = DeliveryCounts::from(delivery_count);
  if (options_.json) {
    Json json;
    json.object().key("queue").text(names_.brief(queue)).key("queue_id").number(queue);
    if (const QueueNames::Name* name = names_.find(queue)) json.key("vhost").text(name->vhost);
    json.key("position").number(at).key("exchange").text(message.exchange());
    json.key("routing_key").text(message.routing_key()).key("published_ms").number(message.published_ms());
    json.key("body_bytes").number(message.body().size()).key("delivery_count").number(counts.returned);
    json.key("lost_count").number(counts.lost);
    json.key("where").text(where).key("properties").object();
    for (const auto& [name, text] : properties) json.key(name).text(text);
    json.end();
    if (options_.bodies) {
      if (is_utf8(message.body())) {
        json.key("body").text(message.body());
      } else {
        json.key("body_base64").text(base64(message.body()));
      }
    }
    return print_(json.end().str());
  }
  std::string text = fmt::format("{}, position {}: {} bytes, exchange '{}', routing key '{}', published {}, in {}{}",
                                 names_.text(queue), at, message.body().size(), printable(message.exchange()),
                                 printable(message.routing_key()), time_text(message.published_ms()),
                                 where.starts_with("log") ? "the " : "", where);
  if (counts.returned > 0) {
    text += fmt::format(", {} failed deliver{}", counts.returned, counts.returned == 1 ? "y" : "ies");
    if (counts.lost > 0) text += fmt::format(", the last {} lost", counts.lost);
  }
  std::string list;
  for (const auto& [name, value] : properties) {
    list += fmt::format("{}{}: {}", list.empty() ? "\n    " : ", ", name, printable(value));
  }
  text += list;
  if (options_.bodies) text += "\n    body: " + printable(message.body());
  print_(text);
}

void Dump::record(const LogRecord& record) {
  if (full()) return;
  std::vector<std::string> places;
  bool wanted = !options_.queue;
  const auto place = [&](QueueId queue, std::string text) {
    wanted = wanted || *options_.queue == queue;
    places.push_back(fmt::format("{} {}", names_.text(queue), std::move(text)));
  };
  std::uint64_t body_bytes = 0;
  if (const auto publish = decode_publish(record.payload); publish && record.type == 1) {
    for (std::size_t n = 0; n < publish->places; ++n) {
      place(publish->place(n).queue, fmt::format("position {}", publish->place(n).at));
    }
    if (const MessageRef message = decode_message(publish->image)) body_bytes = message->body().size();
  } else if (const auto settle = decode_settle(record.payload); settle && record.type == 2) {
    place(settle->queue, settle->end == settle->first + 1
                             ? fmt::format("position {}", settle->first)
                             : fmt::format("positions {} to {}", settle->first, settle->end - 1));
  } else if (const auto attempts = decode_attempts(record.payload); attempts && record.type == 3) {
    place(attempts->queue,
          fmt::format("position {}: {}", attempts->at, DeliveryCounts::from(attempts->delivery_count).returned));
  } else if (const auto state = decode_page_state(record.payload); state && record.type == 4) {
    place(state->queue, fmt::format("page {} of segment {}: {} live from position {} on", state->page, state->segment,
                                    state->live.count(), state->chunk * chunk_positions));
  } else if (const auto held = decode_scheduled(record.payload); held && held->queue != 0 && record.type == 5) {
    body_bytes = held->body.size();
    place(held->queue, fmt::format("held until {}", time_text(held->key.due_ms)));
  } else if (const auto gone = decode_withdrawn(record.payload); gone && record.type == 8) {
    place(gone->queue, gone->key.due_ms == 0 ? "all that were held" : "held until " + time_text(gone->key.due_ms));
  }
  if (const auto note = decode_note(record.payload); note && record.type == 9) {
    place(note->queue, fmt::format("{} bytes", note->text.size()));
  }
  if (!wanted) return;
  if (record.type == 5) {
    if (const auto scheduled = decode_scheduled(record.payload); scheduled && scheduled->queue == 0) {
      places.push_back(fmt::format("exchange '{}' in '{}', due {}", printable(scheduled->exchange),
                                   printable(scheduled->vhost), time_text(scheduled->key.due_ms)));
    }
  }
  ++printed_;
  if (options_.json) {
    Json json;
    json.object().key("lsn").number(record.lsn).key("type").text(type_text(record.type));
    json.key("payload_bytes").number(record.payload.size()).key("places").array();
    for (const std::string& each : places) json.text(each);
    return print_(json.end().end().str());
  }
  std::string text = fmt::format("{:>10}  {:<10}", record.lsn, type_text(record.type));
  if (record.type == 1) text += fmt::format("  {} bytes to", body_bytes);
  for (std::size_t n = 0; n < places.size(); ++n) text += (n == 0 ? "  " : ", ") + places[n];
  print_(text);
}

}  // namespace wherry::broker

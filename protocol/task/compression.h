// Compressed bodies, as kombu names and writes them: the header "compression" holds a MIME type.
//
//   none     no header
//   zlib     application/x-gzip: written as a zlib stream (RFC 1950), whatever its name says, as kombu's "gzip" and
//            "zlib" are; a gzip stream is read as well
//   bzip2    application/x-bz2
//   zstd     application/zstd
//
// Limits: what inflates to more than max_inflated bytes is refused before that much memory is taken, so that a small
// message cannot fill a worker. Errors: one sentence. Threads: no state.
#pragma once

#include <cstddef>
#include <optional>
#include <string>
#include <string_view>

#include "base/result.h"
#include "protocol/amqp/table_pairs.h"
#include "protocol/task/decode_error.h"

namespace wherry::task {

enum class Compression { none, zlib, bzip2, zstd };

inline constexpr std::size_t max_inflated = 128 * 1024 * 1024;

std::string_view mime_type(Compression compression);  // Empty for none.
// From a MIME type or one of kombu's short names; nothing for one that is not supported.
std::optional<Compression> compression_of(std::string_view name);
// From the header "compression", null when there is none; unsupported for one that is not read here (lzma, brotli).
Result<Compression, DecodeError> compression_of(const amqp::FieldView& header);

std::string compress(std::string bytes, Compression compression);
Result<std::string> decompress(std::string_view bytes, Compression compression, std::size_t limit = max_inflated);

}  // namespace wherry::task

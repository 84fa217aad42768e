#include "protocol/task/compression.h"

#include <algorithm>
#include <limits>
#include <memory>
#include <new>
#include <utility>

#include <bzlib.h>
#include <zlib.h>
#include <zstd.h>

#include "base/assert.h"

namespace wherry::task {

namespace {

constexpr std::size_t chunk = 64 * 1024;

// Both libraries take their input in pieces of an unsigned int.
unsigned piece(std::size_t size) {
  return static_cast<unsigned>(std::min<std::size_t>(size, std::numeric_limits<unsigned>::max()));
}

tl::unexpected<Error> damaged(std::string_view what) {
  return fail("not a whole " + std::string(what) + " stream");
}
tl::unexpected<Error> too_large(std::size_t limit) {
  return fail("it inflates to more than " + std::to_string(limit) + " bytes");
}

// --- zlib ------------------------------------------------------------------------------------------------------------

std::string deflate_zlib(const std::string& bytes) {
  uLongf size = compressBound(bytes.size());
  std::string out(size, '\0');
  const int done = ::compress(reinterpret_cast<Bytef*>(out.data()), &size, reinterpret_cast<const Bytef*>(bytes.data()),
                              bytes.size());
  if (done != Z_OK) throw std::bad_alloc();  // The buffer has room for the worst case: only memory can lack.
  out.resize(size);
  return out;
}

Result<std::string> inflate_zlib(std::string_view bytes, std::size_t limit) {
  z_stream stream{};
  constexpr int window_bits = 15, or_gzip = 32;  // A gzip stream, as the name promises, is read as well.
  if (inflateInit2(&stream, window_bits + or_gzip) != Z_OK) throw std::bad_alloc();
  const std::unique_ptr<z_stream, int (*)(z_stream*)> ending(&stream, [](z_stream* open) { return inflateEnd(open); });
  std::string out;
  stream.next_in = reinterpret_cast<Bytef*>(const_cast<char*>(bytes.data()));
  std::size_t left = bytes.size();
  for (int state = Z_OK; state != Z_STREAM_END;) {
    if (stream.avail_in == 0) left -= stream.avail_in = piece(left);
    const std::size_t before = out.size();
    out.resize(before + chunk);
    stream.next_out = reinterpret_cast<Bytef*>(out.data() + before);
    stream.avail_out = chunk;
    state = inflate(&stream, Z_NO_FLUSH);
    out.resize(before + chunk - stream.avail_out);
    if (state != Z_OK && state != Z_STREAM_END) return damaged("zlib");
    if (out.size() > limit) return too_large(limit);
  }
  if (left > 0 || stream.avail_in > 0) return damaged("zlib");
  return out;
}

// --- bzip2 -----------------------------------------------------------------------------------------------------------

std::string deflate_bzip2(std::string& bytes) {
  bz_stream stream{};
  constexpr int block = 9, verbosity = 0, work_factor = 0;  // As Python's bz2.compress() has them.
  if (BZ2_bzCompressInit(&stream, block, verbosity, work_factor) != BZ_OK) throw std::bad_alloc();
  const std::unique_ptr<bz_stream, int (*)(bz_stream*)> ending(&stream, BZ2_bzCompressEnd);
  std::string out;
  stream.next_in = bytes.data();
  std::size_t left = bytes.size();
  for (int state = BZ_RUN_OK; state != BZ_STREAM_END;) {
    if (stream.avail_in == 0) left -= stream.avail_in = piece(left);
    const std::size_t before = out.size();
    out.resize(before + chunk);
    stream.next_out = out.data() + before;
    stream.avail_out = chunk;
    state = BZ2_bzCompress(&stream, left == 0 ? BZ_FINISH : BZ_RUN);
    WHERRY_ASSERT(state >= 0);
    out.resize(before + chunk - stream.avail_out);
  }
  return out;
}

Result<std::string> inflate_bzip2(std::string_view bytes, std::size_t limit) {
  bz_stream stream{};
  constexpr int verbosity = 0, small = 0;
  if (BZ2_bzDecompressInit(&stream, verbosity, small) != BZ_OK) throw std::bad_alloc();
  const std::unique_ptr<bz_stream, int (*)(bz_stream*)> ending(&stream, BZ2_bzDecompressEnd);
  std::string out;
  stream.next_in = const_cast<char*>(bytes.data());
  std::size_t left = bytes.size();
  for (int state = BZ_OK; state != BZ_STREAM_END;) {
    if (stream.avail_in == 0) left -= stream.avail_in = piece(left);
    const std::size_t before = out.size();
    out.resize(before + chunk);
    stream.next_out = out.data() + before;
    stream.avail_out = chunk;
    state = BZ2_bzDecompress(&stream);
    out.resize(before + chunk - stream.avail_out);
    if (state != BZ_OK && state != BZ_STREAM_END) return damaged("bzip2");
    if (out.size() > limit) return too_large(limit);
    // Without input it would say BZ_OK and do nothing, for ever.
    const bool starved = left == 0 && stream.avail_in == 0 && out.size() == before;
    if (state == BZ_OK && starved) return damaged("bzip2");
  }
  if (left > 0 || stream.avail_in > 0) return damaged("bzip2");
  return out;
}

// --- zstd ------------------------------------------------------------------------------------------------------------

std::string deflate_zstd(const std::string& bytes) {
  std::string out(ZSTD_compressBound(bytes.size()), '\0');
  // The frame holds its size, without which Python's one-step decompress() refuses it.
  const std::size_t size = ZSTD_compress(out.data(), out.size(), bytes.data(), bytes.size(), ZSTD_CLEVEL_DEFAULT);
  if (ZSTD_isError(size)) throw std::bad_alloc();
  out.resize(size);
  return out;
}

Result<std::string> inflate_zstd(std::string_view bytes, std::size_t limit) {
  const std::unique_ptr<ZSTD_DCtx, std::size_t (*)(ZSTD_DCtx*)> context(ZSTD_createDCtx(), ZSTD_freeDCtx);
  if (!context) throw std::bad_alloc();
  std::string out;
  ZSTD_inBuffer in{bytes.data(), bytes.size(), 0};
  for (std::size_t more = 1; more != 0;) {
    const std::size_t before = out.size();
    out.resize(before + chunk);
    ZSTD_outBuffer to{out.data() + before, chunk, 0};
    const std::size_t read_before = in.pos;
    more = ZSTD_decompressStream(context.get(), &to, &in);
    out.resize(before + to.pos);
    if (ZSTD_isError(more)) return damaged("zstd");
    if (out.size() > limit) return too_large(limit);
    if (more != 0 && to.pos == 0 && in.pos == read_before) return damaged("zstd");
  }
  if (in.pos != in.size) return damaged("zstd");
  return out;
}

}  // namespace

std::string_view mime_type(Compression compression) {
  switch (compression) {
    case Compression::none:
      return "";
    case Compression::zlib:
      return "application/x-gzip";
    case Compression::bzip2:
      return "application/x-bz2";
    case Compression::zstd:
      return "application/zstd";
  }
  return "";
}

std::optional<Compression> compression_of(std::string_view name) {
  for (const auto each : {Compression::zlib, Compression::bzip2, Compression::zstd}) {
    if (name == mime_type(each)) return each;
  }
  if (name == "gzip" || name == "zlib") return Compression::zlib;
  if (name == "bzip2" || name == "bzip") return Compression::bzip2;
  if (name == "zstd" || name == "zstandard") return Compression::zstd;
  return std::nullopt;
}

Result<Compression, DecodeError> compression_of(const amqp::FieldView& header) {
  if (header.is_null()) return Compression::none;
  if (const auto name = header.text()) {
    if (name->empty()) return Compression::none;
    if (const auto known = compression_of(*name)) return *known;
  }
  return tl::unexpected(DecodeError{DecodeError::Kind::unsupported,
                                    "compression " + amqp::to_string(header.value()) + " is not supported"});
}

std::string compress(std::string bytes, Compression compression) {
  switch (compression) {
    case Compression::none:
      break;
    case Compression::zlib:
      return deflate_zlib(bytes);
    case Compression::bzip2:
      return deflate_bzip2(bytes);
    case Compression::zstd:
      return deflate_zstd(bytes);
  }
  return bytes;
}

Result<std::string> decompress(std::string_view bytes, Compression compression, std::size_t limit) {
  switch (compression) {
    case Compression::none:
      break;
    case Compression::zlib:
      return inflate_zlib(bytes, limit);
    case Compression::bzip2:
      return inflate_bzip2(bytes, limit);
    case Compression::zstd:
      return inflate_zstd(bytes, limit);
  }
  return std::string(bytes);
}

}  // namespace wherry::task

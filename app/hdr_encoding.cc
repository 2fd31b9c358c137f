#include "hdr_encoding.h"

#include <zlib.h>

#include <algorithm>
#include <bit>
#include <optional>
#include <span>
#include <vector>

#include "base/assert.h"
#include "base/endian.h"
#include "base64.h"

namespace pollux::app {
namespace {

using Bytes = std::vector<std::byte>;

// Each cookie's lower byte says that counts are zigzag LEB128 in words of eight bytes.
constexpr std::uint32_t kCookie = 0x1c849303 | 0x10;
constexpr std::uint32_t kCompressedCookie = 0x1c849304 | 0x10;
constexpr std::uint32_t kDigits = 3;

//  0 cookie, 4 bytes of counts, 8 offset of normalizing, 12 digits, 16 lowest value, 24 highest value,
// 32 conversion ratio (a double)
constexpr std::size_t kHeader = 40;
// Cookie and bytes that follow.
constexpr std::size_t kCompressedHeader = 8;
constexpr std::size_t kLongestCount = 9;

template <class T>
void append_be(Bytes& to, T value) {
  to.resize(to.size() + sizeof value);
  store_be(to.data() + to.size() - sizeof value, value);
}

// ZigZag, then seven bits a byte, the least first; the ninth byte has eight.
void append_zigzag(Bytes& to, std::int64_t value) {
  auto rest = (static_cast<std::uint64_t>(value) << 1) ^ static_cast<std::uint64_t>(value >> 63);
  for (std::size_t i = 1; i < kLongestCount && rest >= 0x80; ++i, rest >>= 7) {
    to.push_back(static_cast<std::byte>(rest | 0x80));
  }
  to.push_back(static_cast<std::byte>(rest));
}

// Empty: the bytes end within it.
std::optional<std::int64_t> take_zigzag(std::span<const std::byte>& bytes) {
  std::uint64_t value = 0;
  for (std::size_t i = 0; i < std::min(bytes.size(), kLongestCount); ++i) {
    const auto byte = std::to_integer<std::uint64_t>(bytes[i]);
    const bool last = i + 1 == kLongestCount;
    value |= (last ? byte : byte & 0x7f) << (7 * i);
    if (!last && byte >= 0x80) continue;
    bytes = bytes.subspan(i + 1);
    return static_cast<std::int64_t>(value >> 1) ^ -static_cast<std::int64_t>(value & 1);
  }
  return std::nullopt;
}

// A count for each bucket up to the last that is not empty; a negative number stands for so many empty ones.
Bytes encode_counts(std::span<const std::uint64_t> counts) {
  Bytes bytes;
  std::int64_t empty = 0;
  for (const std::uint64_t count : counts) {
    if (count == 0) {
      ++empty;
      continue;
    }
    if (empty > 0) append_zigzag(bytes, empty == 1 ? 0 : -empty);
    empty = 0;
    append_zigzag(bytes, static_cast<std::int64_t>(count));
  }
  if (bytes.empty()) append_zigzag(bytes, 0);
  return bytes;
}

Expected<std::vector<std::uint64_t>, std::string> decode_counts(std::span<const std::byte> bytes) {
  std::vector<std::uint64_t> counts;
  while (!bytes.empty()) {
    const auto number = take_zigzag(bytes);
    if (!number) return unexpected(std::string{"its counts end too early"});
    const std::size_t room = HdrHistogram::kBuckets - counts.size();
    const std::uint64_t wanted = *number < 0 ? 0 - static_cast<std::uint64_t>(*number) : 1;
    if (wanted > room) return unexpected(std::string{"it has more buckets than its range takes"});
    counts.resize(counts.size() + wanted);
    if (*number > 0) counts.back() = static_cast<std::uint64_t>(*number);
  }
  return counts;
}

Expected<Bytes, std::string> inflate_all(std::span<const std::byte> packed) {
  Bytes plain(kHeader + HdrHistogram::kBuckets * kLongestCount);
  uLongf size = plain.size();
  const int result = uncompress(reinterpret_cast<Bytef*>(plain.data()), &size,
                                reinterpret_cast<const Bytef*>(packed.data()), packed.size());
  if (result != Z_OK) return unexpected(std::string{"zlib does not read it"});
  plain.resize(size);
  return plain;
}

}  // namespace

std::string encode_hdr(const HdrHistogram& histogram) {
  const Bytes counts = encode_counts(histogram.counts());
  Bytes plain;
  append_be(plain, kCookie);
  append_be(plain, static_cast<std::uint32_t>(counts.size()));
  append_be(plain, std::uint32_t{0});
  append_be(plain, kDigits);
  append_be(plain, std::uint64_t{1});
  append_be(plain, HdrHistogram::kLargest);
  append_be(plain, std::bit_cast<std::uint64_t>(1.0));
  plain.insert(plain.end(), counts.begin(), counts.end());

  uLongf size = compressBound(plain.size());
  Bytes packed(kCompressedHeader + size);
  const int result = compress(reinterpret_cast<Bytef*>(packed.data() + kCompressedHeader), &size,
                              reinterpret_cast<const Bytef*>(plain.data()), plain.size());
  CHECK(result == Z_OK);
  packed.resize(kCompressedHeader + size);
  store_be(packed.data(), kCompressedCookie);
  store_be(packed.data() + 4, static_cast<std::uint32_t>(size));
  return encode_base64(packed);
}

Expected<HdrHistogram, std::string> decode_hdr(std::string_view base64) {
  const auto packed = decode_base64(base64);
  if (!packed) return unexpected(std::string{"it is no base64"});
  const std::span<const std::byte> outer{*packed};
  if (outer.size() < kCompressedHeader || load_be<std::uint32_t>(outer.data()) != kCompressedCookie ||
      load_be<std::uint32_t>(outer.data() + 4) != outer.size() - kCompressedHeader) {
    return unexpected(std::string{"it is no compressed histogram of version 2"});
  }
  const auto plain = inflate_all(outer.subspan(kCompressedHeader));
  if (!plain) return unexpected(plain.error());
  const std::span<const std::byte> inner{*plain};
  if (inner.size() < kHeader || load_be<std::uint32_t>(inner.data()) != kCookie ||
      load_be<std::uint32_t>(inner.data() + 4) != inner.size() - kHeader) {
    return unexpected(std::string{"what is compressed is no histogram of version 2"});
  }
  if (load_be<std::uint32_t>(inner.data() + 12) != kDigits || load_be<std::uint64_t>(inner.data() + 16) != 1) {
    return unexpected(std::string{"its buckets are not of three digits from 1 ns on"});
  }
  const auto counts = decode_counts(inner.subspan(kHeader));
  if (!counts) return unexpected(counts.error());
  return HdrHistogram::of_counts(*counts);
}

}  // namespace pollux::app

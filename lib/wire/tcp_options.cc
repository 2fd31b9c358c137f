#include "wire/tcp_options.h"

#include <algorithm>

namespace pollux {
namespace {

constexpr std::size_t kSackBlockSize = 8;

void decode_mss(std::span<const std::byte> value, TcpOptions& options) {
  if (value.size() != 2 || options.mss) return;
  // An MSS of zero says nothing that could be obeyed.
  if (const auto mss = load_be<std::uint16_t>(value.data()); mss != 0) options.mss = mss;
}

void decode_wind_shift(std::span<const std::byte> value, TcpOptions& options) {
  if (value.size() != 1 || options.wind_shift) return;
  options.wind_shift = std::min(std::to_integer<std::uint8_t>(value[0]), kMaxWindShift);
}

void decode_timestamps(std::span<const std::byte> value, TcpOptions& options) {
  if (value.size() != 8 || options.ts) return;
  options.ts = Timestamps{load_be<std::uint32_t>(value.data()), load_be<std::uint32_t>(value.data() + 4)};
}

void decode_sack(std::span<const std::byte> value, TcpOptions& options) {
  const std::size_t count = value.size() / kSackBlockSize;
  if (value.size() % kSackBlockSize != 0 || count == 0 || count > SackBlocks::kMax || options.sack.count != 0) return;
  for (std::size_t i = 0; i < count; ++i) {
    const std::byte* block = value.data() + i * kSackBlockSize;
    options.sack.blocks[i] = {SeqNum{load_be<std::uint32_t>(block)}, SeqNum{load_be<std::uint32_t>(block + 4)}};
  }
  options.sack.count = static_cast<std::uint8_t>(count);
}

// The experimental kind 254 that preceded this one is not understood.
void decode_fast_open(std::span<const std::byte> value, TcpOptions& options) {
  if (value.size() % 2 != 0 || value.size() > FastOpenCookie::kMax || options.fast_open) return;
  if (!value.empty() && value.size() < FastOpenCookie::kMin) return;
  FastOpenCookie& cookie = options.fast_open.emplace();
  cookie.size = static_cast<std::uint8_t>(value.size());
  std::copy(value.begin(), value.end(), cookie.bytes.begin());
}

void decode_option(std::uint8_t kind, std::span<const std::byte> value, bool syn, TcpOptions& options) {
  switch (kind) {
    case static_cast<std::uint8_t>(TcpOption::kMss):
      if (syn) decode_mss(value, options);
      break;
    case static_cast<std::uint8_t>(TcpOption::kWindShift):
      if (syn) decode_wind_shift(value, options);
      break;
    case static_cast<std::uint8_t>(TcpOption::kSackPermitted):
      if (syn && value.empty()) options.sack_permitted = true;
      break;
    case static_cast<std::uint8_t>(TcpOption::kSack):
      decode_sack(value, options);
      break;
    case static_cast<std::uint8_t>(TcpOption::kTimestamps):
      decode_timestamps(value, options);
      break;
    case static_cast<std::uint8_t>(TcpOption::kFastOpen):
      if (syn) decode_fast_open(value, options);
      break;
    default:
      break;
  }
}

// Four bytes of which each is a kind, a length, or a short value.
constexpr std::uint32_t word(TcpOption a, std::uint8_t b, TcpOption c, std::uint8_t d) {
  return std::uint32_t{static_cast<std::uint8_t>(a)} << 24 | std::uint32_t{b} << 16 |
         std::uint32_t{static_cast<std::uint8_t>(c)} << 8 | d;
}
constexpr auto kNopByte = static_cast<std::uint8_t>(TcpOption::kNop);

constexpr std::size_t whole_words(std::size_t size) { return (size + 3) & ~std::size_t{3}; }

std::byte* put(std::byte* to, std::uint32_t value) {
  store_be(to, value);
  return to + sizeof value;
}

std::byte* put(std::byte* to, const FastOpenCookie& cookie) {
  const std::size_t used = 2u + cookie.size;
  *to++ = static_cast<std::byte>(TcpOption::kFastOpen);
  *to++ = static_cast<std::byte>(used);
  to = std::copy(cookie.all().begin(), cookie.all().end(), to);
  return std::fill_n(to, whole_words(used) - used, static_cast<std::byte>(kNopByte));
}

// All but SACK blocks.
std::size_t fixed_size(const TcpOptions& options) {
  std::size_t size = 0;
  if (options.mss) size += 4;
  if (options.ts) {
    size += 12;  // SACK-permitted takes the place of the padding
  } else if (options.sack_permitted) {
    size += 4;
  }
  if (options.wind_shift) size += 4;
  if (options.fast_open) size += whole_words(2u + options.fast_open->size);
  return size;
}

}  // namespace

bool decode_any_options(std::span<const std::byte> bytes, bool syn, TcpOptions& options) {
  while (!bytes.empty()) {
    const auto kind = std::to_integer<std::uint8_t>(bytes[0]);
    if (kind == static_cast<std::uint8_t>(TcpOption::kEnd)) break;
    if (kind == static_cast<std::uint8_t>(TcpOption::kNop)) {
      bytes = bytes.subspan(1);
      continue;
    }
    if (bytes.size() < 2) return false;
    const auto length = std::to_integer<std::size_t>(bytes[1]);
    if (length < 2 || length > bytes.size()) return false;
    decode_option(kind, bytes.first(length).subspan(2), syn, options);
    bytes = bytes.subspan(length);
  }
  return true;
}

std::size_t sack_blocks_sent(const TcpOptions& options) {
  if (options.sack.count == 0) return 0;
  const std::size_t room = (kMaxTcpOptions - fixed_size(options) - 4) / kSackBlockSize;
  return std::min<std::size_t>(options.sack.count, room);
}

std::size_t options_size(const TcpOptions& options) {
  const std::size_t blocks = sack_blocks_sent(options);
  return fixed_size(options) + (blocks == 0 ? 0 : 4 + blocks * kSackBlockSize);
}

std::size_t encode_options(std::byte* to, const TcpOptions& options) {
  std::byte* at = to;
  if (options.mss) at = put(at, word(TcpOption::kMss, 4, TcpOption::kEnd, 0) | *options.mss);
  if (options.ts) {
    at = put(at, options.sack_permitted ? word(TcpOption::kSackPermitted, 2, TcpOption::kTimestamps, 10)
                                        : word(TcpOption::kNop, kNopByte, TcpOption::kTimestamps, 10));
    at = put(put(at, options.ts->val), options.ts->ecr);
  } else if (options.sack_permitted) {
    at = put(at, word(TcpOption::kNop, kNopByte, TcpOption::kSackPermitted, 2));
  }
  if (options.wind_shift) {
    constexpr std::uint32_t kNopKindLength = 0x01030300;
    at = put(at, kNopKindLength | *options.wind_shift);
  }
  if (options.fast_open) at = put(at, *options.fast_open);
  if (const std::size_t blocks = sack_blocks_sent(options); blocks != 0) {
    const auto length = static_cast<std::uint8_t>(2 + blocks * kSackBlockSize);
    at = put(at, word(TcpOption::kNop, kNopByte, TcpOption::kSack, length));
    for (const SackBlock& block : options.sack.all().first(blocks)) {
      at = put(put(at, block.left.value()), block.right.value());
    }
  }
  return static_cast<std::size_t>(at - to);
}

}  // namespace pollux

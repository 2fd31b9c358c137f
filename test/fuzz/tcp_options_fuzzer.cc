// TCP options: the decoder against a slow one written from RFC 9293, 3.1, and what it read
// encoded and read again.

#include "tape.h"
#include "wire/tcp_options.h"

namespace pollux {
namespace {

struct Reference {
  TcpOptions options;
  bool whole = true;
};

// Byte by byte; the first valid one of its kind counts.
Reference reference(std::span<const std::byte> bytes, bool syn) {
  Reference r;
  bool sack_seen = false;
  const auto at = [&](std::size_t i) { return std::to_integer<std::uint32_t>(bytes[i]); };
  const auto word = [&](std::size_t i) { return at(i) << 24 | at(i + 1) << 16 | at(i + 2) << 8 | at(i + 3); };
  for (std::size_t i = 0; i < bytes.size();) {
    if (at(i) == 0) return r;
    if (at(i) == 1) {
      ++i;
      continue;
    }
    if (i + 1 == bytes.size() || at(i + 1) < 2 || i + at(i + 1) > bytes.size()) {
      r.whole = false;
      return r;
    }
    const std::uint32_t kind = at(i);
    const std::uint32_t length = at(i + 1);
    TcpOptions& o = r.options;
    if (kind == 2 && length == 4 && syn && !o.mss && at(i + 2) + at(i + 3) != 0) {  // 0 cannot be obeyed
      o.mss = static_cast<std::uint16_t>(at(i + 2) << 8 | at(i + 3));
    }
    if (kind == 3 && length == 3 && syn && !o.wind_shift) {
      o.wind_shift = static_cast<std::uint8_t>(std::min(at(i + 2), 14u));
    }
    if (kind == 4 && length == 2 && syn) o.sack_permitted = true;
    if (kind == 8 && length == 10 && !o.ts) o.ts = Timestamps{word(i + 2), word(i + 6)};
    if (kind == 5 && !sack_seen && length >= 10 && length <= 34 && (length - 2) % 8 == 0) {
      sack_seen = true;
      for (std::size_t b = i + 2; b < i + length; b += 8) {
        o.sack.blocks[o.sack.count++] = {SeqNum{word(b)}, SeqNum{word(b + 4)}};
      }
    }
    i += length;
  }
  return r;
}

bool same(const TcpOptions& a, const TcpOptions& b, std::size_t blocks) {
  return a.mss == b.mss && a.wind_shift == b.wind_shift && a.sack_permitted == b.sack_permitted && a.ts == b.ts &&
         std::equal(a.sack.blocks.begin(), a.sack.blocks.begin() + static_cast<std::ptrdiff_t>(blocks),
                    b.sack.blocks.begin());
}

}  // namespace
}  // namespace pollux

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  using namespace pollux;
  fuzz::Tape tape{data, size};
  const bool syn = tape.coin();
  const fuzz::Exact bytes{tape.take(kMaxTcpOptions)};
  TcpOptions options;
  const bool whole = decode_options(bytes.all(), syn, options);
  const Reference expected = reference(bytes.all(), syn);
  CHECK(whole == expected.whole);
  CHECK(options.sack.count == expected.options.sack.count && same(options, expected.options, options.sack.count));

  const std::size_t encoded_size = options_size(options);
  CHECK(encoded_size % 4 == 0 && encoded_size <= kMaxTcpOptions);
  const fuzz::Exact room{std::vector<std::byte>(encoded_size)};
  CHECK(encode_options(room.all().data(), options) == encoded_size);
  TcpOptions again;
  CHECK(decode_options(room.all(), syn, again));
  CHECK(again.sack.count == sack_blocks_sent(options) && same(options, again, again.sack.count));
  return 0;
}

#include "tcp/syn_cookie.h"

#include <algorithm>
#include <array>

#include "wire/tcp_options.h"

namespace pollux::tcp {
namespace {

// What Ethernet, tunnels and jumbo frames leave of their MTU, the defaults of RFC 9293 (MUST-15), and the least; few
// are far above the next lower one.
constexpr std::array<std::uint16_t, 8> kSizes = {kMinMss, 256, kDefaultMssV4, kDefaultMssV6, 1360, 1440, 1460, 8940};
constexpr std::uint32_t kSizeBits = 0x7;
constexpr std::uint32_t kPeriodBit = 0x8;
constexpr std::uint32_t kCookieBits = kSizeBits | kPeriodBit;

constexpr std::uint32_t kShiftBits = 0xf;  // all of them: no window scale
constexpr std::uint32_t kSackBit = 0x10;
constexpr std::uint32_t kEcnBit = 0x20;
constexpr std::uint32_t kOptionBits = kShiftBits | kSackBit | kEcnBit;
static_assert(kMaxWindShift < kShiftBits);

constexpr std::uint32_t kHadTimestamp = 0x200;  // in the terms that are hashed, beside sizes and options

// The place of the largest size that is at most `mss`; anything smaller counts as the least.
std::uint32_t place_of(std::uint16_t mss) {
  const auto above = std::upper_bound(kSizes.begin() + 1, kSizes.end(), mss);
  return static_cast<std::uint32_t>(above - kSizes.begin() - 1);
}

std::uint32_t option_bits(const Segment& syn) {
  return syn.options.wind_shift.value_or(kShiftBits) | (syn.options.sack_permitted ? kSackBit : 0) |
         (syn.flags.ece ? kEcnBit : 0);
}

std::uint32_t terms_of(std::uint32_t place, std::optional<std::uint32_t> option_bits) {
  return place | (option_bits ? kHadTimestamp | *option_bits << 3 : 0);
}

SeqNum cookie(const Secrets& secrets, const FlowKey& key, SeqNum irs, std::uint32_t period, std::uint32_t terms) {
  const auto hash = static_cast<std::uint32_t>(secrets.cookie_hash(key, irs, period, terms));
  const std::uint32_t parity = (period & 1) != 0 ? kPeriodBit : 0;
  return SeqNum{(hash & ~kCookieBits) | parity | (terms & kSizeBits)};
}

}  // namespace

Segment abridged_for_cookie(const FlowKey& key, const Segment& syn, const Config& config) {
  Segment kept;
  kept.seq = syn.seq;
  kept.wnd = syn.wnd;
  kept.flags.syn = true;
  const std::uint16_t offered = syn.options.mss.value_or(key.remote.is_v4() ? kDefaultMssV4 : kDefaultMssV6);
  kept.options.mss = kSizes[place_of(offered)];
  if (!config.timestamps || !syn.options.ts) return kept;
  kept.options.ts = syn.options.ts;
  kept.flags.ece = kept.flags.cwr = syn.is_ecn_setup();
  kept.options.sack_permitted = syn.options.sack_permitted;
  if (syn.options.wind_shift) kept.options.wind_shift = std::min(*syn.options.wind_shift, kMaxWindShift);
  return kept;
}

SeqNum cookie_for(const Secrets& secrets, const FlowKey& key, const Segment& syn, Instant now) {
  std::optional<std::uint32_t> bits;
  if (syn.options.ts) bits = option_bits(syn);
  return cookie(secrets, key, syn.seq, secrets.period(now, kCookiePeriod), terms_of(place_of(*syn.options.mss), bits));
}

std::uint32_t cookie_timestamp(std::uint32_t val, const Segment& syn) {
  const std::uint32_t bits = option_bits(syn);
  const std::uint32_t marked = (val & ~kOptionBits) | bits;
  return bits <= (val & kOptionBits) ? marked : marked - (kOptionBits + 1);
}

std::optional<Segment> syn_before(const Secrets& secrets, const FlowKey& key, const Segment& ack, const Config& config,
                                  Instant now) {
  const SeqNum iss = ack.ack - 1;
  const std::uint32_t place = iss.value() & kSizeBits;
  std::optional<std::uint32_t> bits;
  if (config.timestamps && ack.options.ts) bits = ack.options.ts->ecr & kOptionBits;
  std::uint32_t period = secrets.period(now, kCookiePeriod);
  const bool odd = (iss.value() & kPeriodBit) != 0;
  if (odd != ((period & 1) != 0)) --period;
  if (iss != cookie(secrets, key, ack.seq - 1, period, terms_of(place, bits))) return std::nullopt;

  Segment syn;
  syn.seq = ack.seq - 1;
  syn.wnd = ack.wnd;
  syn.flags.syn = true;
  syn.options.mss = kSizes[place];
  if (bits) {
    syn.options.ts = Timestamps{ack.options.ts->val, 0};
    syn.options.sack_permitted = (*bits & kSackBit) != 0;
    syn.flags.ece = syn.flags.cwr = (*bits & kEcnBit) != 0;
    if ((*bits & kShiftBits) != kShiftBits) syn.options.wind_shift = static_cast<std::uint8_t>(*bits & kShiftBits);
  }
  return syn;
}

}  // namespace pollux::tcp

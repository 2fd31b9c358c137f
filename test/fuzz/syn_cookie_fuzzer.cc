// SYN cookies: any SYN, and any segment after it. What the cookie of the one says comes back with its acknowledgment,
// whole, as long as it is valid; and whatever is believed is the acknowledgment of a cookie that was to be had.

#include <algorithm>
#include <optional>

#include "tape.h"
#include "tcp/syn_cookie.h"
#include "wire/tcp_options.h"

namespace {

using namespace pollux;

const tcp::Secrets kSecrets{HashKey{1, 2}, HashKey{3, 4}, std::chrono::seconds{12'345}};

FlowKey flow(fuzz::Tape& tape) {
  std::byte raw[16]{std::byte{0x20}, std::byte{1}, std::byte{0}, std::byte{2}};
  raw[15] = std::byte{tape.u8()};
  const bool v6 = tape.coin();
  const IpAddress ours = v6 ? IpAddress::v6(raw) : IpAddress::v4(0xc6120002);
  return {ours, v6 ? ours.plus(1 + tape.u8()) : IpAddress::v4(0xc6120000u + tape.u16()), tape.u16(), tape.u16()};
}

// As they were parsed: their words are the tape's.
TcpOptions options(fuzz::Tape& tape, bool syn) {
  TcpOptions parsed;
  static_cast<void>(decode_options(tape.take(tape.u8() % (kMaxTcpOptions + 1)), syn, parsed));
  return parsed;
}

// Another segment than the one that was answered, or the same.
void change(fuzz::Tape& tape, FlowKey& key, Segment& ack) {
  switch (tape.u8() % 8) {
    case 0:
      ack.seq += tape.u32();
      break;
    case 1:
      ack.ack += tape.u32();
      break;
    case 2:
      ack.options.ts.reset();
      break;
    case 3:
      ack.options.ts = Timestamps{tape.u32(), tape.u32()};
      break;
    case 4:
      key = flow(tape);
      break;
    default:
      break;
  }
}

bool alike(const TcpOptions& a, const TcpOptions& b) {
  return a.mss == b.mss && a.wind_shift == b.wind_shift && a.sack_permitted == b.sack_permitted &&
         a.ts.has_value() == b.ts.has_value();
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  fuzz::Tape tape{data, size};
  tcp::Config config;
  config.timestamps = tape.u8() % 4 != 0;
  const Instant sent{std::chrono::milliseconds{tape.u32()}};
  const Instant answered = sent + std::chrono::milliseconds{tape.u16() * 4};
  const FlowKey key = flow(tape);
  Segment syn;
  syn.flags.syn = true;
  syn.seq = SeqNum{tape.u32()};
  syn.wnd = tape.u16();
  syn.options = options(tape, true);
  syn.flags.ece = syn.flags.cwr = tape.coin();

  const Segment kept = tcp::abridged_for_cookie(key, syn, config);
  CHECK(kept.options.mss <= std::max(tcp::kMinMss, syn.options.mss.value_or(UINT16_MAX)));
  CHECK(!kept.options.ts || kept.options.ts == syn.options.ts);
  CHECK(kept.options.ts || (!kept.options.wind_shift && !kept.options.sack_permitted));

  Segment ack;
  ack.flags.ack = true;
  ack.seq = syn.seq + 1;
  ack.ack = tcp::cookie_for(kSecrets, key, kept, sent) + 1;
  ack.wnd = tape.u16();
  if (kept.options.ts) {
    const std::uint32_t clock = tape.u32();
    const std::uint32_t tsval = tcp::cookie_timestamp(clock, kept);
    CHECK(clock - tsval < 64);
    ack.options.ts = Timestamps{tape.u32(), tsval};
  } else if (!config.timestamps && tape.coin()) {
    ack.options.ts = Timestamps{tape.u32(), tape.u32()};
  }

  const std::optional<Segment> whole = tcp::syn_before(kSecrets, key, ack, config, answered);
  const Duration age = answered - sent;
  CHECK(whole || age > tcp::kCookiePeriod);
  CHECK(!whole || age < tcp::kCookieLifetime);
  CHECK(!whole || (whole->seq == syn.seq && whole->flags == kept.flags && alike(whole->options, kept.options)));

  FlowKey to = key;
  change(tape, to, ack);
  const std::optional<Segment> found = tcp::syn_before(kSecrets, to, ack, config, answered);
  if (!found) return 0;
  const bool ecn = found->flags.ece;
  CHECK(found->flags == (TcpFlags{.syn = true, .ece = ecn, .cwr = ecn}) && found->seq + 1 == ack.seq &&
        found->wnd == ack.wnd);
  CHECK(alike(tcp::abridged_for_cookie(to, *found, config).options, found->options));
  const SeqNum iss = ack.ack - 1;
  CHECK(iss == tcp::cookie_for(kSecrets, to, *found, answered) ||
        iss == tcp::cookie_for(kSecrets, to, *found, answered - tcp::kCookiePeriod));
  return 0;
}

#pragma once

#include <cstdint>
#include <optional>

#include "tcp/config.h"
#include "tcp/isn.h"
#include "time/instant.h"
#include "wire/flow_key.h"
#include "wire/segment.h"

// SYN cookies (RFC 4987, 3.6): of a SYN nothing is kept. All that must be known of it when the third segment comes,
// that segment gives back: it acknowledges our sequence number, and echoes our timestamp.
//
//    0                   1                   2                   3
//    0 1 2 3 4 5 6 7 8 9 0 1 2 3 4 5 6 7 8 9 0 1 2 3 4 5 6 7 8 9 0 1
//   +-------------------------------------------------------+-+-----+
//   |                      keyed hash                       |P| MSS |  ISS
//   +-----------------------------------------------------+-+-------+
//   |                milliseconds, less 6 bits          |E|S| shift |  TSval
//   +---------------------------------------------------+-+-+-------+
//
// MSS: a place in a table. P: the lowest bit of the period of 64 s in which the SYN came. E: it was an ECN-setup SYN;
// S: SACK permitted; shift: the window scale, 15: none. The hash covers both ends, SEG.SEQ of the SYN, the period and
// all that is written here, so that nothing of it can be changed: of 2^32 acknowledgments of one SYN that might have
// come, at most 16 are believed (two periods, eight sizes), whichever way they are guessed. Where the SYN had no
// timestamp there is no TSval, and neither window scale nor SACK nor ECN. Nothing is remembered of those that came
// back: an old duplicate of the third segment opens another connection, unless a TCB or a TIME-WAIT record stands in
// its way.
namespace pollux::tcp {

inline constexpr Duration kCookiePeriod = 64s;
// A cookie is believed in its own period and the next one: for 64 s surely, for this long never.
inline constexpr Duration kCookieLifetime = 2 * kCookiePeriod;

// `syn` as its cookie will tell of it: an MSS from the table, at most the one offered; options only as they fit.
Segment abridged_for_cookie(const FlowKey& key, const Segment& syn, const Config& config);

// The ISS that stands for `syn`, which is abridged.
SeqNum cookie_for(const Secrets& secrets, const FlowKey& key, const Segment& syn, Instant now);

// The timestamp to send instead of `val`: the latest one not after it with the options of `syn`, which is abridged, in
// its lowest bits. Hence at most 63 ms old, and never before one sent earlier.
std::uint32_t cookie_timestamp(std::uint32_t val, const Segment& syn);

// The SYN, abridged, whose cookie `ack` acknowledges; nullopt: that is no cookie of ours, or too old. SEG.WND, which no
// cookie tells, is that of `ack`. For segments with ACK and without SYN and RST.
std::optional<Segment> syn_before(const Secrets& secrets, const FlowKey& key, const Segment& ack, const Config& config,
                                  Instant now);

}  // namespace pollux::tcp

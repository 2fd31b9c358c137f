#pragma once

#include <array>
#include <cstddef>
#include <cstdint>
#include <string>

#include "oracle.h"
#include "wire/seq_num.h"

// The cells of the matrix: 11 states, and for each 64 flag sets, 7 places of
// SEG.SEQ, 5 of SEG.ACK and 3 sizes of the text.
namespace pollux::matrix {

// Bytes of text: none, one, and what the peer was told to send at most.
inline constexpr std::uint32_t kMss = 1460;

// Where SEG.SEQ lies; the window is [RCV.NXT, RCV.NXT+RCV.WND), and wider than three kMss.
enum class SeqPlace : std::uint8_t {
  kOld,         // RCV.NXT - 3 MSS: all of it came long ago, whatever it carries
  kJustBefore,  // RCV.NXT - 1: a keep-alive; with more than one number it straddles the left edge
  kAtNext,      // RCV.NXT
  kInWindow,    // RCV.NXT + MSS: beyond a hole that one segment fills
  kLast,        // RCV.NXT + RCV.WND - 1: what is longer than one number straddles the right edge
  kJustBeyond,  // RCV.NXT + RCV.WND
  kFar,         // RCV.NXT + 2^31: neither before nor behind
};
inline constexpr std::array kSeqPlaces{SeqPlace::kOld,  SeqPlace::kJustBefore, SeqPlace::kAtNext, SeqPlace::kInWindow,
                                       SeqPlace::kLast, SeqPlace::kJustBeyond, SeqPlace::kFar};

// Where SEG.ACK lies. When the ACK bit is off, the field holds the number all the
// same, and it must not count.
enum class AckPlace : std::uint8_t {
  kTooOld,     // SND.UNA - MAX.SND.WND - 1: the first that RFC 5961, 5.2 forbids
  kDuplicate,  // SND.UNA; one less where nothing is outstanding, for there that is kAll
  kPart,       // SND.NXT - 1: all but the last number sent (the FIN, where one was sent);
               // where no number lies between SND.UNA and SND.NXT, the oldest that RFC 5961
               // allows, SND.UNA - MAX.SND.WND
  kAll,        // SND.NXT
  kUnsent,     // SND.NXT + 1
};
inline constexpr std::array kAckPlaces{AckPlace::kTooOld, AckPlace::kDuplicate, AckPlace::kPart, AckPlace::kAll,
                                       AckPlace::kUnsent};

inline constexpr std::array<std::uint32_t, 3> kTextSizes{0, 1, kMss};

// FIN, SYN, RST, PSH, ACK and URG in all combinations.
inline constexpr std::uint8_t kFlagSets = 64;

inline constexpr std::size_t kCellsOfState =
    kFlagSets * kSeqPlaces.size() * kAckPlaces.size() * kTextSizes.size();  // 6,720

struct Cell {
  std::uint8_t flags = 0;  // as in the header
  SeqPlace seq = SeqPlace::kOld;
  AckPlace ack = AckPlace::kTooOld;
  std::uint32_t text = 0;  // bytes
};

// `index` is less than kCellsOfState.
inline Cell cell(std::size_t index) {
  Cell c;
  c.text = kTextSizes[index % kTextSizes.size()];
  index /= kTextSizes.size();
  c.ack = kAckPlaces[index % kAckPlaces.size()];
  index /= kAckPlaces.size();
  c.seq = kSeqPlaces[index % kSeqPlaces.size()];
  c.flags = static_cast<std::uint8_t>(index / kSeqPlaces.size());
  return c;
}

inline SeqNum seq_at(SeqPlace place, const Block& b) {
  switch (place) {
    case SeqPlace::kOld:
      return b.rcv_nxt - 3 * kMss;
    case SeqPlace::kJustBefore:
      return b.rcv_nxt - 1;
    case SeqPlace::kAtNext:
      return b.rcv_nxt;
    case SeqPlace::kInWindow:
      return b.rcv_nxt + kMss;
    case SeqPlace::kLast:
      return b.rcv_nxt + (b.rcv_wnd - 1);
    case SeqPlace::kJustBeyond:
      return b.rcv_nxt + b.rcv_wnd;
    case SeqPlace::kFar:
      return b.rcv_nxt + 0x8000'0000u;
  }
  return {};
}

inline SeqNum ack_at(AckPlace place, const Block& b) {
  const std::uint32_t outstanding = distance(b.snd_una, b.snd_nxt);
  switch (place) {
    case AckPlace::kTooOld:
      return b.snd_una - (b.max_snd_wnd + 1);
    case AckPlace::kDuplicate:
      return outstanding == 0 ? b.snd_una - 1 : b.snd_una;
    case AckPlace::kPart:
      return outstanding > 1 ? b.snd_nxt - 1 : b.snd_una - b.max_snd_wnd;
    case AckPlace::kAll:
      return b.snd_nxt;
    case AckPlace::kUnsent:
      return b.snd_nxt + 1;
  }
  return {};
}

inline Arrival arrival(const Cell& c, const Block& b) {
  return {.flags = TcpFlags::decode(c.flags), .seq = seq_at(c.seq, b), .ack = ack_at(c.ack, b), .text = c.text};
}

std::string to_string(SeqPlace place);
std::string to_string(AckPlace place);

}  // namespace pollux::matrix

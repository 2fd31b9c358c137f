// Connections over which more has gone than there are sequence numbers: whatever a TCB remembers as a number must not
// come to lie ahead once 2^31 bytes have passed it. Gigabytes, so without a copy and without the checks of
// TestConnection.

#include <gtest/gtest.h>

#include <memory>
#include <vector>

#include "tcp/tcb.h"

namespace pollux::tcp {
namespace {

constexpr std::uint64_t kGiB = std::uint64_t{1} << 30;
constexpr std::uint32_t kPiece = 1 << 20;  // of what we send
constexpr std::uint16_t kMss = 65'000;

class LongLived : public testing::Test {
 protected:
  LongLived() {
    config_.timestamps = false;
    config_.receive_buffer = 1 << 20;
    config_.send_buffer = 4 * kPiece;
    tcb_->open_active({IpAddress::v4(0xc6120002u), IpAddress::v4(0xc6120001u), 40000, 80},
                      {.iss = SeqNum{1000}, .mss = kMss}, {.nodelay = true}, env_);
    sent();
    Segment answer = from_peer();
    answer.flags.syn = true;
    answer.wnd = 65535;
    answer.options.mss = kMss;
    answer.options.wind_shift = std::uint8_t{14};
    EXPECT_EQ(arrives(answer), Verdict::kAccepted);
    ++seq_;
    sent();
    EXPECT_EQ(tcb_->state(), State::kEstablished);
  }
  ~LongLived() override { tcb_->release(env_); }

  // Acknowledges all that was sent.
  Segment from_peer() const {
    Segment segment;
    segment.seq = SeqNum{seq_};
    segment.ack = tcb_->snd().nxt;
    segment.wnd = 65535;
    segment.flags.ack = true;
    return segment;
  }
  Verdict arrives(const Segment& segment) {
    std::vector<std::byte> bytes(segment.text.begin(), segment.text.end());
    Packet packet{bytes, static_cast<std::uint32_t>(bytes.size()), nullptr, nullptr};
    Segment in_packet = segment;
    in_packet.text = packet.bytes();
    Arrival arrival{in_packet, packet, {}};
    const Verdict verdict = tcb_->segment_arrives(arrival, env_);
    static_cast<void>(tcb_->poll_events());
    return verdict;  // the application takes what is fresh
  }
  std::uint64_t sent() {
    std::uint64_t bytes = 0;
    while (const auto out = tcb_->poll_transmit(64 * kMss, env_)) bytes += out->text_size;
    env_.now += 1ms;
    return bytes;
  }
  // Sends so much, and always has something in flight.
  void send(std::uint64_t bytes) {
    for (std::uint64_t done = 0; done < bytes;) {
      ASSERT_TRUE(tcb_->send_reference(text_, env_));
      done += sent();
      Segment ack = from_peer();
      ack.ack = ack.ack - 1;
      ASSERT_EQ(arrives(ack), Verdict::kAccepted);
    }
  }
  void receive(std::uint64_t bytes) {
    for (std::uint64_t done = 0; done < bytes; done += kMss) {
      Segment segment = from_peer();
      segment.text = std::span{text_}.first(kMss);
      ASSERT_EQ(arrives(segment), Verdict::kAccepted);
      seq_ += kMss;
      sent();
    }
  }

  Config config_;
  Stores stores_{.transmissions = Slab<Transmission>{2, Pages::kOrdinary},
                 .slices = SliceStore{64, 64, Pages::kOrdinary},
                 .queues = Slab<ReceiveQueue>{2, Pages::kOrdinary},
                 .held = Slab<HeldText>{64, Pages::kOrdinary},
                 .sacked = Slab<SackedRange>{64, Pages::kOrdinary}};
  Counters counters_{};
  Env env_{Instant{1'000'000s}, config_, stores_, counters_};
  std::unique_ptr<Tcb> tcb_ = std::make_unique<Tcb>();
  std::vector<std::byte> text_ = std::vector<std::byte>(kPiece);
  std::uint32_t seq_ = 5000;
};

TEST_F(LongLived, ThreeDuplicatesBringAFastRetransmitAfterTwoGiB) {  // RFC 6582, 3.2: "recover"
  send(3 * kGiB);
  ASSERT_TRUE(tcb_->send_reference(text_, env_));
  sent();
  Segment duplicate = from_peer();
  duplicate.ack = tcb_->snd().una;
  for (int i = 0; i < 3; ++i) arrives(duplicate);
  EXPECT_EQ(counters_.fast_retransmits, 1u);
}

TEST_F(LongLived, ASegmentThatWasOvertakenCountsAfterEachFourGiB) {  // RFC 5961, 5.2: SND.UNA - MAX.SND.WND =< SEG.ACK
  send(4 * kGiB + kPiece);
  // A little more than what has been sent since the numbers came round.
  const std::uint32_t back = distance(tcb_->snd().iss, tcb_->snd().una) + 1000;
  ASSERT_LT(back, tcb_->snd().max_wnd);
  Segment late = from_peer();
  late.ack = tcb_->snd().una - back;
  late.text = std::span{text_}.first(100);
  EXPECT_EQ(arrives(late), Verdict::kAccepted);
}

TEST_F(LongLived, UrgentDataIsAnnouncedAgainAfterTwoGiB) {  // MUST-32, MUST-33
  Segment urgent = from_peer();
  urgent.text = std::span{text_}.first(10);
  urgent.flags.urg = true;
  urgent.up = 10;
  ASSERT_EQ(arrives(urgent), Verdict::kAccepted);
  seq_ += 10;
  receive(2 * kGiB + kGiB / 2);
  EXPECT_EQ(tcb_->urgent_ahead(0, env_), 0u);
  Segment again = from_peer();
  again.flags.urg = true;
  again.up = 10;
  ASSERT_EQ(arrives(again), Verdict::kAccepted);
  EXPECT_EQ(tcb_->urgent_ahead(0, env_), 10u);
}

}  // namespace
}  // namespace pollux::tcp

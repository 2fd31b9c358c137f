// One connection against a peer that does what the tape says: segments whose fields are
// relative to what the connection knows, user calls, and time. What the application is
// given is what the peer sent at that number; what is sent is what the application wrote;
// the windows of both ends are kept to; and in the end no memory is held.

#include <optional>
#include <set>

#include "tape.h"
#include "tcp/tcb.h"

namespace {

using namespace pollux;
using tcp::State;

constexpr SeqNum kIss{0xffffff00};
constexpr SeqNum kIrs{0xfffffe00};

// The byte that each end has at a place: ours counted from the first, theirs its sequence
// number. No two near places are alike.
std::byte ours_at(std::uint32_t offset) { return static_cast<std::byte>(offset * 7 + offset / 251); }
std::byte theirs_at(std::uint32_t offset) { return static_cast<std::byte>(offset * 5 + offset / 241 + 1); }

struct Heap final : PacketOwner {
  ~Heap() { CHECK(out.empty()); }
  Packet lend(std::size_t size) {
    auto* bytes = new std::byte[size];
    out.insert(bytes);
    return Packet{{bytes, size}, static_cast<std::uint32_t>(size + 128), this, bytes};
  }
  void take_back(void* handle) override {
    CHECK(out.erase(handle) == 1);
    delete[] static_cast<std::byte*>(handle);
  }
  std::set<void*> out;
};

tcp::Config config_of(fuzz::Tape& tape) {
  tcp::Config config;
  const std::uint8_t choice = tape.u8();
  config.timestamps = (choice & 1) != 0;
  config.window_scaling = (choice & 2) != 0;
  config.rst_ends_time_wait = (choice & 4) != 0;
  config.receive_buffer = (choice & 8) != 0 ? 256 * 1024 : 3000;
  config.send_buffer = (choice & 16) != 0 ? 256 * 1024 : 5000;
  config.max_ranges = (choice & 32) != 0 ? 512 : 4;
  return config;
}

class Session {
 public:
  explicit Session(fuzz::Tape& tape)
      : tape_{tape},
        config_{config_of(tape)},
        stores_{Slab<tcp::Transmission>{2, Pages::kOrdinary}, tcp::SliceStore{64, 64},
                Slab<tcp::ReceiveQueue>{1, Pages::kOrdinary}, Slab<tcp::HeldText>{64, Pages::kOrdinary},
                Slab<tcp::SackedRange>{64, Pages::kOrdinary}},
        env_{Instant{((std::int64_t{1} << 32) - 500) * Duration{1ms}}, config_, stores_, counters_} {
    options_.nodelay = tape.coin();
    options_.keep_alive.on = tape.coin();
    const FlowKey key{IpAddress::v4(0xc6120002), IpAddress::v4(0xc6120001), 80, 40112};
    const tcp::Opening opening{kIss, 0x1234, 1460};
    passive_ = tape.coin();
    if (passive_) {
      Segment syn = segment(true);
      syn.flags = TcpFlags{.syn = true};
      syn.seq = kIrs;
      note(syn);
      tcb_.open_passive(key, syn, opening, options_, env_);
    } else {
      tcb_.open_active(key, opening, options_, env_);
    }
    after();
  }

  void run() {
    for (int event = 0; event < 300 && !tape_.over(); ++event) {
      switch (tape_.u8() % 8) {
        case 0:
        case 1:
        case 2:
        case 3:
          arrives();
          break;
        case 4:
          sleep();
          break;
        case 5:
        case 6:
          user_calls();
          break;
        case 7:
          handshake();
          break;
      }
      if (tape_.u8() % 4 != 0) after();
    }
    after();
    finish();
  }

 private:
  // --- The peer ---

  // Fields near what the connection expects, or anything.
  SeqNum seq_near(SeqNum expected) {
    switch (tape_.u8() % 8) {
      case 0:
      case 1:
      case 2:
        return expected;
      case 3:
        return expected + tape_.u8();
      case 4:
        return expected - tape_.u8();
      case 5:
        return expected + tape_.u16();
      case 6:
        return tcb_.rcv().edge - tape_.u8() % 4;
      default:
        return SeqNum{tape_.u32()};
    }
  }
  SeqNum ack_near() {
    switch (tape_.u8() % 8) {
      case 0:
      case 1:
      case 2:
        return tcb_.snd().nxt;
      case 3:
        return tcb_.snd().una;
      case 4:
        return tcb_.snd().una + tape_.u16();
      case 5:
        return tcb_.snd().una - tape_.u16();
      case 6:
        return tcb_.snd().nxt + 1;
      default:
        return SeqNum{tape_.u32()};
    }
  }

  Segment segment(bool syn) {
    Segment s;
    s.wnd = tape_.coin() ? 65535 : tape_.u16();
    s.up = tape_.coin() ? 0 : tape_.u16();
    const std::uint8_t options = tape_.u8();
    if (syn && (options & 1) != 0) s.options.mss = tape_.u16();
    if (syn && (options & 2) != 0) s.options.wind_shift = static_cast<std::uint8_t>(tape_.u8() % 15);
    if ((options & 4) != 0) {
      peer_clock_ += static_cast<std::uint32_t>(static_cast<std::int32_t>(static_cast<std::int8_t>(tape_.u8())));
      s.options.ts = Timestamps{peer_clock_, (options & 8) != 0 ? last_tsval_ : tape_.u32()};
    }
    return s;
  }

  void arrives() {
    const std::uint8_t flags = tape_.coin() ? 0x10 : tape_.u8();
    Segment s = segment((flags & 2) != 0);
    s.flags = TcpFlags::decode(flags);
    s.seq = seq_near(synchronized() ? tcb_.rcv().nxt : kIrs);
    s.ack = ack_near();
    deliver(s, tape_.coin() ? 0 : tape_.u16() % 1500u);
  }

  // The segments that bring the handshake on, so that short tapes get somewhere.
  void handshake() {
    Segment s = segment(true);
    s.wnd = 65535;
    s.ack = tcb_.snd().nxt;
    if (tcb_.state() == State::kSynSent) {
      s.flags = TcpFlags{.syn = true, .ack = true};
      s.seq = kIrs;
    } else {
      s.options.mss.reset();
      s.options.wind_shift.reset();
      s.flags = TcpFlags{.ack = true};
      s.seq = tcb_.rcv().nxt;
    }
    deliver(s, 0);
  }

  void deliver(Segment& s, std::size_t text_size) {
    Packet packet = heap_.lend(54 + text_size);
    const std::span<std::byte> text = packet.bytes().subspan(54);
    const std::uint32_t first = (s.seq + (s.flags.syn ? 1u : 0u)).value();
    for (std::size_t i = 0; i < text.size(); ++i) text[i] = theirs_at(first + static_cast<std::uint32_t>(i));
    s.text = text;
    note(s);
    tcp::Arrival arrival{s, packet, {}};
    const tcp::Verdict verdict = tcb_.segment_arrives(arrival, env_);
    CHECK(verdict != tcp::Verdict::kContinue);
    CHECK(verdict != tcp::Verdict::kReset || !s.flags.rst);
    if (verdict == tcp::Verdict::kReset) static_cast<void>(tcp::reset_for(s));
    if (arrival.fresh.empty()) return;
    const tcp::Events before = tcb_.poll_beginnings();
    take_events(before);
    const std::size_t taken = tape_.coin() ? arrival.fresh.size() : tape_.below(1500) % (arrival.fresh.size() + 1);
    read(arrival.fresh.first(taken));
    tcb_.keep(arrival.fresh.subspan(taken), std::move(packet), env_);
  }

  // What a window offered by the peer allows us to send, whenever it was offered.
  void note(const Segment& s) {
    if (!s.flags.ack && !s.flags.syn) return;
    if (s.flags.ack && !(tcb_.snd().una <= s.ack && s.ack <= tcb_.snd().nxt)) return;  // offers nothing
    const std::uint32_t wnd = std::uint32_t{s.wnd} << (s.flags.syn ? 0 : tcb_.snd_shift());
    const SeqNum ack = s.flags.ack ? s.ack : kIss;
    if (!peer_edge_ || *peer_edge_ < ack + wnd) peer_edge_ = ack + wnd;
  }

  // --- The application ---

  void read(std::span<const std::byte> text) {
    if (!read_ && !text.empty()) read_ = (tcb_.rcv().irs + 1).value();
    for (const std::byte b : text) CHECK(b == theirs_at((*read_)++));
    CHECK(text.empty() || (!eof_ && !closed_));
  }

  void user_calls() {
    switch (tape_.u8() % 10) {
      case 0:
      case 1:
      case 2:
        write();
        break;
      case 3: {
        const auto text = tcb_.readable(env_);
        const std::size_t n = tape_.u16() % (text.size() + 1);
        read(text.first(n));
        tcb_.consume(static_cast<std::uint32_t>(n), env_);
        break;
      }
      case 4:
        static_cast<void>(tcb_.shutdown(env_));
        break;
      case 5:
        if (tape_.u8() % 4 == 0) tcb_.close(0, env_);
        break;
      case 6:
        if (tape_.u8() % 8 == 0) tcb_.abort(env_);
        break;
      case 7:
        tcb_.set_nodelay(tape_.coin());
        tcb_.set_user_timeout(std::chrono::milliseconds{tape_.u16()});
        break;
      case 8:
        tcb_.set_keep_alive({tape_.coin(), static_cast<std::uint16_t>(tape_.u8() + 1u),
                             static_cast<std::uint16_t>(tape_.u8() + 1u), tape_.u8()},
                            env_);
        break;
      case 9:
        tcb_.icmp_error(static_cast<tcp::IcmpError>(tape_.u8() % 5), tcb_.snd().una + tape_.u8() % 4, env_);
        break;
    }
    CHECK(tcb_.invariants_hold(env_));
  }

  void write() {
    std::vector<std::byte> text(tape_.u16() % 8000u);
    for (std::size_t i = 0; i < text.size(); ++i) text[i] = ours_at(written_ + static_cast<std::uint32_t>(i));
    const auto taken = tape_.u8() % 8 == 0 ? tcb_.send_urgent(text, env_) : tcb_.send(text, env_);
    if (!taken) return;
    CHECK(*taken <= text.size());
    written_ += *taken;
  }

  // --- Time and what follows every verb ---

  void sleep() {
    const std::uint8_t what = tape_.u8();
    const auto due = tcb_.next_deadline(env_.now);
    if (what % 2 == 0 && due) {
      env_.now = std::max(env_.now, *due);
    } else {
      env_.now += std::chrono::microseconds{tape_.u16() * (what < 128 ? 1 : 1000)};
    }
    if (tcb_.next_deadline(env_.now) && *tcb_.next_deadline(env_.now) <= env_.now) tcb_.timers_due(env_);
  }

  void after() {
    int segments = 0;
    while (const auto out = tcb_.poll_transmit(tape_.u8() % 4 == 0 ? 4 * tcb_.smss() : 0, env_)) {
      CHECK(++segments < 20'000);
      check_sent(*out);
    }
    take_events(tcb_.poll_events());
    CHECK(tcb_.invariants_hold(env_));
  }

  void check_sent(const tcp::Outgoing& out) {
    if (out.options.ts) last_tsval_ = out.options.ts->val;
    std::vector<std::byte> text(out.text_size);
    if (out.text_size > 0) {
      tcb_.copy_text(out, text, env_);
      const std::uint32_t first = out.seq.value() - (kIss + 1).value();
      CHECK(first + out.text_size <= written_);
      for (std::uint32_t i = 0; i < out.text_size; ++i) CHECK(text[i] == ours_at(first + i));
      CHECK(out.seq + out.text_size <= *peer_edge_);
      CHECK(!fin_at_ || out.seq + out.text_size <= *fin_at_);
    }
    if (out.flags.fin) {
      const SeqNum at = out.seq + out.text_size;
      CHECK(!fin_at_ || *fin_at_ == at);
      CHECK(at.value() - (kIss + 1).value() == written_);
      fin_at_ = at;
    }
    if (out.flags.rst || !out.flags.ack || out.flags.syn) return;
    // Neither the acknowledgment nor the right edge of our window ever goes back (SHLD-14).
    CHECK(!acked_ || *acked_ <= out.ack);
    acked_ = out.ack;
    const SeqNum edge = out.ack + (std::uint32_t{out.wnd} << tcb_.rcv_shift());
    CHECK(!edge_ || *edge_ <= edge);
    edge_ = edge;
  }

  void take_events(const tcp::Events& events) {
    if (events.opened) CHECK(!std::exchange(opened_, true));
    if (events.eof) {
      CHECK(!std::exchange(eof_, true));
      CHECK(tcb_.unread(env_) == 0);
    }
    CHECK(!(events.any() && !events.closed && closed_));
    if (events.closed) CHECK(!std::exchange(closed_, true));
    if (events.closed) CHECK(tcb_.reason() != tcp::Reason::kNone);
  }

  bool synchronized() const { return passive_ || tcp::synchronized(tcb_.state()); }

  // All goes away by itself, once nobody comes any more.
  void finish() {
    if (tcb_.state() != State::kTimeWait) tcb_.abort(env_);
    after();
    for (int i = 0; i < 1000 && tcb_.next_deadline(env_.now); ++i) {
      env_.now = std::max(env_.now, *tcb_.next_deadline(env_.now));
      tcb_.timers_due(env_);
      after();
    }
    CHECK(tcb_.state() == State::kClosed);
    for (auto text = tcb_.readable(env_); !text.empty(); text = tcb_.readable(env_)) {  // "closed" comes behind it
      read(text);
      tcb_.consume(static_cast<std::uint32_t>(text.size()), env_);
    }
    after();
    CHECK(closed_);
    tcb_.release(env_);
    CHECK(stores_.transmissions.size() == 0 && stores_.slices.slices.size() == 0 && stores_.slices.blocks.size() == 0);
    CHECK(stores_.queues.size() == 0 && stores_.held.size() == 0);
    for (const std::int64_t n : counters_.states) CHECK(n == 0);
  }

  fuzz::Tape& tape_;
  Heap heap_;
  tcp::Config config_;
  tcp::Options options_;
  tcp::Stores stores_;
  tcp::Counters counters_;
  tcp::Env env_;
  tcp::Tcb tcb_;
  bool passive_ = false;
  std::uint32_t peer_clock_ = 0xfffffff0;
  std::uint32_t last_tsval_ = 0;
  std::uint32_t written_ = 0;
  std::optional<std::uint32_t> read_;  // sequence number of the next byte
  bool opened_ = false;
  bool eof_ = false;
  bool closed_ = false;
  std::optional<SeqNum> peer_edge_;
  std::optional<SeqNum> fin_at_;
  std::optional<SeqNum> acked_;
  std::optional<SeqNum> edge_;
};

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  fuzz::Tape tape{data, size};
  Session session{tape};
  session.run();
  return 0;
}

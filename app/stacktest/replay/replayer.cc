#include "replayer.h"

#include <fmt/format.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <sys/socket.h>

#include <algorithm>
#include <array>

#include "../flow.h"
#include "../serial_number.h"
#include "api/stack.h"

namespace pollux::stacktest {
namespace {

constexpr Instant kStart{1'000'000s};
constexpr Duration kPatience = 10s;      // for what the captured peer acknowledges
constexpr Duration kAfterwards = 150ms;  // for a delayed ACK, not for a retransmission
constexpr std::uint32_t kNearWrap = 256;

class Replayer {
 public:
  Replayer(const CapturedSession& captured, const ReplaySettings& settings)
      : captured_{captured},
        settings_{settings},
        role_{settings.role},
        flow_{port(role_), port(other(role_)), peer_offset(captured, settings)},
        stack_{config(captured, settings), kStart} {
    replay_.session = captured;
    replay_.session.packets.clear();
  }

  Replay run() {
    auto stream = captured_.stream(role_);
    if (!stream) return stop(stream.error());
    stream_ = std::move(*stream);
    if (role_ == Role::kServer && captured_.syn(role_) != nullptr) listen();
    for (const SessionPacket& packet : captured_.packets) {
      if (!settings_.asap) advance(kStart + packet.at);
      if (packet.from == role_) {
        act(packet.packet);
      } else {
        feed(packet);
      }
      if (!replay_.failure.empty()) return std::move(replay_);
      serve();
    }
    advance(stack_.now() + kAfterwards);
    return std::move(replay_);
  }

 private:
  std::uint16_t port(Role of) const { return captured_.port[static_cast<std::size_t>(of)]; }
  api::Endpoint endpoint(Role of) const { return {captured_.address[static_cast<std::size_t>(of)], port(of)}; }

  static std::uint32_t peer_offset(const CapturedSession& captured, const ReplaySettings& settings) {
    if (settings.numbers == PeerNumbers::kCaptured) return 0;
    return 0u - kNearWrap - captured.isn(other(settings.role)).value_or(0);
  }

  static ShardConfig config(const CapturedSession& captured, const ReplaySettings& settings) {
    ShardConfig config = api::small_config(settings.seed);
    config.tcp = settings.tcp;
    if (const Packet* syn = captured.syn(settings.role)) {
      config.tcp.timestamps &= syn->find(option::kTimestamps) != nullptr;
      config.tcp.window_scaling &= syn->find(option::kWscale) != nullptr;
      config.tcp.sack_permitted &= syn->find(option::kSackOk) != nullptr;
      const TcpOption* mss = syn->find(option::kMss);
      if (mss != nullptr && mss->data.size() == 2) config.tcp.mss = load_be<std::uint16_t>(mss->data.data());
    }
    const IpAddress& own = captured.address[static_cast<std::size_t>(settings.role)];
    config.addresses = {{{own, static_cast<std::uint8_t>(own.is_v4() ? 16 : 48)}, 1}};
    config.gateways = {captured.address[static_cast<std::size_t>(other(settings.role))]};
    return config;
  }

  Replay stop(std::string why) {
    replay_.failure = std::move(why);
    return std::move(replay_);
  }

  // --- Time ---

  void advance(Instant to) {
    while (stack_.now() < to) {
      Instant next = to;
      if (const auto due = stack_.next_deadline(); due && *due > stack_.now()) next = std::min(next, *due);
      stack_.advance(next);
      serve();
    }
  }

  // Whether the stack has sent all up to a number of the capture's.
  bool has_sent(std::uint32_t captured_end) const { return nxt_known_ && !before(nxt_, captured_end); }

  // --- The peer ---

  void feed(const SessionPacket& from) {
    const Packet& packet = from.packet;
    if (packet.has(kAck) && !packet.has(kRst) && captured_.isn(role_)) {
      wait_to_have_sent(packet);
      if (!has_sent(packet.ack)) {
        replay_.failure =
            fmt::format("frame {} acknowledges what the stack has not sent, {} s later either\n  captured  {}",
                        from.frame, kPatience / 1s, to_line(captured_.relative(from)));
        return;
      }
    }
    pass(packet);
  }

  // All that the packet acknowledges. A stack that sends less at a time than the captured one did waits for an ACK
  // before it sends the rest; a receiver would have acknowledged what there was.
  void wait_to_have_sent(const Packet& packet) {
    const Instant end = stack_.now() + kPatience;
    while (!has_sent(packet.ack) && stack_.now() < end) {
      if (nxt_known_ && nxt_ != acknowledged_) {
        Packet part = packet;
        part.flags = kAck;
        part.text.clear();
        part.ack = nxt_;
        pass(part);
        serve();
        continue;
      }
      const auto due = stack_.next_deadline();
      if (!due) return;
      advance(std::min(end, std::max(*due, stack_.now() + 1us)));
    }
  }

  void pass(Packet packet) {
    if (packet.has(kAck)) acknowledged_ = packet.ack;
    log(other(role_), packet);
    note_echo(packet);
    flow_.to_live(packet);
    stack_.receive(to_bytes(packet));
    collect();
  }

  // In another time the stack's timestamps are others: the peer echoes the last.
  void note_echo(const Packet& packet) {
    const TcpOption* ts = packet.find(option::kTimestamps);
    if (ts != nullptr && ts->data.size() == 8 && last_tsval_) flow_.note_timestamp(number_at(*ts, 4), *last_tsval_);
  }

  // --- The application ---

  void listen() {
    listener_ = open();
    const auto bound = stack_.bind(listener_, endpoint(role_));
    if (!bound || !stack_.listen(listener_, 1)) replay_.failure = "the stack cannot listen at the captured address";
  }

  // What is written when it was sent is not to wait for more.
  int open() {
    const int fd = stack_.open(captured_.address[0].is_v4() ? AF_INET : AF_INET6).value();
    static_cast<void>(stack_.set_option(fd, IPPROTO_TCP, TCP_NODELAY, 1));
    return fd;
  }

  // What made the captured end send this.
  void act(const Packet& packet) {
    const std::uint32_t first = captured_.isn(role_).value_or(packet.seq) + 1;
    if (packet.has(kSyn)) {
      if (role_ == Role::kClient && fd_ < 0) connect();
      return;
    }
    if (packet.has(kRst)) {
      if (fd_ >= 0) static_cast<void>(stack_.abort(fd_));
      fd_ = -1;
      return collect();
    }
    if (!packet.text.empty() && !before(packet.seq, first)) {
      said_ = std::max<std::size_t>(said_, packet.seq - first + packet.text.size());
    }
    if (packet.has(kFin)) finish_ = true;
  }

  void connect() {
    fd_ = open();
    static_cast<void>(stack_.bind(fd_, endpoint(role_)));
    static_cast<void>(stack_.connect(fd_, endpoint(other(role_))));
    collect();
  }

  // Reads, writes and closes as far as it goes.
  void serve() {
    collect();
    if (listener_ >= 0 && fd_ < 0 && !accepted_) {
      if (const auto fd = stack_.accept(listener_)) {
        fd_ = *fd;
        accepted_ = true;
      }
    }
    if (fd_ < 0) return;
    for (auto n = stack_.read(fd_, buffer_); n && *n > 0;) n = stack_.read(fd_, buffer_);
    while (written_ < said_) {
      const auto n = stack_.write(fd_, std::span{stream_}.subspan(written_, said_ - written_));
      if (!n || *n == 0) break;
      written_ += *n;
    }
    if (finish_ && written_ == said_ && !finished_) {
      finished_ = stack_.shutdown(fd_, SHUT_WR).has_value();
    }
    collect();
  }

  // --- What it answers ---

  void collect() {
    while (auto sent = stack_.next_packet()) {
      const auto packet = read_packet(sent->bytes);
      if (!packet) {
        replay_.failure = fmt::format("the stack sent {}", packet.error());
        return;
      }
      take(*packet);
    }
  }

  void take(Packet packet) {
    const auto isn = captured_.isn(role_);
    if (packet.has(kSyn) && isn && !flow_.local_known()) flow_.learn_local(packet.seq, *isn);
    if (const TcpOption* ts = packet.find(option::kTimestamps)) last_tsval_ = number_at(*ts, 0);
    flow_.to_script(packet);
    const std::uint32_t end = packet.seq + packet.length();
    if (!packet.has(kRst) && (!nxt_known_ || before(nxt_, end))) nxt_ = end;
    nxt_known_ |= !packet.has(kRst);
    log(role_, packet);
  }

  void log(Role from, const Packet& packet) {
    replay_.session.packets.push_back({replay_.session.packets.size() + 1, stack_.now() - kStart, from, packet});
  }

  const CapturedSession& captured_;
  const ReplaySettings& settings_;
  Role role_;
  Flow flow_;
  api::Stack stack_;
  Replay replay_;
  std::vector<std::byte> stream_;
  std::size_t said_ = 0;     // of the stream, by the captured end so far
  std::size_t written_ = 0;  // by ours
  bool finish_ = false;
  bool finished_ = false;
  bool accepted_ = false;
  int listener_ = -1;
  int fd_ = -1;
  std::uint32_t nxt_ = 0;  // in the capture's numbers
  bool nxt_known_ = false;
  std::uint32_t acknowledged_ = 0;  // by the peer, last
  std::optional<std::uint32_t> last_tsval_;
  std::array<std::byte, 65536> buffer_{};
};

}  // namespace

Replay replay(const CapturedSession& captured, const ReplaySettings& settings) {
  return Replayer{captured, settings}.run();
}

}  // namespace pollux::stacktest

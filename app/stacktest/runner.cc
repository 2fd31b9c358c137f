#include "runner.h"

#include <fmt/format.h>

#include <algorithm>
#include <deque>
#include <memory>

#include "calls.h"
#include "code.h"
#include "cursor.h"
#include "expectation.h"
#include "flow.h"
#include "icmp_names.h"
#include "symbols.h"
#include "wire_rules.h"

namespace pollux::stacktest {
namespace {

constexpr std::uint16_t kFirstPeerPort = 40000;
constexpr Duration kLongestWait = 24h;  // for a packet at any time (*)

double seconds(Duration d) { return std::chrono::duration<double>(d).count(); }

// A packet that the stack has sent and no line has claimed yet.
struct Unclaimed {
  Instant at;
  Packet packet;
  std::size_t flow;
};

class Runner final : private CallObserver {
 public:
  Runner(const Script& script, std::string_view text, const Settings& settings)
      : script_{script}, settings_{settings}, stack_{settings.stack, kScriptStart}, calls_{stack_, settings, *this} {
    for (std::size_t at = 0; at <= text.size();) {
      const std::size_t end = std::min(text.find('\n', at), text.size());
      lines_.push_back(text.substr(at, end - at));
      at = end + 1;
    }
  }

  Run run() {
    try {
      for (const Event& event : script_.events) {
        event_ = &event;
        step(event);
        last_event_ = event_time_;
      }
      finish();
      run_.outcome.passed = true;
    } catch (const ScriptError& error) {
      run_.outcome = {false, error.what, error.at};
    }
    return std::move(run_);
  }

 private:
  struct Connection {
    explicit Connection(const Flow& f) : flow{f} {}
    Flow flow;
    WireRules rules;
    std::optional<int> fd;
  };

  // --- Time ---

  [[noreturn]] void fail(std::string what) const { Cursor::refuse(event_->at, std::move(what)); }
  Duration now() const { return stack_.now() - kScriptStart; }
  std::string quoted(const Position& at) const {
    std::string_view line = lines_[static_cast<std::size_t>(at.line) - 1];
    line.remove_prefix(std::min(line.find_first_not_of(" \t"), line.size()));
    if (const std::size_t comment = line.find("//"); comment != std::string_view::npos) line = line.substr(0, comment);
    line = line.substr(0, line.find_last_not_of(" \t\r") + 1);
    return std::string{line};
  }

  // Time goes on to `to`, and everything that happens on the way happens at its own instant.
  void advance(Duration to) {
    while (now() < to) {
      Instant next = kScriptStart + to;
      if (const auto due = stack_.next_deadline(); due && *due > stack_.now()) next = std::min(next, *due);
      if (pending_) {
        const Instant end = kScriptStart + pending_end_;
        if (end > stack_.now()) next = std::min(next, end);
      }
      stack_.advance(next);
      collect();
    }
  }

  Duration tolerance(Duration expected) const {
    const auto share = std::chrono::nanoseconds{static_cast<std::int64_t>(
        settings_.tolerance_percent / 100 * static_cast<double>((expected - last_event_).count()))};
    return std::max(settings_.tolerance, Duration{share});
  }

  void check_time(Duration expected, Duration end, Duration actual, std::string_view what) const {
    const Duration allowed = tolerance(expected);
    if (actual >= expected - allowed && actual <= end + allowed) return;
    fail(fmt::format("{} at {:.6f}, expected at {:.6f}{} (tolerance {:.6f})\n  expected  {}", what, seconds(actual),
                     seconds(expected), end == expected ? "" : fmt::format(" to {:.6f}", seconds(end)),
                     seconds(allowed), quoted(event_->at)));
  }

  void step(const Event& event) {
    const bool relative = event.time_kind == TimeKind::kRelative || event.time_kind == TimeKind::kRelativeRange;
    const Duration offset = relative ? now() : 0s;
    event_time_ = event.time_kind == TimeKind::kAny ? now() : event.time + offset;
    const bool range = event.time_kind == TimeKind::kAbsoluteRange || event.time_kind == TimeKind::kRelativeRange;
    event_end_ = range ? event.end + offset : event_time_;
    const auto* packet = std::get_if<PacketLine>(&event.action);
    if (packet != nullptr && !packet->inbound) return expect(*packet);
    if (now() > event_time_) check_time(event_time_, event_time_, now(), "this line was reached");
    advance(event_time_);
    if (packet != nullptr) return inject(*packet);
    if (const auto* call = std::get_if<CallLine>(&event.action)) return make_call(*call, offset);
    if (const auto* code = std::get_if<CodeLine>(&event.action)) return check_code(code->text);
    if (auto ok = check_late_command(std::get<CommandLine>(event.action).text); !ok) fail(ok.error());
  }

  // --- Packets out of the stack ---

  // Fetches what the stack has sent, and sees whether a call that blocks can go on.
  void collect() {
    while (auto sent = stack_.next_packet()) take_sent(*sent);
    if (pending_) retry();
    while (auto sent = stack_.next_packet()) take_sent(*sent);
  }

  void take_sent(const api::SentPacket& sent) {
    run_.packets.push_back({sent.at, false, sent.bytes});
    const auto packet = read_packet(sent.bytes);
    if (!packet) fail(fmt::format("the stack sent {}", packet.error()));
    const std::size_t index = connection_of(*packet);
    if (index < connections_.size()) {
      const std::string broken = connections_[index]->rules.sent(*packet, sent.at);
      if (!broken.empty())
        fail(fmt::format("the stack sent {}\n  actual    {}", broken, shown(sent.at, *packet, index)));
    }
    unclaimed_.push_back({sent.at, *packet, index});
  }

  // That of a packet of the stack; connections_.size(): none.
  std::size_t connection_of(const Packet& packet) {
    for (std::size_t i = connections_.size(); i-- > 0;) {
      Flow& flow = connections_[i]->flow;
      if (packet.icmp || flow.remote_port != packet.destination_port) continue;
      if (flow.local_port == 0 && packet.has(kSyn) && !packet.has(kAck)) flow.local_port = packet.source_port;
      if (flow.local_port == packet.source_port) return i;
    }
    return connections_.size();
  }

  Packet in_script_numbers(Packet packet, std::size_t index) const {
    if (index < connections_.size()) connections_[index]->flow.to_script(packet);
    return packet;
  }

  std::string shown(Instant at, const Packet& packet, std::size_t index) const {
    return fmt::format("{:.6f} > {}", seconds(at - kScriptStart), to_line(in_script_numbers(packet, index)));
  }

  Duration latest() const {
    if (event_->time_kind == TimeKind::kAny) return now() + kLongestWait;
    return event_end_ + tolerance(event_time_);
  }

  void wait_for_packet() {
    const Duration end = latest();
    while (unclaimed_.empty() && now() < end) {
      const auto due = stack_.next_deadline();
      const bool calls_to_come = pending_ && kScriptStart + pending_end_ > stack_.now();
      if (!due && !calls_to_come) break;
      Duration next = due ? *due - kScriptStart : end;
      if (calls_to_come) next = std::min(next, pending_end_);
      advance(std::min(end, std::max(next, now() + 1us)));
    }
    if (unclaimed_.empty()) {
      fail(fmt::format("a packet was expected, and none was sent up to {:.6f}\n  expected  {}", seconds(now()),
                       quoted(event_->at)));
    }
  }

  void expect(const PacketLine& line) {
    wait_for_packet();
    Unclaimed first = take_unclaimed();
    // Without --strict_segments a line stands for as many segments of one size as it takes.
    while (!settings_.strict_segments && first.packet.text.size() < line.size && !first.packet.text.empty()) {
      wait_for_packet();
      const Unclaimed& next = unclaimed_.front();
      const bool follows = next.flow == first.flow && next.packet.seq == first.packet.seq + first.packet.text.size() &&
                           !next.packet.has(kSyn);
      if (!follows || next.packet.text.empty()) break;
      first.packet.text.insert(first.packet.text.end(), next.packet.text.begin(), next.packet.text.end());
      first.packet.flags |= next.packet.flags;
      unclaimed_.pop_front();
    }
    judge(line, first);
  }

  Unclaimed take_unclaimed() {
    Unclaimed first = std::move(unclaimed_.front());
    unclaimed_.pop_front();
    return first;
  }

  void judge(const PacketLine& line, const Unclaimed& sent) {
    if (sent.flow < connections_.size()) learn(line, sent);
    const Packet actual = in_script_numbers(sent.packet, sent.flow);
    std::string difference = flow_difference(line, sent.flow);
    if (difference.empty()) difference = compare(line, actual, settings_);
    if (difference.empty() && sent.flow < connections_.size()) {
      difference = text_difference(actual, connections_[sent.flow]->flow);
    }
    if (!difference.empty()) {
      fail(fmt::format("not the packet that was expected: {}\n  expected  {}\n  actual    {}", difference,
                       quoted(event_->at), shown(sent.at, sent.packet, sent.flow)));
    }
    if (event_->time_kind == TimeKind::kAny) {
      event_time_ = std::max(sent.at - kScriptStart, last_event_);
      return;
    }
    check_time(event_time_, event_end_, sent.at - kScriptStart, fmt::format("{} was sent", to_line(actual)));
  }

  // The stack's first SYN says what its numbers are on the wire; so does its first timestamp.
  void learn(const PacketLine& line, const Unclaimed& sent) {
    Flow& flow = connections_[sent.flow]->flow;
    if (sent.packet.has(kSyn) && (line.flags & kSyn) != 0 && !flow.local_known()) {
      flow.learn_local(sent.packet.seq, line.seq);
    }
    const TcpOption* ts = sent.packet.find(option::kTimestamps);
    const auto wanted = std::find_if(line.options.begin(), line.options.end(),
                                     [](const TcpOption& o) { return o.kind == option::kTimestamps; });
    if (ts != nullptr && wanted != line.options.end()) flow.note_timestamp(number_at(*wanted, 0), number_at(*ts, 0));
  }

  // Whether the packet belongs to the connection that the line is about.
  std::string flow_difference(const PacketLine& line, std::size_t index) const {
    if (line.icmp) return {};
    if (line.ports) {
      const bool same = index < connections_.size() && connections_[index]->flow.remote_port == line.ports->second;
      return same ? "" : "it is of another connection";
    }
    return index == current_ ? "" : "it is of another connection";
  }

  // --- Packets to the stack ---

  void inject(const PacketLine& line) {
    Connection& connection = connection_for(line);
    Packet packet = line.icmp ? icmp_packet(line, connection.flow) : tcp_packet(line, connection.flow);
    connection.rules.received(packet, stack_.now());
    const std::vector<std::byte> bytes = to_bytes(packet);
    run_.packets.push_back({stack_.now(), true, bytes});
    stack_.receive(bytes);
    collect();
  }

  // That of a line: the one with its ports, else the present one; one that listens begins another with each.
  Connection& connection_for(const PacketLine& line) {
    if (line.ports) {
      const auto [remote, local] = *line.ports;
      for (std::size_t i = 0; i < connections_.size(); ++i) {
        if (connections_[i]->flow.remote_port == remote && connections_[i]->flow.local_port == local) {
          return *connections_[current_ = i];
        }
      }
      return add_connection(local, remote);
    }
    if (current_ < connections_.size()) return *connections_[current_];
    return add_connection(listening_port_.value_or(settings_.bind_port), next_peer_port_++);
  }

  Connection& add_connection(std::uint16_t local, std::uint16_t remote) {
    connections_.push_back(std::make_unique<Connection>(Flow{local, remote}));
    current_ = connections_.size() - 1;
    return *connections_.back();
  }

  Packet addressed(const PacketLine& line) const {
    Packet packet;
    packet.source = settings_.remote;
    packet.destination = settings_.local;
    packet.tos = static_cast<std::uint8_t>(line.tos.value_or(0) | line.ecn.value_or(0));
    packet.ttl = line.ttl.value_or(255);
    return packet;
  }

  Packet tcp_packet(const PacketLine& line, Flow& flow) const {
    Packet packet = addressed(line);
    packet.source_port = flow.remote_port;
    packet.destination_port = flow.local_port;
    packet.seq = line.seq;
    packet.ack = line.ack;
    packet.flags = line.flags;
    packet.wnd = line.wnd.value_or(0);
    packet.up = line.up;
    packet.options = line.options;
    if (packet.has(kSyn)) flow.note_peer_syn(line.seq, packet.has(kAck));
    const std::uint32_t first = line.seq + (packet.has(kSyn) ? 1 : 0) - (flow.remote_isn.value_or(0) + 1);
    for (std::uint32_t i = 0; i < line.size; ++i) packet.text.push_back(text_byte(first + i));
    flow.to_live(packet);
    return packet;
  }

  Packet icmp_packet(const PacketLine& line, const Flow& flow) const {
    Packet packet = addressed(line);
    packet.icmp = true;
    const IcmpNumbers numbers = icmp_numbers(line, settings_.local.is_v4(), event_->at);
    packet.icmp_type = numbers.type;
    packet.icmp_code = numbers.code;
    packet.icmp_rest = line.icmp_mtu.value_or(0);
    packet.source_port = flow.local_port;
    packet.destination_port = flow.remote_port;
    packet.seq = flow.live_local(line.seq);
    packet.text.resize(line.size);  // says how long the quoted packet was
    return packet;
  }

  // --- System calls ---

  void make_call(const CallLine& line, Duration offset) {
    if (pending_) finish_pending();
    PendingCall call{&line, 0, false, stack_.now()};
    const auto done = calls_.attempt(call);
    if (!done) fail_call(done.error());
    while (auto sent = stack_.next_packet()) take_sent(*sent);
    if (!*done) {
      if (!line.ends) fail(fmt::format("{}() blocks; a call that does has `...` and the time of its end", line.name));
      pending_ = call;
      pending_event_ = event_;
      pending_end_ = *line.ends + offset;
    } else if (line.ends && *line.ends + offset > now() + tolerance(*line.ends + offset)) {
      fail(
          fmt::format("{}() returned at once, and was to block until {:.6f}", line.name, seconds(*line.ends + offset)));
    }
  }

  [[noreturn]] void fail_call(const std::string& why) const {
    fail(fmt::format("{}\n  expected  {}", why, quoted(event_->at)));
  }

  void retry() {
    const Event* here = std::exchange(event_, pending_event_);
    const auto done = calls_.attempt(*pending_);
    if (!done) fail_call(done.error());
    if (*done) {
      const std::string name = pending_->line->name;
      pending_.reset();
      check_time(pending_end_, pending_end_, now(), fmt::format("{}() returned", name));
    }
    event_ = here;
  }

  // The end of the call is waited for, and not longer than the script allows.
  void finish_pending() {
    advance(std::max(now(), pending_end_));
    if (pending_) advance(pending_end_ + tolerance(pending_end_));
    if (!pending_) return;
    event_ = pending_event_;
    fail(fmt::format("{}() still blocks at {:.6f}\n  expected  {}", pending_->line->name, seconds(now()),
                     quoted(event_->at)));
  }

  void check_code(const std::string& code) {
    const auto fd = calls_.current();
    const auto info = fd ? stack_.info(*fd) : api::Result<api::TcpInfo>{unexpected(EBADF)};
    const auto lookup = [&](std::string_view name) -> std::optional<std::int64_t> {
      if (info) return info_value(name, *info);
      return name.starts_with("tcpi_") ? std::nullopt : info_value(name, {});
    };
    if (auto ok = run_code(code, variables_, lookup); !ok) {
      fail(info ? ok.error() : ok.error() + " (no socket is connected or accepted)");
    }
  }

  // --- CallObserver ---

  void listens(std::uint16_t port) override {
    listening_port_ = port;
    current_ = SIZE_MAX;
  }
  void connects(int fd, const api::Endpoint& to) override {
    const auto name = stack_.local_name(fd);
    Connection& connection = add_connection(name ? name->port : 0, to.port);
    connection.fd = fd;
  }
  void accepted(int fd) override {
    const auto name = stack_.remote_name(fd);
    for (std::size_t i = 0; i < connections_.size(); ++i) {
      if (name ? connections_[i]->flow.remote_port != name->port : i != current_) continue;
      connections_[i]->fd = fd;
      current_ = i;
    }
  }

  Flow* flow_of(int fd) {
    for (auto i = connections_.rbegin(); i != connections_.rend(); ++i) {
      if ((*i)->fd == fd) return &(*i)->flow;
    }
    return nullptr;
  }

  Expected<void, std::string> has_read(int fd, std::span<const std::byte> text) override {
    Flow* flow = flow_of(fd);
    if (flow == nullptr) return {};
    for (std::size_t i = 0; i < text.size(); ++i, ++flow->read_to) {
      if (text[i] == text_byte(flow->read_to - flow->remote_isn.value_or(0) - 1)) continue;
      return unexpected(
          fmt::format("read() gave a byte that is not the one sent with the sequence number {}", flow->read_to));
    }
    return {};
  }

  std::vector<std::byte> to_write(int fd, std::string_view given, std::size_t size) override {
    Flow* flow = flow_of(fd);
    std::vector<std::byte> text;
    if (!given.empty()) {
      if (flow != nullptr) flow->wrote_given_text = true;
      std::transform(given.begin(), given.end(), std::back_inserter(text), [](char c) { return std::byte(c); });
      return text;
    }
    for (std::size_t i = 0; i < size; ++i) {
      text.push_back(text_byte((flow == nullptr ? 0 : flow->written) + static_cast<std::uint32_t>(i)));
    }
    return text;
  }
  void has_written(int fd, std::size_t size) override {
    if (Flow* flow = flow_of(fd)) flow->written += static_cast<std::uint32_t>(size);
  }

  // --- The end ---

  void finish() {
    if (pending_) finish_pending();
    collect();
    if (unclaimed_.empty()) return;
    const Unclaimed& first = unclaimed_.front();
    fail(fmt::format("the script is over, and the stack has sent {} that no line expects\n  actual    {}",
                     unclaimed_.size() == 1 ? "a packet" : fmt::format("{} packets", unclaimed_.size()),
                     shown(first.at, first.packet, first.flow)));
  }

  const Script& script_;
  const Settings& settings_;
  std::vector<std::string_view> lines_;
  api::Stack stack_;
  Calls calls_;
  Variables variables_;
  Run run_;
  std::vector<std::unique_ptr<Connection>> connections_;
  std::size_t current_ = SIZE_MAX;  // the connection that lines without ports are about
  std::optional<std::uint16_t> listening_port_;
  std::uint16_t next_peer_port_ = kFirstPeerPort;
  std::deque<Unclaimed> unclaimed_;
  std::optional<PendingCall> pending_;
  const Event* pending_event_ = nullptr;
  Duration pending_end_{};
  const Event* event_ = nullptr;
  Duration event_time_{};
  Duration event_end_{};
  Duration last_event_{};
};

}  // namespace

Run run_script(const Script& script, std::string_view text, const Settings& settings) {
  return Runner{script, text, settings}.run();
}

}  // namespace pollux::stacktest

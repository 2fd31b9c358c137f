#pragma once

#include <algorithm>
#include <cstdint>
#include <span>

#include "passive_app.h"
#include "pattern.h"
#include "service_counters.h"
#include "tcp/tcb.h"

// The three small services of old. Each is an App (shard/conn.h); C is Conn, or a
// stand-in of the tests.
namespace pollux::app {

// RFC 862: what comes in goes out. What does not fit into the send buffer is left
// unread, so that the peer's window closes until it reads.
class EchoApp {
 public:
  template <class C>
  void on_open(C) {
    ++counters_.opened;
  }
  template <class C>
  std::size_t on_text(C conn, std::span<const std::byte> text) {
    return echo(conn, text);
  }
  template <class C>
  void on_writable(C conn) {
    for (auto text = conn.readable(); !text.empty(); text = conn.readable()) {
      const std::size_t n = echo(conn, text);
      conn.consume(static_cast<std::uint32_t>(n));
      if (n < text.size()) return;
    }
  }
  template <class C>
  void on_eof(C conn) {
    conn.close();
  }
  template <class C>
  void on_urgent(C conn) {
    conn.user() = conn.urgent_ahead();  // from here on counted down as text goes out
  }
  template <class C>
  void on_closed(C, tcp::Reason reason) {
    counters_.count_closed(reason);
  }
  const ServiceCounters& counters() const { return counters_; }

 private:
  // Up to the urgent byte, that byte, and what follows it. Returns how much was queued.
  template <class C>
  std::size_t echo(C& conn, std::span<const std::byte> text) {
    std::size_t done = 0;
    const std::uint64_t urgent = conn.user();
    if (urgent > 0 && urgent <= text.size()) {
      done = queue(conn, text.first(urgent - 1), false);
      conn.user() -= done;
      if (done < urgent - 1) return done;
      if (queue(conn, text.subspan(done, 1), true) == 0) return done;
      conn.user() = 0;
      ++done;
    }
    const std::size_t rest = queue(conn, text.subspan(done), false);
    conn.user() -= std::min<std::uint64_t>(rest, conn.user());
    return done + rest;
  }
  template <class C>
  std::size_t queue(C& conn, std::span<const std::byte> text, bool urgent) {
    if (text.empty()) return 0;
    const auto sent = urgent ? conn.send_urgent(text) : conn.send(text);
    if (!sent) {
      // No memory, and nothing under way whose acknowledgment would tell of some: end it, and say so.
      conn.abort();
      return text.size();
    }
    counters_.bytes_received += *sent;
    counters_.bytes_sent += *sent;
    return *sent;
  }

  ServiceCounters counters_;
};

// RFC 863: what comes in is counted and thrown away.
class DiscardApp : public PassiveApp {
 public:
  template <class C>
  void on_open(C) {
    ++counters_.opened;
  }
  template <class C>
  std::size_t on_text(C conn, std::span<const std::byte> text) {
    conn.user() += text.size();  // bytes of this connection
    counters_.bytes_received += text.size();
    return text.size();
  }
  template <class C>
  void on_eof(C conn) {
    conn.close();
  }
  template <class C>
  void on_closed(C conn, tcp::Reason reason) {
    largest_ = std::max(largest_, conn.user());
    counters_.count_closed(reason);
  }
  const ServiceCounters& counters() const { return counters_; }
  // Most bytes that one connection brought.
  std::uint64_t largest() const { return largest_; }

 private:
  ServiceCounters counters_;
  std::uint64_t largest_ = 0;
};

// RFC 864: lines of characters, as fast as the peer takes them, until it closes.
class ChargenApp : public PassiveApp {
 public:
  template <class C>
  void on_open(C conn) {
    ++counters_.opened;
    fill(conn);
  }
  template <class C>
  std::size_t on_text(C, std::span<const std::byte> text) {
    counters_.bytes_received += text.size();
    return text.size();
  }
  template <class C>
  void on_writable(C conn) {
    fill(conn);
  }
  template <class C>
  void on_eof(C conn) {
    conn.close();
  }
  template <class C>
  void on_closed(C, tcp::Reason reason) {
    counters_.count_closed(reason);
  }
  const ServiceCounters& counters() const { return counters_; }

 private:
  // Queues until there is no more room; Conn::user() is the place in the pattern.
  template <class C>
  void fill(C& conn) {
    if (tcp::sending_is_closed(conn.state())) return;
    for (;;) {
      const auto rest = chargen_region().subspan(conn.user() % kChargenRegion);
      const std::size_t room = std::max<std::uint32_t>(conn.send_room(), 1);  // asking for too much brings on_writable
      const auto sent = conn.send_reference(rest.first(std::min(rest.size(), room)));
      if (!sent) return conn.abort();
      if (*sent == 0) return;
      conn.user() += *sent;
      counters_.bytes_sent += *sent;
    }
  }

  ServiceCounters counters_;
};

}  // namespace pollux::app

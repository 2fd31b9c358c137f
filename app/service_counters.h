#pragma once

#include <array>
#include <cstdint>

#include "tcp/tcb.h"

namespace pollux::app {

// What an application saw of its connections. One writer: its core.
struct ServiceCounters {
  std::uint64_t attempted = 0;  // active opens
  std::uint64_t opened = 0;
  std::uint64_t completed = 0;  // closed in order, with everything said
  std::uint64_t requests = 0;
  std::uint64_t responses = 0;
  std::uint64_t protocol_errors = 0;  // requests answered with 4xx or 5xx
  std::uint64_t bytes_received = 0;   // text taken
  std::uint64_t bytes_sent = 0;       // text queued
  // Connections that failed, and why.
  std::uint64_t refused = 0;
  std::uint64_t reset = 0;
  std::uint64_t timed_out = 0;
  std::uint64_t unreachable = 0;
  std::uint64_t aborted = 0;         // by us
  std::uint64_t protocol = 0;        // the peer left the application's protocol unfinished
  std::uint64_t port_exhausted = 0;  // active opens that no local port was free for
  std::uint64_t no_resources = 0;    // ... that a table was full for
  std::uint64_t bad_status = 0;      // the answer said that something is wrong
  std::uint64_t mismatch = 0;        // the answer was not the bytes that were wanted
  std::uint64_t never_opened = 0;    // of all those above: they failed before they were open

  std::uint64_t failed() const {
    return refused + reset + timed_out + unreachable + aborted + protocol + port_exhausted + no_resources + bad_status +
           mismatch;
  }

  // A connection that is over without having completed.
  void count_failure(tcp::Reason reason) {
    switch (reason) {
      case tcp::Reason::kRefused:
        ++refused;
        return;
      case tcp::Reason::kReset:
        ++reset;
        return;
      case tcp::Reason::kTimedOut:
        ++timed_out;
        return;
      case tcp::Reason::kUnreachable:
        ++unreachable;
        return;
      case tcp::Reason::kAborted:
        ++aborted;
        return;
      case tcp::Reason::kNone:
      case tcp::Reason::kFinished:  // in order for TCP, but something was missing
        ++protocol;
        return;
    }
  }
  void count_closed(tcp::Reason reason) {
    if (reason == tcp::Reason::kFinished) {
      ++completed;
    } else {
      count_failure(reason);
    }
  }

  ServiceCounters& operator+=(const ServiceCounters& o) {
    attempted += o.attempted;
    opened += o.opened;
    completed += o.completed;
    requests += o.requests;
    responses += o.responses;
    protocol_errors += o.protocol_errors;
    bytes_received += o.bytes_received;
    bytes_sent += o.bytes_sent;
    refused += o.refused;
    reset += o.reset;
    timed_out += o.timed_out;
    unreachable += o.unreachable;
    aborted += o.aborted;
    protocol += o.protocol;
    port_exhausted += o.port_exhausted;
    no_resources += o.no_resources;
    bad_status += o.bad_status;
    mismatch += o.mismatch;
    never_opened += o.never_opened;
    return *this;
  }
};

}  // namespace pollux::app

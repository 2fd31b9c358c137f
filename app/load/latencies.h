#pragma once

#include <array>
#include <string>
#include <utility>
#include <vector>

#include "hdr_histogram.h"

namespace pollux::app {

// What a client measured, as the clock of its core's turns has it.
struct Latencies {
  HdrHistogram connect;     // from the call to ESTABLISHED
  HdrHistogram first_byte;  // from the request to the first byte of the answer
  HdrHistogram response;    // from when the request was meant to begin to the answer's last byte
  HdrHistogram service;     // from when the request was really sent to the answer's last byte
  HdrHistogram close;       // from the last answer's last byte to the end of the connection, as far as we see it
  HdrHistogram lifetime;    // from the call to that end
  HdrHistogram slip;        // from when a connection was meant to be opened to the call
  // How far the distance of a core's connection from the one before was from what the schedule says: the inter-arrival
  // error, without sign.
  HdrHistogram gap_error;

  static constexpr std::array<std::pair<const char*, HdrHistogram Latencies::*>, 8> kAll{{
      {"connect", &Latencies::connect},
      {"first_byte", &Latencies::first_byte},
      {"response", &Latencies::response},
      {"service", &Latencies::service},
      {"close", &Latencies::close},
      {"lifetime", &Latencies::lifetime},
      {"slip", &Latencies::slip},
      {"gap_error", &Latencies::gap_error},
  }};

  void merge(const Latencies& o) {
    for (const auto& [name, member] : kAll) (this->*member).merge(o.*member);
  }
  std::vector<std::pair<std::string, HdrHistogram>> named() const {
    std::vector<std::pair<std::string, HdrHistogram>> all;
    all.reserve(kAll.size());
    for (const auto& [name, member] : kAll) all.emplace_back(name, this->*member);
    return all;
  }
};

}  // namespace pollux::app

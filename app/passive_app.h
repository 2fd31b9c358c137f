#pragma once

#include <cstddef>
#include <span>

namespace pollux::app {

// To derive an App (shard/conn.h) from that has nothing to say to most of what happens: text is taken and forgotten,
// and room to send, urgent text and the peer's FIN change nothing. What an App does itself, it says by the same name.
class PassiveApp {
 public:
  template <class C>
  std::size_t on_text(C, std::span<const std::byte> text) {
    return text.size();
  }
  template <class C>
  void on_eof(C) {}
  template <class C>
  void on_writable(C) {}
  template <class C>
  void on_urgent(C) {}
};

}  // namespace pollux::app

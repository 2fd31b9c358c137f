#include "wire/segment.h"

#include <string_view>

#include "wire/tcp_options.h"

namespace pollux {
namespace {

std::string flags_text(TcpFlags flags) {
  std::string text;
  if (flags.fin) text += 'F';
  if (flags.syn) text += 'S';
  if (flags.rst) text += 'R';
  if (flags.psh) text += 'P';
  if (flags.ack) text += '.';
  if (flags.urg) text += 'U';
  if (flags.ece) text += 'E';
  if (flags.cwr) text += 'W';
  return text.empty() ? "-" : text;
}

// The options as encode_options lays them out, padding included.
std::string options_text(const TcpOptions& options) {
  std::string text;
  const auto add = [&](std::string_view one) {
    if (!text.empty()) text += ',';
    text += one;
  };
  if (options.mss) add("mss " + std::to_string(*options.mss));
  if (options.sack_permitted != options.ts.has_value()) add("nop,nop");
  if (options.sack_permitted) add("sackOK");
  if (options.ts) add("TS val " + std::to_string(options.ts->val) + " ecr " + std::to_string(options.ts->ecr));
  if (options.wind_shift) add("nop,wscale " + std::to_string(*options.wind_shift));
  if (options.fast_open) {
    add("FO");
    constexpr std::string_view kDigits = "0123456789abcdef";
    if (options.fast_open->size > 0) text += ' ';
    for (const std::byte b : options.fast_open->all()) {
      text += kDigits[std::to_integer<unsigned>(b) >> 4];
      text += kDigits[std::to_integer<unsigned>(b) & 15];
    }
    if (options.fast_open->size % 4 == 0) add("nop,nop");
  }
  if (const std::size_t blocks = sack_blocks_sent(options); blocks != 0) {
    add("nop,nop,sack");
    for (const SackBlock& block : options.sack.all().first(blocks)) {
      text += " " + std::to_string(block.left.value()) + ":" + std::to_string(block.right.value());
    }
  }
  return text;
}

}  // namespace

std::string to_string(const Segment& segment) {
  const auto size = static_cast<std::uint32_t>(segment.text.size());
  std::string line = flags_text(segment.flags) + " " + std::to_string(segment.seq.value()) + ":" +
                     std::to_string((segment.seq + size).value()) + "(" + std::to_string(size) + ")";
  if (segment.flags.ack) line += " ack " + std::to_string(segment.ack.value());
  line += " win " + std::to_string(segment.wnd);
  if (segment.flags.urg) line += " urg " + std::to_string(segment.up);
  if (const std::string options = options_text(segment.options); !options.empty()) line += " <" + options + ">";
  return line;
}

}  // namespace pollux

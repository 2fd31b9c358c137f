// The Internet checksum of any bytes at any alignment, in one piece or in several, is what RFC 1071 says, added up the
// slow way; and what carries its own checksum verifies until a byte of it changes.

#include <vector>

#include "tape.h"
#include "wire/checksum.h"

namespace {

using namespace pollux;

// Sixteen bits after sixteen bits, in network order.
std::uint16_t slow_sum(std::span<const std::byte> bytes) {
  std::uint32_t sum = 0;
  for (std::size_t i = 0; i < bytes.size(); ++i) {
    sum += std::to_integer<std::uint32_t>(bytes[i]) << (i % 2 == 0 ? 8 : 0);
    sum = (sum & 0xffff) + (sum >> 16);
  }
  return static_cast<std::uint16_t>(sum);
}

std::uint16_t in_network_order(std::uint16_t in_memory) {
  std::byte bytes[2];
  std::memcpy(bytes, &in_memory, sizeof bytes);
  return load_be<std::uint16_t>(bytes);
}

// 0 and 0xffff are the same number in this arithmetic.
bool same(std::uint16_t a, std::uint16_t b) { return a % 0xffff == b % 0xffff; }

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  fuzz::Tape tape{data, size};
  const std::size_t skip = tape.below(16);
  const std::size_t first = tape.u16();
  const fuzz::Exact copy{tape.take(tape.size())};
  const auto bytes = copy.all().subspan(std::min(skip, copy.all().size()));
  const std::uint16_t expected = slow_sum(bytes);
  CHECK(same(in_network_order(sum(bytes).folded()), expected));
  const std::size_t cut = bytes.empty() ? 0 : first % bytes.size();
  const PartialSum rest = sum(bytes.subspan(cut));
  const PartialSum pieces = sum(bytes.first(cut)) + (cut % 2 == 0 ? rest : rest.at_odd_offset());
  CHECK(same(in_network_order(pieces.folded()), expected));
  if (bytes.size() < 2) return 0;
  bytes[0] = bytes[1] = std::byte{0};
  sum(bytes).store_checksum(bytes.data());
  CHECK(sum(bytes).verifies());
  bytes[cut] ^= std::byte{static_cast<std::uint8_t>(1 + first % 255)};
  CHECK(!sum(bytes).verifies());
  return 0;
}

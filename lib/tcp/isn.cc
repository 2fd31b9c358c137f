#include "tcp/isn.h"

#include <array>
#include <cstring>

namespace pollux::tcp {

std::uint64_t Secrets::hash_of(const HashKey& secret, const FlowKey& key) {
  std::array<std::byte, sizeof(FlowKey)> bytes;
  std::memcpy(bytes.data(), &key, sizeof key);
  return siphash24(secret, bytes);
}

}  // namespace pollux::tcp

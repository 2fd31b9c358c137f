#include "tcp/isn.h"

namespace pollux::tcp {

std::uint64_t Secrets::hash_of(const HashKey& secret, const FlowKey& key) { return siphash24_of(secret, key); }

}  // namespace pollux::tcp

#include "tcp/isn.h"

namespace pollux::tcp {
namespace {

struct CookieInput {
  FlowKey key;
  std::uint32_t irs;
  std::uint32_t period;
  std::uint32_t terms;
};
static_assert(sizeof(CookieInput) != sizeof(FlowKey));

}  // namespace

std::uint64_t Secrets::hash_of(const HashKey& secret, const FlowKey& key) { return siphash24_of(secret, key); }

std::uint64_t Secrets::cookie_hash(const FlowKey& key, SeqNum irs, std::uint32_t period, std::uint32_t terms) const {
  return siphash24_of(isn_key_, CookieInput{key, irs.value(), period, terms});
}

}  // namespace pollux::tcp

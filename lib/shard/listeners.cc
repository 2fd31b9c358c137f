#include "shard/listeners.h"

#include <algorithm>

#include "base/assert.h"

namespace pollux {

std::string_view describe(ListenError error) {
  switch (error) {
    case ListenError::kAddressInUse:
      return "address already in use";
    case ListenError::kInvalidAddress:
      return "not an address of this host, or port 0";
    case ListenError::kInsufficientResources:
      return "too many listeners";
  }
  unreachable();
}

Expected<std::uint16_t, ListenError> Listeners::add(const ListenSpec& spec) {
  if (spec.port == 0) return unexpected(ListenError::kInvalidAddress);
  for (std::uint16_t id = first_[spec.port]; id != kNone; id = next_[id]) {
    if (listeners_[id].spec.address == spec.address) return unexpected(ListenError::kAddressInUse);
  }
  std::uint16_t id = 0;
  const auto in_use = [](const Listener& l) { return l.open || l.half_open > 0 || l.pending.size() > 0; };
  while (id < listeners_.size() && in_use(listeners_[id])) ++id;
  if (id == kMax) return unexpected(ListenError::kInsufficientResources);
  if (id == listeners_.size()) {
    listeners_.emplace_back();
    next_.push_back(kNone);
  }
  listeners_[id] = {spec, 0, true, {}, PendingFastOpens{spec.fast_open}};
  next_[id] = first_[spec.port];
  first_[spec.port] = id;
  return id;
}

void Listeners::close(std::uint16_t id) {
  if (id >= listeners_.size() || !listeners_[id].open) return;
  listeners_[id].open = false;
  unlink(id);
}

void Listeners::unlink(std::uint16_t id) {
  std::uint16_t* link = &first_[listeners_[id].spec.port];
  while (*link != id) link = &next_[*link];
  *link = next_[id];
  next_[id] = kNone;
}

std::uint16_t Listeners::find(const IpAddress& address, std::uint16_t port) const {
  std::uint16_t wildcard = kNone;
  for (std::uint16_t id = first_[port]; id != kNone; id = next_[id]) {
    const IpAddress& bound = listeners_[id].spec.address;
    if (bound == address) return id;
    if (bound == IpAddress{} || (bound.is_unspecified() && bound.is_v4() == address.is_v4())) wildcard = id;
  }
  return wildcard;
}

std::uint16_t Listeners::count() const {
  return static_cast<std::uint16_t>(
      std::count_if(listeners_.begin(), listeners_.end(), [](const Listener& l) { return l.open; }));
}

}  // namespace pollux

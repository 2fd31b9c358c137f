#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include "base/expected.h"
#include "wire/ip_address.h"

namespace pollux::dpdk {

// Gives the kernel's side of a tap these addresses (IPv6 without duplicate address
// detection, so that they work at once) and brings it up.
Expected<void, std::string> set_up_kernel_side(const std::string& interface, const std::vector<IpPrefix>& addresses);

// The interface of this machine's kernel that has `address`, if any: two owners of
// one address answer each other's segments with RST.
std::optional<std::string> kernel_owns(const IpAddress& address);

// The MTU of an interface of the kernel's; nullopt: there is none of that name.
std::optional<std::uint16_t> interface_mtu(const std::string& interface);

// Packets that the kernel had for whoever reads this interface, and dropped as the queue to there was full, modulo
// 2^32; nullopt: there is no such interface here.
std::optional<std::uint32_t> kernel_drops(const std::string& interface);

// Network interfaces the kernel knows, for error texts: "lo eth0".
std::string kernel_interfaces();

}  // namespace pollux::dpdk

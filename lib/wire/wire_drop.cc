#include "wire/wire_drop.h"

#include <array>

namespace pollux {
namespace {

struct Text {
  std::string_view name;
  std::string_view sentence;
};

// In the order of the enumerators.
constexpr std::array<Text, kWireDropCount> kTexts{{
    {"none", "the frame was not dropped"},
    {"l2_short", "the frame is too short for its Ethernet header"},
    {"l2_long", "the frame is longer than the port accepts"},
    {"l2_foreign", "the Ethernet destination is another host"},
    {"l2_own_source", "the Ethernet source is our own address"},
    {"l2_group_source", "the Ethernet source is a group address"},
    {"l2_vlan", "the frame belongs to another VLAN than the port"},
    {"l2_qinq", "the frame has more than one VLAN tag"},
    {"l2_llc", "the frame is 802.3 with LLC, not Ethernet II"},
    {"l2_ethertype", "the frame carries neither IPv4 nor IPv6 nor ARP"},
    {"arp_malformed", "the ARP message is short, not IPv4 over Ethernet, or from an impossible sender"},
    {"ip_truncated", "the frame ends inside the IP header"},
    {"ip_header", "the IP version or header length is wrong"},
    {"ip_length", "the IP length exceeds the frame or does not hold the header"},
    {"ip_checksum", "the IPv4 header checksum is wrong"},
    {"ip_options", "the IPv4 options are malformed"},
    {"ip_source_route", "the IP header asks for a source route"},
    {"ip_fragment", "the packet is a fragment"},
    {"ip_extension", "an IPv6 extension header is malformed, misplaced, or says to drop the packet"},
    {"ip_extension_limit", "the chain of IPv6 extension headers is too long"},
    {"ip_source", "no host can have the source address"},
    {"ip_destination", "the destination address must not appear on a wire"},
    {"ip_group_destination", "the packet is addressed to a group"},
    {"ip_land", "source and destination address are the same"},
    {"ip_protocol", "the packet is neither TCP nor ICMP"},
    {"tcp_truncated", "the packet ends inside the TCP header"},
    {"tcp_doff", "the TCP data offset is below 5 or beyond the segment"},
    {"tcp_checksum", "the TCP checksum is wrong"},
    {"tcp_port", "the source or destination port is 0"},
    {"icmp_truncated", "the ICMP message is too short"},
    {"icmp_checksum", "the ICMP checksum is wrong"},
    {"icmp_type", "the ICMP message is of a kind that is not acted upon"},
    {"icmp_quote", "the ICMP error does not quote a TCP segment of its receiver"},
    {"nd_hop_limit", "the neighbour discovery message came through a router"},
    {"nd_malformed", "the neighbour discovery message breaks RFC 4861, 7.1"},
}};
static_assert(static_cast<std::size_t>(WireDrop::kNdMalformed) + 1 == kWireDropCount);
static_assert(!kTexts.back().name.empty());

}  // namespace

std::string_view name(WireDrop drop) { return kTexts.at(static_cast<std::size_t>(drop)).name; }

std::string_view describe(WireDrop drop) { return kTexts.at(static_cast<std::size_t>(drop)).sentence; }

}  // namespace pollux

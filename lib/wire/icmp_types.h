#pragma once

#include <cstddef>
#include <cstdint>

namespace pollux {

// Numbers of ICMP (RFC 792) and ICMPv6 (RFC 4443, 4861).
//
//   type 1 | code 1 | checksum 2 | rest of header 4 | body
namespace icmp {
inline constexpr std::uint8_t kProtocol = 1;
inline constexpr std::size_t kHeaderSize = 8;
inline constexpr std::size_t kChecksumOffset = 2;
inline constexpr std::uint8_t kEchoReply = 0;
inline constexpr std::uint8_t kUnreachable = 3;
inline constexpr std::uint8_t kFragmentationNeeded = 4;  // a code of kUnreachable
inline constexpr std::uint8_t kSourceQuench = 4;
inline constexpr std::uint8_t kEchoRequest = 8;
inline constexpr std::uint8_t kTimeExceeded = 11;
inline constexpr std::uint8_t kParameterProblem = 12;
}  // namespace icmp

namespace icmp6 {
inline constexpr std::uint8_t kProtocol = 58;
inline constexpr std::uint8_t kUnreachable = 1;
inline constexpr std::uint8_t kPacketTooBig = 2;
inline constexpr std::uint8_t kTimeExceeded = 3;
inline constexpr std::uint8_t kParameterProblem = 4;
inline constexpr std::uint8_t kEchoRequest = 128;
inline constexpr std::uint8_t kEchoReply = 129;
inline constexpr std::uint8_t kNeighbourSolicitation = 135;
inline constexpr std::uint8_t kNeighbourAdvertisement = 136;
}  // namespace icmp6

}  // namespace pollux

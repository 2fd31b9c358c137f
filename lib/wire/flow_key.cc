#include "wire/flow_key.h"

namespace pollux {
namespace {

// IPv6 in brackets, or its last group could not be told from the port.
std::string endpoint(const IpAddress& address, std::uint16_t port) {
  const std::string text = to_string(address);
  return (address.is_v4() ? text : "[" + text + "]") + ":" + std::to_string(port);
}

}  // namespace

std::string to_string(const FlowKey& key) {
  return endpoint(key.local, key.local_port) + " " + endpoint(key.remote, key.remote_port);
}

}  // namespace pollux

#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>

#include "api/stack.h"

namespace pollux::stacktest {

// The value of a name of the system's headers that scripts use: SOCK_STREAM, TCP_NODELAY, POLLIN, EAGAIN.
std::optional<std::int64_t> symbol(std::string_view name);
// "EAGAIN"; a number where it has no name here.
std::string errno_name(api::Errno error);
// tcpi_state and the like, and the constants they are compared with: TCP_ESTABLISHED, TCPI_OPT_SACK.
std::optional<std::int64_t> info_value(std::string_view name, const api::TcpInfo& info);

}  // namespace pollux::stacktest

#pragma once

#include <tl/expected.hpp>

namespace pollux {

// A value, or why there is none. std::expected is C++23; this is its back-port.
template <class T, class E>
using Expected = tl::expected<T, E>;

template <class E>
constexpr tl::unexpected<std::decay_t<E>> unexpected(E&& error) {
  return tl::unexpected<std::decay_t<E>>(std::forward<E>(error));
}

}  // namespace pollux

#pragma once

#include <array>
#include <bit>
#include <cstdint>

namespace pollux {

// Sebastiano Vigna's splitmix64: one step. Turns any seed, 0 and 1 too, into well mixed bits.
constexpr std::uint64_t splitmix64(std::uint64_t& state) {
  state += 0x9e3779b97f4a7c15u;
  std::uint64_t z = state;
  z = (z ^ (z >> 30)) * 0xbf58476d1ce4e5b9u;
  z = (z ^ (z >> 27)) * 0x94d049bb133111ebu;
  return z ^ (z >> 31);
}

// xoshiro256**: fast, small, the same on every machine for the same seed. For
// simulation, load patterns and tests; not for secrets (those come from getrandom).
class Random {
 public:
  using result_type = std::uint64_t;

  constexpr explicit Random(std::uint64_t seed) {
    for (auto& word : state_) word = splitmix64(seed);
  }

  static constexpr result_type min() { return 0; }
  static constexpr result_type max() { return ~result_type{0}; }

  constexpr std::uint64_t operator()() {
    const std::uint64_t result = std::rotl(state_[1] * 5, 7) * 9;
    const std::uint64_t shifted = state_[1] << 17;
    state_[2] ^= state_[0];
    state_[3] ^= state_[1];
    state_[1] ^= state_[2];
    state_[0] ^= state_[3];
    state_[2] ^= shifted;
    state_[3] = std::rotl(state_[3], 45);
    return result;
  }

  // A number in 0..n-1; n is not 0. Its bias is below n / 2^64.
  constexpr std::uint64_t below(std::uint64_t n) {
    __extension__ using Wide = unsigned __int128;
    return static_cast<std::uint64_t>((static_cast<Wide>((*this)()) * n) >> 64);
  }

  // A number in 0..1, 1 excluded.
  constexpr double fraction() { return static_cast<double>((*this)() >> 11) * 0x1p-53; }

  // True with probability p. Always draws, so that two runs which differ in p alone stay in step.
  constexpr bool chance(double p) { return fraction() < p; }

  // A generator of its own for a part of the system, so that one part's draws do not shift another's.
  constexpr Random fork() { return Random{(*this)()}; }

 private:
  std::array<std::uint64_t, 4> state_{};
};

}  // namespace pollux

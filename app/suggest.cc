#include "suggest.h"

#include <fmt/format.h>

#include <algorithm>
#include <vector>

namespace pollux::app {

std::size_t edit_distance(std::string_view a, std::string_view b) {
  // Rows of the usual matrix: two before, one before, this.
  std::vector<std::size_t> before(b.size() + 1), last(b.size() + 1), row(b.size() + 1);
  for (std::size_t j = 0; j <= b.size(); ++j) last[j] = j;
  for (std::size_t i = 1; i <= a.size(); ++i) {
    row[0] = i;
    for (std::size_t j = 1; j <= b.size(); ++j) {
      const std::size_t change = a[i - 1] == b[j - 1] ? 0 : 1;
      row[j] = std::min({last[j] + 1, row[j - 1] + 1, last[j - 1] + change});
      if (i > 1 && j > 1 && a[i - 1] == b[j - 2] && a[i - 2] == b[j - 1]) row[j] = std::min(row[j], before[j - 2] + 1);
    }
    std::swap(before, last);
    std::swap(last, row);
  }
  return last[b.size()];
}

std::string_view nearest(std::string_view word, std::span<const std::string_view> candidates) {
  std::string_view best;
  std::size_t best_distance = std::max<std::size_t>(word.size() / 3, 1) + 1;
  for (const std::string_view candidate : candidates) {
    const std::size_t distance = edit_distance(word, candidate);
    // What begins with the word is what was meant by it, however much longer it is.
    const std::size_t counted = word.size() >= 2 && candidate.starts_with(word) ? 1 : distance;
    if (counted < best_distance) {
      best = candidate;
      best_distance = counted;
    }
  }
  return best;
}

std::string did_you_mean(std::string_view word, std::span<const std::string_view> candidates, std::string_view prefix) {
  const std::string_view best = nearest(word, candidates);
  return best.empty() ? std::string{} : fmt::format("; did you mean `{}{}`?", prefix, best);
}

}  // namespace pollux::app

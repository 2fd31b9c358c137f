// Runs one fuzzer's entry point over every input in a folder, and over a few thousand
// mutations of them: always the same ones.

#include <algorithm>
#include <cstdio>
#include <filesystem>
#include <fstream>
#include <iterator>
#include <vector>

#include "base/random.h"
#include "tape.h"

namespace {

using Input = std::vector<std::uint8_t>;

constexpr int kMutations = 2000;

std::vector<Input> read_all(const std::filesystem::path& folder) {
  std::vector<std::filesystem::path> paths;
  for (const auto& entry : std::filesystem::directory_iterator{folder}) paths.push_back(entry.path());
  std::sort(paths.begin(), paths.end());
  std::vector<Input> inputs;
  for (const auto& path : paths) {
    std::ifstream file{path, std::ios::binary};
    inputs.emplace_back(std::istreambuf_iterator<char>{file}, std::istreambuf_iterator<char>{});
  }
  return inputs;
}

Input mutated(Input input, const Input& other, pollux::Random& random) {
  for (std::uint64_t n = 1 + random.below(8); n > 0; --n) {
    const std::size_t at = input.empty() ? 0 : random.below(input.size());
    switch (random.below(5)) {
      case 0:
        if (!input.empty()) input[at] = static_cast<std::uint8_t>(random());
        break;
      case 1:
        if (!input.empty()) input[at] = static_cast<std::uint8_t>(input[at] ^ (1u << random.below(8)));
        break;
      case 2:
        input.resize(at);
        break;
      case 3:
        input.insert(input.begin() + static_cast<std::ptrdiff_t>(at), static_cast<std::uint8_t>(random()));
        break;
      case 4:
        input.insert(input.end(), other.begin(), other.end());
        break;
    }
  }
  input.resize(std::min<std::size_t>(input.size(), 4096));
  return input;
}

}  // namespace

int main(int argc, char** argv) {
  if (argc != 2) {
    std::fprintf(stderr, "usage: %s FOLDER\n", argv[0]);
    return 2;
  }
  const std::vector<Input> inputs = read_all(argv[1]);
  if (inputs.empty()) {
    std::fprintf(stderr, "%s: nothing to replay in %s\n", argv[0], argv[1]);
    return 1;
  }
  for (const Input& input : inputs) LLVMFuzzerTestOneInput(input.data(), input.size());
  pollux::Random random{1};
  for (int i = 0; i < kMutations; ++i) {
    const Input input = mutated(inputs[random.below(inputs.size())], inputs[random.below(inputs.size())], random);
    LLVMFuzzerTestOneInput(input.data(), input.size());
  }
  std::printf("%zu inputs, %d mutations\n", inputs.size(), kMutations);
  return 0;
}

#include "base/memory.h"

#include <sys/mman.h>

#include <algorithm>
#include <cerrno>
#include <cstdint>
#include <new>
#include <vector>

namespace pollux {
namespace {

constexpr std::size_t kPage = 4096;
constexpr std::size_t kHugePage = std::size_t{2} << 20;

constexpr std::size_t round_up(std::size_t size, std::size_t unit) { return (size + unit - 1) / unit * unit; }

std::byte* map(std::size_t size, int extra_flags) {
  void* at = mmap(nullptr, size, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS | extra_flags, -1, 0);
  return at == MAP_FAILED ? nullptr : static_cast<std::byte*>(at);
}

// Maps a huge page too many and gives back what stands before and behind the aligned part.
std::byte* map_aligned(std::size_t size) {
  std::byte* const start = map(size + kHugePage, MAP_NORESERVE);
  if (start == nullptr) return nullptr;
  const std::size_t before = (kHugePage - reinterpret_cast<std::uintptr_t>(start) % kHugePage) % kHugePage;
  if (before != 0) munmap(start, before);
  munmap(start + before + size, kHugePage - before);
  return start + before;
}

// False: there is not so much memory.
bool touch(std::byte* data, std::size_t size) {
  if (madvise(data, size, MADV_POPULATE_WRITE) == 0) return true;
  if (errno != EINVAL) return false;
  for (std::size_t at = 0; at < size; at += kPage)
    *static_cast<volatile std::byte*>(data + at) = std::byte{0};  // before Linux 5.14
  return true;
}

}  // namespace

Memory::Memory(std::size_t bytes, Pages pages) : pages_{pages == Pages::kTouched ? Pages::kTransparent : pages} {
  if (bytes == 0) return;
  if (bytes > SIZE_MAX - 2 * kHugePage) throw std::bad_alloc{};
  if (pages_ == Pages::kReserved) {
    size_ = round_up(bytes, kHugePage);
    data_ = map(size_, MAP_HUGETLB);
    if (data_ != nullptr) return;
    pages_ = Pages::kTransparent;
  }
  size_ = round_up(bytes, kPage);
  if (size_ < kHugePage) pages_ = Pages::kOrdinary;
  data_ = size_ < kHugePage ? map(size_, 0) : map_aligned(size_);
  if (data_ == nullptr) throw std::bad_alloc{};
  if (pages_ == Pages::kTransparent && madvise(data_, size_, MADV_HUGEPAGE) != 0) pages_ = Pages::kOrdinary;
  if (pages == Pages::kTouched && !touch(data_, size_)) {
    munmap(data_, size_);
    throw std::bad_alloc{};
  }
}

std::size_t Memory::resident() const {
  std::vector<unsigned char> pages((size_ + kPage - 1) / kPage);
  if (data_ == nullptr || mincore(data_, size_, pages.data()) != 0) return 0;
  return kPage * static_cast<std::size_t>(
                     std::count_if(pages.begin(), pages.end(), [](unsigned char page) { return (page & 1) != 0; }));
}

Memory::~Memory() {
  if (data_ != nullptr) munmap(data_, size_);
}

}  // namespace pollux

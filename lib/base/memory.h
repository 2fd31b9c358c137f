#pragma once

#include <cstddef>
#include <utility>

namespace pollux {

// What pages a big array should stand on.
enum class Pages {
  kOrdinary,     // 4 KiB
  kTransparent,  // the kernel is asked to use huge pages where it can
  kTouched,      // kTransparent, and each is touched at once: a first use never waits for the kernel, which took 4.5 ms
                 // for a huge page of a virtual machine
  kReserved,     // 2 MiB pages set aside by the administrator; kTransparent where there are not enough
};

// One big array of zero bytes, made at start and kept: the home of slabs and
// tables. Pages that are never touched cost nothing, but for kTouched.
class Memory {
 public:
  Memory() = default;
  // Throws std::bad_alloc. The start is aligned to 2 MiB where there is that much, else to 4 KiB.
  explicit Memory(std::size_t bytes, Pages pages = Pages::kTransparent);
  Memory(Memory&& other) noexcept
      : data_{std::exchange(other.data_, nullptr)}, size_{std::exchange(other.size_, 0)}, pages_{other.pages_} {}
  Memory& operator=(Memory&& other) noexcept {
    Memory gone{std::move(other)};
    std::swap(data_, gone.data_);
    std::swap(size_, gone.size_);
    std::swap(pages_, gone.pages_);
    return *this;
  }
  Memory(const Memory&) = delete;
  Memory& operator=(const Memory&) = delete;
  ~Memory();

  std::byte* data() const { return data_; }
  // What was taken from the system, which is what was asked for rounded up to whole pages.
  std::size_t size() const { return size_; }
  // How much of it is in memory, as the kernel says (mincore).
  std::size_t resident() const;
  // What was got, which may be less than what was asked for; kTouched is kTransparent now.
  Pages pages() const { return pages_; }

 private:
  std::byte* data_ = nullptr;
  std::size_t size_ = 0;
  Pages pages_ = Pages::kOrdinary;
};

}  // namespace pollux

#pragma once

#include <sys/types.h>

#include <functional>
#include <nlohmann/json.hpp>
#include <string>

#include "base/expected.h"

namespace pollux::app {

// A part of a run that needs a process of its own: DPDK starts once in one, and a network namespace is never left.
class Child {
 public:
  using Work = std::function<Expected<nlohmann::ordered_json, std::string>()>;

  // Forks; `work` runs in the child, which ends behind it.
  explicit Child(const Work& work);
  ~Child();
  Child(Child&& other) noexcept;
  Child& operator=(Child&&) = delete;
  Child(const Child&) = delete;
  Child& operator=(const Child&) = delete;

  // Whether it has something to say already, which at its planned end it has.
  bool ended() const;
  // Asks it to end early.
  void stop();

  // What `work` returned, once it has; an error too where the child came to a bad end.
  Expected<nlohmann::ordered_json, std::string> wait();

 private:
  pid_t pid_ = -1;
  int answer_ = -1;
};

}  // namespace pollux::app

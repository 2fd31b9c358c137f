#pragma once

#include <sys/types.h>

#include <string>

#include "scenario.h"

namespace pollux::sim {

// A world that runs in a process of its own, so that an assertion that does not hold, or a loop without an end, is a
// failure like any other, and so that several run at a time. The process that makes one must have one thread.
class WorldApart {
 public:
  // Aborts if there can be no process.
  explicit WorldApart(const World& world);
  WorldApart(const WorldApart&) = delete;
  WorldApart& operator=(const WorldApart&) = delete;
  ~WorldApart();  // ends it

  // Readable when it has something to tell, its end at the latest.
  int descriptor() const { return from_; }
  // Takes what it tells, and waits for that. False: it has ended.
  bool listen();
  // Once it has ended.
  Outcome outcome();

 private:
  pid_t process_ = -1;  // -1: ended, and taken note of
  int from_ = -1;
  std::string text_;
};

// One alone, to its end.
Outcome run_apart(const World& world);

}  // namespace pollux::sim

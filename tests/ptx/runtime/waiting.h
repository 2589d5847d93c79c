// The launch that runs, its threads, and what they wait for.

#pragma once

#include <vector>

#include "async.h"
#include "device.h"
#include "fibers.h"

namespace ptx {

enum class State { kReady, kWaiting, kDone };

struct Fiber : Thread {
  Stack stack;
  State state = State::kReady;
  const Site* waits_at = nullptr;
  // Asynchronous copies that have not landed: by group, and those of no group yet.
  std::vector<std::vector<Copy>> groups;
  std::vector<Copy> open_group;
};

// Threads that wait at one of the sixteen barriers of a block.
struct Barrier {
  std::vector<Fiber*> waiting;
  const Site* site = nullptr;
  uint32_t arrived = 0, threads = 0, count = 0;
  uint32_t result = 0;
  uint32_t turn = 0;  // how often it was full
};

// Lanes of a warp that wait for each other.
struct Meeting {
  uint32_t mask, arrived;
  const Site* site;
  Combine combine;
  void* lanes[32];
};

struct Warp {
  std::vector<Meeting> meetings;
  uint32_t returned = 0;
};

struct Run {
  const Kernel* kernel = nullptr;
  const unsigned char* const* arguments = nullptr;
  Block block{};
  std::vector<Fiber> fibers;
  std::vector<Warp> warps;
  Barrier barriers[16];
  uint32_t returned = 0;
  uint64_t random = 0;
  Fiber* current = nullptr;
  Stack scheduler;
};

extern Run run;

// Where threads give and take, for the thread sanitizer: a page that each block has anew.
extern unsigned char tokens[4096];

// Gives the processor back to the scheduler.
void leave(Fiber& fiber);

// A thread that returns no longer counts for those that wait.
void on_return(Fiber& fiber);

}  // namespace ptx

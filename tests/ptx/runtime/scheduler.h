// Runs the blocks of a launch one by one, every thread on a stack of its own.

#pragma once

#include <string>

#include "device.h"

namespace ptx {

enum class Order { kForward, kReversed, kShuffled };

struct Schedule {
  Order order = Order::kForward;
  uint64_t seed = 0;
};

extern Schedule schedule;

// What went wrong since it was last cleared; empty: nothing. The first message wins.
extern std::string error;

// A number below `bound` from the schedule's seed.
uint64_t random_below(uint64_t bound);

// Runs all blocks; false, with a message in `error`, when one fails.
bool run_grid(const Kernel& kernel, Dim grid, Dim block, uint32_t shared_bytes,
              const unsigned char* const* arguments);

}  // namespace ptx

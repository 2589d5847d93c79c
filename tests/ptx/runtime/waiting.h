// The launch that runs, its threads, and what they wait for.

#pragma once

#include <map>
#include <memory>
#include <vector>

#include "async.h"
#include "device.h"
#include "fibers.h"
#include "reads.h"

namespace ptx {

enum class State { kReady, kWaiting, kDone };

// What a thread has to do with wgmma.
struct Products {
  std::vector<std::shared_ptr<Reads>> open;  // started and not committed
  std::vector<std::vector<std::shared_ptr<Reads>>> groups;
  const Site* site = nullptr;  // of the last one
  uint64_t digest = 0;         // of all: their sites and descriptors
  bool fenced = false;         // wgmma.fence since registers were last free to use
  std::vector<float> sums;     // what the last one has left in D
};

struct Fiber : Thread {
  Stack stack;
  State state = State::kReady;
  const Site* waits_at = nullptr;
  // Asynchronous copies that have not landed: by group, and those of no group yet.
  std::vector<std::vector<Copy>> groups;
  std::vector<Copy> open_group;
  // Bulk copies under way from shared memory, by group; the last group is open.
  std::vector<uint32_t> bulk_groups;
  bool waits_for_bulk = false;
  Products products;
  uint32_t registers = 0;
  bool has_tried = false;  // has been told once that a phase of an mbarrier goes on
};

struct MBarrier {
  uint32_t expected, pending;  // arrivals
  int64_t bytes;               // expected and not there; below 0: there and not expected yet
  uint64_t phase;
  uint32_t number;
  std::vector<Fiber*> waiting;
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
  std::map<uint32_t, MBarrier> mbarriers;  // by their place in shared memory
  uint32_t returned = 0;
  uint32_t free_registers = 0;  // given back with setmaxnreg, by all threads
  std::vector<Fiber*> short_of_registers;
  uint64_t random = 0;
  Fiber* current = nullptr;
  Stack scheduler;
};

extern Run run;

// Where threads give and take, for the thread sanitizer: a page that each block has anew.
extern unsigned char tokens[4096];

// Gives the processor back to the scheduler.
void leave(Fiber& fiber);

// Until another thread makes this one ready.
void wait(Fiber& fiber, const Site& site);

// Bytes of a bulk copy have landed.
void land_at_barrier(Thread& self, const Site& site, uint32_t offset, uint32_t bytes);

// A thread that returns no longer counts for those that wait.
void on_return(Fiber& fiber);

}  // namespace ptx

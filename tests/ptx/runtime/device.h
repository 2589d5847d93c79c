// What translated kernels and the runtime share: a thread, its block, and how threads wait.
//
// Translated code is compiled with or without sanitizers and includes only this and the headers of
// operations; the runtime behind it (*.cpp) is never instrumented.

#pragma once

#include <cstddef>
#include <cstdint>

namespace ptx {

// One PTX instruction and where it comes from. Its address is the instruction's identity.
struct Site {
  const char* file;
  int line;
  const char* instruction;
};

struct Dim {
  uint32_t x, y, z;
};

// The block that runs; one at a time. Shared addresses are offsets from `shared`.
struct Block {
  Dim index, size, grid;
  unsigned char* shared;
  uint32_t shared_bytes;
};

struct Thread {
  Dim index;
  uint32_t linear, lane;
  Block* block;
  // Memory accesses until the scheduler may take the processor away from this thread.
  int64_t budget;
};

// Arguments as cudaLaunchKernel takes them: one pointer per parameter.
using Body = void (*)(Thread& self, const unsigned char* const* arguments);

struct Kernel {
  const char* name;
  Body body;
  uint32_t static_shared_bytes;
  uint32_t max_threads;  // of .maxntid; 0: not given
  uint32_t registers;    // of a thread, as ptxas has it
};

void register_kernels(const Kernel* kernels, size_t count);

// Shared memory lies in one arena, so that a generic address that leaves it is noticed.
constexpr size_t kArenaBytes = 256 << 10;
alignas(4096) extern unsigned char arena[kArenaBytes];

// Ends the launch with a message. No destructor of translated code is run, and none is needed.
[[noreturn, gnu::format(printf, 3, 4)]] void fail(const Thread& self, const Site& site,
                                                  const char* format, ...);

// Lets other threads run; `self` stays ready.
void preempt(Thread& self);

// A field of the runtime: blocks that follow each other do not race on it.
[[gnu::no_sanitize("thread")]] inline void account(Thread& self) {
  if (--self.budget <= 0) preempt(self);
}

// setmaxnreg: gives registers back, or waits until others have given back enough of them.
void set_registers(Thread& self, const Site& site, uint32_t count, bool more);

// elect.sync: the lane of a mask that is chosen, for this launch. Which one is for us to say.
uint32_t elected(uint32_t mask);

enum class Reduction { kNone, kCount, kAnd, kOr };

// bar and barrier. threads = 0: all of the block that have not returned. Returns the reduction of
// `value` over those that meet.
uint32_t block_barrier(Thread& self, const Site& site, uint32_t id, uint32_t threads,
                       Reduction reduction = Reduction::kNone, bool value = false);

// barrier.arrive: counts, does not wait.
void block_arrive(Thread& self, const Site& site, uint32_t id, uint32_t threads);

// Waits until all lanes of `mask` that have not returned are here; then one of them runs `combine`
// on the arguments of all: lanes[i] is null for a lane that does not take part. Lanes must meet in
// the same instruction, unless `anywhere`: then in the same operation.
using Combine = void (*)(void* const* lanes);
void warp_rendezvous(Thread& self, const Site& site, uint32_t mask, void* argument, Combine combine,
                     bool anywhere = false);

}  // namespace ptx

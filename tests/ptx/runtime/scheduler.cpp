#include "scheduler.h"

#include <algorithm>
#include <cstdarg>
#include <cstdio>
#include <cstring>
#include <map>
#include <utility>
#include <vector>

#include "fibers.h"

namespace ptx {

Schedule schedule;
std::string error;
unsigned char arena[kArenaBytes];

namespace {

enum class State { kReady, kWaiting, kDone };

struct Fiber : Thread {
  Stack stack;
  State state = State::kReady;
  const Site* waits_at = nullptr;
};

// Threads that wait at one of the sixteen barriers of a block.
struct Barrier {
  std::vector<Fiber*> waiting;
  const Site* site = nullptr;
  uint32_t arrived = 0, threads = 0, count = 0;
  uint32_t result = 0;
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

Run run;

// splitmix64: the same schedule for a seed everywhere.
uint64_t random_below(uint64_t bound) {
  run.random += 0x9e3779b97f4a7c15;
  uint64_t x = run.random;
  x = (x ^ (x >> 30)) * 0xbf58476d1ce4e5b9;
  x = (x ^ (x >> 27)) * 0x94d049bb133111eb;
  return (x ^ (x >> 31)) % bound;
}

template <typename item_t>
void put_in_order(std::vector<item_t>& items) {
  if (schedule.order == Order::kReversed) std::reverse(items.begin(), items.end());
  if (schedule.order != Order::kShuffled) return;
  for (size_t i = items.size(); i > 1; --i) std::swap(items[i - 1], items[random_below(i)]);
}

// Shuffled schedules interrupt threads between memory accesses, at gaps of all lengths, so that
// two halves of an update that is not atomic come apart. The others never do.
int64_t new_budget() {
  if (schedule.order != Order::kShuffled) return INT64_MAX;
  return 1 + static_cast<int64_t>(random_below(uint64_t{1} << (2 + random_below(10))));
}

Fiber& fiber_of(Thread& thread) { return static_cast<Fiber&>(thread); }

void leave(Fiber& fiber) { switch_stack(fiber.stack, run.scheduler); }

void wait(Fiber& fiber, const Site& site) {
  fiber.state = State::kWaiting;
  fiber.waits_at = &site;
  leave(fiber);
}

[[gnu::format(printf, 1, 2)]] void report(const char* format, ...) {
  char text[2048];
  va_list arguments;
  va_start(arguments, format);
  vsnprintf(text, sizeof text, format, arguments);
  va_end(arguments);
  if (error.empty()) error = text;
}

// --- barriers of a block

void release(Barrier& barrier) {
  for (Fiber* fiber : barrier.waiting) fiber->state = State::kReady;
  barrier.waiting.clear();
  barrier.arrived = 0;
}

bool is_full(const Barrier& barrier) {
  const uint32_t alive = static_cast<uint32_t>(run.fibers.size()) - run.returned;
  return barrier.arrived > 0 && barrier.arrived >= (barrier.threads ? barrier.threads : alive);
}

Barrier& arrive(Thread& self, const Site& site, uint32_t id, uint32_t threads) {
  if (id >= 16) fail(self, site, "barrier %u of 16", id);
  if (threads % 32) fail(self, site, "a barrier of %u threads: not a multiple of 32", threads);
  if (threads > run.fibers.size()) fail(self, site, "a barrier of more threads than the block has");
  Barrier& barrier = run.barriers[id];
  if (barrier.arrived == 0) {
    barrier.site = &site;
    barrier.threads = threads;
    barrier.count = 0;
  }
  // With a number of threads, producers and consumers may meet from different instructions.
  if (barrier.threads != threads || (threads == 0 && barrier.site != &site)) {
    fail(self, site, "divergent barrier: other threads wait in '%s' at %s:%d",
         barrier.site->instruction, barrier.site->file, barrier.site->line);
  }
  ++barrier.arrived;
  return barrier;
}

// --- meetings of a warp

bool is_complete(const Meeting& meeting, const Warp& warp) {
  return meeting.arrived == (meeting.mask & ~warp.returned);
}

void finish(Warp& warp, size_t number) {
  const Meeting meeting = warp.meetings[number];
  warp.meetings.erase(warp.meetings.begin() + static_cast<std::ptrdiff_t>(number));
  const size_t first = static_cast<size_t>(&warp - run.warps.data()) * 32;
  for (uint32_t lane = 0; lane < 32; ++lane) {
    if (meeting.arrived >> lane & 1) run.fibers[first + lane].state = State::kReady;
  }
  meeting.combine(meeting.lanes);
}

// --- threads

// A thread that returns no longer counts for those that wait.
void on_return(Fiber& fiber) {
  fiber.state = State::kDone;
  ++run.returned;
  Warp& warp = run.warps[fiber.linear / 32];
  warp.returned |= 1u << fiber.lane;
  for (size_t i = 0; i < warp.meetings.size();) {
    if (is_complete(warp.meetings[i], warp)) {
      finish(warp, i);
    } else {
      ++i;
    }
  }
  for (Barrier& barrier : run.barriers) {
    if (!is_full(barrier)) continue;
    barrier.result = barrier.count;
    release(barrier);
  }
}

void thread_main() {
  Fiber& fiber = *run.current;
  run.kernel->body(fiber, run.arguments);
  on_return(fiber);
  leave(fiber);
}

void start_block(Dim index) {
  run.block.index = index;
  // Unwritten shared memory reads as NaN, in every type of floating point.
  std::memset(arena, 0xff, run.block.shared_bytes);
  const Dim size = run.block.size;
  for (uint32_t i = 0; i < run.fibers.size(); ++i) {
    Fiber& fiber = run.fibers[i];
    fiber.index = {i % size.x, i / size.x % size.y, i / (size.x * size.y)};
    fiber.linear = i;
    fiber.lane = i % 32;
    fiber.block = &run.block;
    fiber.state = State::kReady;
    fiber.stack.memory = stack_memory(i);
    prepare(fiber.stack, thread_main);
  }
  const size_t missing = run.warps.size() * 32 - run.fibers.size();
  for (Warp& warp : run.warps) warp = Warp{};
  // Lanes that the last warp does not have count as returned.
  if (missing) run.warps.back().returned = ~0u << (32 - missing);
  for (Barrier& barrier : run.barriers) barrier = Barrier{};
  run.returned = 0;
}

// "threads 0-30, 32": in words, who of the block waits where.
std::string who_waits_where() {
  std::map<const Site*, std::vector<uint32_t>> threads;
  for (const Fiber& fiber : run.fibers) {
    if (fiber.state == State::kWaiting) threads[fiber.waits_at].push_back(fiber.linear);
  }
  std::string text;
  for (const auto& [site, numbers] : threads) {
    text += text.empty() ? "threads " : "; threads ";
    for (size_t i = 0; i < numbers.size();) {
      size_t end = i + 1;
      while (end < numbers.size() && numbers[end] == numbers[end - 1] + 1) ++end;
      text += (i ? ", " : "") + std::to_string(numbers[i]);
      if (end - i > 1) text += "-" + std::to_string(numbers[end - 1]);
      i = end;
    }
    text += std::string(" wait in '") + site->instruction + "' at " + site->file + ":" +
            std::to_string(site->line);
  }
  return text;
}

bool run_block(Dim index) {
  start_block(index);
  std::vector<Fiber*> ready;
  for (;;) {
    ready.clear();
    for (Fiber& fiber : run.fibers) {
      if (fiber.state == State::kReady) ready.push_back(&fiber);
    }
    if (ready.empty()) break;
    put_in_order(ready);
    for (Fiber* fiber : ready) {
      run.current = fiber;
      fiber->budget = new_budget();
      switch_stack(run.scheduler, fiber->stack);
      if (!error.empty()) return false;
      // Now and then a new round begins early, so that some threads run far ahead of others.
      if (schedule.order == Order::kShuffled && random_below(4) == 0) break;
    }
  }
  if (run.returned == run.fibers.size()) return true;
  report("deadlock in block (%u, %u, %u): %s", index.x, index.y, index.z,
         who_waits_where().c_str());
  return false;
}

}  // namespace

bool run_grid(const Kernel& kernel, Dim grid, Dim block, uint32_t shared_bytes,
              const unsigned char* const* arguments) {
  run.kernel = &kernel;
  run.arguments = arguments;
  run.block = Block{{}, block, grid, arena, shared_bytes};
  run.random = schedule.seed;
  const size_t threads = size_t{block.x} * block.y * block.z;
  run.fibers.resize(threads);
  run.warps.resize((threads + 31) / 32);
  std::vector<Dim> blocks;
  for (uint32_t z = 0; z < grid.z; ++z) {
    for (uint32_t y = 0; y < grid.y; ++y) {
      for (uint32_t x = 0; x < grid.x; ++x) blocks.push_back({x, y, z});
    }
  }
  put_in_order(blocks);
  return std::all_of(blocks.begin(), blocks.end(), run_block);
}

// --- what translated code calls, on the stack of a thread

void fail(const Thread& self, const Site& site, const char* format, ...) {
  char text[512];
  va_list arguments;
  va_start(arguments, format);
  vsnprintf(text, sizeof text, format, arguments);
  va_end(arguments);
  const Dim block = self.block->index;
  report("%s:%d: %s (thread %u of block (%u, %u, %u), '%s')", site.file, site.line, text,
         self.linear, block.x, block.y, block.z, site.instruction);
  leave(*run.current);
  __builtin_unreachable();  // a launch that has failed resumes no thread
}

void preempt(Thread& self) { leave(fiber_of(self)); }

uint32_t block_barrier(Thread& self, const Site& site, uint32_t id, uint32_t threads,
                       Reduction reduction, bool value) {
  Barrier& barrier = arrive(self, site, id, threads);
  // "and" counts the threads that say no.
  barrier.count += reduction == Reduction::kAnd ? !value : value;
  if (is_full(barrier)) {
    barrier.result = barrier.count;
    release(barrier);
    // Whoever comes last goes on only when its turn comes: it must not always be the first.
    preempt(self);
  } else {
    barrier.waiting.push_back(&fiber_of(self));
    wait(fiber_of(self), site);
  }
  if (reduction == Reduction::kCount) return barrier.result;
  return reduction == Reduction::kAnd ? barrier.result == 0 : barrier.result != 0;
}

void block_arrive(Thread& self, const Site& site, uint32_t id, uint32_t threads) {
  Barrier& barrier = arrive(self, site, id, threads);
  if (is_full(barrier)) release(barrier);
}

void warp_rendezvous(Thread& self, const Site& site, uint32_t mask, void* argument, Combine combine,
                     bool anywhere) {
  Fiber& fiber = fiber_of(self);
  Warp& warp = run.warps[self.linear / 32];
  const uint32_t bit = 1u << self.lane;
  if (!(mask & bit)) fail(self, site, "lane %u is not in its mask %08x", self.lane, mask);
  size_t number = 0;
  while (number < warp.meetings.size() && !(warp.meetings[number].mask & mask)) ++number;
  if (number == warp.meetings.size()) {
    warp.meetings.push_back(Meeting{mask, 0, &site, combine, {}});
  }
  Meeting& meeting = warp.meetings[number];
  const bool same = anywhere ? meeting.combine == combine : meeting.site == &site;
  if (meeting.mask != mask || !same) {
    fail(self, site,
         "lanes of one warp meet in different operations: mask %08x here, '%s' with mask %08x at "
         "%s:%d",
         mask, meeting.site->instruction, meeting.mask, meeting.site->file, meeting.site->line);
  }
  meeting.lanes[self.lane] = argument;
  meeting.arrived |= bit;
  if (is_complete(meeting, warp)) {
    finish(warp, number);
    preempt(self);
  } else {
    wait(fiber, site);
  }
}

}  // namespace ptx

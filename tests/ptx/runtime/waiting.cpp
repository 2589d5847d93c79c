#include "waiting.h"

#include <algorithm>

#include "sanitizers.h"
#include "scheduler.h"

namespace ptx {

alignas(4096) unsigned char tokens[4096];

namespace {

Fiber& fiber_of(Thread& thread) { return static_cast<Fiber&>(thread); }

// --- barriers of a block

void release(Barrier& barrier) {
  for (Fiber* fiber : barrier.waiting) fiber->state = State::kReady;
  barrier.waiting.clear();
  barrier.arrived = 0;
  ++barrier.turn;
}

// Two for each barrier, by turns: those who leave late must not take what others have given since.
void* token_of(const Barrier& barrier) {
  return &tokens[16 * (&barrier - run.barriers) + 8 * (barrier.turn % 2)];
}

void* token_of(const Warp& warp) { return &tokens[16 * 16 + 8 * (&warp - run.warps.data())]; }

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

}  // namespace

void leave(Fiber& fiber) { switch_stack(fiber.stack, run.scheduler); }

void wait(Fiber& fiber, const Site& site) {
  fiber.state = State::kWaiting;
  fiber.waits_at = &site;
  leave(fiber);
}

void preempt(Thread& self) { leave(fiber_of(self)); }

void on_return(Fiber& fiber) {
  const Quiet quiet;
  const Products& products = fiber.products;
  const auto has_some = [](const auto& group) { return !group.empty(); };
  if (has_some(products.open) ||
      std::any_of(products.groups.begin(), products.groups.end(), has_some)) {
    fail(fiber, *products.site, "the thread returns, and has not waited for its wgmma");
  }
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

uint32_t block_barrier(Thread& self, const Site& site, uint32_t id, uint32_t threads,
                       Reduction reduction, bool value) {
  const Quiet quiet;
  Barrier& barrier = arrive(self, site, id, threads);
  void* const token = token_of(barrier);
  give(token);
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
  take(token);
  if (reduction == Reduction::kCount) return barrier.result;
  return reduction == Reduction::kAnd ? barrier.result == 0 : barrier.result != 0;
}

void block_arrive(Thread& self, const Site& site, uint32_t id, uint32_t threads) {
  const Quiet quiet;
  Barrier& barrier = arrive(self, site, id, threads);
  give(token_of(barrier));
  if (is_full(barrier)) release(barrier);
}

void warp_rendezvous(Thread& self, const Site& site, uint32_t mask, void* argument, Combine combine,
                     bool anywhere) {
  const Quiet quiet;
  Fiber& fiber = fiber_of(self);
  Warp& warp = run.warps[self.linear / 32];
  const uint32_t bit = 1u << self.lane;
  if (!(mask & bit)) fail(self, site, "lane %u is not in its mask %08x", self.lane, mask);
  size_t number = 0;
  for (; number < warp.meetings.size(); ++number) {
    const Meeting& other = warp.meetings[number];
    const bool same = anywhere ? other.combine == combine : other.site == &site;
    if (other.mask == mask && same) break;
    // Lanes that wait there need this one, which will wait here for some of them: for ever. Other
    // meetings that this lane is awaited in may come later.
    if (other.mask & bit && mask & other.arrived) {
      fail(self, site,
           "lanes of one warp meet in different operations: mask %08x here, '%s' with mask %08x at "
           "%s:%d",
           mask, other.site->instruction, other.mask, other.site->file, other.site->line);
    }
  }
  if (number == warp.meetings.size()) {
    warp.meetings.push_back(Meeting{mask, 0, &site, combine, {}});
  }
  Meeting& meeting = warp.meetings[number];
  meeting.lanes[self.lane] = argument;
  meeting.arrived |= bit;
  // A warp barrier orders memory, and may be met from anywhere; shuffles and votes do neither.
  if (anywhere) give(token_of(warp));
  if (is_complete(meeting, warp)) {
    finish(warp, number);
    preempt(self);
  } else {
    wait(fiber, site);
  }
  if (anywhere) take(token_of(warp));
}

void set_registers(Thread& self, const Site& site, uint32_t count, bool more) {
  const Quiet quiet;
  Fiber& fiber = fiber_of(self);
  if (count < 24 || count > 256 || count % 8) fail(self, site, "%u registers", count);
  if (more ? count < fiber.registers : count > fiber.registers) {
    fail(self, site, "%u registers, and the thread has %u", count, fiber.registers);
  }
  if (!more) {
    run.free_registers += fiber.registers - count;
    for (Fiber* other : run.short_of_registers) other->state = State::kReady;
    run.short_of_registers.clear();
  }
  while (more && run.free_registers < count - fiber.registers) {
    run.short_of_registers.push_back(&fiber);
    wait(fiber, site);
  }
  if (more) run.free_registers -= count - fiber.registers;
  fiber.registers = count;
}

uint32_t elected(uint32_t mask) {
  if (schedule.order == Order::kForward) return static_cast<uint32_t>(__builtin_ctz(mask));
  if (schedule.order == Order::kReversed) return 31 - static_cast<uint32_t>(__builtin_clz(mask));
  // The same for a mask every time.
  uint32_t skipped =
      static_cast<uint32_t>(schedule.seed) % static_cast<uint32_t>(__builtin_popcount(mask));
  for (; skipped > 0; --skipped) mask &= mask - 1;
  return static_cast<uint32_t>(__builtin_ctz(mask));
}

}  // namespace ptx

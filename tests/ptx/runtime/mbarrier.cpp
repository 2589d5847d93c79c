#include "mbarrier.h"

#include "sanitizers.h"
#include "waiting.h"

namespace ptx {
namespace {

constexpr uint32_t kMaxCount = (1 << 20) - 1;

MBarrier& find(Thread& self, const Site& site, uint32_t offset) {
  const auto found = run.mbarriers.find(offset);
  if (found == run.mbarriers.end()) fail(self, site, "no mbarrier at %u", offset);
  return found->second;
}

// Two for each barrier, by turns, as those of a block's barriers.
void* token_of(const MBarrier& barrier, uint64_t phase) {
  return &tokens[512 + 16 * (barrier.number % 224) + 8 * (phase % 2)];
}

void settle(MBarrier& barrier) {
  if (barrier.pending > 0 || barrier.bytes != 0) return;
  ++barrier.phase;
  barrier.pending = barrier.expected;
  for (Fiber* fiber : barrier.waiting) fiber->state = State::kReady;
  barrier.waiting.clear();
}

}  // namespace

void start_barrier(Thread& self, const Site& site, uint32_t offset, uint32_t count) {
  const Quiet quiet;
  if (count == 0 || count > kMaxCount) fail(self, site, "an mbarrier for %u arrivals", count);
  const uint32_t number = static_cast<uint32_t>(run.mbarriers.size());
  if (!run.mbarriers.emplace(offset, MBarrier{count, count, 0, 0, number, {}}).second) {
    fail(self, site, "there is an mbarrier at %u already", offset);
  }
}

void end_barrier(Thread& self, const Site& site, uint32_t offset) {
  const Quiet quiet;
  if (!find(self, site, offset).waiting.empty()) fail(self, site, "threads wait at the mbarrier");
  run.mbarriers.erase(offset);
}

uint64_t arrive_at_barrier(Thread& self, const Site& site, uint32_t offset, uint32_t count,
                           uint32_t bytes) {
  const Quiet quiet;
  MBarrier& barrier = find(self, site, offset);
  const uint64_t phase = barrier.phase;
  if (bytes > kMaxCount) fail(self, site, "%u bytes are expected", bytes);
  if (count > barrier.pending) {
    fail(self, site, "more arrivals than the %u that were announced", barrier.expected);
  }
  give(token_of(barrier, phase));
  barrier.bytes += bytes;
  barrier.pending -= count;
  settle(barrier);
  return phase;
}

void land_at_barrier(Thread& self, const Site& site, uint32_t offset, uint32_t bytes) {
  MBarrier& barrier = find(self, site, offset);
  give(token_of(barrier, barrier.phase));
  barrier.bytes -= bytes;
  // Nobody has arrived, or everybody has: nothing tells that more bytes will be expected.
  if (barrier.bytes < 0 && (barrier.pending == barrier.expected || barrier.pending == 0)) {
    fail(self, site, "%u bytes arrive in a phase that expects %lld", bytes,
         static_cast<long long>(barrier.bytes + bytes));
  }
  settle(barrier);
}

bool try_barrier(Thread& self, const Site& site, uint32_t offset, uint32_t parity) {
  const Quiet quiet;
  Fiber& fiber = static_cast<Fiber&>(self);
  MBarrier& barrier = find(self, site, offset);
  if (barrier.phase % 2 == (parity & 1)) {
    fiber.has_tried = !fiber.has_tried;
    if (fiber.has_tried) {
      preempt(self);
    } else {
      barrier.waiting.push_back(&fiber);
      wait(fiber, site);
    }
  }
  // Two phases may have ended meanwhile.
  const bool ended = barrier.phase % 2 != (parity & 1);
  if (ended) {
    fiber.has_tried = false;
    take(token_of(barrier, parity));
  }
  return ended;
}

}  // namespace ptx

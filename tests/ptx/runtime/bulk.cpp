#include "bulk.h"

#include <algorithm>

#include "copier.h"
#include "reads.h"
#include "sanitizers.h"
#include "scheduler.h"
#include "waiting.h"

namespace ptx {
namespace {

Fiber copier;
std::vector<BulkCopy> under_way;

// Makes one copy, on a stack of its own: it can fail.
void copier_main() {
  {
    const BulkCopy copy = under_way.back();
    under_way.pop_back();
    if (copy.to_shared) async_write(*copy.self, *copy.site, copy.shared, copy.bytes);
    copy.perform(copy);
    if (copy.to_shared) {
      land_at_barrier(*copy.self, *copy.site, copy.barrier, copy.bytes);
    } else {
      give(copy.self);
      Fiber& starter = static_cast<Fiber&>(*copy.self);
      --starter.bulk_groups[copy.group];
      if (starter.waits_for_bulk) starter.state = State::kReady;
    }
  }
  leave(copier);
}

}  // namespace

void forget_copies() { under_way.clear(); }

const BulkCopy* copy_under_way() { return under_way.empty() ? nullptr : &under_way.back(); }

void make_copy() {
  size_t next = under_way.size() - 1;
  if (schedule.order == Order::kForward) next = 0;
  if (schedule.order == Order::kShuffled) next = random_below(under_way.size());
  std::rotate(under_way.begin() + static_cast<std::ptrdiff_t>(next),
              under_way.begin() + static_cast<std::ptrdiff_t>(next) + 1, under_way.end());
  run.current = &copier;
  copier.stack.memory = stack_memory(run.fibers.size());
  prepare(copier.stack, copier_main);
  copier.stack.context = under_way.back().context;
  switch_stack(run.scheduler, copier.stack);
}

void start_bulk(Thread& self, const BulkCopy& copy) {
  const Quiet quiet;
  Fiber& fiber = static_cast<Fiber&>(self);
  if (fiber.bulk_groups.empty()) fiber.bulk_groups.push_back(0);
  under_way.push_back(copy);
  BulkCopy& started = under_way.back();
  if (!copy.to_shared) {
    started.reads = noted_reads();
    started.group = fiber.bulk_groups.size() - 1;
    ++fiber.bulk_groups.back();
  }
  // It comes after what its thread has done so far, and beside all that the thread does next.
  started.context = new_context();
  if (schedule.order == Order::kReversed) preempt(self);
}

void commit_bulk(Thread& self) {
  const Quiet quiet;
  static_cast<Fiber&>(self).bulk_groups.push_back(0);
}

void wait_for_bulk(Thread& self, const Site& site, uint32_t pending) {
  const Quiet quiet;
  Fiber& fiber = static_cast<Fiber&>(self);
  // The last one is not committed yet.
  const size_t committed = fiber.bulk_groups.empty() ? 0 : fiber.bulk_groups.size() - 1;
  const auto is_under_way = [&] {
    for (size_t i = 0; i + pending < committed; ++i) {
      if (fiber.bulk_groups[i]) return true;
    }
    return false;
  };
  fiber.waits_for_bulk = true;
  while (is_under_way()) wait(fiber, site);
  fiber.waits_for_bulk = false;
  take(&fiber);
}

}  // namespace ptx

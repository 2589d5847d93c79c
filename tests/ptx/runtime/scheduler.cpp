#include "scheduler.h"

#include <algorithm>
#include <cstdarg>
#include <cstdio>
#include <cstring>
#include <map>
#include <utility>
#include <vector>

#include "copier.h"
#include "sanitizers.h"
#include "waiting.h"

namespace ptx {

Schedule schedule;
std::string error;
unsigned char arena[kArenaBytes];

Run run;

// splitmix64: the same schedule for a seed everywhere.
uint64_t random_below(uint64_t bound) {
  run.random += 0x9e3779b97f4a7c15;
  uint64_t x = run.random;
  x = (x ^ (x >> 30)) * 0xbf58476d1ce4e5b9;
  x = (x ^ (x >> 27)) * 0x94d049bb133111eb;
  return (x ^ (x >> 31)) % bound;
}

namespace {

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

[[gnu::format(printf, 1, 2)]] void report(const char* format, ...) {
  char text[2048];
  va_list arguments;
  va_start(arguments, format);
  vsnprintf(text, sizeof text, format, arguments);
  va_end(arguments);
  if (error.empty()) error = text;
}

void thread_main() {
  Fiber& fiber = *run.current;
  run.kernel->body(fiber, run.arguments);
  give(&run);
  on_return(fiber);
  leave(fiber);
}

void start_block(Dim index) {
  run.block.index = index;
  // Unwritten shared memory reads as NaN, in every type of floating point.
  forget(arena, sizeof arena);
  forget(tokens, sizeof tokens);
  std::memset(arena, 0xff, run.block.shared_bytes);
  const Dim size = run.block.size;
  for (uint32_t i = 0; i < run.fibers.size(); ++i) {
    Fiber& fiber = run.fibers[i];
    fiber.index = {i % size.x, i / size.x % size.y, i / (size.x * size.y)};
    fiber.linear = i;
    fiber.lane = i % 32;
    fiber.block = &run.block;
    fiber.state = State::kReady;
    fiber.groups.clear();
    fiber.open_group.clear();
    fiber.bulk_groups.clear();
    fiber.waits_for_bulk = fiber.has_tried = false;
    fiber.products = Products{};
    fiber.registers = (run.kernel->registers + 7) / 8 * 8;
    fiber.stack.memory = stack_memory(i);
    prepare(fiber.stack, thread_main);
  }
  const size_t missing = run.warps.size() * 32 - run.fibers.size();
  for (Warp& warp : run.warps) warp = Warp{};
  // Lanes that the last warp does not have count as returned.
  if (missing) run.warps.back().returned = ~0u << (32 - missing);
  for (Barrier& barrier : run.barriers) barrier = Barrier{};
  run.mbarriers.clear();
  run.free_registers = 0;
  run.short_of_registers.clear();
  forget_copies();
  reset_proxies();
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

// Whether the four warps of each warpgroup have computed the same products.
bool warpgroups_agree() {
  for (size_t i = 0; i < run.fibers.size(); i += 32) {
    const size_t first = i / 128 * 128;
    if (run.fibers[i].products.digest == run.fibers[first].products.digest) continue;
    report("warps %zu and %zu of a warpgroup have not started the same wgmma instructions",
           first / 32, i / 32);
    return false;
  }
  return true;
}

// Copies land late, that is when nobody can go on without them; at once if threads run backwards;
// or at any time, in any order.
void let_copies_land() {
  while (error.empty() && copy_under_way()) {
    if (schedule.order == Order::kForward) return;
    if (schedule.order == Order::kShuffled && random_below(2) == 0) return;
    make_copy();
  }
}

bool run_block(Dim index) {
  start_block(index);
  std::vector<Fiber*> ready;
  for (;;) {
    ready.clear();
    for (Fiber& fiber : run.fibers) {
      if (fiber.state == State::kReady) ready.push_back(&fiber);
    }
    if (ready.empty()) {
      const BulkCopy* copy = copy_under_way();
      if (!copy) break;
      if (run.returned == run.fibers.size()) {
        report("%s:%d: the block ends while this copy is under way ('%s')", copy->site->file,
               copy->site->line, copy->site->instruction);
        return false;
      }
      make_copy();
      if (!error.empty()) return false;
    }
    put_in_order(ready);
    for (Fiber* fiber : ready) {
      run.current = fiber;
      fiber->budget = new_budget();
      switch_stack(run.scheduler, fiber->stack);
      let_copies_land();
      if (!error.empty()) return false;
      // Now and then a new round begins early, so that some threads run far ahead of others.
      if (schedule.order == Order::kShuffled && random_below(4) == 0) break;
    }
  }
  if (run.returned == run.fibers.size()) return warpgroups_agree();
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
  begin_switching(run.scheduler);
  const bool done = std::all_of(blocks.begin(), blocks.end(), run_block);
  take(&run);  // the next launch comes after all of this one
  end_switching();
  return done;
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

}  // namespace ptx

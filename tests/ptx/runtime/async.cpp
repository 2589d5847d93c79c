#include "async.h"

#include "sanitizers.h"
#include "scheduler.h"
#include "waiting.h"

namespace ptx {
namespace {

// Takes the oldest copies of groups that may not be pending any more.
std::vector<Copy> due(Fiber& fiber, size_t pending) {
  const Quiet quiet;
  std::vector<Copy> copies;
  while (fiber.groups.size() > pending) {
    copies.insert(copies.end(), fiber.groups.front().begin(), fiber.groups.front().end());
    fiber.groups.erase(fiber.groups.begin());
  }
  return copies;
}

}  // namespace

void async_start(Thread& self, const Copy& copy) {
  Fiber& fiber = static_cast<Fiber&>(self);
  const bool now = schedule.order == Order::kShuffled && random_below(2) == 0;
  if (now || watches_threads()) copy.perform(copy);
  if (now) return;
  const Quiet quiet;
  fiber.open_group.push_back(copy);
}

void async_commit(Thread& self) {
  const Quiet quiet;
  Fiber& fiber = static_cast<Fiber&>(self);
  fiber.groups.push_back(fiber.open_group);
  fiber.open_group.clear();
}

void async_wait(Thread& self, uint32_t pending) {
  for (const Copy& copy : due(static_cast<Fiber&>(self), pending)) copy.perform(copy);
}

}  // namespace ptx

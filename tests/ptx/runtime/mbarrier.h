// mbarrier: phases that end when all arrivals that were announced, and all bytes that are expected,
// have come.
//
// The eight bytes in shared memory are opaque: a device keeps its counts there, we a mark.

#pragma once

#include <cstdint>

#include "device.h"
#include "memory.h"

namespace ptx {

constexpr uint64_t kBarrierMark = 0x7265697272616d5f;

void start_barrier(Thread& self, const Site& site, uint32_t offset, uint32_t count);
void end_barrier(Thread& self, const Site& site, uint32_t offset);

// Expects more bytes in this phase, then arrives so many times. Returns the number of the phase.
uint64_t arrive_at_barrier(Thread& self, const Site& site, uint32_t offset, uint32_t count,
                           uint32_t bytes);

// Whether the phase of this parity has ended. If not, waits a while, and then says false now and
// again, as a device may: one try is not enough.
bool try_barrier(Thread& self, const Site& site, uint32_t offset, uint32_t parity);

inline void mbarrier_init(Thread& self, const Site& site, uint32_t offset, uint32_t count) {
  store<uint64_t>(shared(self, site, offset, 8), {{kBarrierMark}});
  start_barrier(self, site, offset, count);
}

// Looks at the mark: sanitizers see it, too.
inline void check_mark(Thread& self, const Site& site, uint32_t offset) {
  if (load<uint64_t>(shared(self, site, offset, 8)).values[0] != kBarrierMark) {
    fail(self, site, "no mbarrier at %u: not initialised, or written over", offset);
  }
}

inline void mbarrier_invalidate(Thread& self, const Site& site, uint32_t offset) {
  check_mark(self, site, offset);
  end_barrier(self, site, offset);
  store<uint64_t>(shared(self, site, offset, 8), {{0}});
}

inline uint64_t mbarrier_arrive(Thread& self, const Site& site, uint32_t offset, uint32_t count,
                                uint32_t bytes) {
  check_mark(self, site, offset);
  return arrive_at_barrier(self, site, offset, count, bytes);
}

inline bool mbarrier_try_wait(Thread& self, const Site& site, uint32_t offset, uint32_t parity) {
  check_mark(self, site, offset);
  return try_barrier(self, site, offset, parity);
}

}  // namespace ptx

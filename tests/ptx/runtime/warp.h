// What the lanes of a warp do together: shuffles, votes, reductions, synchronisation.

#pragma once

#include <cstdint>

#include "device.h"

namespace ptx {

inline void warp_sync(Thread& self, const Site& site, uint32_t mask) {
  warp_rendezvous(self, site, mask, nullptr, [](void* const*) {}, true);
}

struct Shuffle {
  Thread* self;
  const Site* site;
  uint32_t value, source, result;
};

enum class ShuffleMode { kUp, kDown, kButterfly, kIndex };

// `clamp` holds the last lane of a segment and, from bit 8 on, the bits of a lane that name the
// segment. `inside` is false, and the result this lane's own value, where the source lies outside.
inline uint32_t shuffle(Thread& self, const Site& site, ShuffleMode mode, uint32_t value,
                        uint32_t operand, uint32_t clamp, uint32_t mask, bool& inside) {
  const uint32_t lane = self.lane;
  const uint32_t by = operand & 0x1f;
  const uint32_t segment = clamp >> 8 & 0x1f;
  const uint32_t limit = (lane & segment) | (clamp & 0x1f & ~segment);
  uint32_t source = lane;
  switch (mode) {
    case ShuffleMode::kUp:  // its clamp is the first lane of the segment
      source = lane - by;
      inside = static_cast<int32_t>(source) >= static_cast<int32_t>(limit);
      break;
    case ShuffleMode::kDown:
      source = lane + by;
      inside = source <= limit;
      break;
    case ShuffleMode::kButterfly:
      source = lane ^ by;
      inside = source <= limit;
      break;
    case ShuffleMode::kIndex:
      source = (lane & segment) | (by & ~segment);
      inside = source <= limit;
      break;
  }
  if (!inside) source = lane;
  Shuffle mine{&self, &site, value, source, value};
  warp_rendezvous(self, site, mask, &mine, [](void* const* lanes) {
    for (int lane = 0; lane < 32; ++lane) {
      auto* to = static_cast<Shuffle*>(lanes[lane]);
      if (!to) continue;
      const auto* from = static_cast<const Shuffle*>(lanes[to->source]);
      if (!from) {
        fail(*to->self, *to->site, "shuffle: lane %d reads lane %u, which does not take part", lane,
             to->source);
      }
      to->result = from->value;
    }
  });
  return mine.result;
}

struct Vote {
  bool value;
  uint32_t ballot, everybody;
};

// Bit i: lane i takes part and votes yes; `everybody`: takes part.
inline Vote vote(Thread& self, const Site& site, bool value, uint32_t mask) {
  Vote mine{value, 0, 0};
  warp_rendezvous(self, site, mask, &mine, [](void* const* lanes) {
    uint32_t ballot = 0;
    uint32_t everybody = 0;
    for (int lane = 0; lane < 32; ++lane) {
      if (!lanes[lane]) continue;
      everybody |= 1u << lane;
      if (static_cast<Vote*>(lanes[lane])->value) ballot |= 1u << lane;
    }
    for (int lane = 0; lane < 32; ++lane) {
      if (!lanes[lane]) continue;
      static_cast<Vote*>(lanes[lane])->ballot = ballot;
      static_cast<Vote*>(lanes[lane])->everybody = everybody;
    }
  });
  return mine;
}

// redux.sync: `combine` over the values of all lanes.
template <typename value_t, value_t combine(value_t, value_t)>
inline value_t warp_reduce(Thread& self, const Site& site, value_t value, uint32_t mask) {
  warp_rendezvous(self, site, mask, &value, [](void* const* lanes) {
    value_t* first = nullptr;
    for (int lane = 0; lane < 32; ++lane) {
      auto* each = static_cast<value_t*>(lanes[lane]);
      if (!each) continue;
      if (first) *first = combine(*first, *each);
      if (!first) first = each;
    }
    for (int lane = 0; lane < 32; ++lane) {
      if (lanes[lane]) *static_cast<value_t*>(lanes[lane]) = *first;
    }
  });
  return value;
}

template <typename value_t>
inline value_t bits_and(value_t a, value_t b) {
  return a & b;
}
template <typename value_t>
inline value_t bits_or(value_t a, value_t b) {
  return a | b;
}
template <typename value_t>
inline value_t bits_xor(value_t a, value_t b) {
  return a ^ b;
}

// elect.sync: the chosen lane; the lanes of `mask` meet.
inline uint32_t elect(Thread& self, const Site& site, uint32_t mask) {
  warp_rendezvous(self, site, mask, nullptr, [](void* const*) {});
  return elected(mask);
}

}  // namespace ptx

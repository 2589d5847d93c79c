// Loads, stores and atomic operations, with what a device checks and what it does not.

#pragma once

#include <algorithm>
#include <cstdint>
#include <cstring>

#include "device.h"
#include "values.h"

namespace ptx {

template <typename value_t, int count>
struct Vector {
  value_t values[count];
};

void check_alignment(Thread& self, const Site& site, uint64_t address, size_t bytes);

// The host address of `bytes` bytes of shared memory.
unsigned char* shared(Thread& self, const Site& site, uint32_t offset, size_t bytes);

// The host address behind a generic, global, local or constant one; those of shared memory lie in
// the arena.
unsigned char* generic(Thread& self, const Site& site, uint64_t address, size_t bytes);

// volatile: one access each, which the compiler neither moves nor drops.
template <typename value_t, int count = 1>
inline Vector<value_t, count> load(const unsigned char* memory) {
  Vector<value_t, count> result;
  using word_t = unsigned_of<value_t>;
  for (int i = 0; i < count; ++i) {
    result.values[i] =
        bits_as<value_t>(word_t(reinterpret_cast<const volatile word_t*>(memory)[i]));
  }
  return result;
}

template <typename value_t, int count = 1>
inline void store(unsigned char* memory, Vector<value_t, count> vector) {
  using word_t = unsigned_of<value_t>;
  for (int i = 0; i < count; ++i) {
    reinterpret_cast<volatile word_t*>(memory)[i] = bits_as<word_t>(vector.values[i]);
  }
}

// Kernel parameters are copied: cudaLaunchKernel promises no alignment.
template <typename value_t>
inline value_t parameter(uint64_t address) {
  value_t value;
  std::memcpy(&value, reinterpret_cast<const void*>(address), sizeof value);
  return value;
}

// Threads change between accesses only, so that load and store are one step. They are atomic for
// the thread sanitizer's sake; `ordered`, with .acq_rel: they make what this thread did before
// known to those that come after.
template <typename value_t, bool ordered = false, typename Update>
inline value_t atomic(unsigned char* memory, Update update) {
  using word_t = unsigned_of<value_t>;
  word_t* word = reinterpret_cast<word_t*>(memory);
  constexpr int kLoad = ordered ? __ATOMIC_ACQUIRE : __ATOMIC_RELAXED;
  constexpr int kStore = ordered ? __ATOMIC_RELEASE : __ATOMIC_RELAXED;
  const value_t before = bits_as<value_t>(__atomic_load_n(word, kLoad));
  __atomic_store_n(word, bits_as<word_t>(static_cast<value_t>(update(before))), kStore);
  return before;
}

// Up to `limit`, then from 0 again; and down, from `limit` again.
inline uint32_t wrapping_increment(uint32_t x, uint32_t limit) { return x >= limit ? 0 : x + 1; }
inline uint32_t wrapping_decrement(uint32_t x, uint32_t limit) {
  return x == 0 || x > limit ? limit : x - 1;
}

}  // namespace ptx

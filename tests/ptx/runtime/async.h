// cp.async: copies from global to shared memory that land when they like, until they are waited
// for.

#pragma once

#include <cstdint>

#include "device.h"
#include "memory.h"
#include "proxies.h"

namespace ptx {

struct Copy {
  Thread* self;
  const Site* site;
  unsigned char* to;
  const unsigned char* from;
  uint32_t bytes, source_bytes;  // what the source does not give is zero
  void (*perform)(const Copy& copy);
};

// Shuffled schedules let each copy land at once or when it is waited for; the others always late.
// Under the thread sanitizer it does both: it may race with either end.
void async_start(Thread& self, const Copy& copy);
void async_commit(Thread& self);
// Waits for all groups but the latest `pending` ones.
void async_wait(Thread& self, uint32_t pending);

// In translated code, so that sanitizers see the accesses.
inline void perform(const Copy& copy) {
  generic_write(*copy.self, *copy.site, copy.to, copy.bytes);
  for (uint32_t i = 0; i < copy.bytes; ++i) {
    const_cast<volatile unsigned char*>(copy.to)[i] = i < copy.source_bytes ? copy.from[i] : 0;
  }
}

inline void async_copy(Thread& self, const Site& site, unsigned char* to, uint64_t from,
                       uint32_t bytes, uint32_t source_bytes) {
  if (source_bytes > bytes) fail(self, site, "a copy of %u of %u bytes", source_bytes, bytes);
  // A source of no bytes need not exist, but its address must be aligned all the same.
  check_alignment(self, site, from, bytes);
  const unsigned char* source = source_bytes ? generic(self, site, from, bytes)
                                             : reinterpret_cast<const unsigned char*>(from);
  async_start(self, {&self, &site, to, source, bytes, source_bytes, perform});
}

}  // namespace ptx

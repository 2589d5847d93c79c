#include "memory.h"

#include "device.h"

namespace ptx {

void check_alignment(Thread& self, const Site& site, uint64_t address, size_t bytes) {
  if (address % bytes) {
    fail(self, site, "misaligned: %zu bytes at address %#llx", bytes,
         static_cast<unsigned long long>(address));
  }
}

unsigned char* shared(Thread& self, const Site& site, uint32_t offset, size_t bytes) {
  const uint32_t size = self.block->shared_bytes;
  if (offset > size || bytes > size - offset) {
    fail(self, site, "shared memory: %zu bytes at %u of %u", bytes, offset, size);
  }
  check_alignment(self, site, offset, bytes);
  account(self);
  return self.block->shared + offset;
}

unsigned char* generic(Thread& self, const Site& site, uint64_t address, size_t bytes) {
  const uint64_t offset = address - reinterpret_cast<uint64_t>(arena);
  if (offset < kArenaBytes) return shared(self, site, static_cast<uint32_t>(offset), bytes);
  if (address < 4096) {
    fail(self, site, "%zu bytes at address %#llx", bytes, static_cast<unsigned long long>(address));
  }
  check_alignment(self, site, address, bytes);
  account(self);
  return reinterpret_cast<unsigned char*>(address);
}

}  // namespace ptx

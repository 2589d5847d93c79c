#include "proxies.h"

#include <algorithm>

#include "reads.h"
#include "sanitizers.h"

namespace ptx {
namespace {

bool unfenced[kArenaBytes];     // written by a thread, and no fence since
uint16_t readers[kArenaBytes];  // operations under way that read the byte
uint32_t first = kArenaBytes;   // unfenced bytes lie from here
uint32_t last = 0;              // to here
std::vector<Range> noted;

void check_readers(Thread& self, const Site& site, uint32_t offset, uint32_t bytes) {
  for (uint32_t i = offset; i < offset + bytes; ++i) {
    if (readers[i]) {
      fail(self, site, "shared memory at %u is written while wgmma or a bulk copy reads it", i);
    }
  }
}

}  // namespace

Reads::~Reads() {
  for (const Range& range : ranges_) {
    for (uint32_t i = 0; i < range.bytes; ++i) --readers[range.offset + i];
  }
}

std::shared_ptr<Reads> noted_reads() {
  auto reads = std::make_shared<Reads>(std::move(noted));
  noted.clear();
  return reads;
}

void reset_proxies() {
  std::fill_n(unfenced, kArenaBytes, false);
  noted_reads();
}

void generic_write(Thread& self, const Site& site, const unsigned char* memory, uint32_t bytes) {
  const uint64_t offset = static_cast<uint64_t>(memory - arena);
  if (offset >= kArenaBytes) return;
  const Quiet quiet;
  const uint32_t begin = static_cast<uint32_t>(offset);
  check_readers(self, site, begin, bytes);
  std::fill_n(unfenced + begin, bytes, true);
  first = std::min(first, begin);
  last = std::max(last, begin + bytes);
}

void proxy_fence(Thread&) {
  const Quiet quiet;
  if (first < last) std::fill(unfenced + first, unfenced + last, false);
  first = kArenaBytes;
  last = 0;
}

void async_write(Thread& self, const Site& site, uint32_t offset, uint32_t bytes) {
  const Quiet quiet;
  check_readers(self, site, offset, bytes);
  std::fill_n(unfenced + offset, bytes, false);
}

void async_read(Thread& self, const Site& site, uint32_t offset, uint32_t bytes) {
  const Quiet quiet;
  const uint32_t size = self.block->shared_bytes;
  if (offset > size || bytes > size - offset) {
    fail(self, site, "shared memory: %u bytes at %u of %u", bytes, offset, size);
  }
  for (uint32_t i = offset; i < offset + bytes; ++i) {
    if (unfenced[i]) {
      fail(self, site, "shared memory at %u: written by threads, and no fence.proxy.async since",
           i);
    }
    ++readers[i];
  }
  noted.push_back({offset, bytes});
}

}  // namespace ptx

// cp.async.bulk: copies between global and shared memory that are started by one thread and made by
// nobody that the program sees: 16 bytes and more in a row, or a box of a matrix (TMA).

#pragma once

#include <cstdint>
#include <memory>

#include "device.h"
#include "memory.h"
#include "proxies.h"
#include "tensor_map.h"

namespace ptx {

class Reads;

struct BulkCopy {
  Thread* self;  // who has started it, and where
  const Site* site;
  uint32_t shared, bytes;
  unsigned char* global;
  uint32_t barrier;  // that hears of the bytes; copies to global memory have groups instead
  bool to_shared;
  TensorMap map;  // of boxes
  int32_t column, row;
  void (*perform)(const BulkCopy& copy);
  // The runtime's.
  uint64_t group;
  std::shared_ptr<Reads> reads;
  void* context;
};

void start_bulk(Thread& self, const BulkCopy& copy);
void commit_bulk(Thread& self);
// Waits for all groups but the latest `pending` ones.
void wait_for_bulk(Thread& self, const Site& site, uint32_t pending);

// --- in translated code, so that sanitizers see the accesses

inline void perform_row(const BulkCopy& copy) {
  unsigned char* shared = copy.self->block->shared + copy.shared;
  unsigned char* to = copy.to_shared ? shared : copy.global;
  const unsigned char* from = copy.to_shared ? copy.global : shared;
  for (uint32_t i = 0; i < copy.bytes; i += 8) {
    store<uint64_t>(to + i, load<uint64_t>(from + i));
  }
}

template <typename element_t>
inline void perform_box(const BulkCopy& copy) {
  const TensorMap& map = copy.map;
  uint32_t offset = copy.shared;
  for (uint32_t i = 0; i < map.box_rows; ++i) {
    for (uint32_t j = 0; j < map.box_columns; ++j, offset += sizeof(element_t)) {
      const int64_t row = int64_t{copy.row} + i;
      const int64_t column = int64_t{copy.column} + j;
      const bool inside = row >= 0 && row < static_cast<int64_t>(map.rows) && column >= 0 &&
                          column < static_cast<int64_t>(map.columns);
      unsigned char* global = map.base + row * static_cast<int64_t>(map.pitch) +
                              column * static_cast<int64_t>(sizeof(element_t));
      unsigned char* shared = copy.self->block->shared + swizzled(offset, map.swizzle);
      if (copy.to_shared) {
        const element_t outside = static_cast<element_t>(map.outside);
        store<element_t>(shared, {{inside ? load<element_t>(global).values[0] : outside}});
      } else if (inside) {
        store<element_t>(global, load<element_t>(shared));
      }
    }
  }
}

inline BulkCopy bulk_copy(Thread& self, const Site& site, uint32_t shared_offset) {
  BulkCopy copy{};
  copy.self = &self;
  copy.site = &site;
  copy.shared = shared_offset;
  return copy;
}

inline BulkCopy bulk_row(Thread& self, const Site& site, uint32_t shared_offset, uint64_t address,
                         uint32_t bytes) {
  if (bytes % 16) fail(self, site, "a bulk copy of %u bytes: not a multiple of 16", bytes);
  check_alignment(self, site, shared_offset, 16);
  check_alignment(self, site, address, 16);
  BulkCopy copy = bulk_copy(self, site, shared_offset);
  copy.bytes = bytes;
  copy.global = reinterpret_cast<unsigned char*>(address);
  copy.perform = perform_row;
  return copy;
}

inline BulkCopy bulk_box(Thread& self, const Site& site, uint32_t shared_offset, uint64_t address,
                         int32_t column, int32_t row) {
  check_alignment(self, site, shared_offset, 128);
  check_alignment(self, site, address, 64);
  BulkCopy copy = bulk_copy(self, site, shared_offset);
  copy.column = column;
  copy.row = row;
  std::memcpy(&copy.map, reinterpret_cast<const void*>(address), sizeof copy.map);
  if (copy.map.mark != kTensorMapMark) fail(self, site, "not a tensor map of two dimensions");
  copy.bytes = copy.map.box_columns * copy.map.box_rows * copy.map.element_bytes;
  copy.perform = copy.map.element_bytes == 2 ? perform_box<uint16_t> : perform_box<uint32_t>;
  return copy;
}

inline void bulk_load(Thread& self, const Site& site, BulkCopy copy, uint32_t barrier) {
  shared(self, site, copy.shared, 1);
  shared(self, site, copy.shared + copy.bytes - 1, 1);
  check_alignment(self, site, barrier, 8);
  copy.to_shared = true;
  copy.barrier = barrier;
  start_bulk(self, copy);
}

inline void bulk_store(Thread& self, const Site& site, const BulkCopy& copy) {
  async_read(self, site, copy.shared, copy.bytes);
  start_bulk(self, copy);
}

}  // namespace ptx

// What our cuTensorMapEncodeTiled writes to the 128 bytes of a CUtensorMap: a matrix in global
// memory, and the boxes of it that bulk copies move.

#pragma once

#include <cstdint>

namespace ptx {

struct TensorMap {
  uint64_t mark;  // kTensorMapMark
  unsigned char* base;
  uint64_t columns, rows;
  uint64_t pitch;  // bytes from a row to the next
  uint32_t box_columns, box_rows;
  uint32_t element_bytes;
  uint32_t swizzle;  // bits of an address that are changed: 0 to 3
  uint32_t outside;  // the element that is read where the matrix has none
};

constexpr uint64_t kTensorMapMark = 0x70616d726f736e65;

// 16-byte pieces of 2, 4 or 8 that follow each other change places, by rows of 128 bytes.
inline uint32_t swizzled(uint32_t address, uint32_t bits) {
  return address ^ (address >> 7 & ((1u << bits) - 1)) << 4;
}

}  // namespace ptx

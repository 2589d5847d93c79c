// What the kernels of the contrastive backward share on Hopper: a block of threads has a producer
// and two consumers (tile_sm90.cuh), each of which multiplies 64 rows of weights with rows
// that the producer copies.

#pragma once

#include "gradient.cuh"
#include "tile_sm90.cuh"

namespace simclr_bench::sm90 {

constexpr int kSharedRoom = 220 * 1024;  // of a block, for rows

// Ends a group of products that loops or branches have begun: without a fence of its own ptxas
// makes all products wait for each other.
__device__ inline void end_group() {
  fence_products();
  commit_products();
}

// Begins the products sums += weights x · rows j, for kSlices slices at most, which are
// `slice_bytes` from each other. `rows` is where the first part of the first slice lies, and the
// next one `part_bytes` on. Without `keep`, sums begin anew.
template <typename Numbers, int kSlices, int kSteps>
__device__ void multiply_weights(float (&sums)[kSlices][8][4],
                                 const uint32_t (&x)[kSteps][Numbers::gradient_parts][4],
                                 uint32_t rows, int slice_bytes, int part_bytes, int slices,
                                 bool keep) {
  constexpr int kParts = Numbers::gradient_parts;
  constexpr int kLast = Numbers::gradient_orders - 1;
  const uint64_t y = along_columns(rows, 0);
#pragma unroll
  for (int slice = 0; slice < kSlices; ++slice) {
    if (slice >= slices) continue;
    fence_products();
#pragma unroll
    for (int step = 0; step < kSteps; ++step) {
#pragma unroll
      for (int order = kLast; order >= 0; --order) {  // p + q, smallest products first
#pragma unroll
        for (int p = 0; p < kParts; ++p) {
          if (p > order || order - p >= kParts) continue;
          const bool first = step == 0 && order == kLast && p == (kLast < kParts ? 0 : kParts - 1);
          const int at = slice * slice_bytes + (order - p) * part_bytes + step * 16 * kSlice * 2;
          multiply_columns(sums[slice], x[step][p], y + (at >> 4), !first || keep);
        }
      }
    }
  }
}

}  // namespace simclr_bench::sm90

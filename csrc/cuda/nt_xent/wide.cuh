// Weights of pairs of rows as they are stored for rows with many columns: made by make_weights,
// read by add_slabs (wide.cu).

#pragma once

#include "gradient.cuh"

namespace simclr_bench {

constexpr int kRowTiles = kTile / 16;
constexpr int kSteps = kColumns / 16;

// Left operands of 16 x 16: of each warp, for mma.sync and wgmma.
template <typename Numbers>
struct StoredWeights {
  static constexpr int kParts = Numbers::gradient_parts;
  static constexpr int kLoads = kSteps * kParts;  // per lane, of 16 bytes: a 16 x kColumns

  // [row tiles of the pass, column tiles, kSteps, kParts, 32]; where a lane's first is.
  static __device__ int64_t at(const GradientPass& pass, int64_t row_tile, int64_t column_tile) {
    return (row_tile * pass.column_tiles + column_tile) * kLoads * 32 + threadIdx.x % 32;
  }

  // Makes and stores the weights of a 16 x 16 of pairs. to: at(), and a number of steps.
  static __device__ void store(const float (&one)[4], const float (&next)[4], uint4* to) {
    uint32_t x[kParts][4];
    split_weights<Numbers>(one, next, x);
#pragma unroll
    for (int p = 0; p < kParts; ++p) to[p * 32] = make_uint4(x[p][0], x[p][1], x[p][2], x[p][3]);
  }
};

// Of rows that do not fit a block of threads: their weights, of which a block of rows takes so many
// bytes, and moments [column tiles, rows]; then their sums.
int64_t weight_bytes(const SimclrBenchContrast& problem, const GradientPass& pass);
cudaError_t make_weights(const SimclrBenchContrast& problem, const Contrast& c,
                         const Coefficients& in, const GradientPass& pass, uint4* weights,
                         float* moments, cudaStream_t stream);
int64_t slabs(const SimclrBenchContrast& problem);  // blocks of threads per block of rows
cudaError_t add_slabs(const SimclrBenchContrast& problem, const Contrast& c,
                      const GradientPass& pass, const uint4* weights, const GradientParts& out,
                      cudaStream_t stream);

// The same for devices that run code for sm_90a.
namespace sm90 {

cudaError_t make_weights(const SimclrBenchContrast& problem, const Contrast& c,
                         const Coefficients& in, const GradientPass& pass, uint4* weights,
                         float* moments, cudaStream_t stream);
int64_t slabs(const SimclrBenchContrast& problem);
cudaError_t add_slabs(const SimclrBenchContrast& problem, const Contrast& c,
                      const GradientPass& pass, const uint4* weights, const GradientParts& out,
                      cudaStream_t stream);

}  // namespace sm90
}  // namespace simclr_bench

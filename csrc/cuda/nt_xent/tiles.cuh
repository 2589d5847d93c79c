// What kernels share that have one block of threads per 128 x 128 tile of similarities.

#pragma once

#include "sums.cuh"

namespace simclr_bench {

struct Tile {
  int64_t row_block, column_block;
};

// Tiles per two row blocks, the q-th and the q-th from the end: as many for all q.
__host__ __device__ inline int64_t tiles_of_two(const Pass& pass, const Layout& layout) {
  return pass.towers ? 2 * layout.view_blocks : 2 * (layout.blocks() - pass.first) - pass.count + 1;
}

// False where the row block in the middle has nothing to pair with.
__device__ inline bool find_tile(const Pass& pass, const Layout& layout, int64_t number,
                                 Tile& tile) {
  const int64_t two = tiles_of_two(pass, layout);
  const int64_t q = number / two;
  const int64_t offset = number % two;
  const int64_t mirrored = pass.count - 1 - q;
  const int64_t row = pass.first + q;
  const int64_t tiles = pass.end_column(layout) - pass.first_column(layout, row);
  const bool second = offset >= tiles;
  if (second && mirrored == q) return false;
  tile.row_block = second ? pass.first + mirrored : row;
  tile.column_block =
      pass.first_column(layout, tile.row_block) + (second ? offset - tiles : offset);
  return true;
}

// Writes the sums of a tile of similarities, or of exponentials: of its rows and, if it is above
// the diagonal, of its columns. memory: shared, kSumBytes, which nobody uses.
constexpr int kSumBytes = 12 * kTile * static_cast<int>(sizeof(float));

template <bool kMaxima, typename Numbers>
__device__ void write_sums(const Similarities<2, 8>& similarities, float scale,
                           const Layout& layout, const Pass& pass, const Tile& tile,
                           unsigned char* memory, const Partials& out) {
  auto* row_sums = reinterpret_cast<float*>(memory);  // [2, kTile], then column sums [4, kTile]
  float* column_sums = row_sums + 2 * kTile;
  float* row_maxima = row_sums + 6 * kTile;
  float* column_maxima = row_sums + 8 * kTile;
  const int warp = static_cast<int>(threadIdx.x) / 32;
  const int lane = static_cast<int>(threadIdx.x) % 32;
#pragma unroll
  for (int m = 0; m < 2; ++m) {
#pragma unroll
    for (int half = 0; half < 2; ++half) {
      const int row = TileProducts<Numbers>::first_row() + lane / 4 + 16 * m + 8 * half;
      float top = -INFINITY;
      float sum = 0;
      similarities.add_row<kMaxima>(m, half, scale, top, sum);
      sum = combine_four(sum, Add());
      if (lane % 4 == 0) {
        row_sums[warp % 2 * kTile + row] = sum;
        if constexpr (kMaxima) row_maxima[warp % 2 * kTile + row] = top;
      }
    }
  }
  const int at = warp / 2 * kTile + TileProducts<Numbers>::first_column();
  similarities.write_columns<kMaxima>(scale, column_sums + at, column_maxima + at);
  __syncthreads();
  const int t = static_cast<int>(threadIdx.x) % kTile;
  const int64_t local = tile.row_block - pass.first;
  if (threadIdx.x < kTile) {
    const int64_t run = tile.column_block - pass.first_column(layout, tile.row_block);
    const int64_t to = (run * pass.count + local) * kTile + t;
    write_total<2, kMaxima>(row_sums + t, row_maxima + t, scale, out.row_sums + to,
                            out.row_maxima + to);
  } else if (tile.column_block < layout.own_blocks() && tile.column_block != tile.row_block) {
    const int64_t to = local * layout.own_rows() + tile.column_block * kTile + t;
    write_total<4, kMaxima>(column_sums + t, column_maxima + t, scale, out.column_sums + to,
                            out.column_maxima + to);
  }
}

}  // namespace simclr_bench

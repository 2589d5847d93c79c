// The contrastive losses on CUDA: sums over the negatives of each row and column of the tiles of a
// pass, with mma.sync. Formulas and notation: csrc/cpu/contrast.cpp. Design: README.md beside this
// file.
//
//   in    rows as pack_rows leaves them
//   out   a tile's sums of its rows and, if above the diagonal, of its columns
//
// Parallelization: one block per 128 x 128 tile.

#include "nt_xent_sums.cuh"

namespace simclr_bench {
namespace {

struct Tile {
  int64_t row_block, column_block;
};

// Tiles per two row blocks, the q-th and the q-th from the end: as many for all q.
__host__ __device__ int64_t tiles_of_two(const Pass& pass, const Layout& layout) {
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

template <typename Numbers, bool kMaxima>
__global__ void __launch_bounds__(kThreads, TileProducts<Numbers>::kBlocks)
    add_tiles(Contrast c, Pass pass, Partials out) {
#ifndef __CUDA_ARCH_FEAT_SM90_ALL
  extern __shared__ __align__(128) unsigned char memory[];
  const Layout& layout = c.layout;
  Tile tile;
  if (!find_tile(pass, layout, blockIdx.x, tile)) return;
  Products<Numbers, 2> products;
  TileProducts<Numbers>::add(c, tile.row_block, tile.column_block, memory, products);

  const int warp = static_cast<int>(threadIdx.x) / 32;
  const int lane = static_cast<int>(threadIdx.x) % 32;
  const int first_row = TileProducts<Numbers>::first_row() + lane / 4;
  const int first_column = TileProducts<Numbers>::first_column();
  const int column = first_column + 2 * (lane % 4);
  const float scale = c.exponent_scale();
  const Scales<2, 8> scales(c, tile.row_block * kTile + first_row,
                            tile.column_block * kTile + column, kMaxima ? 1 : scale);
  Similarities<2, 8> similarities(scales, Negatives(layout, tile.row_block, tile.column_block),
                                  first_row, column,
                                  [&](int m, int n, int r) { return products.sum(m, n, r); });
  if constexpr (!kMaxima) similarities.exponentiate();
  auto* row_sums = reinterpret_cast<float*>(memory);  // [2, kTile], then column sums [4, kTile]
  float* column_sums = row_sums + 2 * kTile;
  float* row_maxima = row_sums + 6 * kTile;
  float* column_maxima = row_sums + 8 * kTile;
#pragma unroll
  for (int m = 0; m < 2; ++m) {
#pragma unroll
    for (int half = 0; half < 2; ++half) {
      const int at = warp % 2 * kTile + first_row + 16 * m + 8 * half;
      float top = -INFINITY;
      float sum = 0;
      similarities.add_row<kMaxima>(m, half, scale, top, sum);
      sum = combine_four(sum, Add());
      if (lane % 4 == 0) {
        row_sums[at] = sum;
        if constexpr (kMaxima) row_maxima[at] = top;
      }
    }
  }
  const int at = warp / 2 * kTile + first_column;
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
#endif
}

template <typename Numbers, bool kMaxima>
cudaError_t launch(const Contrast& c, const Pass& pass, const Partials& partials,
                   cudaStream_t stream) {
  const auto kernel = add_tiles<Numbers, kMaxima>;
  constexpr int kBytes = TileProducts<Numbers>::kBytes;
  if (const cudaError_t error =
          cudaFuncSetAttribute(kernel, cudaFuncAttributeMaxDynamicSharedMemorySize, kBytes)) {
    return error;
  }
  const int64_t tiles = ceil_div(pass.count, 2) * tiles_of_two(pass, c.layout);
  kernel<<<static_cast<unsigned>(tiles), kThreads, kBytes, stream>>>(c, pass, partials);
  return cudaGetLastError();
}

}  // namespace

cudaError_t add_tiles(const SimclrBenchContrast& problem, const Contrast& c, const Pass& pass,
                      const Partials& partials, cudaStream_t stream) {
  return with_numbers(problem, [&](auto numbers) {
    using Numbers = decltype(numbers);
    return partials.row_maxima ? launch<Numbers, true>(c, pass, partials, stream)
                               : launch<Numbers, false>(c, pass, partials, stream);
  });
}

}  // namespace simclr_bench

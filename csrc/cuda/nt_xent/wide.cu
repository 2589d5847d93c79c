// The contrastive losses on CUDA: the same sums as backward.cu, for rows with more columns
// than one block of threads can add up. Computing similarities once per part of the columns would
// cost more than keeping what becomes of them.
//
//   in    rows as pack_rows leaves them, coefficients of each row
//   out   [splits, rows, padded_dim] float32: parts of the sums, without the positives' terms
//
// Stored: weights G_ij of the rows i of one pass, in parts of 16 bits, as the left operands that
// they will be: a warp of add_slabs reads 16 bytes per lane, one after the other.
//
// Parallelization: make_weights has a block per 128 x 128 tile; in add_slabs a block owns 128 rows
// i and a slab of columns of their gradient, in registers, and runs over the rows j. No atomics.

#include "tile.cuh"
#include "wide.cuh"

namespace simclr_bench {
namespace {

template <typename Numbers>
struct Wide : StoredWeights<Numbers> {
  static constexpr int kParts = Numbers::gradient_parts;
  static constexpr int kSlices = kParts == 1 ? 4 : 2;  // of a slab: as registers allow
  static constexpr int kStageBytes = kSliceBytes * kParts;
  static constexpr int kStages = 4;
};

// Blocks (x, y): column block among those of the row block, row block of the pass. Maxima are 0
// where none is taken out.
template <typename Numbers>
__global__ void __launch_bounds__(kThreads, TileProducts<Numbers>::kBlocks)
    make_weights(Contrast c, Coefficients in, GradientPass pass, uint4* weights, float* moments) {
#ifndef __CUDA_ARCH_FEAT_SM90_ALL
  using Tile = TileProducts<Numbers>;
  extern __shared__ __align__(128) unsigned char memory[];
  const Layout& layout = c.layout;
  const int64_t row_block = pass.first + blockIdx.y;
  const int64_t column_block = pass.first_column_tile(layout, row_block) / kTiles + blockIdx.x;
  Products<Numbers, 2> products;
  Tile::add(c, row_block, column_block, memory, products);

  const Negatives negatives(layout, row_block, column_block);
  const bool all = negatives.all();
  const float exponent_scale = c.exponent_scale();
  const int lane = static_cast<int>(threadIdx.x) % 32;
  const int first_column = Tile::first_column() + 2 * (lane % 4);
  const int64_t column_tile = int64_t{blockIdx.x} * kTiles + Tile::first_column() / kColumns;
#pragma unroll
  for (int m = 0; m < 2; ++m) {
    const int row = Tile::first_row() + 16 * m + lane / 4;
    const int64_t padded = row_block * kTile + row;
    RowState state[2] = {{c, in, padded}, {c, in, padded + 8}};
    uint4* to =
        weights + Wide<Numbers>::at(pass, int64_t{blockIdx.y} * kRowTiles + row / 16, column_tile);
#pragma unroll
    for (int step = 0; step < kSteps; ++step) {
      float both[2][4];
#pragma unroll
      for (int i = 0; i < 2; ++i) {
        const int n = 2 * step + i;
        float similarities[4];
        bool counts[4];
#pragma unroll
        for (int r = 0; r < 4; ++r) {
          similarities[r] = products.sum(m, n, r);
          counts[r] = all || negatives.contain(row + 8 * (r / 2), first_column + 8 * n + r % 2);
        }
        weights_of<true>(c, in, column_block * kTile + first_column + 8 * n, similarities, counts,
                         exponent_scale, state, both[i]);
      }
      Wide<Numbers>::store(both[0], both[1], to + step * Wide<Numbers>::kParts * 32);
    }
#pragma unroll
    for (int half = 0; half < 2; ++half) {
      const float moment = state[half].whole_moment();
      const int64_t local = int64_t{blockIdx.y} * kTile + row + 8 * half;
      if (lane % 4 == 0) moments[column_tile * pass.rows() + local] = moment;
    }
  }
#endif
}

// 8 warps of 16 rows each. Blocks (x, y, z): row block of the pass, slab, split of the rows j.
template <typename Numbers>
__global__ void __launch_bounds__(kThreads, 1)
    add_slabs(Contrast c, GradientPass pass, const uint4* weights, GradientParts out) {
#ifndef __CUDA_ARCH_FEAT_SM90_ALL
  using W = Wide<Numbers>;
  extern __shared__ __align__(128) unsigned char memory[];
  const Layout& layout = c.layout;
  const int first_slice = static_cast<int>(blockIdx.y) * W::kSlices;
  const int slices = min(static_cast<int>(layout.padded_dim / kSlice) - first_slice, W::kSlices);
  const int lane = static_cast<int>(threadIdx.x) % 32;
  const int warp = static_cast<int>(threadIdx.x) / 32;
  const uint32_t ring = shared_address(memory);
  const uint32_t across = across_offset();
  const int64_t first_tile = pass.first_column_tile(layout, pass.first + blockIdx.x);
  const int64_t begin = pass.column_tiles * blockIdx.z / gridDim.z;
  const int64_t end = pass.column_tiles * (blockIdx.z + 1) / gridDim.z;
  const int64_t stages = (end - begin) * slices;

  int64_t fetched = 0;
  const auto fetch = [&] {
    if (fetched < stages) {
      const int64_t column = (first_tile + begin + fetched / slices) * kColumns;
      const int slice = first_slice + static_cast<int>(fetched % slices);
      fetch_slice<Numbers>(c, ring + fetched % W::kStages * W::kStageBytes, column, slice);
      ++fetched;
    }
    commit_fetches();
  };
  for (int i = 0; i < W::kStages - 1; ++i) fetch();

  weights += W::at(pass, int64_t{blockIdx.x} * kRowTiles + warp, begin);
  uint4 loaded[W::kLoads];
#pragma unroll
  for (int i = 0; i < W::kLoads; ++i) loaded[i] = weights[i * 32];
  float sums[W::kSlices][8][4] = {};
  int64_t read = 0;
  for (int64_t tile = begin; tile < end; ++tile) {
    uint32_t x[kSteps][W::kParts][4];
#pragma unroll
    for (int i = 0; i < W::kLoads; ++i) {
      uint32_t(&to)[4] = x[i / W::kParts][i % W::kParts];
      to[0] = loaded[i].x, to[1] = loaded[i].y, to[2] = loaded[i].z, to[3] = loaded[i].w;
    }
    if (tile + 1 < end) {  // while these are multiplied
      weights += W::kLoads * 32;
#pragma unroll
      for (int i = 0; i < W::kLoads; ++i) loaded[i] = weights[i * 32];
    }
#pragma unroll
    for (int slice = 0; slice < W::kSlices; ++slice) {
      if (slice >= slices) continue;
      wait_for_fetches<W::kStages - 2>();
      __syncthreads();  // all have their part of it, and are done with the one before
      fetch();
      const uint32_t rows = ring + read % W::kStages * W::kStageBytes + across;
      ++read;
#pragma unroll
      for (int step = 0; step < kSteps; ++step)
        add_products<Numbers>(sums[slice], x[step], rows + 2 * step * kEightRows);
    }
  }

  const int64_t at = blockIdx.z * pass.rows() + blockIdx.x * kTile + warp * 16 + lane / 4;
#pragma unroll
  for (int slice = 0; slice < W::kSlices; ++slice) {
    if (slice >= slices) continue;
    const int column = (first_slice + slice) * kSlice + 2 * (lane % 4);
    write_slice(sums[slice], out.sums + at * layout.padded_dim + column, layout.padded_dim);
  }
#endif
}

template <typename Numbers>
cudaError_t launch_weights(const Contrast& c, const Coefficients& in, const GradientPass& pass,
                           uint4* weights, float* moments, cudaStream_t stream) {
  const auto kernel = make_weights<Numbers>;
  constexpr int kBytes = TileProducts<Numbers>::kBytes;
  const dim3 grid(static_cast<unsigned>(pass.column_tiles / kTiles),
                  static_cast<unsigned>(pass.count));
  return launch_with_memory(kernel, grid, kThreads, kBytes, stream, c, in, pass, weights, moments);
}

template <typename Numbers>
cudaError_t launch_slabs(const Contrast& c, const GradientPass& pass, const uint4* weights,
                         int64_t slabs, const GradientParts& out, cudaStream_t stream) {
  using W = Wide<Numbers>;
  const auto kernel = add_slabs<Numbers>;
  constexpr int kBytes = W::kStages * W::kStageBytes;
  const dim3 grid(static_cast<unsigned>(pass.count), static_cast<unsigned>(slabs),
                  static_cast<unsigned>(out.splits));
  return launch_with_memory(kernel, grid, kThreads, kBytes, stream, c, pass, weights, out);
}

}  // namespace

int64_t weight_bytes(const SimclrBenchContrast& problem, const GradientPass& pass) {
  return with_numbers(problem, [&](auto numbers) {
    return kTile * pass.column_tiles * kColumns * 2 * decltype(numbers)::gradient_parts;
  });
}

int64_t slabs(const SimclrBenchContrast& problem) {
  if (problem.hopper) return sm90::slabs(problem);
  return with_numbers(problem, [&](auto numbers) {
    return ceil_div(layout_of(problem).padded_dim, Wide<decltype(numbers)>::kSlices * kSlice);
  });
}

cudaError_t make_weights(const SimclrBenchContrast& problem, const Contrast& c,
                         const Coefficients& in, const GradientPass& pass, uint4* weights,
                         float* moments, cudaStream_t stream) {
  if (problem.hopper) return sm90::make_weights(problem, c, in, pass, weights, moments, stream);
  return with_numbers(problem, [&](auto numbers) {
    return launch_weights<decltype(numbers)>(c, in, pass, weights, moments, stream);
  });
}

cudaError_t add_slabs(const SimclrBenchContrast& problem, const Contrast& c,
                      const GradientPass& pass, const uint4* weights, const GradientParts& out,
                      cudaStream_t stream) {
  if (problem.hopper) return sm90::add_slabs(problem, c, pass, weights, out, stream);
  return with_numbers(problem, [&](auto numbers) {
    return launch_slabs<decltype(numbers)>(c, pass, weights, slabs(problem), out, stream);
  });
}

}  // namespace simclr_bench

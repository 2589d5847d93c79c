// The contrastive losses on CUDA: weights of pairs of rows with many columns, as make_weights in
// wide.cu, with wgmma.
//
//   in    rows as pack_rows leaves them, coefficients of each row
//   out   weights G_ij of the rows i of one pass, in parts of 16 bits, as left operands; moments
//
// Parallelization: a block has a block of rows and a run of tiles (tile_sm90.cuh).

#include <type_traits>

#include "tile_sm90.cuh"
#include "wide.cuh"

namespace simclr_bench::sm90 {
namespace {

// Blocks (x, y): row block of the pass, run of `run` column blocks.
template <typename Numbers>
__global__ void __launch_bounds__(kTileThreads, 1)
    make_weights(Contrast c, TilePlan plan, Coefficients in, GradientPass pass, int64_t run,
                 uint4* weights, float* moments) {
#ifdef __CUDA_ARCH_FEAT_SM90_ALL
  extern __shared__ __align__(1024) unsigned char memory[];
  using Stored = StoredWeights<Numbers>;
  const Layout& layout = c.layout;
  const int64_t row_block = pass.first + blockIdx.x;
  const int64_t first = pass.first_column_tile(layout, row_block) / kTiles;
  const int64_t begin = first + blockIdx.y * run;
  const int64_t end = min(begin + run, first + pass.column_tiles / kTiles);
  Tiles<Numbers> tiles(c, plan, memory);
  if (tiles.is_producer()) {
    tiles.fetch(row_block, begin, end);
    return;
  }
  tiles.begin();
  const float exponent_scale = c.exponent_scale();
  const int lane = static_cast<int>(threadIdx.x) % 32;
  const int row = tiles.first_row() + lane / 4;
  const int64_t local = blockIdx.x * kTile + row;
  RowState state[2] = {{c, in, row_block * kTile + row}, {c, in, row_block * kTile + row + 8}};
  for (int64_t column_block = begin; column_block < end; ++column_block) {
    WarpgroupProducts<Numbers> products;
    tiles.multiply(products, column_block + 1 == end);
    const Negatives negatives(layout, row_block, column_block);
    const int64_t column_tile = (column_block - first) * kTiles;
    const auto store = [&](auto without_mask) {
      constexpr bool kAll = decltype(without_mask)::value;
      uint4* to = weights + Stored::at(pass, local / 16, column_tile);
#pragma unroll
      for (int step = 0; step < kTiles * kSteps; ++step) {
        float both[2][4];
#pragma unroll
        for (int i = 0; i < 2; ++i) {
          const int n = 2 * step + i;
          const int column = 8 * n + 2 * (lane % 4);
          float similarities[4];
          bool counts[4];
#pragma unroll
          for (int r = 0; r < 4; ++r) {
            similarities[r] = products.sum(n, r);
            counts[r] = kAll || negatives.contain(row + 8 * (r / 2), column + r % 2);
          }
          weights_of<true>(c, in, column_block * kTile + column, similarities, counts,
                           exponent_scale, state, both[i]);
        }
        Stored::store(both[0], both[1], to + step * Stored::kParts * 32);
        if (step % kSteps != kSteps - 1) continue;
#pragma unroll
        for (int half = 0; half < 2; ++half) {
          const float moment = state[half].whole_moment();
          const int64_t tile = column_tile + step / kSteps;
          if (lane % 4 == 0) moments[tile * pass.rows() + local + 8 * half] = moment;
          state[half].moment = 0;
        }
      }
    };
    if (negatives.all()) {
      store(std::true_type());
    } else {
      store(std::false_type());
    }
  }
#endif
}

template <typename Numbers>
cudaError_t launch(const SimclrBenchContrast& problem, const Contrast& c, const Coefficients& in,
                   const GradientPass& pass, uint4* weights, float* moments, cudaStream_t stream) {
  const auto kernel = make_weights<Numbers>;
  const int64_t columns = pass.column_tiles / kTiles;
  const int64_t run = run_of(problem, pass.count * columns);
  const dim3 grid(static_cast<unsigned>(pass.count), static_cast<unsigned>(ceil_div(columns, run)));
  return launch_with_memory(kernel, grid, kTileThreads, TilePlan::kBytes, stream, c,
                            plan_tiles<Numbers>(c.layout), in, pass, run, weights, moments);
}

}  // namespace

cudaError_t make_weights(const SimclrBenchContrast& problem, const Contrast& c,
                         const Coefficients& in, const GradientPass& pass, uint4* weights,
                         float* moments, cudaStream_t stream) {
  return with_numbers(problem, [&](auto numbers) {
    return launch<decltype(numbers)>(problem, c, in, pass, weights, moments, stream);
  });
}

}  // namespace simclr_bench::sm90

// The contrastive losses on CUDA: sums over the negatives of each row and column of the tiles of a
// pass, with wgmma. Formulas and notation: csrc/cpu/contrast.cpp. Design: README.md beside this
// file.
//
//   in    rows as pack_rows leaves them
//   out   sums of a row over a run of tiles, and of a tile's columns over each half of its rows
//
// Parallelization: a block has a block of rows and a run of tiles (tile_sm90.cuh). Sums of
// rows stay in registers for the run.

#include "sums.cuh"
#include "tile_sm90.cuh"

namespace simclr_bench::sm90 {
namespace {

// Sums of a tile's columns, of each warp.
template <bool kMaxima>
struct ColumnSums {
  static constexpr int kFloats = kConsumers / 32 * kTile;
  static constexpr int kBytes = kFloats * static_cast<int>(sizeof(float)) * (kMaxima ? 2 : 1);
};

// Blocks (x, y): row block of the pass, run.
template <typename Numbers, bool kMaxima>
__global__ void __launch_bounds__(kTileThreads, 1)
    add_tiles(Contrast c, TilePlan plan, Pass pass, Partials out) {
#ifdef __CUDA_ARCH_FEAT_SM90_ALL
  extern __shared__ __align__(1024) unsigned char memory[];
  const Layout& layout = c.layout;
  const int64_t row_block = pass.first + blockIdx.x;
  const int64_t begin = pass.first_column(layout, row_block) + blockIdx.y * pass.run;
  const int64_t end = min(begin + pass.run, pass.end_column(layout));
  if (begin >= end) return;
  Tiles<Numbers> tiles(c, plan, memory);
  if (tiles.is_producer()) {
    tiles.fetch(row_block, begin, end);
    return;
  }
  tiles.begin();
  const int lane = static_cast<int>(threadIdx.x) % 32;
  const int row = tiles.first_row() + lane / 4;
  const int column = 2 * (lane % 4);
  const int half_block = tiles.warpgroup();
  const int in_warpgroup = static_cast<int>(threadIdx.x) % 128;
  auto* column_sums = reinterpret_cast<float*>(memory + TilePlan::kBytes);  // [warps, kTile]
  float* column_maxima = column_sums + ColumnSums<kMaxima>::kFloats;
  const float scale = c.exponent_scale();
  float tops[2] = {-INFINITY, -INFINITY};  // of rows lane / 4 and 8 further
  float sums[2] = {0, 0};
  for (int64_t column_block = begin; column_block < end; ++column_block) {
    const Scales<1, kTile / 8> scales(c, row_block * kTile + row, column_block * kTile + column,
                                      kMaxima ? 1 : scale);
    WarpgroupProducts<Numbers> products;
    tiles.multiply(products, column_block + 1 == end);
    Similarities<1, kTile / 8> similarities(scales, Negatives(layout, row_block, column_block), row,
                                            column,
                                            [&](int, int n, int r) { return products.sum(n, r); });
    if constexpr (!kMaxima) similarities.exponentiate();
#pragma unroll
    for (int half = 0; half < 2; ++half)
      similarities.template add_row<kMaxima>(0, half, scale, tops[half], sums[half]);
    if (column_block >= layout.own_blocks() || column_block == row_block) continue;
    const int warp = static_cast<int>(threadIdx.x) / 32;
    similarities.template write_columns<kMaxima>(scale, column_sums + warp * kTile,
                                                 column_maxima + warp * kTile);
    sync_threads<128>(3 + half_block);
    const int at = half_block * 4 * kTile + in_warpgroup;
    const int64_t to = (blockIdx.x * kColumnParts + half_block) * layout.own_rows() +
                       column_block * kTile + in_warpgroup;
    write_total<4, kMaxima>(column_sums + at, column_maxima + at, scale, out.column_sums + to,
                            out.column_maxima + to);
    sync_threads<128>(3 + half_block);  // before the next tile's
  }
#pragma unroll
  for (int half = 0; half < 2; ++half) {
    const float sum = combine_four(sums[half], Add());
    const int64_t to = (blockIdx.y * pass.count + blockIdx.x) * kTile + row + 8 * half;
    if (lane % 4 == 0) {
      out.row_sums[to] = sum;
      if constexpr (kMaxima) out.row_maxima[to] = tops[half];
    }
  }
#endif
}

template <typename Numbers, bool kMaxima>
cudaError_t launch(const Contrast& c, const Pass& pass, const Partials& partials,
                   cudaStream_t stream) {
  const auto kernel = add_tiles<Numbers, kMaxima>;
  constexpr int kBytes = TilePlan::kBytes + ColumnSums<kMaxima>::kBytes;
  const dim3 grid(static_cast<unsigned>(pass.count),
                  static_cast<unsigned>(pass.runs(c.layout, pass.first)));
  return launch_with_memory(kernel, grid, kTileThreads, kBytes, stream, c,
                            plan_tiles<Numbers>(c.layout), pass, partials);
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

}  // namespace simclr_bench::sm90

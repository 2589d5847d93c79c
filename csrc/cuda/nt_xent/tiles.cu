// The contrastive losses on CUDA: sums over the negatives of each row and column of the tiles of a
// pass, with mma.sync. Formulas and notation: csrc/cpu/contrast.cpp. Design: README.md beside this
// file.
//
//   in    rows as pack_rows leaves them
//   out   a tile's sums of its rows and, if above the diagonal, of its columns
//
// Parallelization: one block per 128 x 128 tile.

#include "tiles.cuh"

namespace simclr_bench {
namespace {

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

  const int lane = static_cast<int>(threadIdx.x) % 32;
  const int row = TileProducts<Numbers>::first_row() + lane / 4;
  const int column = TileProducts<Numbers>::first_column() + 2 * (lane % 4);
  const float scale = c.exponent_scale();
  const Scales<2, 8> scales(c, tile.row_block * kTile + row, tile.column_block * kTile + column,
                            kMaxima ? 1 : scale);
  Similarities<2, 8> similarities(scales, Negatives(layout, tile.row_block, tile.column_block), row,
                                  column,
                                  [&](int m, int n, int r) { return products.sum(m, n, r); });
  if constexpr (!kMaxima) similarities.exponentiate();
  write_sums<kMaxima, Numbers>(similarities, scale, layout, pass, tile, memory, out);
#endif
}

template <typename Numbers, bool kMaxima>
cudaError_t launch(const Contrast& c, const Pass& pass, const Partials& partials,
                   cudaStream_t stream) {
  const auto kernel = add_tiles<Numbers, kMaxima>;
  constexpr int kBytes = TileProducts<Numbers>::kBytes;
  const int64_t tiles = ceil_div(pass.count, 2) * tiles_of_two(pass, c.layout);
  return launch_with_memory(kernel, static_cast<unsigned>(tiles), kThreads, kBytes, stream, c, pass,
                            partials);
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

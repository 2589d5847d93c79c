// A tile of similarities: which of its pairs count, and the products that it is made of.

#pragma once

#include "nt_xent.cuh"

namespace simclr_bench {

// Negatives are pairs of rows that exist, but for a row with itself and with its positive.
struct Negatives {
  int rows, columns;
  bool skips_diagonal;

  __device__ Negatives(const Layout& layout, int64_t row_block, int64_t column_block)
      : rows(layout.rows_in(row_block)), columns(layout.rows_in(column_block)) {
    const int64_t apart = column_block - row_block;
    const bool own = row_block < layout.own_blocks() && column_block < layout.own_blocks();
    skips_diagonal =
        apart == 0 || (own && (apart == layout.view_blocks || apart == -layout.view_blocks));
  }

  __device__ bool all() const { return rows == kTile && columns == kTile && !skips_diagonal; }
  __device__ bool contain(int row, int column) const {
    return row < rows && column < columns && !(skips_diagonal && row == column);
  }
};

namespace sm90 {

// Of so many tiles, how many side by side a block of threads has: few enough for their sums to be
// added up in a float.
inline int64_t run_of(const SimclrBenchContrast& problem, int64_t tiles) {
  constexpr int64_t kLongest = 32;
  const int64_t run = tiles / problem.wanted_blocks;
  return run < 1 ? 1 : run < kLongest ? run : kLongest;
}

}  // namespace sm90

// A warp's part of a tile of similarities: 16·kRowTiles rows, 8·kColumnTiles columns. The products
// of leading parts are added up apart from the others, each of which is at most 2^-8 of them:
// rounding on the way then costs the small sum next to nothing.
template <typename Numbers, int kRowTiles, int kColumnTiles = 8>
struct Products {
  float leading[kRowTiles][kColumnTiles][4] = {};
  float others[kRowTiles][kColumnTiles][4] = {};

  // Adds kDepth products for each. left, right: where this lane's rows begin in tiles of kLeft and
  // kRight rows, one tile per part.
  template <int kLeft, int kRight>
  __device__ void add(uint32_t left, uint32_t right) {
    constexpr int kParts = Numbers::parts;
#pragma unroll
    for (int step = 0; step < kDepth / 16; ++step) {
      uint32_t x[kParts][kRowTiles][4];
#pragma unroll
      for (int p = 0; p < kParts; ++p) {
#pragma unroll
        for (int m = 0; m < kRowTiles; ++m)
          load_matrices(x[p][m], left + p * kLeft * kRowBytes + 2 * m * kEightRows);
      }
#pragma unroll
      for (int n = 0; n < kColumnTiles; n += 2) {
        uint32_t y[kParts][4];
#pragma unroll
        for (int q = 0; q < kParts; ++q)
          load_matrices(y[q], right + q * kRight * kRowBytes + n * kEightRows);
#pragma unroll
        for (int order = kParts - 1; order >= 0; --order) {  // p + q, smallest products first
#pragma unroll
          for (int p = 0; p <= order; ++p) {
            const uint32_t(&b)[4] = y[order - p];
#pragma unroll
            for (int m = 0; m < kRowTiles; ++m) {
              auto& sum = order == 0 ? leading[m] : others[m];
              multiply_add<Numbers::half>(sum[n], x[p][m], b[0], b[1]);
              multiply_add<Numbers::half>(sum[n + 1], x[p][m], b[2], b[3]);
            }
          }
        }
      }
      left = two_pieces_on(left);
      right = two_pieces_on(right);
    }
  }

  __device__ float sum(int m, int n, int r) const {
    return Numbers::parts == 1 ? leading[m][n][r] : leading[m][n][r] + others[m][n][r];
  }
};

// A block of threads on a whole tile: 8 warps, 4 x 2, of 32 rows and 64 columns each.
template <typename Numbers>
struct TileProducts {
  static constexpr int kStageBytes = 2 * kTile * kRowBytes * Numbers::parts;
  static constexpr int kStages = Numbers::parts == 1 ? 4 : Numbers::parts == 2 ? 3 : 2;
  static constexpr int kBytes = kStages * kStageBytes;
  // Where the sums are more than half of the registers, one block has a multiprocessor to itself.
  static constexpr int kBlocks = Numbers::parts == 1 ? 2 : 1;

  static __device__ int first_row() { return static_cast<int>(threadIdx.x) / 64 * 32; }
  static __device__ int first_column() { return static_cast<int>(threadIdx.x) / 32 % 2 * 64; }

  // Adds the products of two blocks of rows. memory: kBytes, which others use again on return.
  static __device__ void add(const Contrast& c, int64_t row_block, int64_t column_block,
                             unsigned char* memory, Products<Numbers, 2>& products) {
    constexpr uint32_t kHalf = kStageBytes / 2;
    const uint32_t left = left_offset(first_row());
    const uint32_t right = right_offset(first_column()) + kHalf;
    const int steps = static_cast<int>(c.layout.padded_dim / kDepth);
    const auto stage_of = [&](int step) {
      return shared_address(memory) + step % kStages * kStageBytes;
    };
    const auto fetch = [&](int step) {
      if (step < steps) {
#pragma unroll
        for (int p = 0; p < Numbers::parts; ++p) {
          const uint32_t to = stage_of(step) + p * kTile * kRowBytes;
          const uint16_t* rows = c.slice(p, row_block * kTile, step / 2);
          const uint16_t* columns = c.slice(p, column_block * kTile, step / 2);
          fetch_tile<kTile, kThreads>(to, rows, step % 2);
          fetch_tile<kTile, kThreads>(to + kHalf, columns, step % 2);
        }
      }
      commit_fetches();
    };
    for (int step = 0; step < kStages - 1; ++step) fetch(step);
    for (int step = 0; step < steps; ++step) {
      wait_for_fetches<kStages - 2>();
      __syncthreads();  // all have their part of this step, and are done with the one before
      fetch(step + kStages - 1);
      products.template add<kTile, kTile>(stage_of(step) + left, stage_of(step) + right);
    }
    wait_for_fetches<0>();
    __syncthreads();
  }
};

}  // namespace simclr_bench

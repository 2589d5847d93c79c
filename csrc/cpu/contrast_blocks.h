// Register blocks of a tile: kRowStep rows by one panel of columns, whose similarities stay in
// registers until their exponentials have been added up or turned into weights.

#pragma once

#include "contrast.h"
#include "simd.h"

namespace simclr_bench::SIMCLR_BENCH_ISA {
namespace {

// Two vectors of columns, and as many rows as fill half of the registers with sums; the other half
// holds the operands and the constants of the exponential.
template <typename T>
constexpr int64_t kPanel = 2 * kLanes<T>;
constexpr int64_t kRowStep = kVectorBytes == 64 ? 8 : 4;

// Longer sums are cut: their error then grows with the number of parts.
constexpr int64_t kDepth = 256;

// Of the buffer for weights: rows a power of two apart would share cache sets.
constexpr int64_t kRowPadding = 16;

template <typename T>
using Block = Vec<T>[kRowStep][2];

template <typename T>
SIMCLR_BENCH_INLINE void clear(Block<T>& block) {
#pragma GCC unroll 8
  for (int64_t r = 0; r < kRowStep; ++r) block[r][0] = block[r][1] = Vec<T>{};
}

// block += a·b with a(r, k) = a[r * row_stride + k * depth_stride] and b [depth, kPanel].
template <typename T>
SIMCLR_BENCH_INLINE void multiply(const T* a, int64_t row_stride, int64_t depth_stride, const T* b,
                                  int64_t depth, Block<T>& block) {
  for (int64_t k = 0; k < depth; ++k) {
    const Vec<T> left = load(b + k * kPanel<T>);
    const Vec<T> right = load(b + k * kPanel<T> + kLanes<T>);
    const T* column = a + k * depth_stride;
#pragma GCC unroll 8
    for (int64_t r = 0; r < kRowStep; ++r) {
      block[r][0] += column[r * row_stride] * left;
      block[r][1] += column[r * row_stride] * right;
    }
  }
}

// The similarities of kRowStep rows from padded row i and one panel of columns from padded row j.
template <typename T>
SIMCLR_BENCH_INLINE void similarities(const ContrastOperands<T>& o, int64_t i, int64_t j,
                                      Block<T>& block) {
  const T* rows = o.transposed + i / kPanel<T> * o.dim * kPanel<T> + i % kPanel<T>;
  const T* columns = o.transposed + j * o.dim;
  clear<T>(block);
  multiply<T>(rows, 1, kPanel<T>, columns, smaller(o.dim, kDepth), block);
  for (int64_t k = kDepth; k < o.dim; k += kDepth) {
    Block<T> part;
    clear<T>(part);
    multiply<T>(rows + k * kPanel<T>, 1, kPanel<T>, columns + k * kPanel<T>,
                smaller(o.dim - k, kDepth), part);
#pragma GCC unroll 8
    for (int64_t r = 0; r < kRowStep; ++r) {
      block[r][0] += part[r][0];
      block[r][1] += part[r][1];
    }
  }
}

// One tile: where it lies and what of it counts.
template <typename T>
struct TileView {
  int64_t first_row, first_column;  // padded indices
  int64_t rows, columns;            // that exist
  bool diagonal;

  TileView(const ContrastOperands<T>& o, const ContrastTile& tile)
      : first_row(tile.row_block * o.tile),
        first_column(tile.column_block * o.tile),
        rows(o.block_rows[tile.row_block]),
        columns(o.block_rows[tile.column_block]),
        diagonal(tile.diagonal) {}

  // Whether all of the block at (row, column) within the tile counts.
  SIMCLR_BENCH_INLINE bool whole(int64_t row, int64_t column) const {
    return !diagonal && row + kRowStep <= rows && column + kPanel<T> <= columns;
  }

  // Which lanes of a vector from (row, column) on count.
  SIMCLR_BENCH_INLINE Mask<T> counts(int64_t row, int64_t column) const {
    const Vec<T> numbers = lane_numbers<T>() + static_cast<T>(column);
    Mask<T> mask = numbers < static_cast<T>(row < rows ? columns : 0);
    if (diagonal) mask &= numbers != static_cast<T>(row);
    return mask;
  }
};

// Calls visit(row, column, block) for every register block of the tile, panel by panel, and
// finish_panel(column) after each panel.
template <typename T, typename Visit, typename FinishPanel>
SIMCLR_BENCH_INLINE void for_each_block(const ContrastOperands<T>& o, const TileView<T>& view,
                                        Visit visit, FinishPanel finish_panel) {
  for (int64_t column = 0; column < view.columns; column += kPanel<T>) {
    for (int64_t row = 0; row < view.rows; row += kRowStep) {
      Block<T> block;
      similarities<T>(o, view.first_row + row, view.first_column + column, block);
      visit(row, column, block);
    }
    finish_panel(column);
  }
}

// Half a vector of T as doubles, or for double the vector itself.
template <typename T>
struct Wide;
template <>
struct Wide<double> {
  static constexpr int64_t kStep = kLanes<double>;
  static SIMCLR_BENCH_INLINE Vec<double> read(const double* p) { return load(p); }
  static SIMCLR_BENCH_INLINE void write(double* p, Vec<double> v) { store(p, v); }
};
template <>
struct Wide<float> {
  typedef float half __attribute__((vector_size(kVectorBytes / 2)));
  static constexpr int64_t kStep = kLanes<double>;
  static SIMCLR_BENCH_INLINE Vec<double> read(const float* p) {
    half v;
    __builtin_memcpy(&v, p, sizeof(v));
    return __builtin_convertvector(v, Vec<double>);
  }
  static SIMCLR_BENCH_INLINE void write(float* p, Vec<double> v) {
    const half narrow = __builtin_convertvector(v, half);
    __builtin_memcpy(p, &narrow, sizeof(narrow));
  }
};

}  // namespace
}  // namespace simclr_bench::SIMCLR_BENCH_ISA

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

template <typename T>
using Block = Vec<T>[kRowStep][2];

template <typename T>
SIMCLR_BENCH_INLINE void clear(Block<T>& block) {
#pragma GCC unroll 8
  for (int64_t r = 0; r < kRowStep; ++r) block[r][0] = block[r][1] = Vec<T>{};
}

// One tile: where it lies and what of it counts.
template <typename T>
struct TileView {
  int64_t first_row, first_column;  // padded indices
  int64_t rows, columns;            // that exist
  TilePart part;

  TileView(const ContrastOperands<T>& o, const ContrastTile& tile)
      : first_row(tile.row_block * o.tile),
        first_column(tile.column_block * o.tile),
        rows(o.block_rows[tile.row_block]),
        columns(o.block_rows[tile.column_block]),
        part(tile.part) {}

  // Columns before this one do not count for a row, in whole steps.
  SIMCLR_BENCH_INLINE int64_t first_column_of(int64_t row, int64_t step = kPanel<T>) const {
    return part == TilePart::kAboveDiagonal ? row / step * step : 0;
  }

  // Rows from this one on do not count for a column.
  SIMCLR_BENCH_INLINE int64_t rows_of(int64_t column, int64_t step = kPanel<T>) const {
    const int64_t above = (column / step + 1) * step;
    return part == TilePart::kAboveDiagonal ? smaller(rows, above) : rows;
  }

  // Whether all of the block at (row, column) within the tile counts.
  SIMCLR_BENCH_INLINE bool whole(int64_t row, int64_t column) const {
    const bool crossed =
        part != TilePart::kAll && row < column + kPanel<T> && column < row + kRowStep;
    return !crossed && row + kRowStep <= rows && column + kPanel<T> <= columns;
  }

  // Which lanes of a vector from (row, column) on count.
  SIMCLR_BENCH_INLINE Mask<T> counts(int64_t row, int64_t column) const {
    const Vec<T> numbers = lane_numbers<T>() + static_cast<T>(column);
    Mask<T> mask = numbers < static_cast<T>(row < rows ? columns : 0);
    if (part == TilePart::kOffDiagonal) mask &= numbers != static_cast<T>(row);
    if (part == TilePart::kAboveDiagonal) mask &= numbers > static_cast<T>(row);
    return mask;
  }
};

// Where `gradients` have element d of a padded row.
template <typename T, typename Pointer>
SIMCLR_BENCH_INLINE Pointer gradient_at(const ContrastOperands<T>& o, Pointer gradients,
                                        int64_t row, int64_t d) {
  const int64_t within = d % kPanel<T>;
  return gradients + (d - within) * o.gradient_rows + row * kPanel<T> + within;
}

// Where a stored tile [panels][rows][panel], in the order of visits, has a row's column.
template <typename T, typename Pointer>
SIMCLR_BENCH_INLINE Pointer stored_at(const ContrastOperands<T>& o, Pointer stored, int64_t row,
                                      int64_t column) {
  const int64_t within = column % kPanel<T>;
  return stored + (column - within) * o.tile + row * kPanel<T> + within;
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

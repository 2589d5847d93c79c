// The second pass of the contrastive engine over a tile: weights, and what they make of rows.

#pragma once

#include "contrast_blocks.h"

namespace simclr_bench::SIMCLR_BENCH_ISA {
namespace {

// The weight G_ij from what `sums` would store: the exponential, or with kOnline the similarity.
template <typename T, bool kOnline, bool kLabels>
struct Weigh {
  const ContrastOperands<T>& o;
  const TileView<T>& view;
  const ContrastWeights<T>& w;

  SIMCLR_BENCH_INLINE Vec<T> operator()(Vec<T> value, int64_t row, int64_t column,
                                        bool whole) const {
    const int64_t i = view.first_row + row;
    const int64_t j = view.first_column + column;
    Vec<T> of_row = broadcast(w.negatives.coefficients[i]);
    Vec<T> of_column = load(w.negatives.coefficients + j);
    Mask<T> same{};
    if constexpr (kLabels) {
      same = load(o.labels + j) == o.labels[i];
      of_row = same ? broadcast(w.positives.coefficients[i]) : of_row;
      of_column = same ? load(w.positives.coefficients + j) : of_column;
    }
    Vec<T> weight;
    if constexpr (kOnline) {
      Vec<T> row_maximum = broadcast(w.negatives.maxima[i]);
      Vec<T> column_maximum = load(w.negatives.maxima + j);
      if constexpr (kLabels) {
        row_maximum = same ? broadcast(w.positives.maxima[i]) : row_maximum;
        column_maximum = same ? load(w.positives.maxima + j) : column_maximum;
      }
      weight = exp2_of((value - row_maximum) * o.scale) * of_row +
               exp2_of((value - column_maximum) * o.scale) * of_column;
    } else {
      weight = value * (of_column + of_row);
    }
    if constexpr (kLabels)
      weight = rounded(weight) - keep<T>(same, load(w.constant + j) + w.constant[i]);
    if (__builtin_expect(!whole, 0)) weight = keep<T>(view.counts(row, column), weight);
    return weight;
  }
};

// gradients [rows, padded_dim] of `first_row` += weights·(rows of `first_column`).
template <typename T>
SIMCLR_BENCH_INLINE void add_product(const ContrastOperands<T>& o, const T* weights,
                                     int64_t row_stride, int64_t depth_stride, int64_t first_row,
                                     int64_t rows, int64_t first_column, int64_t columns,
                                     T* gradients) {
  for (int64_t d = 0; d < o.padded_dim; d += kPanel<T>) {
    const T* panel = o.panels + d * o.padded_rows + first_column * kPanel<T>;
    for (int64_t row = 0; row < rows; row += kRowStep) {
      Block<T> block;
      clear<T>(block);
      multiply<T>(weights + row * row_stride, row_stride, depth_stride, panel, columns, block);
#pragma GCC unroll 8
      for (int64_t r = 0; r < kRowStep; ++r) {
        T* sum = gradients + (first_row + row + r) * o.padded_dim + d;
        store(sum, load(sum) + block[r][0]);
        store(sum + kLanes<T>, load(sum + kLanes<T>) + block[r][1]);
      }
    }
  }
}

template <typename T, bool kOnline, bool kLabels>
void add_gradient(const ContrastOperands<T>& o, const ContrastTile& tile,
                  const ContrastWeights<T>& weights, const T* stored, T* gradients, T* scratch) {
  const FlushDenormals flush;
  const TileView<T> view(o, tile);
  const Weigh<T, kOnline, kLabels> weight{o, view, weights};
  const int64_t stride = o.tile + kRowPadding;
  const auto visit = [&](int64_t row, int64_t column, Block<T>& block) SIMCLR_BENCH_LAMBDA {
    const bool whole = view.whole(row, column);
#pragma GCC unroll 8
    for (int64_t r = 0; r < kRowStep; ++r) {
#pragma GCC unroll 2
      for (int64_t half = 0; half < 2; ++half) {
        const int64_t at = column + half * kLanes<T>;
        Vec<T> value = block[r][half];
        if constexpr (!kOnline) value = exp2_of(value * o.scale);
        store(scratch + (row + r) * stride + at, weight(value, row + r, at, whole));
      }
    }
  };
  if (stored) {
    for (int64_t row = 0; row < view.rows; row += kRowStep) {
      for (int64_t column = 0; column < view.columns; column += kPanel<T>) {
        const bool whole = view.whole(row, column);
        for (int64_t r = 0; r < kRowStep; ++r) {
          for (int64_t at = column; at < column + kPanel<T>; at += kLanes<T>) {
            const Vec<T> value = load(stored + (row + r) * o.tile + at);
            store(scratch + (row + r) * stride + at, weight(value, row + r, at, whole));
          }
        }
      }
    }
  } else {
    for_each_block<T>(o, view, visit, [](int64_t) SIMCLR_BENCH_LAMBDA {});
  }
  add_product<T>(o, scratch, stride, 1, view.first_row, view.rows, view.first_column, view.columns,
                 gradients);
  if (tile.columns) {
    add_product<T>(o, scratch, 1, stride, view.first_column, view.columns, view.first_row,
                   view.rows, gradients);
  }
}

template <typename T>
void gradient(const ContrastOperands<T>& o, const ContrastTile& tile, const ContrastWeights<T>& w,
              const T* stored, T* gradients, T* scratch) {
  const auto add = w.negatives.maxima
                       ? (o.labels ? add_gradient<T, true, true> : add_gradient<T, true, false>)
                       : (o.labels ? add_gradient<T, false, true> : add_gradient<T, false, false>);
  add(o, tile, w, stored, gradients, scratch);
}

}  // namespace
}  // namespace simclr_bench::SIMCLR_BENCH_ISA

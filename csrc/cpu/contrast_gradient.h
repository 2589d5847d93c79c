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

template <typename Rows, bool kOnline, bool kLabels, typename T>
void add_gradient(const ContrastOperands<T>& o, const ContrastTile& tile,
                  const ContrastWeights<T>& weights, const T* stored, T* gradients, T* scratch) {
  const FlushDenormals flush;
  const Rows rows(o);
  const TileView<T> view(o, tile);
  T* const kept = scratch + Rows::parts(o.tile);
  const Weigh<T, kOnline, kLabels> weight{o, view, weights};
  const auto keep = [&](int64_t row, int64_t column, Block<T>& block) SIMCLR_BENCH_LAMBDA {
    const bool whole = view.whole(row, column);
#pragma GCC unroll 8
    for (int64_t r = 0; r < kRowStep; ++r) {
#pragma GCC unroll 2
      for (int64_t half = 0; half < 2; ++half) {
        block[r][half] = weight(block[r][half], row + r, column + half * kLanes<T>, whole);
      }
    }
    rows.keep_weights(view, row, column, block, kept);
  };
  if (stored) {
    for (int64_t column = 0; column < view.columns; column += kPanel<T>) {
      const int64_t rows_there = view.rows_of(column);
      const int64_t last = (rows_there + Rows::kRowGroup - 1) / Rows::kRowGroup * Rows::kRowGroup;
      for (int64_t row = 0; row < last; row += kRowStep) {
        Block<T> block;
        for (int64_t r = 0; r < kRowStep; ++r) {
          const T* from = stored_at(o, stored, row + r, column);
          block[r][0] = load(from);
          block[r][1] = load(from + kLanes<T>);
        }
        keep(row, column, block);
      }
    }
  } else {
    const auto visit = [&](int64_t row, int64_t column, Block<T>& block) SIMCLR_BENCH_LAMBDA {
      if constexpr (!kOnline) {
#pragma GCC unroll 8
        for (int64_t r = 0; r < kRowStep; ++r) {
          block[r][0] = exp2_of(block[r][0] * o.scale);
          block[r][1] = exp2_of(block[r][1] * o.scale);
        }
      }
      keep(row, column, block);
    };
    rows.for_each_block(view, scratch, visit, [](int64_t) SIMCLR_BENCH_LAMBDA {});
  }
  rows.add_products(view, tile, kept, gradients);
}

template <typename Rows, typename T>
void gradient(const ContrastOperands<T>& o, const ContrastTile& tile, const ContrastWeights<T>& w,
              const T* stored, T* gradients, T* scratch) {
  const auto add =
      w.negatives.maxima
          ? (o.labels ? add_gradient<Rows, true, true, T> : add_gradient<Rows, true, false, T>)
          : (o.labels ? add_gradient<Rows, false, true, T> : add_gradient<Rows, false, false, T>);
  add(o, tile, w, stored, gradients, scratch);
}

}  // namespace
}  // namespace simclr_bench::SIMCLR_BENCH_ISA

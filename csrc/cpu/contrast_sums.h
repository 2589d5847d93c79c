// The first pass of the contrastive engine over a tile: sums of exponentials.

#pragma once

#include "contrast_blocks.h"

namespace simclr_bench::SIMCLR_BENCH_ISA {
namespace {

// A sum of vectors, lane by lane. In double where a moment is divided by a sum: what both round
// when many rows coincide would otherwise not cancel.
template <typename T, bool kWide>
class Accumulator {
 public:
  SIMCLR_BENCH_INLINE void add(Vec<T> v) { sum_ += v; }
  SIMCLR_BENCH_INLINE double lane(int64_t i) const { return sum_[i]; }
  SIMCLR_BENCH_INLINE double total() const { return sum_of_lanes<T>(sum_); }

 private:
  Vec<T> sum_{};
};
template <typename T>
class Accumulator<T, true> {
 public:
  SIMCLR_BENCH_INLINE void add(Vec<T> v) {
    T lanes[kLanes<T>];
    store(lanes, v);
    for (int64_t part = 0; part < kParts; ++part)
      sums_[part] += Wide<T>::read(lanes + part * kStep);
  }
  SIMCLR_BENCH_INLINE double lane(int64_t i) const { return sums_[i / kStep][i % kStep]; }
  SIMCLR_BENCH_INLINE double total() const {
    Vec<double> sum = sums_[0];
    for (int64_t part = 1; part < kParts; ++part) sum += sums_[part];
    return sum_of_lanes<double>(sum);
  }

 private:
  static constexpr int64_t kStep = Wide<T>::kStep;
  static constexpr int64_t kParts = kLanes<T> / kStep;
  Vec<double> sums_[kParts] = {};
};

// Which vectors are added up over a row, one after the other.
template <bool kMoments, bool kLabels>
struct Kinds {
  static constexpr int64_t kMoment = 1;                      // of the negatives
  static constexpr int64_t kPositive = kMoments ? 2 : 1;     // exponentials
  static constexpr int64_t kSimilarity = kPositive + 1;      // of the positives
  static constexpr int64_t kPositiveMoment = kPositive + 2;  // of the positives
  static constexpr int64_t kCount = (kMoments ? 2 : 1) + (kLabels ? (kMoments ? 3 : 2) : 0);
};
constexpr int64_t kMostKinds = Kinds<true, true>::kCount;

template <typename T>
struct Outputs {
  double* of[kMostKinds];
};

template <typename T, bool kMoments, bool kLabels>
SIMCLR_BENCH_INLINE Outputs<T> outputs_of(const ContrastSums<T>& out) {
  using K = Kinds<kMoments, kLabels>;
  Outputs<T> result{};
  result.of[0] = out.negatives.sums;
  if constexpr (kMoments) result.of[K::kMoment] = out.negatives.moments;
  if constexpr (kLabels) {
    result.of[K::kPositive] = out.positives.sums;
    result.of[K::kSimilarity] = out.similarities;
    if constexpr (kMoments) result.of[K::kPositiveMoment] = out.positives.moments;
  }
  return result;
}

// One vector of similarities and exponentials, both 0 where they do not count, as what is added up.
template <typename T, bool kMoments, bool kLabels>
SIMCLR_BENCH_INLINE void split(Vec<T> e, Vec<T> similarity, Mask<T> same, Vec<T>* kinds) {
  using K = Kinds<kMoments, kLabels>;
  const Vec<T> moment = e * similarity;
  if constexpr (kLabels) {
    kinds[K::kPositive] = keep<T>(same, e);
    kinds[K::kSimilarity] = keep<T>(same, similarity);
    if constexpr (kMoments) kinds[K::kPositiveMoment] = keep<T>(same, moment);
    kinds[0] = keep<T>(~same, e);
    if constexpr (kMoments) kinds[K::kMoment] = keep<T>(~same, moment);
  } else {
    kinds[0] = e;
    if constexpr (kMoments) kinds[K::kMoment] = moment;
  }
}

// Sums with nothing taken out: one exponential serves the row and the column.
template <typename Rows, bool kMoments, bool kLabels, typename T>
void plain_sums(const ContrastOperands<T>& o, const ContrastTile& tile, const ContrastSums<T>& out,
                T* stored, T* scratch) {
  const FlushDenormals flush;
  constexpr int64_t kinds = Kinds<kMoments, kLabels>::kCount;
  const Outputs<T> outputs = outputs_of<T, kMoments, kLabels>(out);
  const TileView<T> view(o, tile);
  using Sum = Accumulator<T, kMoments>;
  static_assert(sizeof(Sum) <= 2 * kLanes<T> * sizeof(T));
  Sum* row_sums = reinterpret_cast<Sum*>(scratch + Rows::parts(o.tile));  // [tile, kinds]
  for (int64_t i = 0; i < o.tile * kinds; ++i) row_sums[i] = Sum();
  Sum column_sums[kinds][2];
  const auto visit = [&](int64_t row, int64_t column, Block<T>& block) SIMCLR_BENCH_LAMBDA {
    const bool whole = view.whole(row, column);
#pragma GCC unroll 8
    for (int64_t r = 0; r < kRowStep; ++r) {
      Sum* sums = row_sums + (row + r) * kinds;
#pragma GCC unroll 2
      for (int64_t half = 0; half < 2; ++half) {
        const int64_t at = column + half * kLanes<T>;
        Vec<T> similarity = block[r][half];
        Vec<T> e = exp2_of(similarity * o.scale);
        if (__builtin_expect(!whole, 0)) {
          const Mask<T> counts = view.counts(row + r, at);
          e = keep<T>(counts, e);
          similarity = keep<T>(counts, similarity);
        }
        if (stored) {
          T* const to = stored_at(o, stored, row + r, at);
          o.stream ? stream(to, e) : store(to, e);
        }
        Mask<T> same{};
        if constexpr (kLabels) {
          same = load(o.labels + view.first_column + at) == o.labels[view.first_row + row + r];
        }
        Vec<T> parts[kinds];
        split<T, kMoments, kLabels>(e, similarity, same, parts);
        block[r][half] = parts[0];
        for (int64_t kind = kMoments ? 0 : 1; kind < kinds; ++kind) {
          sums[kind].add(parts[kind]);
          column_sums[kind][half].add(parts[kind]);
        }
      }
      if constexpr (!kMoments) sums[0].add(block[r][0] + block[r][1]);
    }
    // All rows of the block first, so that a column's sum has fewer steps.
    if constexpr (!kMoments) {
#pragma GCC unroll 2
      for (int64_t half = 0; half < 2; ++half) {
        Vec<T> above{};
#pragma GCC unroll 4
        for (int64_t r = 0; r < kRowStep; r += 2) above += block[r][half] + block[r + 1][half];
        column_sums[0][half].add(above);
      }
    }
  };
  const auto finish_panel = [&](int64_t column) SIMCLR_BENCH_LAMBDA {
    for (int64_t kind = 0; kind < kinds; ++kind) {
      for (int64_t lane = 0; tile.columns && lane < kPanel<T>; ++lane) {
        outputs.of[kind][view.first_column + column + lane] +=
            column_sums[kind][lane / kLanes<T>].lane(lane % kLanes<T>);
      }
      column_sums[kind][0] = column_sums[kind][1] = Sum();
    }
  };
  Rows(o).for_each_block(view, scratch, visit, finish_panel);
  if (stored && o.stream) finish_stream();
  for (int64_t row = 0; row < view.rows; ++row) {
    for (int64_t kind = 0; kind < kinds; ++kind) {
      outputs.of[kind][view.first_row + row] += row_sums[row * kinds + kind].total();
    }
  }
}

// Adds sums of exponentials with `maximum` taken out to running ones with their own maximum. A
// maximum of -inf belongs to sums of no terms, which are 0, or NaN if one of the similarities was.
template <typename T>
class Merge {
 public:
  Merge(T maximum, T scale, T& running) {
    const T larger = maximum > running ? maximum : running;
    if (larger == -kInfinity<T>) return;
    before_ = __builtin_exp2((static_cast<double>(running) - larger) * scale);
    added_ = __builtin_exp2((static_cast<double>(maximum) - larger) * scale);
    running = larger;
  }
  SIMCLR_BENCH_INLINE void operator()(double sum, double& running) const {
    running = running * before_ + sum * added_;
  }

 private:
  double before_ = 1;
  double added_ = 1;
};

// Sums where exponentials may overflow: similarities to a buffer first, then each row's and each
// column's own maximum, of all that it is compared with.
template <typename Rows, bool kMoments, bool kLabels, typename T>
void online_sums(const ContrastOperands<T>& o, const ContrastTile& tile, const ContrastSums<T>& out,
                 T* stored, T* scratch) {
  const FlushDenormals flush;
  const TileView<T> view(o, tile);
  T* buffer = stored ? stored : scratch + Rows::parts(o.tile);
  const auto visit = [&](int64_t row, int64_t column, Block<T>& block) SIMCLR_BENCH_LAMBDA {
    const bool whole = view.whole(row, column);
    for (int64_t r = 0; r < kRowStep; ++r) {
      for (int64_t half = 0; half < 2; ++half) {
        const int64_t at = column + half * kLanes<T>;
        Vec<T> similarity = block[r][half];
        if (!whole) {
          similarity = view.counts(row + r, at) ? similarity : broadcast(-kInfinity<T>);
        }
        store(stored_at(o, buffer, row + r, at), similarity);
      }
    }
  };
  Rows(o).for_each_block(view, scratch, visit, [](int64_t) SIMCLR_BENCH_LAMBDA {});

  // Row i against a vector of columns, or column i against a vector of rows.
  using K = Kinds<kMoments, kLabels>;
  using Sum = Accumulator<T, kMoments>;
  const auto same_label = [&](int64_t row, int64_t column) SIMCLR_BENCH_LAMBDA {
    Mask<T> same{};
    if constexpr (kLabels) {
      same = load(o.labels + view.first_column + column) == o.labels[view.first_row + row];
    }
    return same;
  };
  const auto widen = [&](int64_t row, int64_t column, Vec<T>& negative, Vec<T>& positive)
                         SIMCLR_BENCH_LAMBDA {
                           const Vec<T> similarity = load(stored_at(o, buffer, row, column));
                           const Vec<T> none = broadcast(-kInfinity<T>);
                           if constexpr (kLabels) {
                             const Mask<T> same = same_label(row, column);
                             negative = larger<T>(same ? none : similarity, negative);
                             positive = larger<T>(same ? similarity : none, positive);
                           } else {
                             negative = larger<T>(similarity, negative);
                           }
                         };
  const auto add = [&](int64_t row, int64_t column, Vec<T> negative, Vec<T> positive,
                       Sum* totals) SIMCLR_BENCH_LAMBDA {
    const Vec<T> similarity = load(stored_at(o, buffer, row, column));
    const Mask<T> same = same_label(row, column);
    Vec<T> maximum = negative;
    if constexpr (kLabels) maximum = same ? positive : negative;
    maximum = maximum == -kInfinity<T> ? Vec<T>{} : maximum;
    Vec<T> parts[K::kCount];
    split<T, kMoments, kLabels>(exp2_of((similarity - maximum) * o.scale),
                                similarity == -kInfinity<T> ? Vec<T>{} : similarity, same, parts);
    for (int64_t kind = 0; kind < K::kCount; ++kind) totals[kind].add(parts[kind]);
  };
  const Outputs<T> outputs = outputs_of<T, kMoments, kLabels>(out);
  const auto put = [&](int64_t i, T negative, T positive,
                       const double* totals) SIMCLR_BENCH_LAMBDA {
    const Merge<T> merge(negative, o.scale, out.negatives.maxima[i]);
    merge(totals[0], outputs.of[0][i]);
    if constexpr (kMoments) merge(totals[K::kMoment], outputs.of[K::kMoment][i]);
    if constexpr (kLabels) {
      const Merge<T> merge_positive(positive, o.scale, out.positives.maxima[i]);
      merge_positive(totals[K::kPositive], outputs.of[K::kPositive][i]);
      if constexpr (kMoments) {
        merge_positive(totals[K::kPositiveMoment], outputs.of[K::kPositiveMoment][i]);
      }
      outputs.of[K::kSimilarity][i] += totals[K::kSimilarity];
    }
  };
  double totals[K::kCount];
  for (int64_t row = 0; row < view.rows; ++row) {
    Vec<T> negatives = broadcast(-kInfinity<T>);
    Vec<T> positives = negatives;
    Sum vectors[K::kCount];
    const int64_t first = view.first_column_of(row);
    for (int64_t at = first; at < view.columns; at += kLanes<T>)
      widen(row, at, negatives, positives);
    const T negative = largest_lane<T>(negatives);
    const T positive = largest_lane<T>(positives);
    for (int64_t at = first; at < view.columns; at += kLanes<T>) {
      add(row, at, broadcast(negative), broadcast(positive), vectors);
    }
    for (int64_t kind = 0; kind < K::kCount; ++kind) totals[kind] = vectors[kind].total();
    put(view.first_row + row, negative, positive, totals);
  }
  if (!tile.columns) return;
  for (int64_t at = 0; at < view.columns; at += kLanes<T>) {
    Vec<T> negatives = broadcast(-kInfinity<T>);
    Vec<T> positives = negatives;
    Sum vectors[K::kCount];
    const int64_t rows = view.rows_of(at);
    for (int64_t row = 0; row < rows; ++row) widen(row, at, negatives, positives);
    for (int64_t row = 0; row < rows; ++row) add(row, at, negatives, positives, vectors);
    for (int64_t lane = 0; lane < smaller(kLanes<T>, view.columns - at); ++lane) {
      for (int64_t kind = 0; kind < K::kCount; ++kind) totals[kind] = vectors[kind].lane(lane);
      put(view.first_column + at + lane, negatives[lane], positives[lane], totals);
    }
  }
}

template <typename Rows, bool kMoments, bool kLabels, typename T>
void sums_of(const ContrastOperands<T>& o, const ContrastTile& tile, const ContrastSums<T>& out,
             T* stored, T* scratch) {
  const auto add = out.negatives.maxima ? online_sums<Rows, kMoments, kLabels, T>
                                        : plain_sums<Rows, kMoments, kLabels, T>;
  add(o, tile, out, stored, scratch);
}

template <typename Rows, typename T>
void sums(const ContrastOperands<T>& o, const ContrastTile& tile, const ContrastSums<T>& out,
          T* stored, T* scratch) {
  const auto add =
      out.negatives.moments
          ? (o.labels ? sums_of<Rows, true, true, T> : sums_of<Rows, true, false, T>)
          : (o.labels ? sums_of<Rows, false, true, T> : sums_of<Rows, false, false, T>);
  add(o, tile, out, stored, scratch);
}

}  // namespace
}  // namespace simclr_bench::SIMCLR_BENCH_ISA

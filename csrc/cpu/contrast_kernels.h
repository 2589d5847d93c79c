// The tiles of the contrastive engine, vectorised. What is computed and why: contrast.cpp.
//
// A tile is computed in register blocks of kRowStep rows by one panel of columns: the similarities
// stay in registers until their exponentials have been added up or turned into weights.

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
template <typename T, bool kMoments, bool kLabels>
void plain_sums(const ContrastOperands<T>& o, const ContrastTile& tile, const ContrastSums<T>& out,
                T* stored, T* scratch) {
  const FlushDenormals flush;
  constexpr int64_t kinds = Kinds<kMoments, kLabels>::kCount;
  const Outputs<T> outputs = outputs_of<T, kMoments, kLabels>(out);
  const TileView<T> view(o, tile);
  using Sum = Accumulator<T, kMoments>;
  static_assert(sizeof(Sum) <= 2 * kLanes<T> * sizeof(T));
  Sum* row_sums = reinterpret_cast<Sum*>(scratch);  // [tile, kinds]
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
        if (stored) store(stored + (row + r) * o.tile + at, e);
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
    // In pairs, so that a column's sum has an eighth as many steps.
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
  for_each_block<T>(o, view, visit, finish_panel);
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
template <typename T, bool kMoments, bool kLabels>
void online_sums(const ContrastOperands<T>& o, const ContrastTile& tile, const ContrastSums<T>& out,
                 T* stored, T* scratch) {
  const FlushDenormals flush;
  const TileView<T> view(o, tile);
  T* buffer = stored ? stored : scratch;
  const auto visit = [&](int64_t row, int64_t column, Block<T>& block) SIMCLR_BENCH_LAMBDA {
    const bool whole = view.whole(row, column);
    for (int64_t r = 0; r < kRowStep; ++r) {
      for (int64_t half = 0; half < 2; ++half) {
        const int64_t at = column + half * kLanes<T>;
        Vec<T> similarity = block[r][half];
        if (!whole) {
          similarity = view.counts(row + r, at) ? similarity : broadcast(-kInfinity<T>);
        }
        store(buffer + (row + r) * o.tile + at, similarity);
      }
    }
  };
  for_each_block<T>(o, view, visit, [](int64_t) SIMCLR_BENCH_LAMBDA {});

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
                           const Vec<T> similarity = load(buffer + row * o.tile + column);
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
    const Vec<T> similarity = load(buffer + row * o.tile + column);
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
    for (int64_t at = 0; at < view.columns; at += kLanes<T>) widen(row, at, negatives, positives);
    const T negative = largest_lane<T>(negatives);
    const T positive = largest_lane<T>(positives);
    for (int64_t at = 0; at < view.columns; at += kLanes<T>) {
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
    for (int64_t row = 0; row < view.rows; ++row) widen(row, at, negatives, positives);
    for (int64_t row = 0; row < view.rows; ++row) add(row, at, negatives, positives, vectors);
    for (int64_t lane = 0; lane < smaller(kLanes<T>, view.columns - at); ++lane) {
      for (int64_t kind = 0; kind < K::kCount; ++kind) totals[kind] = vectors[kind].lane(lane);
      put(view.first_column + at + lane, negatives[lane], positives[lane], totals);
    }
  }
}

template <typename T, bool kMoments, bool kLabels>
void sums_of(const ContrastOperands<T>& o, const ContrastTile& tile, const ContrastSums<T>& out,
             T* stored, T* scratch) {
  const auto add =
      out.negatives.maxima ? online_sums<T, kMoments, kLabels> : plain_sums<T, kMoments, kLabels>;
  add(o, tile, out, stored, scratch);
}

template <typename T>
void sums(const ContrastOperands<T>& o, const ContrastTile& tile, const ContrastSums<T>& out,
          T* stored, T* scratch) {
  const auto add = out.negatives.moments
                       ? (o.labels ? sums_of<T, true, true> : sums_of<T, true, false>)
                       : (o.labels ? sums_of<T, false, true> : sums_of<T, false, false>);
  add(o, tile, out, stored, scratch);
}

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

template <typename T>
double length(const T* z, int64_t dim) {
  constexpr int64_t kStep = Wide<T>::kStep;
  Vec<double> squares{};
  int64_t d = 0;
  for (; d + kStep <= dim; d += kStep) {
    const Vec<double> v = Wide<T>::read(z + d);
    squares += v * v;
  }
  double sum = sum_of_lanes<double>(squares);
  for (; d < dim; ++d) sum += static_cast<double>(z[d]) * z[d];
  return __builtin_sqrt(sum);
}

template <typename T>
void pack(const ContrastOperands<T>& o, const T* z, int64_t rows, bool normalize, int64_t first,
          double* norms) {
  for (int64_t r = 0; r < kPanel<T>; ++r) {
    double inverse = 1;
    if (r < rows) {
      norms[r] = normalize ? length(z + r * o.dim, o.dim) : 1.0;
      inverse = 1 / (norms[r] < kNormEpsilon ? kNormEpsilon : norms[r]);  // a NaN passes
    }
    for (int64_t d = 0; d < o.padded_dim; d += kPanel<T>) {
      T* row = o.panels + d * o.padded_rows + (first + r) * kPanel<T>;
      const int64_t width = r < rows ? smaller(kPanel<T>, o.dim - d) : 0;
      int64_t c = 0;
      for (; c + Wide<T>::kStep <= width; c += Wide<T>::kStep) {
        Wide<T>::write(row + c, Wide<T>::read(z + r * o.dim + d + c) * inverse);
      }
      for (; c < width; ++c) row[c] = static_cast<T>(z[r * o.dim + d + c] * inverse);
      for (; c < kPanel<T>; ++c) row[c] = 0;
    }
  }
  // Four rows at a time: the stores of a column then meet in one cache line.
  T* transposed = o.transposed + first * o.dim;
  for (int64_t r = 0; r < kPanel<T>; r += 4) {
    for (int64_t d = 0; d < o.dim; ++d) {
      const T* column = o.panels + d / kPanel<T> * kPanel<T> * o.padded_rows +
                        (first + r) * kPanel<T> + d % kPanel<T>;
      T* out = transposed + d * kPanel<T> + r;
      for (int64_t i = 0; i < 4; ++i) out[i] = column[i * kPanel<T>];
    }
  }
}

template <typename T>
double dot(const ContrastOperands<T>& o, int64_t i, int64_t j) {
  Vec<double> sums{};
  for (int64_t d = 0; d < o.padded_dim; d += kPanel<T>) {
    const T* panel = o.panels + d * o.padded_rows;
    for (int64_t c = 0; c < kPanel<T>; c += Wide<T>::kStep) {
      sums += Wide<T>::read(panel + i * kPanel<T> + c) * Wide<T>::read(panel + j * kPanel<T> + c);
    }
  }
  return sum_of_lanes<double>(sums);
}

template <typename T>
double finish(const ContrastOperands<T>& o, int64_t i, int64_t pair, double attraction, double norm,
              bool normalize, double factor, const T* gradient, T* out) {
  constexpr int64_t kStep = Wide<T>::kStep;
  const auto unit = [&](int64_t row, int64_t d) SIMCLR_BENCH_LAMBDA {
    const int64_t panel = d / kPanel<T> * kPanel<T>;
    return Wide<T>::read(o.panels + panel * o.padded_rows + row * kPanel<T> + d - panel);
  };
  const auto total = [&](int64_t d) SIMCLR_BENCH_LAMBDA {
    return Wide<T>::read(gradient + d) - attraction * unit(pair, d);
  };
  Vec<double> sums{};
  for (int64_t d = 0; d < o.padded_dim; d += kStep) sums += total(d) * unit(i, d);
  const double along = sum_of_lanes<double>(sums);
  const double radial = normalize && !(norm < kNormEpsilon) ? along : 0.0;
  const double scale = factor / (norm < kNormEpsilon ? kNormEpsilon : norm);
  for (int64_t d = 0; d < o.dim; d += kStep) {
    const Vec<double> result = (total(d) - radial * unit(i, d)) * scale;
    if (d + kStep <= o.dim) {
      Wide<T>::write(out + d, result);
    } else {
      for (int64_t c = 0; c < o.dim - d; ++c) out[d + c] = static_cast<T>(result[c]);
    }
  }
  return along;
}

template <typename T>
int64_t scratch(int64_t tile) {
  return tile * (tile + kRowPadding + kMostKinds * 2 * kLanes<T>);
}

template <typename T>
constexpr ContrastKernels<T> kContrast = {kPanel<T>, scratch<T>,  pack<T>,  dot<T>,
                                          sums<T>,   gradient<T>, finish<T>};

}  // namespace

extern const ContrastKernels<float> contrast_float;
extern const ContrastKernels<double> contrast_double;
constexpr ContrastKernels<float> contrast_float = kContrast<float>;
constexpr ContrastKernels<double> contrast_double = kContrast<double>;

}  // namespace simclr_bench::SIMCLR_BENCH_ISA

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

// Sums with nothing taken out: one exponential serves the row and the column.
template <typename T, bool kLabels>
void plain_sums(const ContrastOperands<T>& o, const ContrastTile& tile, const ContrastSums<T>& out,
                T* stored, T* scratch) {
  const FlushDenormals flush;
  const TileView<T> view(o, tile);
  T* row_sums = scratch;                            // [tile, lanes]
  T* row_positives = scratch + o.tile * kLanes<T>;  // [tile, lanes]
  for (int64_t i = 0; i < (kLabels ? 2 : 1) * o.tile * kLanes<T>; ++i) scratch[i] = 0;
  Vec<T> column_sums[2] = {};
  Vec<T> column_positives[2] = {};
  const auto visit = [&](int64_t row, int64_t column, Block<T>& block) SIMCLR_BENCH_LAMBDA {
    const bool whole = view.whole(row, column);
    Vec<T> above[2];
#pragma GCC unroll 8
    for (int64_t r = 0; r < kRowStep; ++r) {
#pragma GCC unroll 2
      for (int64_t half = 0; half < 2; ++half) {
        const int64_t at = column + half * kLanes<T>;
        const Vec<T> similarity = block[r][half];
        Vec<T> e = exp2_of(similarity * o.scale);
        if (__builtin_expect(!whole, 0)) e = keep<T>(view.counts(row + r, at), e);
        block[r][half] = e;
        if constexpr (kLabels) {
          const Mask<T> same =
              load(o.labels + view.first_column + at) == o.labels[view.first_row + row + r];
          Vec<T> positive = keep<T>(same, similarity);
          if (!whole) positive = keep<T>(view.counts(row + r, at), positive);
          T* sum = row_positives + (row + r) * kLanes<T>;
          store(sum, load(sum) + positive);
          column_positives[half] += positive;
        }
      }
      T* sum = row_sums + (row + r) * kLanes<T>;
      store(sum, load(sum) + (block[r][0] + block[r][1]));
      if (stored) {
        store(stored + (row + r) * o.tile + column, block[r][0]);
        store(stored + (row + r) * o.tile + column + kLanes<T>, block[r][1]);
      }
    }
    // In pairs, so that a column's sum has an eighth as many steps.
#pragma GCC unroll 2
    for (int64_t half = 0; half < 2; ++half) {
      above[half] = Vec<T>{};
#pragma GCC unroll 4
      for (int64_t r = 0; r < kRowStep; r += 2) above[half] += block[r][half] + block[r + 1][half];
      column_sums[half] += above[half];
    }
  };
  const auto finish_panel = [&](int64_t column) SIMCLR_BENCH_LAMBDA {
    if (tile.columns) {
      for (int64_t lane = 0; lane < kPanel<T>; ++lane) {
        const int64_t at = view.first_column + column + lane;
        out.sums[at] += column_sums[lane / kLanes<T>][lane % kLanes<T>];
        if constexpr (kLabels) {
          out.positives[at] += column_positives[lane / kLanes<T>][lane % kLanes<T>];
        }
      }
    }
    column_sums[0] = column_sums[1] = Vec<T>{};
    column_positives[0] = column_positives[1] = Vec<T>{};
  };
  for_each_block<T>(o, view, visit, finish_panel);
  for (int64_t row = 0; row < view.rows; ++row) {
    out.sums[view.first_row + row] += sum_of_lanes<T>(load(row_sums + row * kLanes<T>));
    if constexpr (kLabels) {
      out.positives[view.first_row + row] += sum_of_lanes<T>(load(row_positives + row * kLanes<T>));
    }
  }
}

// Adds exponentials with `maximum` taken out to a running sum with its own maximum. A maximum of
// -inf belongs to a sum of no terms, which is 0, or NaN if one of its similarities was.
template <typename T>
SIMCLR_BENCH_INLINE void merge(T maximum, double sum, T scale, T& running_maximum,
                               double& running_sum) {
  const T larger = maximum > running_maximum ? maximum : running_maximum;
  if (larger == -kInfinity<T>) {
    running_sum += sum;
    return;
  }
  const auto factor = [&](T from) {
    return __builtin_exp2((static_cast<double>(from) - larger) * scale);
  };
  running_sum = running_sum * factor(running_maximum) + sum * factor(maximum);
  running_maximum = larger;
}

// Sums where exponentials may overflow: similarities to a buffer first, then each row's and each
// column's own maximum.
template <typename T, bool kLabels>
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
        if constexpr (kLabels) {
          const Mask<T> same =
              load(o.labels + view.first_column + at) == o.labels[view.first_row + row + r];
          Vec<T> positive = keep<T>(same, similarity);
          if (!whole) positive = keep<T>(view.counts(row + r, at), positive);
          out.positives[view.first_row + row + r] += sum_of_lanes<T>(positive);
          if (tile.columns) {
            for (int64_t lane = 0; lane < kLanes<T>; ++lane) {
              out.positives[view.first_column + at + lane] += positive[lane];
            }
          }
        }
      }
    }
  };
  for_each_block<T>(o, view, visit, [](int64_t) SIMCLR_BENCH_LAMBDA {});

  const auto above = [&](Vec<T> similarity, Vec<T> maximum) SIMCLR_BENCH_LAMBDA {
    const Vec<T> finite = maximum == -kInfinity<T> ? Vec<T>{} : maximum;
    return exp2_of((similarity - finite) * o.scale);
  };
  for (int64_t row = 0; row < view.rows; ++row) {
    const T* similarity = buffer + row * o.tile;
    Vec<T> maxima = broadcast(-kInfinity<T>);
    Vec<T> sums{};
    for (int64_t at = 0; at < view.columns; at += kLanes<T>) {
      maxima = larger<T>(load(similarity + at), maxima);
    }
    const T maximum = largest_lane<T>(maxima);
    for (int64_t at = 0; at < view.columns; at += kLanes<T>) {
      sums += above(load(similarity + at), broadcast(maximum));
    }
    const int64_t i = view.first_row + row;
    merge<T>(maximum, sum_of_lanes<T>(sums), o.scale, out.maxima[i], out.sums[i]);
  }
  if (!tile.columns) return;
  for (int64_t at = 0; at < view.columns; at += kLanes<T>) {
    Vec<T> maxima = broadcast(-kInfinity<T>);
    Vec<T> sums{};
    for (int64_t row = 0; row < view.rows; ++row) {
      maxima = larger<T>(load(buffer + row * o.tile + at), maxima);
    }
    for (int64_t row = 0; row < view.rows; ++row) {
      sums += above(load(buffer + row * o.tile + at), maxima);
    }
    for (int64_t lane = 0; lane < smaller(kLanes<T>, view.columns - at); ++lane) {
      const int64_t j = view.first_column + at + lane;
      merge<T>(maxima[lane], sums[lane], o.scale, out.maxima[j], out.sums[j]);
    }
  }
}

template <typename T>
void sums(const ContrastOperands<T>& o, const ContrastTile& tile, const ContrastSums<T>& out,
          T* stored, T* scratch) {
  if (out.maxima) {
    o.labels ? online_sums<T, true>(o, tile, out, stored, scratch)
             : online_sums<T, false>(o, tile, out, stored, scratch);
  } else {
    o.labels ? plain_sums<T, true>(o, tile, out, stored, scratch)
             : plain_sums<T, false>(o, tile, out, stored, scratch);
  }
}

// The weight G_ij from what `sums` would store: the exponential, or with kOnline the similarity.
template <typename T, bool kOnline, bool kLabels>
struct Weights {
  const ContrastOperands<T>& o;
  const TileView<T>& view;
  const T* coefficients;
  const T* maxima;
  const T* label_weights;

  SIMCLR_BENCH_INLINE Vec<T> operator()(Vec<T> value, int64_t row, int64_t column,
                                        bool whole) const {
    const int64_t i = view.first_row + row;
    const int64_t j = view.first_column + column;
    const Vec<T> of_columns = load(coefficients + j);
    Vec<T> weight;
    if constexpr (kOnline) {
      weight = exp2_of((value - maxima[i]) * o.scale) * coefficients[i] +
               exp2_of((value - load(maxima + j)) * o.scale) * of_columns;
    } else {
      weight = value * (of_columns + coefficients[i]);
    }
    if constexpr (kLabels) {
      const Mask<T> same = load(o.labels + j) == o.labels[i];
      weight -= keep<T>(same, load(label_weights + j) + label_weights[i]);
    }
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
void add_gradient(const ContrastOperands<T>& o, const ContrastTile& tile, const T* coefficients,
                  const T* maxima, const T* label_weights, const T* stored, T* gradients,
                  T* scratch) {
  const FlushDenormals flush;
  const TileView<T> view(o, tile);
  const Weights<T, kOnline, kLabels> weight{o, view, coefficients, maxima, label_weights};
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
void gradient(const ContrastOperands<T>& o, const ContrastTile& tile, const T* coefficients,
              const T* maxima, const T* weights, const T* stored, T* gradients, T* scratch) {
  const auto add = maxima
                       ? (o.labels ? add_gradient<T, true, true> : add_gradient<T, true, false>)
                       : (o.labels ? add_gradient<T, false, true> : add_gradient<T, false, false>);
  add(o, tile, coefficients, maxima, weights, stored, gradients, scratch);
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
  return tile * (tile + kRowPadding + 2 * kLanes<T>);
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
